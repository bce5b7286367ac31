"""``output [all|last] every t``: what came in a period goes out at its end, as one chunk."""

from __future__ import annotations

import numpy as np

from eiha.engine.operator import OperatorState
from eiha.engine.operators.selected import Selected
from eiha.engine.rate_limits.group_rows import GroupRows
from eiha.engine.rate_limits.held_rows import HeldRows
from eiha.engine.rate_limits.periods import PeriodicLimiter
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


class AllByTime(PeriodicLimiter):
    """All rows of the period; so many are held."""

    __slots__ = ("_held",)

    def __init__(self, every_ms: int, start_ms: int, schema: Schema) -> None:
        super().__init__(every_ms, start_ms)
        self._held = HeldRows(schema)

    def _take_in(self, selected: Selected, first: int, stop: int) -> None:
        rows = selected.rows
        self._held.add(rows if stop - first == len(rows) else rows.take(np.arange(first, stop)))

    def _put_out(self) -> EventBatch | None:
        return self._held.take() if len(self._held) else None

    def _state(self) -> OperatorState:
        return self._held.snapshot()

    def _restore(self, state: OperatorState) -> None:
        self._held.restore(state)


class LastByTime(PeriodicLimiter):
    """The last row of the period, or of each group that had one, in order of appearance."""

    __slots__ = ("_rows",)

    def __init__(self, every_ms: int, start_ms: int, schema: Schema) -> None:
        super().__init__(every_ms, start_ms)
        self._rows = GroupRows(schema)

    def _take_in(self, selected: Selected, first: int, stop: int) -> None:
        self._rows.take_in(selected, first, stop)

    def _put_out(self) -> EventBatch | None:
        if not len(self._rows):
            return None
        out = self._rows.rows()
        self._rows.clear()
        return out

    def _state(self) -> OperatorState:
        return self._rows.snapshot()

    def _restore(self, state: OperatorState) -> None:
        self._rows.restore(state)
