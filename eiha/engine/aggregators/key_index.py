"""Values and groups as dense numbers, given in order of first sight."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.expressions.conversion import to_text
from eiha.engine.kernels.hash_index import find_or_add, find_or_add_code, rebuild
from eiha.engine.operator import OperatorState
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

Numbers = npt.NDArray[np.int64]

_LOW_HALF: Final = (1 << 32) - 1
_AFTER_NULL: Final = 1
"""The number of the first value: that of null is 0."""


class LongIndex:
    """int64 keys to numbers from 0."""

    __slots__ = ("_known", "_table", "count")

    def __init__(self) -> None:
        self.count = 0
        self._known: Numbers = np.zeros(16, dtype=np.int64)
        self._table: Numbers = np.zeros(32, dtype=np.int64)

    def find(self, keys: Numbers, base: int = 0) -> Numbers:
        """The number of each key plus ``base``, new ones for keys never seen."""
        most = self.count + len(keys)
        self._known = grown(self._known, most)
        if 2 * most > len(self._table):
            self._table = np.zeros(1 << (2 * most).bit_length(), dtype=np.int64)
            rebuild(self._known, self.count, self._table)
        numbers = np.empty(len(keys), dtype=np.int64)
        self.count = find_or_add(keys, self._table, self._known, self.count, base, numbers)
        return numbers

    def keys(self, first: int = 0) -> Numbers:
        """The keys by number, from the number ``first`` on; good until the next ``find``."""
        return self._known[first : self.count]

    def restore(self, keys: Numbers) -> None:
        """Take over what ``keys`` gave."""
        self.count = len(keys)
        self._known = grown(np.zeros(16, dtype=np.int64), self.count)
        self._known[: self.count] = keys
        self._table = np.zeros(1 << max(5, (2 * self.count).bit_length()), dtype=np.int64)
        rebuild(self._known, self.count, self._table)


class CodeIndex:
    """String ids to numbers from 0: as ``LongIndex``, but an id is a place in a table."""

    __slots__ = ("_known", "_strings", "_table", "count")

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self.count = 0
        self._known: Numbers = np.zeros(16, dtype=np.int64)
        self._table: Numbers = np.zeros(16, dtype=np.int64)

    def find(self, codes: npt.NDArray[np.int32], base: int = 0) -> Numbers:
        """The number of each id plus ``base``, new ones for ids never seen."""
        self._known = grown(self._known, min(self.count + len(codes), len(self._strings)))
        self._table = grown(self._table, len(self._strings))
        numbers = np.empty(len(codes), dtype=np.int64)
        self.count = find_or_add_code(codes, self._table, self._known, self.count, base, numbers)
        return numbers

    def keys(self) -> Numbers:
        """The ids by number; good until the next ``find``."""
        return self._known[: self.count]

    def restore(self, keys: Numbers) -> None:
        """Take over what ``keys`` gave."""
        self.count = len(keys)
        self._known = grown(np.zeros(16, dtype=np.int64), self.count)
        self._known[: self.count] = keys
        self._table = grown(np.zeros(16, dtype=np.int64), len(self._strings))
        self._table[keys] = np.arange(1, self.count + 1)


class ValueIndex:
    """Values of one column to numbers: null is 0, others count from 1. Floats differ when their bits do, NaN is one."""

    __slots__ = ("_index", "_strings", "_type")

    def __init__(self, type_: AttributeType, strings: StringTable) -> None:
        self._type = type_
        self._strings = strings
        self._index = CodeIndex(strings) if type_ is AttributeType.STRING else LongIndex()

    @property
    def count(self) -> int:
        """How many numbers are in use, that of null included."""
        return self._index.count + 1

    def find(self, column: Column) -> Numbers:
        """The number of each row's value."""
        keys = self._keys(column)
        if column.valid is None:
            return self._index.find(keys, _AFTER_NULL)
        numbers = np.zeros(len(column), dtype=np.int64)
        rows = np.flatnonzero(column.valid)
        numbers[rows] = self._index.find(keys.take(rows), _AFTER_NULL)
        return numbers

    def _keys(self, column: Column) -> npt.NDArray[Any]:
        if self._type is AttributeType.STRING:
            return column.values
        return _bits(to_text(column, self._strings) if self._type is AttributeType.OBJECT else column)

    def keep(self, kept: npt.NDArray[np.bool_]) -> Numbers:
        """Forget the values whose numbers are not ``kept`` (bool, by number); the new number by the old one.

        Null stays 0, the order stays; what is given for a number that was forgotten means nothing.
        """
        renumbered: Numbers = np.zeros(len(kept), dtype=np.int64)
        renumbered[1:] = np.cumsum(kept[1:])
        self._index.restore(self._index.keys()[kept[1:]])
        return renumbered

    def snapshot(self) -> OperatorState:
        """The keys by number."""
        return {"keys": self._index.keys()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._index.restore(state["keys"])


class GroupIndex:
    """Rows of key columns to group numbers. Keys are compared by their text: null and 'null' are one string key."""

    __slots__ = ("_columns", "_null_id", "_pairs")

    def __init__(self, types: tuple[AttributeType, ...], strings: StringTable) -> None:
        assert types
        self._null_id = np.int32(strings.intern("null")) if AttributeType.STRING in types else np.int32(0)
        self._columns = [ValueIndex(type_, strings) for type_ in types]
        self._pairs = [LongIndex() for _ in types[1:]]

    @property
    def count(self) -> int:
        """A bound for group numbers (exclusive)."""
        return self._pairs[-1].count if self._pairs else self._columns[0].count

    def find(self, columns: tuple[Column, ...]) -> Numbers:
        """The group number of each row."""
        groups = self._columns[0].find(self._by_text(columns[0]))
        for values, pairs, column in zip(self._columns[1:], self._pairs, columns[1:], strict=True):
            groups = pairs.find((groups << 32) | values.find(self._by_text(column)))
        return groups

    def keep(self, kept: npt.NDArray[np.bool_]) -> Numbers:
        """Forget the groups that are not ``kept`` (bool, by number); the old numbers of those that stay, rising.

        They are numbered anew, from 0, in the same order. A single key column keeps the number of null, 0.
        """
        assert len(kept) == self.count
        if not self._pairs:
            kept = kept.copy()
            kept[0] = True
            self._columns[0].keep(kept)
            return np.flatnonzero(kept)
        left = np.flatnonzero(kept)
        wanted = kept
        for level in range(len(self._pairs) - 1, -1, -1):
            keys = self._pairs[level].keys()[wanted]
            values, before = keys & _LOW_HALF, keys >> 32
            column = self._columns[level + 1]
            values = column.keep(_marked(values, column.count)).take(values)
            if level:
                wanted = _marked(before, self._pairs[level - 1].count)
                before = (np.cumsum(wanted) - 1).take(before)
            else:
                first = self._columns[0]
                before = first.keep(_marked(before, first.count)).take(before)
            self._pairs[level].restore((before << 32) | values)
        return left

    def _by_text(self, column: Column) -> Column:
        if column.type is not AttributeType.STRING or column.valid is None:
            return column
        return Column(column.type, np.where(column.valid, column.values, self._null_id))

    def snapshot(self) -> OperatorState:
        """The indexes of columns and pairs."""
        return {
            "columns": [column.snapshot() for column in self._columns],
            "pairs": [pairs.keys() for pairs in self._pairs],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        for column, part in zip(self._columns, state["columns"], strict=True):
            column.restore(part)
        for pairs, keys in zip(self._pairs, state["pairs"], strict=True):
            pairs.restore(keys)


def _marked(numbers: Numbers, count: int) -> npt.NDArray[np.bool_]:
    marked = np.zeros(count, dtype=np.bool_)
    marked[numbers] = True
    return marked


def _bits(column: Column) -> Numbers:
    values = column.values
    if column.type is AttributeType.DOUBLE:
        values = np.where(np.isnan(values), np.nan, values).view(np.int64)
    elif column.type is AttributeType.FLOAT:
        values = np.where(np.isnan(values), np.float32(np.nan), values).view(np.int32)
    widened: Numbers = np.ascontiguousarray(values, dtype=np.int64)
    return widened
