"""What the clock read when a chunk came in: kept by chunk number, so that rows caused by it see the same time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import RowClock
from eiha.events.batch import CHUNK_STRIDE, EventBatch

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ChunkClock:
    """``now_ms``: one reading for all chunks, or int64[n], one for each chunk from outside (numbers 0, stride, ...)."""

    now_ms: int | Longs

    def of(self, batch: EventBatch) -> RowClock:
        """The clock of each row of ``batch``. What a timer put out has the time of the chunk before which it fired."""
        if isinstance(self.now_ms, int):
            return RowClock(np.full(len(batch), self.now_ms, dtype=np.int64))
        if batch.chunks is None:
            return RowClock(self.now_ms[: len(batch)])
        causes = -(-batch.chunks // CHUNK_STRIDE)
        return RowClock(self.now_ms.take(np.minimum(causes, len(self.now_ms) - 1)))
