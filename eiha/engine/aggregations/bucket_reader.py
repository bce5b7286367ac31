"""``within ... per ...`` at work: which buckets of an aggregation each row that asks means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.aggregation import IncrementalAggregation
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.faults import EngineFault
from eiha.events.batch import EventBatch
from eiha.events.column import Column, Indices
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.bind_aggregations import granularity_problem
from eiha.plan.granularities import granularity_of_text
from eiha.plan.nodes import AggregationRange
from eiha.plan.within import NoTime, moment_ms, span_ms


class BucketReader:
    """Answers those who read an aggregation.

    Args:
        aggregation: that is read.
        range_: which buckets; its expressions read the rows that ask.
        scope: strings and names of those rows.
    """

    __slots__ = ("_aggregation", "_end", "_per", "_start", "_strings")

    def __init__(self, aggregation: IncrementalAggregation, range_: AggregationRange, scope: Scope) -> None:
        self._aggregation = aggregation
        self._strings = scope.strings
        self._start = compile_column(range_.start, scope)
        self._end: Callable[[Rows], Column] | None = None
        if range_.end is not None:
            self._end = compile_column(range_.end, scope)
        self._per = compile_column(range_.per, scope)

    def find(self, rows: Rows) -> tuple[list[EventBatch], Indices]:
        """Batches of buckets, and for each row the position of its own among them; rows that ask alike share one.

        Raises:
            EngineFault: a row names no time or no granularity of the aggregation.
        """
        columns = [self._start(rows), self._per(rows)]
        if self._end is not None:
            columns.append(self._end(rows))
        asked = [*(_identity(column) for column in columns), self._aggregation.rounds_behind(rows.now_ms)]
        _, firsts, places = np.unique(np.column_stack(asked), axis=0, return_index=True, return_inverse=True)
        return [self._answer(columns, row, int(rows.now_ms[row])) for row in firsts.tolist()], places.reshape(-1)

    def _answer(self, columns: list[Column], row: int, now_ms: int) -> EventBatch:
        start, per, *ends = [_value(column, row, self._strings) for column in columns]
        definition = self._aggregation.definition
        problem = granularity_problem(str(per), definition)
        granularity = granularity_of_text(str(per))
        if problem is not None or granularity is None:
            raise EngineFault(f"per: {problem}")
        try:
            first, last = span_ms(str(start)) if not ends else (_moment(start), _moment(ends[0]))
        except NoTime as reason:
            raise EngineFault(f"within: {reason}") from None
        if first >= last:
            raise EngineFault(f"within begins at {first} and ends at {last}; the end must be later than the start")
        return self._aggregation.find(first, last, granularity, now_ms)


def _moment(value: int | str) -> int:
    return moment_ms(value) if isinstance(value, str) else value


def _identity(column: Column) -> npt.NDArray[np.int64]:
    """Numbers that are equal where rows of the column are; a null is like none of the values that can be asked for."""
    numbers = column.values.astype(np.int64)
    return numbers if column.valid is None else np.where(column.valid, numbers, np.iinfo(np.int64).min)


def _value(column: Column, row: int, strings: StringTable) -> int | str:
    if not column.mask()[row]:
        raise EngineFault("within and per cannot be null")
    value = int(column.values[row])
    return strings.text(value) if column.type is AttributeType.STRING else value
