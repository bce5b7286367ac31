"""Rows that a plan did not get, or could not take: outputs of the log like others, for the sink ``errors``.

One row an event, with the event as JSON text, so that it can be read, and published again once the plan is mended.
Their id is (plan, ``eiha_errors``, sequence, ordinal); numbers that JSON does not know are texts.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from eiha.errors import MalformedBatch, WrongSchema
from eiha.events.rows import text_column
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn, decode
from eiha.kernel.ids import LogTimeMs, Sequence
from eiha.protocol.log_entry import LogEntry, Publication
from eiha.protocol.outputs import OutputBatch
from eiha.protocol.plan_streams import stream_of

ERRORS_SINK: Final = "errors"
"""Outbox lane of events that plans could not take."""

ERROR_STREAM: Final = StreamDefinition(
    "eiha_errors",
    Schema(
        (
            Attribute("stream", AttributeType.STRING),
            Attribute("cause", AttributeType.STRING),
            Attribute("reason", AttributeType.STRING),
            Attribute("client", AttributeType.STRING),
            Attribute("client_sequence", AttributeType.LONG),
            Attribute("row_number", AttributeType.INT),
            Attribute("event", AttributeType.STRING),
            Attribute("has_time", AttributeType.BOOL),
        )
    ),
)
"""``cause``: ``raised | killed | hung | suspended | undecodable``; ``has_time``: the client gave the event's time."""


class ErrorRows:
    """The rows of one entry that one plan did not take."""

    def __init__(self, plan: str) -> None:
        self._plan = plan
        self._times: list[int | None] = []
        self._columns: tuple[list[Any], ...] = tuple([] for _ in ERROR_STREAM.schema.attributes)

    def add(
        self, publication: Publication, schema: Schema, rows: Iterable[int] | None, cause: str, reason: str
    ) -> None:
        """Rows of ``publication`` by their numbers; None: all of them."""
        try:
            wire = decode(publication.payload, schema)
        except (MalformedBatch, WrongSchema) as damage:
            self.add_undecodable(publication, f"{reason}; {damage}")
            return
        lists = [_plain_values(column) for column in wire.columns]
        names = schema.names
        for row in range(wire.rows) if rows is None else rows:
            event = json.dumps({name: values[row] for name, values in zip(names, lists, strict=True)}, allow_nan=False)
            time_ms = None if wire.timestamps is None else int(wire.timestamps[row])
            self._add_row(publication, cause, reason, row, event, time_ms)

    def add_undecodable(self, publication: Publication, reason: str) -> None:
        """A publication that cannot be read: kept as it came."""
        whole = json.dumps({"payload_base64": base64.b64encode(publication.payload).decode()})
        self._add_row(publication, "undecodable", reason, 0, whole, None)

    def _add_row(
        self, publication: Publication, cause: str, reason: str, row: int, event: str, time_ms: int | None
    ) -> None:
        values = (
            stream_of(publication),
            cause,
            reason,
            publication.client_id,
            publication.client_sequence,
            row,
            event,
            time_ms is not None,
        )
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self._times.append(time_ms)

    def output(self, entry: LogEntry) -> OutputBatch | None:
        """The rows as an output of ``entry``; None when there are none."""
        if not self._times:
            return None
        return error_output(self._plan, entry.sequence, entry.log_time_ms, self._times, self._columns)


def error_output(
    plan: str,
    sequence: Sequence,
    log_time_ms: LogTimeMs,
    times: list[int | None],
    columns: tuple[list[Any], ...],
) -> OutputBatch:
    """Rows of ``ERROR_STREAM``; events without a time of their own have the entry's."""
    stamps = np.array([log_time_ms if time is None else time for time in times], dtype=np.int64)
    wire = tuple(
        text_column(values)
        if attribute.type is AttributeType.STRING
        else WireColumn(attribute.type, np.array(values, dtype=attribute.type.dtype))
        for attribute, values in zip(ERROR_STREAM.schema.attributes, columns, strict=True)
    )
    return OutputBatch(ERRORS_SINK, plan, ERROR_STREAM, sequence, log_time_ms, 0, WireBatch(len(times), stamps, wire))


def _plain_values(column: WireColumn) -> list[Any]:
    return [plain(value) for value in column.to_list()]


def plain(value: Any) -> Any:
    """``value`` as JSON has it."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case None | bool() | str() | int() | float():
            return value
        case list() | tuple():
            return [plain(each) for each in value]
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
        case _:
            return str(value)


def rows_of(errors: dict[str, ErrorRows], plan: str) -> ErrorRows:
    """Where error rows of ``plan`` are gathered."""
    return errors.setdefault(plan, ErrorRows(plan))
