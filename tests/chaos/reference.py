"""The undisturbed run: the engine alone, fed with what the clients say they sent, in the order that the log gave it.

Order and batch boundaries are those of the event store (entry by entry, publication by publication), the content is
that of the clients. Plans that were deployed meanwhile are deployed before the first event that their outputs show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eiha.engine.runtime import EVENTS_SINK, EngineRuntime
from eiha.events import wire
from eiha.events.wire import WireBatch
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs
from eiha.kernel.ids import Sequence as LogSequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications
from tests.chaos.clients import STREAM
from tests.chaos.history import ClientHistory, StoredEvents, StoredOutputs
from tests.chaos.workload import PLAN, PLAN_NAME, TAGGED_NAME, VERSION_AT, tagged_plan


def reference_outputs(
    clients: Sequence[ClientHistory], events: StoredEvents, tagged: StoredOutputs
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each output stream: ``(sequence, ordinal, event time, attributes…)``.

    Args:
        clients: what was sent.
        events: the order of the log.
        tagged: tells from where on each version of the plan ``tagged`` was deployed; nothing else of it is used.
    """
    engine = EngineRuntime()
    found: dict[str, list[tuple[Any, ...]]] = {}
    for entry in entries(clients, events, tagged):
        applied = engine.apply(entry)
        assert not applied.faults, applied.faults
        for output in applied.outputs:
            if output.sink == EVENTS_SINK:
                continue
            rows = found.setdefault(output.stream.name, [])
            for ordinal, row in enumerate(_rows(output.batch), output.first_ordinal):
                rows.append((int(entry.sequence), ordinal, *row))
    return found


def entries(clients: Sequence[ClientHistory], events: StoredEvents, tagged: StoredOutputs) -> Iterator[LogEntry]:
    """The log as an engine sees it."""
    by_number = {history.client: history for history in clients}
    deployments = dict(sorted(_first_rows(tagged).items()))
    for at, sequence, log_time_ms, rows in _entries_of(events):
        if at == 0:
            yield _entry(sequence - 1, log_time_ms, DeployPlan(PLAN_NAME, PLAN))
        version = deployments.get(sequence)
        if version is not None:
            yield _entry(sequence - 1, log_time_ms, DeployPlan(TAGGED_NAME, tagged_plan(version)))
        items = tuple(
            _publication(by_number[client], number)
            for client, number in _publications_of(by_number, events.client[rows], events.number[rows])
        )
        yield _entry(sequence, log_time_ms, Publications(items))


def _first_rows(tagged: StoredOutputs) -> dict[int, int]:
    """Version by the sequence of its first row."""
    found: dict[int, int] = {}
    for row in tagged.rows:
        found.setdefault(row[VERSION_AT], row[0])
    return {sequence: version for version, sequence in found.items()}


def _entries_of(events: StoredEvents) -> Iterator[tuple[int, int, int, slice]]:
    """Number, sequence, log time and rows of each entry."""
    if not len(events):
        return
    starts = np.flatnonzero(np.r_[True, events.sequence[1:] != events.sequence[:-1]]).tolist()
    for at, (start, stop) in enumerate(zip(starts, [*starts[1:], len(events)], strict=True)):
        yield at, int(events.sequence[start]), int(events.log_time_ms[start]), slice(start, stop)


def _publications_of(by_number: dict[int, ClientHistory], clients: Any, numbers: Any) -> list[tuple[int, int]]:
    """Client and number of each publication of an entry, in the order of its rows, each once."""
    rows = zip(clients.tolist(), numbers.tolist(), strict=True)
    return list(dict.fromkeys((client, number // by_number[client].rows) for client, number in rows))


def _publication(history: ClientHistory, number: int) -> Publication:
    batch = history.batch(number)
    if history.is_stamped:
        batch = replace(batch, timestamps=np.full(history.rows, history.time_ms[number], dtype=np.int64))
    name = ClientId(f"client {history.client}")
    return Publication(name, ClientSequence(number + 1), STREAM, batch.rows, wire.encode(batch))


def _entry(sequence: int, log_time_ms: int, body: EntryBody) -> LogEntry:
    return LogEntry(Epoch(1), LogSequence(sequence), LogTimeMs(log_time_ms), body)


def _rows(batch: WireBatch) -> Iterator[tuple[Any, ...]]:
    assert batch.timestamps is not None
    return zip(batch.timestamps.tolist(), *(column.to_list() for column in batch.columns), strict=True)
