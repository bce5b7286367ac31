"""``output first every t``: after a row none passes for t, by the plan's clock; no timer is needed for that."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.operators.selected import Selected
from eiha.events.batch import EventBatch

Numbers = npt.NDArray[np.int64]

_NO_TIME: Final = -(2**62)


class FirstByTime(Untimed):
    """Counts from the row that passed last: of the query, or of its group. Of a chunk only the first row may pass."""

    __slots__ = ("_every_ms", "_passed_ms", "quiet_calls", "turned_ms")

    def __init__(self, every_ms: int) -> None:
        assert every_ms > 0
        self._every_ms = every_ms
        self._passed_ms: Numbers = np.full(1, _NO_TIME, dtype=np.int64)
        self.turned_ms: int | None = None
        self.quiet_calls = 0

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:
        """The rows that pass."""
        rows, groups = selected.rows, selected.groups
        if groups is None:
            groups = np.zeros(len(rows), dtype=np.int64)
        self._passed_ms = grown(self._passed_ms, selected.group_count, _NO_TIME)
        passes = np.zeros(len(rows), dtype=np.uint8)
        _first_of_periods(groups, clock.now_ms, self._passed_ms, self._every_ms, passes)
        chosen = np.flatnonzero(passes)
        return rows.take(chosen) if len(chosen) else None

    def forget(self, groups: Numbers) -> None:
        """As if no row of ``groups`` had passed."""
        self._passed_ms[groups[groups < len(self._passed_ms)]] = _NO_TIME

    def snapshot(self) -> OperatorState:
        """When a row of each group passed last."""
        groups = np.flatnonzero(self._passed_ms != _NO_TIME)
        return {"groups": groups, "passed_ms": self._passed_ms.take(groups)}

    def restore(self, state: OperatorState) -> None:
        """Count on from there."""
        groups: Numbers = state["groups"]
        count = int(groups.max()) + 1 if len(groups) else 1
        self._passed_ms = grown(np.full(1, _NO_TIME, dtype=np.int64), count, _NO_TIME)
        self._passed_ms[groups] = state["passed_ms"]


@kernel
def _first_of_periods(
    groups: ReadInt64, now_ms: ReadInt64, passed_ms: WriteInt64, every_ms: int, passes: WriteUInt8
) -> int:
    """Mark the rows that pass."""
    marked = 0
    for row in range(len(groups)):
        group = groups[row]
        if passed_ms[group] + every_ms <= now_ms[row]:
            passed_ms[group] = now_ms[row]
            passes[row] = 1
            marked += 1
    return marked
