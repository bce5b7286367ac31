"""Rows that a plan did not get, or could not take: outputs of the log like others, for the sink ``errors``.

One row an event, with the event as JSON text, so that it can be read, and published again once the plan is mended.
Their id is (plan, ``eiha_errors``, sequence, ordinal); numbers that JSON does not know are texts.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

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
"""``cause``: ``failed | raised | killed | hung | suspended | undecodable``; ``has_time``: the client gave the time.

``failed``: a query failed on the event, and its stream has ``@OnError(action='STORE')``.
"""

NO_ROW: Final = -1
"""Row number of an event that is none of a publication: a query put it out."""


class _Origin(NamedTuple):
    """Whose publication it was; an empty client: nobody's, time passed."""

    client: str
    client_sequence: int


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
        texts = _event_texts(wire, schema)
        origin = _Origin(publication.client_id, publication.client_sequence)
        for row in range(wire.rows) if rows is None else rows:
            time_ms = None if wire.timestamps is None else int(wire.timestamps[row])
            has_time = time_ms is not None
            self._add_row(stream_of(publication), cause, reason, origin, row, texts(row), time_ms, has_time=has_time)

    def add_failed(
        self,
        stream: str,
        wire: WireBatch,
        schema: Schema,
        cause: str,
        reason: str,
        publication: Publication | None,
        *,
        has_time: bool,
    ) -> None:
        """Rows of ``stream``, all with a time, on which the plan failed at ``publication``, or as time passed."""
        texts = _event_texts(wire, schema)
        assert wire.timestamps is not None
        nobody = _Origin("", 0)
        origin = nobody if publication is None else _Origin(publication.client_id, publication.client_sequence)
        for row, time_ms in enumerate(wire.timestamps.tolist()):
            self._add_row(stream, cause, reason, origin, NO_ROW, texts(row), time_ms, has_time=has_time)

    def add_undecodable(self, publication: Publication, reason: str) -> None:
        """A publication that cannot be read: kept as it came."""
        whole = json.dumps({"payload_base64": base64.b64encode(publication.payload).decode()})
        origin = _Origin(publication.client_id, publication.client_sequence)
        stream = stream_of(publication)
        self._add_row(stream, "undecodable", reason, origin, 0, whole, None, has_time=False)

    def _add_row(
        self,
        stream: str,
        cause: str,
        reason: str,
        origin: _Origin,
        row: int,
        event: str,
        time_ms: int | None,
        *,
        has_time: bool,
    ) -> None:
        values = (stream, cause, reason, origin.client, origin.client_sequence, row, event, has_time)
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


def _event_texts(wire: WireBatch, schema: Schema) -> Callable[[int], str]:
    """The event of each row, as JSON."""
    lists = [_plain_values(column) for column in wire.columns]
    names = schema.names

    def text_of(row: int) -> str:
        return json.dumps({name: values[row] for name, values in zip(names, lists, strict=True)}, allow_nan=False)

    return text_of


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
