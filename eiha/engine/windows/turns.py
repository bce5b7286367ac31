"""What batch windows decide: spans of rows that go out together, before any row is written.

A batch that turns is a few spans (the rows before as expired ones, the reset, its rows), however many rows are in it;
so a period costs the loop that finds its end nothing but these. ``Turns.batch`` writes the rows out where somebody
wants to see them; ``operators.tumbling_aggregates`` adds them up where they lie.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.jit import ReadInt64, ReadNumber, ReadUInt8, WriteInt64, WriteNumber, WriteUInt8, kernel
from eiha.engine.operator import Operator, RowClock
from eiha.engine.windows.emission import RESET
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Schema

Longs = npt.NDArray[np.int64]

OWN_TIME: Final = -(2**62)
"""Timestamp of a span whose rows keep their own ones."""

_LONG_SPAN: Final = 8
"""Spans of so many rows are copied one by one; of shorter ones the rows are gathered."""


class Turns:
    """Room for ``capacity`` spans: positions of the first row and behind the last one, kind, timestamp, chunk number.

    A kernel fills the arrays from the front. ``count``: how many it wrote; ``stays``: the oldest row that the window
    holds on, those before are dropped when the spans were read. A window may use the same ones again in its next call.
    """

    __slots__ = ("begins", "chunks", "count", "ends", "kinds", "stays", "timestamps")

    def __init__(self, capacity: int) -> None:
        self.begins: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.ends: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.kinds: npt.NDArray[np.uint8] = np.empty(capacity, dtype=np.uint8)
        self.timestamps: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.chunks: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.count = 0
        self.stays = 0

    def with_room(self, capacity: int) -> Turns:
        """These, if they have room for ``capacity`` spans, or others."""
        return self if capacity <= len(self.begins) else Turns(capacity)

    def batch(self, schema: Schema, store: RowStore, *, resets: bool = True) -> EventBatch:
        """The rows of the spans, as they are in ``store``, which then forgets those that do not stay.

        ``resets`` False: nobody wants to know of resets.
        """
        count = self.count
        assert count <= len(self.begins)
        begins, ends, kinds = self.begins[:count], self.ends[:count], self.kinds[:count]
        times, numbers = self.timestamps[:count], self.chunks[:count]
        if not resets:
            kept = np.flatnonzero(kinds != RESET)
            begins, ends, kinds = begins.take(kept), ends.take(kept), kinds.take(kept)
            times, numbers = times.take(kept), numbers.take(kept)
        rows = int((ends - begins).sum())
        timestamps, chunks = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
        row_kinds = np.empty(rows, dtype=np.uint8) if kinds.any() else None
        _write_rows(begins, ends, times, numbers, store.timestamps, timestamps, chunks)
        if row_kinds is not None:
            _write_kinds(begins, ends, kinds, row_kinds)
        columns = _columns(schema, store, begins, ends, rows)
        store.drop(self.stays - store.start)
        return EventBatch(schema, timestamps, columns, row_kinds, chunks, collapses=True)


class TurningWindow(Operator, Protocol):
    """A batch window that can be asked for spans instead of rows."""

    @property
    def store(self) -> RowStore:
        """Where the rows of the spans lie."""

    def turn(self, batch: EventBatch, clock: RowClock) -> Turns:
        """As ``process``, which writes these out; the caller drops what does not stay."""

    def fire_turn(self, now_ms: int) -> Turns | None:
        """As ``fire``."""


class CountingWindow(TurningWindow, Protocol):
    """A batch window that can do with a ``RowCount`` for a store: each row goes out once, and nobody sees it leave."""

    def accepted(self, batch: EventBatch, clock: RowClock) -> tuple[EventBatch, RowClock]:
        """The rows that the window does not refuse: given to ``turn``, all of them enter."""


def _columns(schema: Schema, store: RowStore, begins: Longs, ends: Longs, rows: int) -> tuple[Column, ...]:
    """The columns of the rows in these spans."""
    positions: Longs | None = None
    columns: list[Column] = []
    for index, attribute in enumerate(schema.attributes):
        values, valid = store.column(index), store.valid(index)
        whole = valid is None and rows >= _LONG_SPAN * len(begins) and values.dtype.kind in "if"
        if not whole and positions is None:
            positions = np.empty(rows, dtype=np.int64)
            _write_positions(begins, ends, positions)
        if whole or positions is None:
            held = np.empty(rows, dtype=values.dtype)
            _copy_spans(values, begins, ends, held)
            columns.append(Column(attribute.type, held))
            continue
        mask = None if valid is None else valid.take(positions)
        if mask is not None and mask.all():
            mask = None
        columns.append(Column(attribute.type, values.take(positions), mask))
    return tuple(columns)


@kernel
def _write_rows(
    begins: ReadInt64,
    ends: ReadInt64,
    times: ReadInt64,
    numbers: ReadInt64,
    timestamps: ReadInt64,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> None:
    out = 0
    for span in range(len(begins)):
        rows = ends[span] - begins[span]
        if times[span] == OWN_TIME:
            for row in range(rows):
                out_timestamps[out + row] = timestamps[begins[span] + row]
        else:
            for row in range(rows):
                out_timestamps[out + row] = times[span]
        for row in range(rows):
            out_chunks[out + row] = numbers[span]
        out += rows


@kernel
def _write_kinds(begins: ReadInt64, ends: ReadInt64, kinds: ReadUInt8, out_kinds: WriteUInt8) -> None:
    out = 0
    for span in range(len(begins)):
        stop = out + ends[span] - begins[span]
        while out < stop:
            out_kinds[out] = kinds[span]
            out += 1


@kernel
def _write_positions(begins: ReadInt64, ends: ReadInt64, out_positions: WriteInt64) -> None:
    out = 0
    for span in range(len(begins)):
        for position in range(begins[span], ends[span]):
            out_positions[out] = position
            out += 1


@kernel
def _copy_spans(values: ReadNumber, begins: ReadInt64, ends: ReadInt64, out: WriteNumber) -> None:
    first = 0
    for span in range(len(begins)):
        begin = begins[span]
        rows = ends[span] - begin
        for row in range(rows):
            out[first + row] = values[begin + row]
        first += rows
