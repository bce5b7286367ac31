"""``externalTimeBatch(timestamp, t[, start[, timeout[, replace]]])``: rows come out together, period by period of
their own time.

A period ends when the first row of a later one comes: the batch before it goes out as expired rows, then a reset, then
its own rows, as one chunk. If the clock passes ``timeout`` after the last period's end, the period's rows so far go
out; if more of them come, these go out at the next timeout or at the period's end, behind those put out already once
more. With ``replace`` the timestamp attribute becomes the end of the period.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.kernels.spans import put_rows
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET
from eiha.engine.windows.row_count import RowCount
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.turns import OWN_TIME, Turns
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema

Longs = npt.NDArray[np.int64]

_NO_TIME: Final = -(2**62)
_NO_TIMES: Final[Longs] = np.empty(0, dtype=np.int64)
_BEHIND_ALL: Final = 2**62
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not


@dataclass(frozen=True, slots=True)
class ExternalPeriods:
    """The arguments: position of the timestamp, length of a period, where periods are counted from (``start_ms`` or the
    attribute at ``start_attribute``; neither: the first row), timeout (0: none) and whether timestamps are replaced.
    """

    attribute: int
    length_ms: int
    start_ms: int | None = None
    start_attribute: int | None = None
    timeout_ms: int = 0
    replaces: bool = False


@dataclass(slots=True)
class _State:
    """``put_out``: how many of the rows held were; ``end_ms`` of the period, ``highest_ms`` time of a row so far,
    ``flushed``: whether rows of the period were put out by a timeout, ``timer_ms``.
    """

    put_out: int = 0
    end_ms: int = _NO_TIME
    start_ms: int = _NO_TIME
    highest_ms: int = 0
    flushed: bool = False
    timer_ms: int = _NO_TIME


class ExternalTimeBatchWindow:
    """Holds the batch that was put out last (if ``wants_expired``) and the rows of the period that runs.

    A row without a timestamp is refused. Expired rows and resets carry the highest timestamp so far.
    """

    __slots__ = (
        "_periods",
        "_playback",
        "_schema",
        "_state",
        "_tells_resets",
        "_turns",
        "_wants_expired",
        "refused",
        "store",
    )

    def __init__(
        self,
        schema: Schema,
        periods: ExternalPeriods,
        *,
        playback: bool,
        wants_expired: bool,
        tells_resets: bool = True,
        counts_only: bool = False,
    ) -> None:
        assert periods.length_ms > 0
        assert not (counts_only and periods.timeout_ms), "rows that a timeout puts out go out once more"
        self._schema = schema
        self._periods = periods
        self._playback = playback
        self._wants_expired = wants_expired
        self._tells_resets = tells_resets
        self.store = RowCount() if counts_only else RowStore(schema)
        self._turns = Turns(0)
        self._state = _State()
        self.refused = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The batches of periods that end; without rows what times out by the ticks."""
        return self.turn(batch, clock).batch(self._schema, self.store, resets=self._tells_resets)

    def accepted(self, batch: EventBatch, clock: RowClock) -> tuple[EventBatch, RowClock]:
        """The rows that have a timestamp."""
        valid = batch.columns[self._periods.attribute].valid if len(batch) else None
        if valid is None:
            return batch, clock
        rows = np.flatnonzero(valid)
        self.refused += len(batch) - len(rows)
        return batch.take(rows), RowClock(clock.now_ms.take(rows), clock.ticks_ms)

    def turn(self, batch: EventBatch, clock: RowClock) -> Turns:
        """See ``TurningWindow``."""
        store, state, periods = self.store, self._state, self._periods
        batch, clock = self.accepted(batch, clock)
        first = store.append(batch) if len(batch) else store.stop
        times = ends = _NO_TIMES
        if len(batch):
            times = batch.columns[periods.attribute].values
            if state.end_ms == _NO_TIME:
                state.start_ms = self._first_start(batch)
        if periods.replaces:
            ends = np.empty(len(times), dtype=np.int64)
        run = partial(self._run, first, times, ends, batch, clock)
        # without timeouts a period ends at a row
        turns = self._turns.with_room(int(run(writes=False)[0]) if periods.timeout_ms > 0 else 3 * (len(batch) + 1))
        self._turns = turns
        turns.count, turns.stays, *rest = run(writes=True)
        state.put_out, state.end_ms, state.highest_ms, state.flushed, state.timer_ms = rest
        if periods.replaces:
            store.column(periods.attribute)[first : first + len(ends)] = ends
        return turns

    def _first_start(self, batch: EventBatch) -> int:
        """Where the first period is counted from."""
        periods = self._periods
        if periods.start_ms is not None:
            return periods.start_ms
        named = periods.attribute if periods.start_attribute is None else periods.start_attribute
        column = batch.columns[named]
        if column.valid is not None and not column.valid[0]:
            column = batch.columns[periods.attribute]
        return int(column.values[0])

    def _run(
        self, first: int, times: Longs, ends: Longs, batch: EventBatch, clock: RowClock, *, writes: bool
    ) -> tuple[Any, ...]:
        store, state, periods, turns = self.store, self._state, self._periods, self._turns
        return _run_periods(
            times, store.start, first, store.start + state.put_out,
            state.end_ms, state.start_ms, periods.start_ms is not None, state.highest_ms, state.flushed, state.timer_ms,
            clock.now_ms, batch.chunk_numbers(), clock.ticks_ms,
            periods.length_ms, periods.timeout_ms, periods.replaces, self._playback, self._wants_expired, writes, ends,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip

    def fire(self, now_ms: int) -> EventBatch | None:
        """What the timeout puts out."""
        turns = self.fire_turn(now_ms)
        if turns is None:
            return None
        out = turns.batch(self._schema, self.store, resets=self._tells_resets)
        return out if len(out) else None

    def fire_turn(self, now_ms: int) -> Turns | None:
        """See ``TurningWindow``."""
        store, state = self.store, self._state
        if state.timer_ms == _NO_TIME or state.timer_ms > now_ms:
            return None
        turns = self._turns = self._turns.with_room(3)
        at_ms = now_ms if self._playback else state.timer_ms
        turns.count, turns.stays, current = _time_out(
            store.start, store.start + state.put_out, store.stop,
            state.highest_ms, state.flushed, self._wants_expired,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip
        state.flushed = True
        state.timer_ms = at_ms + self._periods.timeout_ms
        if (
            not turns.count and not self._playback and state.timer_ms <= now_ms
        ):  # timeouts that put out nothing are skipped
            state.timer_ms += (now_ms - state.timer_ms) // self._periods.timeout_ms * self._periods.timeout_ms
        state.put_out = current - turns.stays
        return turns

    def next_timer_ms(self) -> int | None:
        """The next timeout; None without one."""
        return None if self._state.timer_ms == _NO_TIME else int(self._state.timer_ms)

    def content(self) -> EventBatch:
        """The rows put out last."""
        first = self.store.start
        return self.store.rows(first, first + self._state.put_out)

    def snapshot(self) -> OperatorState:
        """The rows held and where the period stands."""
        state = self._state
        return {
            "rows": self.store.snapshot(),
            "put_out": int(state.put_out),
            "end_ms": int(state.end_ms),
            "start_ms": int(state.start_ms),
            "highest_ms": int(state.highest_ms),
            "flushed": bool(state.flushed),
            "timer_ms": int(state.timer_ms),
            "refused": self.refused,
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self.store.restore(state["rows"])
        self.refused = state["refused"]
        names = ("put_out", "end_ms", "start_ms", "highest_ms", "flushed", "timer_ms")
        self._state = _State(**{name: state[name] for name in names})


@inlined
def _put_out_batch(
    start: int,
    current: int,
    stop: int,
    at_ms: int,
    number: int,
    again: bool,
    keeps: bool,
    wants_expired: bool,
    writes: bool,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """Put out the rows from ``current`` on, as chunk ``number``: spans put out so far, oldest row that stays, next one.

    Those before were put out. ``again``: in this very period, so they go out once more and stay.
    """
    if again and current == stop:
        return out, start, current
    if wants_expired:
        out = put_rows(
            start, current, EXPIRED, at_ms, number,
            writes, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
    if current < stop:
        out = put_rows(
            current, current + 1, RESET, at_ms, number,
            writes, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
    out = put_rows(
        start if again else current, stop, CURRENT, OWN_TIME, number,
        writes, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip
    if not again:
        start = current
    if not keeps:
        start = stop
    return out, start, stop


@kernel
def _time_out(
    start: int,
    current: int,
    stop: int,
    highest_ms: int,
    flushed: bool,
    wants_expired: bool,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """As ``_put_out_batch``, alone, as what a timer puts out."""
    return _put_out_batch(
        start, current, stop, highest_ms, FIRED_CHUNK, flushed, True, wants_expired, True,
        0, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip


@inlined
def _end_after(time_ms: int, start_ms: int, length_ms: int) -> int:
    """The end of the period of ``time_ms``; the remainder takes the sign of the dividend, as in Java."""
    since = time_ms - start_ms
    if since >= 0:
        return time_ms + length_ms - since % length_ms
    return time_ms + length_ms + (-since) % length_ms


@inlined
def _fire_timers(
    start: int,
    current: int,
    stop: int,
    highest_ms: int,
    flushed: bool,
    timer_ms: int,
    now: int,
    timeout_ms: int,
    playback: bool,
    number: int,
    number_max: int,
    wants_expired: bool,
    writes: bool,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, bool, int]:
    """Let the timeouts due by ``now`` happen, each a chunk numbered above ``number``.

    Spans put out so far, oldest row that stays, next row to put out, whether any of the period were, next timeout.
    """
    while timer_ms != _NO_TIME and timer_ms <= now:
        number = min(number + 1, number_max)
        out, start, current = _put_out_batch(
            start, current, stop, highest_ms, number, flushed, True, wants_expired, writes,
            out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
        flushed = True
        timer_ms = (now if playback else timer_ms) + timeout_ms
    return out, start, current, flushed, timer_ms


@inlined
def _skip_period(times: ReadInt64, index: int, end_ms: int, highest_ms: int) -> tuple[int, int]:
    """The highest time up to the next row that ends the period, and the number of that row."""
    while index < len(times) and times[index] < end_ms:
        highest_ms = max(highest_ms, times[index])
        index += 1
    return highest_ms, index


@kernel
def _run_periods(
    times: ReadInt64, start: int, first: int, current: int, end_ms: int, start_ms: int, is_aligned: bool,
    highest_ms: int, flushed: bool, timer_ms: int, now_ms: ReadInt64, chunks: ReadInt64, ticks_ms: ReadInt64,
    length_ms: int, timeout_ms: int, replaces: bool, playback: bool, wants_expired: bool, writes: bool,
    ends_ms: WriteInt64, out_begins: WriteInt64, out_ends: WriteInt64, out_kinds: WriteUInt8,
    out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int, bool, int]:  # fmt: skip
    """Spans put out, oldest row that stays; how many of those that stay were put out, and the state from there on.

    ``writes`` False: only count the rows. ``ends_ms``: with ``replaces``, what each row's time becomes.
    """
    out = 0
    last = -CHUNK_STRIDE
    seen = -CHUNK_STRIDE
    has_timer = timeout_ms > 0
    tick = 0
    index = 0
    latest_ms = now_ms[len(now_ms) - 1] if len(now_ms) else _NO_TIME
    if len(ticks_ms):
        latest_ms = max(latest_ms, ticks_ms[len(ticks_ms) - 1])
    while True:
        if end_ms != _NO_TIME and not replaces and (not has_timer or timer_ms > latest_ms):
            highest_ms, index = _skip_period(times, index, end_ms, highest_ms)
            if index:
                seen = max(seen, chunks[index - 1])
        position = first + index
        chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
        while has_timer and tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
            if timer_ms != _NO_TIME and timer_ms <= ticks_ms[tick]:
                out, start, current, flushed, timer_ms = _fire_timers(
                    start, current, position, highest_ms, flushed, timer_ms, ticks_ms[tick], timeout_ms,
                    playback, max((tick - 1) * CHUNK_STRIDE, seen), tick * CHUNK_STRIDE - 1, wants_expired, writes,
                    out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            tick += 1
        if index == len(now_ms):
            break
        is_first = has_timer and chunk & _WITHIN_STRIDE == 0 and (index == 0 or chunk != chunks[index - 1])
        if is_first and timer_ms != _NO_TIME and timer_ms <= now_ms[index]:
            out, start, current, flushed, timer_ms = _fire_timers(
                start, current, position, highest_ms, flushed, timer_ms, now_ms[index], timeout_ms,
                playback, max(chunk - CHUNK_STRIDE, seen), chunk - 1, wants_expired, writes,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        time_ms = times[index]
        if end_ms == _NO_TIME:
            end_ms = _end_after(time_ms, start_ms, length_ms) if is_aligned else start_ms + length_ms
            if timeout_ms > 0:
                timer_ms = now_ms[index] + timeout_ms
        highest_ms = max(highest_ms, time_ms)
        if time_ms >= end_ms:
            number = chunk if chunk > last else min(last + 1, chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1)
            before = out
            out, start, current = _put_out_batch(
                start, current, position, highest_ms, number, flushed, wants_expired, wants_expired,
                writes, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
            if out > before:
                last = number
            seen = max(seen, number)
            flushed = False
            end_ms = _end_after(highest_ms, start_ms, length_ms)
            if timeout_ms > 0:
                timer_ms = now_ms[index] + timeout_ms
        if replaces and writes:
            ends_ms[index] = end_ms
        seen = max(seen, chunk)
        index += 1
    return out, start, current - start, end_ms, highest_ms, flushed, timer_ms
