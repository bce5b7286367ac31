"""Values to sort by as whole numbers whose order is that of the values, so that one kernel sorts all types."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_BEHIND_ALL: Final = np.iinfo(np.int64).max
_SIGN_OFF: Final = np.int64(np.iinfo(np.int64).max)
_SPAN: Final = 1 << 62
_GAP: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class SortAttribute:
    """One attribute to sort by: its position in the rows, and whether the greatest value comes first."""

    position: int
    descending: bool


class TextRanks:
    """Numbers in the order of strings (by UTF-16 units, as in Java), kept when further strings come between.

    When two neighbours leave no number between them, all get new ones: ``renumberings`` counts how often.
    """

    __slots__ = ("_ids", "_keys", "_ranks", "_strings", "renumberings")

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self._keys: list[bytes] = []
        self._ids: list[int] = []
        self._ranks: dict[int, int] = {}
        self.renumberings = 0

    def of(self, ids: npt.NDArray[np.int32]) -> Longs:
        """The rank of each string."""
        distinct, places = np.unique(ids, return_inverse=True)
        for number in distinct.tolist():
            if number not in self._ranks:
                self._add(number)
        return np.array([self._ranks[number] for number in distinct.tolist()], dtype=np.int64).take(places)

    def forget_all_but(self, ids: npt.NDArray[np.int32]) -> None:
        """Keep the ranks of ``ids`` only."""
        kept = frozenset(ids.tolist())
        pairs = [pair for pair in zip(self._keys, self._ids, strict=True) if pair[1] in kept]
        self._keys, self._ids = [key for key, _ in pairs], [number for _, number in pairs]
        self._ranks = {number: self._ranks[number] for number in self._ids}

    def _add(self, number: int) -> None:
        key = self._strings.text(number).encode("utf-16-be", "surrogatepass")
        place = bisect_left(self._keys, key)
        low = self._ranks[self._ids[place - 1]] if place else None
        high = self._ranks[self._ids[place]] if place < len(self._ids) else None
        self._keys.insert(place, key)
        self._ids.insert(place, number)
        if low is None or high is None:
            rank = 0 if low is None and high is None else high - _GAP if high is not None else (low or 0) + _GAP
        else:
            rank = (low + high) // 2
        self._ranks[number] = rank
        if rank == low or abs(rank) > _SPAN:
            self._renumber()

    def _renumber(self) -> None:
        self.renumberings += 1
        self._ranks = {number: place * _GAP for place, number in enumerate(self._ids)}


class SortKeys:
    """Numbers that sort rows by several attributes: ``width`` of them a row, compared from left to right.

    Nulls stand behind all values, in either direction. Floats are ordered as in Java: -0.0 before 0.0, NaN last.
    """

    __slots__ = ("_attributes", "_ranks", "_types", "width")

    def __init__(
        self, attributes: Sequence[SortAttribute], types: Sequence[AttributeType], strings: StringTable
    ) -> None:
        self._attributes = tuple(attributes)
        self._types = tuple(types)
        self._ranks = TextRanks(strings)
        self.width = sum(1 if type_ is not AttributeType.LONG else 2 for type_ in types)

    @property
    def renumberings(self) -> int:
        """When it rises, the keys of rows that were seen before are out of date."""
        return self._ranks.renumberings

    def of(self, columns: Sequence[Column]) -> Longs:
        """The keys of all rows, ``width`` numbers each, one row after the other."""
        before = self.renumberings
        keys = self._of(columns)
        return keys if self.renumberings == before else self._of(columns)

    def forget_all_but(self, columns: Sequence[Column]) -> None:
        """Forget what was remembered for rows other than these."""
        kept = []
        for attribute, type_ in zip(self._attributes, self._types, strict=True):
            if type_ is AttributeType.STRING:
                kept.append(columns[attribute.position].values)
        if kept:
            self._ranks.forget_all_but(np.concatenate(kept))

    def _of(self, columns: Sequence[Column]) -> Longs:
        rows = len(columns[0])
        keys = np.empty((rows, self.width), dtype=np.int64)
        place = 0
        for attribute, type_ in zip(self._attributes, self._types, strict=True):
            column = columns[attribute.position]
            if type_ is AttributeType.LONG:
                keys[:, place] = 0 if column.valid is None else ~column.valid
                place += 1
            values = self._in_order(column)
            keys[:, place] = ~values if attribute.descending else values
            if column.valid is not None:
                keys[~column.valid, place] = _BEHIND_ALL
            place += 1
        return keys.reshape(-1)

    def _in_order(self, column: Column) -> Longs:
        match column.type:
            case AttributeType.STRING:
                return self._ranks.of(column.values)
            case AttributeType.FLOAT | AttributeType.DOUBLE:
                values = column.values.astype(np.float64)
                bits = np.where(np.isnan(values), np.nan, values).view(np.int64)
                return np.where(bits < 0, bits ^ _SIGN_OFF, bits)
            case _:
                return column.values.astype(np.int64)
