"""``[sum(x) > 3]``: a filter whose condition holds aggregates, which follow every row that reaches the filter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.column_pruning import KeepColumns, KeptColumns
from eiha.engine.expressions.compile_expression import compile_condition
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.operators.running_aggregates import RunningAggregates, missing
from eiha.engine.operators.stateless import rows_of
from eiha.events.batch import EventBatch, Kind
from eiha.events.column import Column
from eiha.plan.nodes import Filter

_COUNTING = frozenset({"count", "distinctCount"})


class FilterByAggregates(Untimed):
    """As recorded: one group for all rows, current ones add, expired ones take away, a reset empties.

    At a reset row itself the aggregates are null (counts 0), so most conditions hold it back; aggregates behind the
    filter then go on over the turn of the batch.
    """

    __slots__ = ("_aggregates", "_condition", "_counts", "_epoch", "_narrow")

    def __init__(self, handler: Filter, scope: Scope, kept: KeptColumns | None = None) -> None:
        self._aggregates = RunningAggregates(handler.aggregates, scope, expires=True)
        self._counts = [each.name in _COUNTING for each in handler.aggregates]
        self._condition = compile_condition(handler.condition, scope)
        self._narrow = None if kept is None else KeepColumns(kept)
        self._epoch = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that pass, with their chunk numbers."""
        rows = rows_of(batch, clock)
        passes = self._condition(replace(rows, aggregates=self._values(rows, batch)))
        if self._narrow is not None:
            batch = self._narrow.process(batch, clock)
        if passes is True:
            return batch
        kept = np.flatnonzero(passes) if passes is not False else np.empty(0, dtype=np.int64)
        return batch if len(kept) == len(batch) else batch.take(kept)

    def _values(self, rows: Rows, batch: EventBatch) -> tuple[Column, ...]:
        kinds = batch.kind_array()
        is_reset = kinds == int(Kind.RESET)
        epochs = self._epoch + np.cumsum(is_reset)
        if len(epochs):
            self._epoch = int(epochs[-1])
        touched = Touched(np.zeros(len(kinds), dtype=np.int64), 1, kinds, epochs)
        if not is_reset.any():
            return self._aggregates.update(rows, touched)
        others = np.flatnonzero(~is_reset)
        found = self._aggregates.update(rows.take(others), touched.take(others))
        return tuple(self._with_resets(number, column, others, len(kinds)) for number, column in enumerate(found))

    def _with_resets(self, number: int, column: Column, others: np.ndarray, count: int) -> Column:
        blank = missing(column.type, count)
        blank.values[others] = column.values
        valid = np.full(count, self._counts[number])
        valid[others] = column.mask()
        return Column(column.type, blank.values, valid)

    def snapshot(self) -> OperatorState:
        """The aggregates and how often they were reset."""
        return {"epoch": self._epoch, "aggregates": self._aggregates.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._epoch = state["epoch"]
        self._aggregates.restore(state["aggregates"])
