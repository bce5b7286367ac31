"""``[condition]``: rows for which it is true pass, whatever their kind."""

from __future__ import annotations

import numpy as np

from eiha.engine.column_pruning import KeepColumns, KeptColumns
from eiha.engine.expressions.compile_expression import compile_condition
from eiha.engine.expressions.rows import Scope
from eiha.engine.operator import RowClock
from eiha.engine.operators.kept_rows import kept_rows
from eiha.engine.operators.stateless import Stateless, rows_of
from eiha.events.batch import EventBatch
from eiha.plan.expressions import Expression


class FilterRows(Stateless):
    """Keeps rows by a condition on their own values: current, expired and, as in Siddhi, reset rows alike.

    A reset carries the values of a row of its batch, so a filter behind a batch window can hold it back; aggregates
    then go on over the turn of the batch.

    Args:
        condition: on the rows as they come.
        scope: strings and names.
        kept: columns that anyone reads behind the filter; None: all.
    """

    __slots__ = ("_condition", "_narrow", "_nothing")

    def __init__(self, condition: Expression, scope: Scope, kept: KeptColumns | None = None) -> None:
        self._condition = compile_condition(condition, scope)
        self._narrow = None if kept is None else KeepColumns(kept)
        self._nothing: EventBatch | None = None

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that pass, with their chunk numbers."""
        passes = self._condition(rows_of(batch, clock))
        if isinstance(passes, bool):
            return self._narrowed(batch, clock) if passes else self._none_of(batch, clock)
        count = int(np.count_nonzero(passes))
        if not count:
            return self._none_of(batch, clock)
        if count == len(passes):
            return self._narrowed(batch, clock)
        return kept_rows(batch, passes, count, self._narrow)

    def _narrowed(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        return batch if self._narrow is None else self._narrow.process(batch, clock)

    def _none_of(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """A batch without rows, made once: most filters drop most single events."""
        if self._nothing is None:
            self._nothing = self._narrowed(batch, clock).take(np.empty(0, dtype=np.int64))
        return self._nothing
