"""``#str:tokenize(...)`` and their like: any number of rows for each, in its chunk, with added columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from eiha.engine.expressions.boxes import boxed, unboxed
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.faults import EngineFault
from eiha.engine.operator import RowClock
from eiha.engine.operators.stateless import Stateless, rows_of
from eiha.events.batch import EventBatch, Kind
from eiha.events.column import Column
from eiha.plan.nodes import StreamFunction

_RESET = int(Kind.RESET)


class ExpandRows(Stateless):
    """Calls a function for each row; the rows that it gives carry the row's columns, timestamp, kind and chunk number.

    Args:
        handler: as bound; the columns behind those of the input are added.
        function: gets the arguments' values (None for null), gives tuples of the added columns' values.
        foreign: the name under which whatever it raises becomes an ``EngineFault``; None: our own, which never fails.
    """

    __slots__ = ("_arguments", "_foreign", "_function", "_name", "_schema", "_strings")

    def __init__(
        self, handler: StreamFunction, function: Callable[..., Any], scope: Scope, *, foreign: str | None = None
    ) -> None:
        self._name = handler.name
        self._schema = handler.schema
        self._function = function
        self._foreign = foreign
        self._strings = scope.strings
        self._arguments: list[Callable[[Rows], Column]] = [compile_column(each, scope) for each in handler.arguments]

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows; a reset row passes as it is, with nulls in the added columns."""
        rows = rows_of(batch, clock)
        values = [boxed(argument(rows), self._strings) for argument in self._arguments]
        added = self._schema.attributes[len(batch.columns) :]
        kinds = batch.kind_array().tolist()
        indices: list[int] = []
        found: list[tuple[Any, ...]] = []
        per_row = zip(*values, strict=True) if values else iter([()] * len(batch))
        for index, row in enumerate(per_row):
            given = [(None,) * len(added)] if kinds[index] == _RESET else self._called(row, len(added))
            indices += [index] * len(given)
            found += given
        taken = batch.take(np.array(indices, dtype=np.int64))
        columns = tuple(
            unboxed(attribute.type, [each[place] for each in found], self._strings, self._name)
            for place, attribute in enumerate(added)
        )
        return EventBatch(
            self._schema, taken.timestamps, taken.columns + columns, taken.kinds, taken.chunks, taken.collapses
        )

    def _called(self, row: tuple[Any, ...], width: int) -> list[tuple[Any, ...]]:
        if self._foreign is None:
            rows: list[tuple[Any, ...]] = self._function(*row)
            return rows
        try:
            rows = [tuple(each) for each in self._function(*row)]
        except Exception as cause:
            raise EngineFault(f"{self._foreign} failed: {cause!r}") from cause
        for each in rows:
            if len(each) != width:
                raise EngineFault(f"{self._foreign} gave {len(each)} values, not {width}")
        return rows
