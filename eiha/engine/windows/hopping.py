"""``hopping(t, hop)``: every ``hop`` ms, what came in the latest t ms, as a batch.

The first hop is ``hop`` after the first row. Each puts out, as one chunk, the batch before as expired rows, a reset and
the rows of the latest t ms, by the rows' own timestamps; a row is in as many batches as hops fall into its t ms.
"""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.kernels.spans import put_rows
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.turns import OWN_TIME, Turns
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema

_NO_TIME: Final = -(2**62)
_BEHIND_ALL: Final = 2**62
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not


class HoppingWindow:
    """Holds the batch that was put out last, which are the oldest rows, and the rows of the latest ``length_ms``.

    ``_put_out``: how many rows were put out last; ``_left``: how many of them are no longer among the latest.
    """

    __slots__ = (
        "_clock_ms", "_hop_ms", "_left", "_length_ms", "_next_ms", "_playback", "_put_out", "_schema",
        "_tells_resets", "_wants_expired", "store",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema,
        length_ms: int,
        hop_ms: int,
        *,
        playback: bool,
        wants_expired: bool = True,
        tells_resets: bool = True,
    ) -> None:
        assert hop_ms > 0
        self._schema = schema
        self._length_ms = length_ms
        self._hop_ms = hop_ms
        self._playback = playback
        self._wants_expired = wants_expired
        self._tells_resets = tells_resets
        self.store = RowStore(schema)
        self._next_ms = _NO_TIME
        self._clock_ms = _NO_TIME
        self._put_out = 0
        self._left = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """What the hops put out that are due before the rows, or within a chunk of them; without rows by the ticks."""
        return self.turn(batch, clock).batch(self._schema, self.store, resets=self._tells_resets)

    def turn(self, batch: EventBatch, clock: RowClock) -> Turns:
        """See ``TurningWindow``."""
        first = self.store.append(batch) if len(batch) else self.store.stop
        room = Turns(0)
        room = Turns(int(self._run(first, batch, clock, room, writes=False)[0]))
        room.count, begin, stop, latest, self._next_ms, self._clock_ms = self._run(
            first, batch, clock, room, writes=True
        )
        self._keep(room, begin, stop, latest)
        return room

    def _run(
        self, first: int, batch: EventBatch, clock: RowClock, turns: Turns, *, writes: bool
    ) -> tuple[int, int, int, int, int, int]:
        start = self.store.start
        return _run_hops(
            self.store.timestamps, start, start + self._put_out, start + self._left, first, self._next_ms,
            self._clock_ms, clock.now_ms, batch.chunk_numbers(), clock.ticks_ms, self._length_ms, self._hop_ms,
            self._playback, self._wants_expired, writes,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip

    def _keep(self, turns: Turns, begin: int, stop: int, latest: int) -> None:
        """The rows from ``begin`` to ``stop`` were put out last; those from ``latest`` on are the latest ones."""
        turns.stays = begin if begin < stop else latest
        self._put_out = stop - begin
        self._left = latest - turns.stays

    def fire(self, now_ms: int) -> EventBatch | None:
        """The next hop."""
        turns = self.fire_turn(now_ms)
        if turns is None:
            return None
        out = turns.batch(self._schema, self.store, resets=self._tells_resets)
        return out if len(out) else None

    def fire_turn(self, now_ms: int) -> Turns | None:
        """See ``TurningWindow``."""
        if self._next_ms == _NO_TIME or self._next_ms > now_ms:
            return None
        store = self.store
        at_ms = now_ms if self._playback else max(self._next_ms, self._clock_ms)
        self._clock_ms = max(self._clock_ms, at_ms)
        turns = Turns(3)
        turns.count, begin, stop, latest = _hop_once(
            store.timestamps, store.start, store.start + self._put_out, store.start + self._left, store.stop,
            at_ms, self._length_ms, self._wants_expired,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip
        self._next_ms = _next_hop(self._next_ms, self._hop_ms, now_ms, max(stop - begin, store.stop - latest))
        self._keep(turns, begin, stop, latest)
        return turns

    def next_timer_ms(self) -> int | None:
        """The next hop."""
        return None if self._next_ms == _NO_TIME else int(self._next_ms)

    def content(self) -> EventBatch:
        """The batch that was put out last."""
        return self.store.rows(self.store.start, self.store.start + self._put_out)

    def snapshot(self) -> OperatorState:
        """The rows held, how many of them were put out, and the next hop."""
        return {
            "rows": self.store.snapshot(),
            "put_out": int(self._put_out),
            "left": int(self._left),
            "next_ms": int(self._next_ms),
            "clock_ms": int(self._clock_ms),
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self.store.restore(state["rows"])
        self._put_out, self._left = state["put_out"], state["left"]
        self._next_ms, self._clock_ms = state["next_ms"], state["clock_ms"]


@inlined
def _hop(
    timestamps: ReadInt64,
    begin: int,
    end: int,
    latest: int,
    stop: int,
    at_ms: int,
    number: int,
    length_ms: int,
    wants_expired: bool,
    writes: bool,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int]:
    """Put out a batch as chunk ``number``; ``begin`` and ``end`` bound the one before, ``latest`` begins the next one.

    Spans put out so far, the bounds of the batch, the oldest of the latest rows.
    """
    while latest < stop and timestamps[latest] + length_ms <= at_ms:
        latest += 1
    if wants_expired:
        out = put_rows(
            begin, end, EXPIRED, at_ms, number,
            writes, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
    out = put_rows(
        latest, min(latest + 1, stop), RESET, at_ms, number,
        writes, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip
    out = put_rows(
        latest, stop, CURRENT, OWN_TIME, number,
        writes, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip
    return out, latest, stop, latest


@kernel
def _hop_once(
    timestamps: ReadInt64,
    begin: int,
    end: int,
    latest: int,
    stop: int,
    at_ms: int,
    length_ms: int,
    wants_expired: bool,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int]:
    """As ``_hop``, alone, as what a timer puts out."""
    return _hop(
        timestamps, begin, end, latest, stop, at_ms, FIRED_CHUNK, length_ms, wants_expired, True,
        0, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip


@inlined
def _next_hop(next_ms: int, hop_ms: int, now_ms: int, held: int) -> int:
    """The hop after the one at ``next_ms``; with nothing held the first one after ``now_ms``: the others are empty."""
    next_ms += hop_ms
    if held == 0 and next_ms <= now_ms:
        next_ms += ((now_ms - next_ms) // hop_ms + 1) * hop_ms
    return next_ms


@inlined
def _hop_until(
    timestamps: ReadInt64,
    begin: int,
    end: int,
    latest: int,
    stop: int,
    next_ms: int,
    clock_ms: int,
    now: int,
    length_ms: int,
    hop_ms: int,
    playback: bool,
    wants_expired: bool,
    number: int,
    number_max: int,
    writes: bool,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int, int]:
    """Put out the hops that are due by ``now``, each a chunk numbered above ``number``."""
    while next_ms <= now:
        at = now if playback else max(next_ms, clock_ms)
        clock_ms = max(clock_ms, at)
        before = out
        out, begin, end, latest = _hop(
            timestamps, begin, end, latest, stop, at, min(number + 1, number_max), length_ms, wants_expired, writes,
            out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
        if out > before:
            number = min(number + 1, number_max)
        next_ms = _next_hop(next_ms, hop_ms, now, max(end - begin, stop - latest))
    return out, begin, end, latest, next_ms, clock_ms


@kernel
def _run_hops(
    timestamps: ReadInt64, begin: int, end: int, latest: int, first: int, next_ms: int, clock_ms: int,
    now_ms: ReadInt64, chunks: ReadInt64, ticks_ms: ReadInt64, length_ms: int, hop_ms: int, playback: bool,
    wants_expired: bool, writes: bool, out_begins: WriteInt64, out_ends: WriteInt64, out_kinds: WriteUInt8,
    out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int, int]:  # fmt: skip
    """Spans put out, bounds of the batch put out last, the oldest of the latest rows, the next hop, the clock."""
    out = 0
    last = -CHUNK_STRIDE
    tick = 0
    index = 0
    while True:
        position = first + index
        chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
        while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
            if next_ms != _NO_TIME and next_ms <= ticks_ms[tick]:
                out, begin, end, latest, next_ms, clock_ms = _hop_until(
                    timestamps, begin, end, latest, position, next_ms, clock_ms, ticks_ms[tick], length_ms, hop_ms,
                    playback, wants_expired, max((tick - 1) * CHUNK_STRIDE, last), tick * CHUNK_STRIDE - 1, writes,
                    out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            tick += 1
        if index == len(now_ms):
            return out, begin, end, latest, next_ms, clock_ms
        now = now_ms[index]
        if chunk & _WITHIN_STRIDE == 0 and next_ms != _NO_TIME and next_ms <= now:
            out, begin, end, latest, next_ms, clock_ms = _hop_until(
                timestamps, begin, end, latest, position, next_ms, clock_ms, now, length_ms, hop_ms,
                playback, wants_expired, max(chunk - CHUNK_STRIDE, last), chunk - 1, writes,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        last = max(chunk, last)
        clock_ms = max(clock_ms, now)
        while index < len(now_ms) and chunks[index] == chunk:
            index += 1
        if next_ms == _NO_TIME:
            next_ms = now + hop_ms
        if now >= next_ms:
            next_ms += hop_ms
            out, begin, end, latest = _hop(
                timestamps, begin, end, latest, first + index, now, last, length_ms, wants_expired, writes,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
