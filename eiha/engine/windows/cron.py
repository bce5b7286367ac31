"""``cron('expression')``: rows come out together at the moments that a cron expression names.

Such a moment puts out, as one chunk, the rows of the round before as expired ones and then its own; without a reset, so
that aggregates run on. If no row came since the round before, nothing happens and that round's rows stay.

In playback the moments are those of the wall clock (the log time), the time that expired rows carry is the event clock.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch, concatenate_batches
from eiha.events.schema import Schema
from eiha.kernel.cron import CronSchedule

Longs = npt.NDArray[np.int64]


class CronWindow:
    """Holds the rows put out last and those that wait for the next moment, which is reckoned when the first one comes.

    Args:
        schema: of the rows.
        schedule: the moments.
        by_wall_clock: in playback: ``pass_wall_time`` makes rounds end, no timer of the event clock.
        tells_expired: False if nobody sees rows leave: then those that were put out are not held, either.
    """

    __slots__ = (
        "_by_wall_clock", "_next_ms", "_put_out", "_schedule", "_schema", "_store", "_tells_expired", "_wall_ms",
    )  # fmt: skip

    def __init__(
        self, schema: Schema, schedule: CronSchedule, *, by_wall_clock: bool, tells_expired: bool = True
    ) -> None:
        self._schema = schema
        self._schedule = schedule
        self._by_wall_clock = by_wall_clock
        self._tells_expired = tells_expired
        self._store = RowStore(schema)
        self._put_out = 0  # of the rows held, those of the round before
        self._next_ms: int | None = None
        self._wall_ms = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rounds that end before the rows, or by the ticks; the rows wait."""
        pieces = [self._store.rows(0, 0)]
        if self._by_wall_clock:
            self._wait(batch, self._wall_ms)
            return pieces[0]
        chunks = batch.chunk_numbers()
        numbers, times = _ticks(chunks, clock)
        row = 0
        while True:
            if self._next_ms is None and row < len(batch):
                self._next_ms = self._schedule.next_after(int(clock.now_ms[row]))
            tick = len(times) if self._next_ms is None else int(np.searchsorted(times, self._next_ms))
            if tick == len(times):
                self._wait(batch.take(np.arange(row, len(batch))), 0)
                return concatenate_batches(pieces)
            number = int(numbers[tick])
            stop = max(row, int(np.searchsorted(chunks, number)))
            self._wait(batch.take(np.arange(row, stop)), 0)
            before = max(number - CHUNK_STRIDE, int(chunks[stop - 1]) if stop else number - CHUNK_STRIDE)
            assert self._next_ms is not None
            pieces.append(self._turn(self._next_ms, min(before + 1, number - 1)))
            row = stop

    def fire(self, now_ms: int) -> EventBatch | None:
        """The round that ends."""
        if self._by_wall_clock or self._next_ms is None or self._next_ms > now_ms:
            return None
        return self._turn(self._next_ms, FIRED_CHUNK)

    def next_timer_ms(self) -> int | None:
        """The end of the round; None if no row waits for it."""
        return None if self._by_wall_clock else self._next_ms

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:
        """What the wall clock makes the window put out on its way to ``wall_ms``; ``now_ms`` is the event clock."""
        self._wall_ms = max(self._wall_ms, wall_ms)
        if not self._by_wall_clock or self._next_ms is None or self._next_ms > wall_ms:
            return None
        return self._turn(now_ms, FIRED_CHUNK)

    def content(self) -> EventBatch:
        """The rows of the round before."""
        return self._store.rows(self._store.start, self._store.start + self._put_out)

    def snapshot(self) -> OperatorState:
        """The rows held and the next moment."""
        return {
            "rows": self._store.snapshot(),
            "put_out": self._put_out,
            "next_ms": self._next_ms,
            "wall_ms": self._wall_ms,
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._put_out = state["put_out"]
        self._next_ms = state["next_ms"]
        self._wall_ms = state["wall_ms"]

    def _wait(self, batch: EventBatch, wall_ms: int) -> None:
        if len(batch):
            self._store.append(batch)
            if self._next_ms is None and self._by_wall_clock:
                self._next_ms = self._schedule.next_after(wall_ms)

    def _turn(self, at_ms: int, number: int) -> EventBatch:
        """End the round: the rows put out last as expired ones, then those that waited, as chunk ``number``."""
        store, put_out = self._store, self._put_out
        self._next_ms = None
        if not self._tells_expired:
            out = store.copied(number)
            store.drop(len(store))
            return out
        emission = Emission(len(store))
        emission.positions[:] = np.arange(store.start, store.stop)
        emission.kinds[:put_out] = EXPIRED
        emission.kinds[put_out:] = CURRENT
        emission.timestamps[:] = store.timestamps[store.start : store.stop]
        emission.timestamps[:put_out] = at_ms
        emission.chunks[:] = number
        out = emission.batch(len(store), self._schema, store)
        store.drop(put_out)
        self._put_out = len(store)
        return out


def _ticks(chunks: Longs, clock: RowClock) -> tuple[Longs, Longs]:
    """The chunks before which a round may end, and the time of each."""
    if len(clock.ticks_ms):
        return np.arange(len(clock.ticks_ms), dtype=np.int64) * CHUNK_STRIDE, clock.ticks_ms
    from_outside = np.flatnonzero(chunks % CHUNK_STRIDE == 0)
    return chunks.take(from_outside), clock.now_ms.take(from_outside)
