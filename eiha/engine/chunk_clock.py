"""What the clock read when a chunk came in: kept by chunk number, so that rows caused by it see the same time."""

from __future__ import annotations

from dataclasses import field

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import NO_TICKS, RowClock
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.light import light_dataclass
from eiha.events.repeated import repeated

Longs = npt.NDArray[np.int64]


@light_dataclass(frozen=True, slots=True)
class ChunkClock:
    """The time for all rows that one delivery causes.

    ``now_ms``: one reading for all chunks, or int64[n], one for each chunk from outside (numbers 0, stride, ...).
    ``ticks_ms``: as in ``RowClock``; empty if timers fire outside of the operators.
    ``timers_inside``: whether numbers between those of two chunks from outside are those of timers, which belong to the
    second one; else one of several chunks that the first one causes has them.
    """

    now_ms: int | Longs
    ticks_ms: Longs = field(default_factory=lambda: NO_TICKS)
    timers_inside: bool = True

    def of(self, batch: EventBatch) -> RowClock:
        """The clock of each row of ``batch``. What a timer put out has the time of the chunk before which it fired."""
        now_ms = self.now_ms
        if isinstance(now_ms, int):
            return RowClock(repeated(now_ms, len(batch.timestamps)), self.ticks_ms)
        if batch.chunks is None:
            return RowClock(now_ms[: len(batch)], self.ticks_ms)
        causes = -(-batch.chunks // CHUNK_STRIDE) if self.timers_inside else batch.chunks // CHUNK_STRIDE
        return RowClock(now_ms.take(causes, mode="clip"), self.ticks_ms)

    def reaches(self, due_ms: int | None) -> bool:
        """Whether a timer set for ``due_ms`` is to fire within the operator, rows or not."""
        return due_ms is not None and len(self.ticks_ms) > 0 and due_ms <= self.ticks_ms[-1]
