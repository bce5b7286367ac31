"""Which instances the rows of a stream go to: by the text of an expression, by ranges, or to all."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.aggregators.key_index import ValueIndex
from eiha.engine.expressions.compile_expression import compile_column, compile_condition
from eiha.engine.expressions.conversion import to_text
from eiha.engine.expressions.rows import Rows, Scope
from eiha.events.column import Column, Indices
from eiha.events.schema import AttributeType
from eiha.plan.nodes import PartitionKey, RangeKey, ValueKey

Texts = npt.NDArray[np.integer]

_REMEMBERED_MAX: Final = 1 << 16
"""So many values are remembered with the ids of their texts; then it begins anew."""


class KeyReader(Protocol):
    """Reads the keys of the rows of one stream. ``copies``: whether a row may have several."""

    @property
    def copies(self) -> bool:
        """See above."""

    def read(self, rows: Rows) -> tuple[Indices | None, Texts]:
        """Positions of rows (None: all, each once) and, for each, the id of its key's text.

        A row without key is left out; one with several stands several times, in the order of the text.
        """


def make_reader(key: PartitionKey, scope: Scope) -> KeyReader:
    """The reader of ``key``."""
    return ValueReader(key, scope) if isinstance(key, ValueKey) else RangeReader(key, scope)


class ValueReader:
    """``expression of S``."""

    copies = False

    __slots__ = ("_ids", "_index", "_key", "_strings", "_type")

    def __init__(self, key: ValueKey, scope: Scope) -> None:
        self._key = compile_column(key.expression, scope)
        self._strings = scope.strings
        self._type = key.expression.type
        self._remember_nothing()

    def _remember_nothing(self) -> None:
        # text ids by number of the value; what is in it can be had again, so no snapshot holds it
        self._index = ValueIndex(self._type, self._strings)
        self._ids: npt.NDArray[np.int64] = np.full(16, -1, dtype=np.int64)

    def read(self, rows: Rows) -> tuple[Indices | None, Texts]:
        """See ``KeyReader``."""
        column = self._key(rows)
        kept: Indices | None = None
        if column.valid is not None:
            kept = np.flatnonzero(column.valid)
            column = column.take(kept)
        return kept, self._texts(column)

    def _texts(self, column: Column) -> Texts:
        if column.type is AttributeType.STRING:
            return column.values
        if column.type is AttributeType.OBJECT:
            return to_text(column, self._strings).values
        if self._index.count > _REMEMBERED_MAX:
            self._remember_nothing()
        numbers = self._index.find(column)
        self._ids = grown(self._ids, self._index.count, -1)
        ids = self._ids.take(numbers)
        unknown = np.flatnonzero(ids < 0)
        if len(unknown):
            _, first = np.unique(numbers.take(unknown), return_index=True)
            rows = unknown.take(np.sort(first))  # in order of the rows: texts get their ids in that order
            self._ids[numbers.take(rows)] = to_text(column.take(rows), self._strings).values
            ids = self._ids.take(numbers)
        return ids


class RangeReader:
    """``condition as 'label' or ... of S``."""

    __slots__ = ("_conditions", "_labels", "copies")

    def __init__(self, key: RangeKey, scope: Scope) -> None:
        self.copies = len(key.ranges) > 1
        self._conditions = [compile_condition(condition, scope) for condition, _ in key.ranges]
        self._labels = np.array([scope.strings.intern(label) for _, label in key.ranges], dtype=np.int64)

    def read(self, rows: Rows) -> tuple[Indices | None, Texts]:
        """See ``KeyReader``."""
        holds = np.empty((rows.count, len(self._conditions)), dtype=np.bool_)
        for position, condition in enumerate(self._conditions):
            holds[:, position] = condition(rows)
        kept, positions = np.nonzero(holds)
        return kept, self._labels.take(positions)
