"""Reads what stores and witness hold at the end of a run, into the forms of ``history.py``."""

from __future__ import annotations

import json

import numpy as np

from tests.chaos.database import query
from tests.chaos.history import StoredEvents, StoredOutputs, WitnessChange

EVENT_TABLE = "event_Trades"


def stored_events(url: str) -> StoredEvents:
    """The event store's rows in the order of the log."""
    rows = query(
        url,
        "SELECT eiha_sequence, eiha_ordinal, eiha_event_time, eiha_log_time, client, number, symbol, price, volume "
        f"FROM {EVENT_TABLE} ORDER BY eiha_sequence, eiha_ordinal",
    )
    numbers = np.array([row[:6] for row in rows], dtype=np.int64).reshape(len(rows), 6)
    return StoredEvents(*(numbers[:, column] for column in range(6)), [tuple(row[6:]) for row in rows])


def stored_outputs(url: str, stream: str, attributes: tuple[str, ...]) -> StoredOutputs:
    """One output stream's rows in the order of the log."""
    columns = ", ".join(attributes)
    statement = (
        f"SELECT eiha_sequence, eiha_ordinal, eiha_event_time, {columns} FROM {stream} "
        "ORDER BY eiha_sequence, eiha_ordinal"
    )
    return StoredOutputs(stream, [tuple(row) for row in query(url, statement)])


def witness_history(url: str) -> list[WitnessChange]:
    """Every change of the row, by version."""
    rows = query(
        url,
        "SELECT version, epoch, active, active_incarnation, synced, reason FROM eiha_witness_history ORDER BY version",
    )
    return [
        WitnessChange(
            version,
            epoch,
            (active, incarnation),
            tuple((str(node), str(disk)) for node, disk in json.loads(synced)),
            reason,
        )
        for version, epoch, active, incarnation, synced, reason in rows
    ]
