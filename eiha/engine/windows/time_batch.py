"""``timeBatch(t[, start.time][, stream.current.event])``: rows come out together at the end of each period of t ms.

The first period begins with the first row, or is a whole number of periods after ``start.time``. A period's end puts
out, as one chunk, the batch before it as expired rows, a reset, its own rows; an empty one only the expired rows. With
the flag, current rows go out at once, and the end of the period puts out the expired rows and the reset.
"""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.kernels.spans import put_span
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET, latest
from eiha.engine.windows.row_count import RowCount
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.turns import OWN_TIME, Turns
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema

_NO_TIME: Final = -(2**62)
_BEHIND_ALL: Final = 2**62
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not


class TimeBatchWindow:
    """Holds the batch that was put out last (if ``wants_expired``) and the rows of the period that runs.

    Args:
        schema: of the rows.
        length_ms: length of a period, above 0.
        start_ms: where periods are counted from; None: the first row.
        streams_current: the flag.
        playback: a period's end sees the time to which the clock has moved; else the moment at which it was due.
        wants_expired: False if nobody looks at expired rows, which then are not put out.
        tells_resets: False if nobody looks at resets, which then are not put out.
        counts_only: nobody looks at the rows themselves, either.
    """

    __slots__ = (
        "_clock_ms",
        "_end_ms",
        "_expired",
        "_length_ms",
        "_playback",
        "_schema",
        "_start_ms",
        "_streams",
        "_tells_resets",
        "_turns",
        "_wants_expired",
        "store",
    )

    def __init__(
        self,
        schema: Schema,
        length_ms: int,
        start_ms: int | None,
        *,
        streams_current: bool,
        playback: bool,
        wants_expired: bool,
        tells_resets: bool = True,
        counts_only: bool = False,
    ) -> None:
        assert length_ms > 0
        self._schema = schema
        self._length_ms = length_ms
        self._start_ms = start_ms
        self._streams = streams_current
        self._playback = playback
        self._wants_expired = wants_expired
        self._tells_resets = tells_resets
        self.store = RowCount() if counts_only else RowStore(schema)
        self._turns = Turns(0)
        self._expired = 0
        self._end_ms = _NO_TIME
        self._clock_ms = _NO_TIME

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The batches of periods that end, and with the flag the rows themselves; without rows by the ticks."""
        return self.turn(batch, clock).batch(self._schema, self.store, resets=self._tells_resets)

    def accepted(self, batch: EventBatch, clock: RowClock) -> tuple[EventBatch, RowClock]:
        """All rows."""
        return batch, clock

    def turn(self, batch: EventBatch, clock: RowClock) -> Turns:
        """See ``TurningWindow``."""
        store = self.store
        first = store.append(batch) if len(batch) else store.stop
        turns = self._turns = self._turns.with_room(self._capacity(batch, clock))
        turns.count, turns.stays, self._expired, self._end_ms, self._clock_ms = _run_periods(
            store.start, first, self._expired, self._end_ms, self._clock_ms,
            clock.now_ms, batch.chunk_numbers(), clock.ticks_ms,
            self._length_ms, _NO_TIME if self._start_ms is None else self._start_ms,
            self._streams, self._playback, self._wants_expired,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip
        return turns

    def fire(self, now_ms: int) -> EventBatch | None:
        """The end of the period that runs; None if there is nothing to put out then."""
        turns = self.fire_turn(now_ms)
        if turns is None:
            return None
        out = turns.batch(self._schema, self.store, resets=self._tells_resets)
        return out if len(out) else None

    def fire_turn(self, now_ms: int) -> Turns | None:
        """See ``TurningWindow``."""
        if self._end_ms == _NO_TIME or self._end_ms > now_ms:
            return None
        store = self.store
        at_ms = now_ms if self._playback else max(self._end_ms, self._clock_ms)
        self._clock_ms = max(self._clock_ms, at_ms)
        turns = self._turns = self._turns.with_room(3)
        turns.count, turns.stays, self._expired = _end_one_period(
            store.start, store.stop, self._expired, at_ms, self._streams, self._wants_expired,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip
        self._end_ms = _end_after(self._end_ms, self._length_ms, now_ms, store.stop - turns.stays)
        return turns

    def next_timer_ms(self) -> int | None:
        """The end of the period that runs; None before the first row."""
        return None if self._end_ms == _NO_TIME else self._end_ms

    def content(self) -> EventBatch:
        """The rows put out last; with the flag those of the batch that runs."""
        first = self.store.start
        return self.store.rows(first, self.store.stop if self._streams else first + self._expired)

    def snapshot(self) -> OperatorState:
        """The rows held, how many of them were put out, and the end of the period."""
        return {
            "rows": self.store.snapshot(),
            "expired": self._expired,
            "end_ms": self._end_ms,
            "clock_ms": self._clock_ms,
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self.store.restore(state["rows"])
        self._expired = state["expired"]
        self._end_ms = state["end_ms"]
        self._clock_ms = state["clock_ms"]

    def _capacity(self, batch: EventBatch, clock: RowClock) -> int:
        """Room for the spans that can come out: if a period ends, three for each row and for those put out before."""
        rows = len(batch)
        last_now = latest(clock, self._clock_ms)
        end_ms = self._end_ms
        if end_ms == _NO_TIME:
            end_ms = int(clock.now_ms[0]) + 1 if rows else last_now + 1
        if last_now < end_ms:
            return rows if self._streams else 0
        return 3 * (rows + 2)


@inlined
def _end_period(
    start: int,
    stop: int,
    expired: int,
    at_ms: int,
    number: int,
    streams: bool,
    wants_expired: bool,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """Put out the end of a period as chunk ``number``: spans put out so far, oldest row that stays, expired ones."""
    current = stop if streams else start + expired
    if wants_expired and start < current:
        out = put_span(
            start, current, EXPIRED, at_ms, number,
            out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
    reset = start if streams else current
    if reset < stop:
        out = put_span(
            reset, reset + 1, RESET, OWN_TIME, number,
            out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
    if current < stop:
        out = put_span(
            current, stop, CURRENT, OWN_TIME, number,
            out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
    kept = current if wants_expired else stop
    return out, kept, stop - kept


@kernel
def _end_one_period(
    start: int,
    stop: int,
    expired: int,
    at_ms: int,
    streams: bool,
    wants_expired: bool,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """As ``_end_period``, alone, as what a timer puts out."""
    return _end_period(
        start, stop, expired, at_ms, FIRED_CHUNK, streams, wants_expired,
        0, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip


@inlined
def _end_after(end_ms: int, length_ms: int, now_ms: int, held: int) -> int:
    """The next end; with nothing held, the first one after ``now_ms``, since those between would put out nothing."""
    end_ms += length_ms
    if held == 0 and end_ms <= now_ms:
        end_ms += (now_ms - end_ms) // length_ms * length_ms + length_ms
    return end_ms


@inlined
def _first_end(now_ms: int, length_ms: int, start_ms: int) -> int:
    """The end of the first period; the remainder takes the sign of the dividend, as in Java."""
    if start_ms == _NO_TIME:
        return now_ms + length_ms
    since = now_ms - start_ms
    if since >= 0:
        return now_ms + length_ms - since % length_ms
    return now_ms + length_ms + (-since) % length_ms


@inlined
def _end_periods(
    start: int,
    stop: int,
    expired: int,
    end_ms: int,
    clock_ms: int,
    now: int,
    length_ms: int,
    streams: bool,
    playback: bool,
    wants_expired: bool,
    number: int,
    number_max: int,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int]:
    """Put out the periods that are over by ``now``, each a chunk numbered above ``number``.

    Spans put out so far, oldest row that stays, expired ones, the end of the period that runs, the latest time seen.
    """
    while end_ms != _NO_TIME and end_ms <= now:
        at = now if playback else max(end_ms, clock_ms)
        clock_ms = max(clock_ms, at)
        number = min(number + 1, number_max)
        out, start, expired = _end_period(
            start, stop, expired, at, number, streams, wants_expired,
            out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
        end_ms = _end_after(end_ms, length_ms, now, stop - start)
    return out, start, expired, end_ms, clock_ms


@inlined
def _first_at(times_ms: ReadInt64, first: int, due_ms: int) -> int:
    """The first place from ``first`` on at which the time, which never decreases, is ``due_ms`` or later."""
    stop = len(times_ms)
    while first < stop:
        middle = (first + stop) // 2
        if times_ms[middle] < due_ms:
            first = middle + 1
        else:
            stop = middle
    return first


@kernel
def _run_periods(
    start: int, first: int, expired: int, end_ms: int, clock_ms: int, now_ms: ReadInt64, chunks: ReadInt64,
    ticks_ms: ReadInt64, length_ms: int, start_ms: int, streams: bool, playback: bool, wants_expired: bool,
    out_begins: WriteInt64, out_ends: WriteInt64, out_kinds: WriteUInt8,
    out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """Spans put out, oldest row that stays, how many of those that stay were put out, end of the period, clock."""
    out = 0
    last = -CHUNK_STRIDE
    index = 0
    tick = 0
    while True:
        if not streams and end_ms != _NO_TIME:  # nothing happens before the period's end
            tick = _first_at(ticks_ms, tick, end_ms)
            due = _first_at(now_ms, index, end_ms)
            if due > index:
                index = due
                last = chunks[index - 1]
                clock_ms = max(clock_ms, now_ms[index - 1])
        position = first + index
        chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
        while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
            if end_ms == _NO_TIME or end_ms > ticks_ms[tick]:
                tick += 1
                continue
            out, start, expired, end_ms, clock_ms = _end_periods(
                start, position, expired, end_ms, clock_ms, ticks_ms[tick], length_ms, streams, playback,
                wants_expired, max((tick - 1) * CHUNK_STRIDE, last), tick * CHUNK_STRIDE - 1,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
            tick += 1
        if index == len(now_ms):
            return out, start, expired, end_ms, clock_ms
        now = now_ms[index]
        if chunk & _WITHIN_STRIDE == 0 and end_ms != _NO_TIME and end_ms <= now:
            out, start, expired, end_ms, clock_ms = _end_periods(
                start, position, expired, end_ms, clock_ms, now, length_ms, streams, playback,
                wants_expired, max(chunk - CHUNK_STRIDE, last), chunk - 1,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        if end_ms == _NO_TIME:
            end_ms = _first_end(now, length_ms, start_ms)
        ends = now >= end_ms
        if ends:
            end_ms += length_ms
        if ends and streams:
            out, start, expired = _end_period(
                start, position, expired, now, chunk, streams, wants_expired,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        while index < len(now_ms) and chunks[index] == chunk:
            index += 1
        if streams:
            out_begins[out] = position  # written out here: a call for each row would cost more than the row
            out_ends[out] = first + index
            out_kinds[out] = CURRENT
            out_timestamps[out] = OWN_TIME
            out_chunks[out] = chunk
            out += 1
        if ends and not streams:
            out, start, expired = _end_period(
                start, first + index, expired, now, chunk, streams, wants_expired,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        last = chunk
        clock_ms = max(clock_ms, now)
