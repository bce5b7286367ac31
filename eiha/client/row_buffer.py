"""Rows of several calls gathered for one publication."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eiha.client.session import MakeMessage
from eiha.errors import WrongSchema
from eiha.events.rows import rows_to_batch
from eiha.events.schema import StreamDefinition
from eiha.events.wire import encode
from eiha.protocol import client_messages as messages
from eiha.protocol.limits import ROWS_MESSAGE_ITEMS_MAX


@dataclass(frozen=True, slots=True)
class RowCall:
    """One call of ``publish_rows``."""

    rows: Sequence[Sequence[Any]]
    timestamps: Sequence[int] | None
    future: asyncio.Future[int]


class RowBuffer:
    """Calls for one stream, all with timestamps or all without."""

    def __init__(self, definition: StreamDefinition, *, is_stamped: bool) -> None:
        self.definition = definition
        self.is_stamped = is_stamped
        self.calls: list[RowCall] = []
        self.rows = 0

    def add(self, rows: Sequence[Sequence[Any]], timestamps: Sequence[int] | None, future: asyncio.Future[int]) -> None:
        """Take a call."""
        self.calls.append(RowCall(rows, timestamps, future))
        self.rows += len(rows)


@dataclass(frozen=True, slots=True)
class EncodedCalls:
    """A publication, or why there is none, and the calls it answers."""

    calls: list[RowCall]
    rows: int = 0
    size: int = 0
    make: MakeMessage = field(default=lambda sequence, number: messages.PublishRows(sequence, number, None, []))
    failure: WrongSchema | None = None


def encode_calls(buffer: RowBuffer, *, rows_on_wire: bool) -> Iterator[EncodedCalls]:
    """One publication of all calls; if some do not fit the stream, one for each good call and a failure for others."""
    try:
        yield _encode(buffer.definition, buffer.calls, rows_on_wire=rows_on_wire)
    except WrongSchema as failure:
        if len(buffer.calls) == 1:
            yield EncodedCalls(buffer.calls, failure=failure)
            return
        for call in buffer.calls:
            try:
                yield _encode(buffer.definition, [call], rows_on_wire=rows_on_wire)
            except WrongSchema as own:
                yield EncodedCalls([call], failure=own)


def _encode(definition: StreamDefinition, calls: list[RowCall], *, rows_on_wire: bool) -> EncodedCalls:
    rows: Sequence[Sequence[Any]]
    stamps: Sequence[int] | None
    if len(calls) == 1:
        rows, stamps = calls[0].rows, calls[0].timestamps
    else:
        rows = [row for call in calls for row in call.rows]
        stamps = None
        if calls[0].timestamps is not None:
            stamps = [stamp for call in calls for stamp in call.timestamps or ()]
    count = len(rows)
    if rows_on_wire and count <= ROWS_MESSAGE_ITEMS_MAX:
        # an estimate of the bytes, for the window only
        size = count * 12 * max(1, len(definition.schema))
        return EncodedCalls(
            calls, count, size, lambda sequence, number: messages.PublishRows(sequence, number, stamps, rows)
        )
    payload = encode(rows_to_batch(rows, definition.schema, stamps))
    return EncodedCalls(
        calls, count, len(payload), lambda sequence, number: messages.Publish(sequence, number, count, payload)
    )
