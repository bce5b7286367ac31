"""``[condition]``: rows for which it is true pass, whatever their kind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.column_pruning import KeepColumns, KeptColumns
from eiha.engine.expressions.compile_expression import compile_condition
from eiha.engine.expressions.rows import Scope
from eiha.engine.kernels.kept_rows import gather, kept_rows
from eiha.engine.operator import RowClock
from eiha.engine.operators.stateless import Stateless, rows_of
from eiha.events.batch import CHUNK_STRIDE, Chunks, EventBatch
from eiha.events.column import Column, Values
from eiha.events.repeated import taken
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Expression

Positions = npt.NDArray[np.int32]

_NOT_NUMBERS = frozenset({AttributeType.BOOL, AttributeType.OBJECT})


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
        if self._narrow is not None:
            batch = self._narrow.process(batch, clock)
        if passes is True:
            return batch
        if isinstance(passes, bool):
            return self._none_of(batch)
        room = len(passes)
        rows, chunks = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int64)
        count = kept_rows(passes, CHUNK_STRIDE, rows, chunks)
        if count == room:
            return batch
        if not count:
            return self._none_of(batch)
        return _at(batch, rows[:count], chunks[:count])

    def _none_of(self, batch: EventBatch) -> EventBatch:
        """A batch without rows, made once: most filters drop most single events."""
        if self._nothing is None:
            self._nothing = batch.take(np.empty(0, dtype=np.int64))
        return self._nothing


def _at(batch: EventBatch, rows: Positions, chunks: Chunks) -> EventBatch:
    """The rows at these positions; ``chunks``: their numbers if each is a chunk of its own."""
    return EventBatch(
        batch.schema,
        taken(batch.timestamps, rows),
        tuple([_column_at(column, rows) for column in batch.columns]),
        None if batch.kinds is None else batch.kinds.take(rows),
        chunks if batch.chunks is None else batch.chunks.take(rows),
        batch.collapses,
        None if batch.keys is None else batch.keys.take(rows),
    )


def _column_at(column: Column, rows: Positions) -> Column:
    values: Values = column.values
    if column.type in _NOT_NUMBERS:
        out = values.take(rows)
    else:
        out = np.empty(len(rows), dtype=values.dtype)
        gather(values, rows, out)
    return Column(column.type, out, None if column.valid is None else column.valid.take(rows))
