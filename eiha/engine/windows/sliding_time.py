"""``time(t)``: the rows of the latest t milliseconds, by the rows' own timestamps; and its kin.

Rows leave in the order of arrival: a late row waits for those that came before it. A row whose timestamp is above all
before sets a timer for the moment at which it is due; what a timer finds due is a chunk of its own. Rows that are due
without a timer (late ones, and those of the chunk that is being processed) leave just before the next row, in
its chunk.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.due_rows import count_due
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission, latest
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema

_NO_TIME: Final = -(2**62)
_NO_LIMIT: Final = 2**62
_BEHIND_ALL: Final = 2**62
_TIMERS_MIN: Final = 64
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not


class TimeWindow:
    """Holds the rows of the latest ``length_ms``; a row that leaves carries the time at which it left.

    In playback a timer sees the time to which the clock has moved; else it sees the moment for which it was set.

    Args:
        schema: of the rows.
        length_ms: how long a row stays.
        playback: whether event time drives the plan.
        rows_max: ``timeLength``: with so many rows held, a new one pushes out the oldest, in its own chunk.
        delays: ``delay``: rows do not come out as they arrive, but when they leave, as current ones.
    """

    __slots__ = (
        "_clock_ms",
        "_fired",
        "_leaving_kind",
        "_length_ms",
        "_pending",
        "_playback",
        "_record_ms",
        "_rows_max",
        "_schema",
        "_store",
        "_timers",
    )

    def __init__(
        self,
        schema: Schema,
        length_ms: int,
        *,
        playback: bool,
        rows_max: int | None = None,
        delays: bool = False,
    ) -> None:
        self._schema = schema
        self._length_ms = length_ms
        self._playback = playback
        self._rows_max = _NO_LIMIT if rows_max is None else max(rows_max, 0)
        self._leaving_kind = CURRENT if delays else EXPIRED
        self._store = RowStore(schema)
        self._timers: npt.NDArray[np.int64] = np.zeros(_TIMERS_MIN, dtype=np.int64)  # rising
        self._fired = 0  # timers from here on ...
        self._pending = 0  # ... to here are set and have not fired
        self._record_ms = _NO_TIME  # the highest timestamp so far
        self._clock_ms = _NO_TIME  # the latest time seen

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Current rows, and before each what is due by its time; without rows, what is due by the clock's ticks."""
        store = self._store
        first = store.append(batch) if len(batch) else store.stop
        last_now = latest(clock, self._clock_ms)
        leaving = count_due(store.timestamps, store.start, store.stop, last_now - self._length_ms)
        if self._rows_max != _NO_LIMIT:
            leaving = max(leaving, len(store))
        emission = Emission(len(batch) + leaving)
        self._make_room_for_timers(len(batch))
        rows, start, self._fired, self._pending, self._record_ms, self._clock_ms = _slide(
            store.timestamps,
            store.start,
            first,
            self._timers,
            self._fired,
            self._pending,
            self._record_ms,
            self._clock_ms,
            self._playback,
            clock.now_ms,
            batch.chunk_numbers(),
            clock.ticks_ms,
            self._length_ms,
            self._rows_max,
            self._leaving_kind,
            emission.positions,
            emission.kinds,
            emission.timestamps,
            emission.chunks,
        )
        out = emission.batch(rows, self._schema, store)
        store.drop(start - store.start)
        return out

    def fire(self, now_ms: int) -> EventBatch | None:
        """What is due at the earliest timer."""
        timer_ms = self.next_timer_ms()
        if timer_ms is None or timer_ms > now_ms:
            return None
        store = self._store
        at_ms = now_ms if self._playback else max(timer_ms, self._clock_ms)
        self._clock_ms = max(self._clock_ms, at_ms)
        self._fired += 1
        rows = count_due(store.timestamps, store.start, store.stop, at_ms - self._length_ms)
        emission = Emission(rows)
        emission.positions[:] = np.arange(store.start, store.start + rows)
        emission.kinds[:] = self._leaving_kind
        emission.timestamps[:] = at_ms
        emission.chunks[:] = FIRED_CHUNK
        out = emission.batch(rows, self._schema, store)
        store.drop(rows)
        return out if rows else None

    def next_timer_ms(self) -> int | None:
        """The earliest timer that has not fired."""
        return int(self._timers[self._fired]) if self._fired < self._pending else None

    def content(self) -> EventBatch:
        """The rows held, oldest first."""
        return self._store.rows(self._store.start, self._store.stop)

    def snapshot(self) -> OperatorState:
        """The rows held, and what the timers need."""
        return {
            "rows": self._store.snapshot(),
            "timers": self._timers[self._fired : self._pending],
            "record_ms": self._record_ms,
            "clock_ms": self._clock_ms,
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._fired, self._pending = 0, len(state["timers"])
        self._timers = np.concatenate([state["timers"], np.zeros(_TIMERS_MIN, dtype=np.int64)])
        self._record_ms = state["record_ms"]
        self._clock_ms = state["clock_ms"]

    def _make_room_for_timers(self, rows: int) -> None:
        """Room for one more timer a row; when it runs out, those that fired make room, else there is twice as much."""
        if self._pending + rows <= len(self._timers):
            return
        live = self._timers[self._fired : self._pending]
        longer = np.zeros(2 * (len(live) + rows), dtype=np.int64)
        longer[: len(live)] = live
        self._timers, self._fired, self._pending = longer, 0, len(live)


@inlined
def _fire_timers(
    timestamps: ReadInt64,
    start: int,
    stop: int,
    timers: WriteInt64,
    fired: int,
    pending: int,
    clock_ms: int,
    now: int,
    playback: bool,
    length_ms: int,
    number: int,
    number_max: int,
    leaving_kind: int,
    out: int,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int]:
    """Let the timers due by ``now`` fire, each a chunk numbered above ``number``.

    Rows put out so far, oldest row that stays, timers fired so far, the latest time seen.
    """
    while fired < pending and timers[fired] <= now:
        at = now if playback else max(timers[fired], clock_ms)
        clock_ms = max(clock_ms, at)
        fired += 1
        if start < stop and timestamps[start] + length_ms <= at:
            number = min(number + 1, number_max)
        while start < stop and timestamps[start] + length_ms <= at:
            out_positions[out] = start
            out_kinds[out] = leaving_kind
            out_timestamps[out] = at
            out_chunks[out] = number
            out += 1
            start += 1
    return out, start, fired, clock_ms


@kernel
def _slide(
    timestamps: ReadInt64, start: int, first: int, timers: WriteInt64, fired: int, pending: int, record_ms: int,
    clock_ms: int, playback: bool, now_ms: ReadInt64, chunks: ReadInt64, ticks_ms: ReadInt64, length_ms: int,
    rows_max: int, leaving_kind: int, out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int, int]:  # fmt: skip
    """Rows put out, position of the oldest row that stays, timers fired and set so far, highest timestamp, clock.

    ``timers``: those from ``fired`` to ``pending`` are set; there is room for one more a row. Rows from ``first`` on
    are new.
    """
    out = 0
    last = -CHUNK_STRIDE
    tick = 0
    for index in range(len(now_ms) + 1):
        position = first + index
        chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
        while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
            if fired < pending and timers[fired] <= ticks_ms[tick]:
                out, start, fired, clock_ms = _fire_timers(
                    timestamps, start, position, timers, fired, pending, clock_ms, ticks_ms[tick], playback, length_ms,
                    max((tick - 1) * CHUNK_STRIDE, last), tick * CHUNK_STRIDE - 1, leaving_kind,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            tick += 1
        if index == len(now_ms):
            break
        now = now_ms[index]
        is_first = chunk & _WITHIN_STRIDE == 0 and (index == 0 or chunk != chunks[index - 1])
        if is_first and fired < pending and timers[fired] <= now:
            out, start, fired, clock_ms = _fire_timers(
                timestamps, start, position, timers, fired, pending, clock_ms, now, playback, length_ms,
                max(chunk - CHUNK_STRIDE, last), chunk - 1, leaving_kind,
                out, out_positions, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        is_full = False
        while start < position and not is_full:
            if timestamps[start] + length_ms > now:
                is_full = position - start >= rows_max  # then one row makes room, due or not, and no more
                if not is_full:
                    break
            out_positions[out] = start  # written out here: a call for each row would cost more than the row
            out_kinds[out] = leaving_kind
            out_timestamps[out] = now
            out_chunks[out] = chunk
            out += 1
            start += 1
        if leaving_kind == EXPIRED:
            out_positions[out] = position
            out_kinds[out] = CURRENT
            out_timestamps[out] = timestamps[position]
            out_chunks[out] = chunk
            out += 1
        if timestamps[position] > record_ms:
            record_ms = timestamps[position]
            timers[pending] = record_ms + length_ms
            pending += 1
        if rows_max == 0:
            start = position + 1
        last = chunk
        clock_ms = max(clock_ms, now)
    return out, start, fired, pending, record_ms, clock_ms
