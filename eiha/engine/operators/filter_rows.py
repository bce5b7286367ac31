"""``[condition]``: rows for which it is true pass, whatever their kind."""

from __future__ import annotations

import numpy as np

from eiha.engine.expressions.compile_expression import compile_condition
from eiha.engine.expressions.rows import Scope
from eiha.engine.operator import RowClock
from eiha.engine.operators.stateless import Stateless, rows_of
from eiha.events.batch import EventBatch
from eiha.plan.expressions import Expression


class FilterRows(Stateless):
    """Keeps rows by a condition on their own values: current, expired and, as in Siddhi, reset rows alike.

    A reset carries the values of a row of its batch, so a filter behind a batch window can hold it back; aggregates
    then go on over the turn of the batch.
    """

    __slots__ = ("_condition", "_nothing")

    def __init__(self, condition: Expression, scope: Scope) -> None:
        self._condition = compile_condition(condition, scope)
        self._nothing: EventBatch | None = None

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that pass, with their chunk numbers."""
        passes = self._condition(rows_of(batch, clock))
        if passes is True:
            return batch
        if isinstance(passes, bool):
            return self._none_of(batch)
        kept = passes.nonzero()[0]
        if not len(kept):
            return self._none_of(batch)
        return batch if len(kept) == len(batch) else batch.take(kept)

    def _none_of(self, batch: EventBatch) -> EventBatch:
        """A batch without rows, made once: most filters drop most single events."""
        if self._nothing is None:
            self._nothing = batch.take(np.empty(0, dtype=np.int64))
        return self._nothing
