"""The list of rows that a window kernel decides to put out, before their columns are gathered."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import RowClock
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch, Kind
from eiha.events.schema import Schema

CURRENT: int = int(Kind.CURRENT)
EXPIRED: int = int(Kind.EXPIRED)
RESET: int = int(Kind.RESET)


def latest(clock: RowClock, before_ms: int) -> int:
    """The latest time that a clock tells of, by rows or ticks; ``before_ms`` if it has nothing to tell."""
    for readings in (clock.now_ms, clock.ticks_ms):
        if len(readings):
            before_ms = max(before_ms, int(readings[-1]))
    return before_ms


class Emission:
    """Room for ``capacity`` output rows: position in the store, kind, timestamp and chunk number of each.

    A kernel fills the arrays from the front and says how many rows it wrote.
    """

    __slots__ = ("chunks", "kinds", "positions", "timestamps")

    def __init__(self, capacity: int) -> None:
        self.positions: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.kinds: npt.NDArray[np.uint8] = np.empty(capacity, dtype=np.uint8)
        self.timestamps: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.chunks: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)

    def batch(self, rows: int, schema: Schema, store: RowStore, *, collapses: bool = False) -> EventBatch:
        """The first ``rows`` rows with their columns, as they are in ``store``."""
        assert rows <= len(self.positions)
        positions = self.positions[:rows]
        kinds = self.kinds[:rows]
        return EventBatch(
            schema=schema,
            timestamps=self.timestamps[:rows],
            columns=store.take(positions),
            kinds=kinds if kinds.any() else None,
            chunks=self.chunks[:rows],
            collapses=collapses,
        )
