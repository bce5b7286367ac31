"""``[condition]``: rows for which it is true pass, and all resets."""

from __future__ import annotations

import numpy as np

from eiha.engine.expressions.compile_expression import compile_condition
from eiha.engine.expressions.rows import Scope
from eiha.engine.operator import RowClock
from eiha.engine.operators.stateless import Stateless, rows_of
from eiha.events.batch import EventBatch, Kind
from eiha.plan.expressions import Expression


class FilterRows(Stateless):
    """Keeps rows by a condition on their own values; current and expired rows alike."""

    __slots__ = ("_condition",)

    def __init__(self, condition: Expression, scope: Scope) -> None:
        self._condition = compile_condition(condition, scope)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that pass, with their chunk numbers."""
        passes = self._condition(rows_of(batch, clock))
        if passes is True:
            return batch
        if batch.kinds is not None:
            passes = passes | (batch.kinds == Kind.RESET)
        if isinstance(passes, bool):
            return batch.take(np.empty(0, dtype=np.int64))
        kept = np.flatnonzero(passes)
        return batch if len(kept) == len(batch) else batch.take(kept)
