"""The groups of an aggregation: their numbers, and the values of ``group by`` that readers see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]


class Groups:
    """Numbers by the values of ``group by``; keys are compared by their text, and shown as the first of the group.

    Without ``group by`` there is one group, 0.
    """

    __slots__ = ("_has_key", "_index", "_known", "_strings", "_types", "_valid", "_values")

    def __init__(self, types: tuple[AttributeType, ...], strings: StringTable) -> None:
        self._types = types
        self._strings = strings
        self._reset()

    def _reset(self) -> None:
        self._index = GroupIndex(self._types, self._strings) if self._types else None
        self._known = 0
        self._has_key = np.zeros(0, np.bool_)
        self._values = [np.zeros(0, type_.dtype) for type_ in self._types]
        self._valid = [np.zeros(0, np.bool_) for _ in self._types]

    @property
    def count(self) -> int:
        """A bound for group numbers (exclusive)."""
        return 1 if self._index is None else self._index.count

    def find(self, keys: tuple[Column, ...], rows: int) -> Longs:
        """The group of each of ``rows`` rows."""
        if self._index is None:
            return np.zeros(rows, np.int64)
        groups = self._index.find(keys)
        # a group of nulls may have a number before any row has it
        if self._index.count > self._known or any(key.valid is not None for key in keys):
            self._learn(groups, keys)
        return groups

    def _learn(self, groups: Longs, keys: tuple[Column, ...]) -> None:
        """Keep the keys of groups that had none."""
        self._known = self.count
        self._has_key = grown(self._has_key, self._known)
        self._values = [grown(values, self._known) for values in self._values]
        self._valid = [grown(valid, self._known) for valid in self._valid]
        # backwards, so that the first row of a group is written last
        rows = np.flatnonzero(~self._has_key.take(groups))[::-1]
        fresh = groups.take(rows)
        self._has_key[fresh] = True
        for column, key in enumerate(keys):
            self._values[column][fresh] = key.values.take(rows)
            self._valid[column][fresh] = key.mask().take(rows)

    def key(self, column: int, groups: Longs) -> Column:
        """The values of one key column for these groups."""
        return make_column(self._types[column], self._values[column].take(groups), self._valid[column].take(groups))

    def keep(self, groups: Longs) -> Longs:
        """Forget all groups but these (rising); the new numbers by the old ones, those of others mean nothing."""
        numbers = np.zeros(self.count, np.int64)
        if self._index is None:
            return numbers
        keys = tuple(self.key(column, groups) for column in range(len(self._types)))
        self._reset()
        numbers[groups] = self.find(keys, len(groups))
        return numbers

    def snapshot(self) -> OperatorState:
        """Keys by number."""
        if self._index is None:
            return {}
        known = self._known
        return {
            "index": self._index.snapshot(),
            "has_key": self._has_key[:known],
            "values": [values[:known] for values in self._values],
            "valid": [valid[:known] for valid in self._valid],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        if self._index is None:
            return
        self._index.restore(state["index"])
        self._has_key = np.array(state["has_key"], np.bool_)
        self._known = len(self._has_key)
        self._values = [
            np.array(values, type_.dtype) for values, type_ in zip(state["values"], self._types, strict=True)
        ]
        self._valid = [np.array(valid, np.bool_) for valid in state["valid"]]
