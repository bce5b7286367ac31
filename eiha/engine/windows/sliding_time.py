"""``time(t)``: the rows of the latest t milliseconds, by the rows' own timestamps.

Rows leave in the order of arrival: a late row waits for those that came before it. A row whose timestamp is above all
before sets a timer for the moment at which it is due; what a timer finds due is a chunk of its own. Rows that are due
without a timer (late ones, and those of the chunk that is being processed) leave just before the next row, in
its chunk.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema

_NO_TIME: Final = -(2**62)


class TimeWindow:
    """Holds the rows of the latest ``length_ms``; an expired row carries the time at which it left.

    In playback a timer sees the time to which the clock has moved; else it sees the moment for which it was set.
    """

    __slots__ = ("_clock_ms", "_length_ms", "_overdue_ms", "_playback", "_record_ms", "_schema", "_store", "_timer")

    def __init__(self, schema: Schema, length_ms: int, *, playback: bool) -> None:
        self._schema = schema
        self._length_ms = length_ms
        self._playback = playback
        self._store = RowStore(schema)  # a mark: this row set a timer that has not fired
        self._record_ms = _NO_TIME  # the highest timestamp so far
        self._clock_ms = _NO_TIME  # the latest time seen
        self._timer = 0  # rows from the oldest to the first marked one
        self._overdue_ms = _NO_TIME  # the earliest timer whose row has left before it fired

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Current rows, and before each what is due by its time."""
        store = self._store
        first = store.append(batch)
        if not len(batch):
            return batch
        last_now = int(clock.now_ms[-1])
        due = _count_due(store.timestamps, store.start, store.stop, last_now - self._length_ms)
        emission = Emission(len(batch) + due)
        rows, start, timer, self._record_ms, self._overdue_ms = _slide(
            store.timestamps,
            store.marks,
            store.start,
            first,
            store.start + self._timer,
            self._record_ms,
            self._overdue_ms,
            self._clock_ms,
            self._playback,
            clock.now_ms,
            batch.chunk_numbers(),
            self._length_ms,
            emission.positions,
            emission.kinds,
            emission.timestamps,
            emission.chunks,
        )
        self._clock_ms = max(self._clock_ms, last_now)
        out = emission.batch(rows, self._schema, store)
        self._drop_before(start, timer)
        return out

    def fire(self, now_ms: int) -> EventBatch | None:
        """What is due at the earliest timer, as expired rows."""
        timer_ms = self.next_timer_ms()
        if timer_ms is None or timer_ms > now_ms:
            return None
        store = self._store
        at_ms = now_ms if self._playback else max(timer_ms, self._clock_ms)
        self._clock_ms = max(self._clock_ms, at_ms)
        self._overdue_ms = _NO_TIME
        rows = _count_due(store.timestamps, store.start, store.stop, at_ms - self._length_ms)
        emission = Emission(rows)
        emission.positions[:] = np.arange(store.start, store.start + rows)
        emission.kinds[:] = EXPIRED
        emission.timestamps[:] = at_ms
        emission.chunks[:] = FIRED_CHUNK
        out = emission.batch(rows, self._schema, store)
        start = store.start + rows
        self._drop_before(start, _next_mark(store.marks, max(start, store.start + self._timer), store.stop))
        return out if rows else None

    def next_timer_ms(self) -> int | None:
        """When the first row that set a timer is due."""
        if self._overdue_ms != _NO_TIME:
            return self._overdue_ms
        if self._timer >= len(self._store):
            return None
        return int(self._store.timestamps[self._store.start + self._timer]) + self._length_ms

    def snapshot(self) -> OperatorState:
        """The rows held, and what the timers need."""
        return {
            "rows": self._store.snapshot(),
            "record_ms": self._record_ms,
            "clock_ms": self._clock_ms,
            "timer": self._timer,
            "overdue_ms": self._overdue_ms,
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._record_ms = state["record_ms"]
        self._clock_ms = state["clock_ms"]
        self._timer = state["timer"]
        self._overdue_ms = state["overdue_ms"]

    def _drop_before(self, start: int, timer: int) -> None:
        """Forget the rows before position ``start``; the first timer is that of the row at ``timer``."""
        assert timer >= start
        self._timer = timer - start
        self._store.drop(start - self._store.start)


@kernel
def _count_due(timestamps: ReadInt64, start: int, stop: int, latest_ms: int) -> int:
    """How many rows at the front are not younger than ``latest_ms``."""
    position = start
    while position < stop and timestamps[position] <= latest_ms:
        position += 1
    return position - start


@kernel
def _next_mark(marks: ReadUInt8, position: int, stop: int) -> int:
    """The first marked position from ``position`` on, or ``stop``."""
    while position < stop and marks[position] == 0:
        position += 1
    return position


@kernel
def _slide(
    timestamps: ReadInt64,
    marks: WriteUInt8,
    start: int,
    first: int,
    timer: int,
    record_ms: int,
    overdue_ms: int,
    clock_ms: int,
    playback: bool,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length_ms: int,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int]:
    """Rows put out, position of the oldest row that stays, that of the first timer, highest timestamp, overdue timer.

    ``timer`` is the position of the first marked row; rows from ``first`` on are the new ones, one per ``now_ms``.
    """
    out = 0
    last = -1
    for index in range(len(now_ms)):
        position = first + index
        chunk = chunks[index]
        now = now_ms[index]
        if chunk % CHUNK_STRIDE == 0 and (index == 0 or chunk != chunks[index - 1]):
            number = max(chunk - CHUNK_STRIDE, last)
            while overdue_ms != _NO_TIME or (timer < position and timestamps[timer] + length_ms <= now):
                due = overdue_ms if overdue_ms != _NO_TIME else timestamps[timer] + length_ms
                overdue_ms = _NO_TIME
                at = now if playback else max(due, clock_ms)
                if start < position and timestamps[start] + length_ms <= at:
                    number = min(number + 1, chunk - 1)
                while start < position and timestamps[start] + length_ms <= at:
                    out_positions[out] = start
                    out_kinds[out] = EXPIRED
                    out_timestamps[out] = at
                    out_chunks[out] = number
                    out += 1
                    start += 1
                timer = max(timer, start)
                while timer < position and marks[timer] == 0:
                    timer += 1
        while start < position and timestamps[start] + length_ms <= now:
            if marks[start] and overdue_ms == _NO_TIME:
                overdue_ms = timestamps[start] + length_ms
            out_positions[out] = start
            out_kinds[out] = EXPIRED
            out_timestamps[out] = now
            out_chunks[out] = chunk
            out += 1
            start += 1
        out_positions[out] = position
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[position]
        out_chunks[out] = chunk
        out += 1
        timer = max(timer, start)
        while timer < position and marks[timer] == 0:
            timer += 1
        if timestamps[position] > record_ms:
            record_ms = timestamps[position]
            marks[position] = 1
        elif timer == position:
            timer = position + 1
        last = chunk
        clock_ms = max(clock_ms, now)
    return out, start, timer, record_ms, overdue_ms
