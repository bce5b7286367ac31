"""distinctCount in aggregations: which values each bucket has seen. Null is a value.

Sets cannot be added up like sums, so every row goes to every level at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.buckets import bucket_starts
from eiha.engine.aggregations.stored_cells import CellIndex
from eiha.engine.aggregators.growth import grown
from eiha.engine.aggregators.key_index import LongIndex, ValueIndex
from eiha.engine.operator import OperatorState
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.granularities import Granularity

Longs = npt.NDArray[np.int64]

_VALUE_BITS = 32


class _LevelSets:
    """The sets of one granularity: cells by (group, bucket), pairs of cell and value, the size of each cell's set."""

    __slots__ = ("cells", "granularity", "pairs", "sizes")

    def __init__(self, granularity: Granularity) -> None:
        self.granularity = granularity
        self.cells = CellIndex()
        self.pairs = LongIndex()
        self.sizes: Longs = np.zeros(0, np.int64)

    def add(self, groups: Longs, times: Longs, values: Longs) -> None:
        starts = np.empty(len(times), np.int64)
        bucket_starts(times, int(self.granularity), starts)
        cells = self.cells.find(groups, starts)
        self.sizes = grown(self.sizes, self.cells.count)
        before = self.pairs.count
        self.pairs.find((cells << _VALUE_BITS) | values)
        fresh = self.pairs.keys(before) >> _VALUE_BITS
        np.add.at(self.sizes, fresh, 1)

    def rebuild(self, kept: Longs, group_numbers: Longs | None, value_numbers: Longs) -> None:
        """Keep only the cells ``kept``, in this order, with new numbers of groups and values."""
        groups, starts = self.cells.groups.take(kept), self.cells.starts.take(kept)
        numbers = np.full(self.cells.count, -1, np.int64)
        numbers[kept] = np.arange(len(kept))
        pairs = self.pairs.keys()
        cells = numbers.take(pairs >> _VALUE_BITS)
        values = value_numbers.take(pairs & ((1 << _VALUE_BITS) - 1))
        chosen = np.flatnonzero(cells >= 0)
        self.cells.load(groups if group_numbers is None else group_numbers.take(groups), starts)
        self.pairs.restore((cells.take(chosen) << _VALUE_BITS) | values.take(chosen))
        self.sizes = grown(self.sizes.take(kept), len(kept))


class DistinctValues:
    """The sets of one ``distinctCount`` at all levels."""

    __slots__ = ("_levels", "_strings", "_type", "_values")

    def __init__(self, type_: AttributeType, strings: StringTable, granularities: tuple[Granularity, ...]) -> None:
        self._type = type_
        self._strings = strings
        self._values = ValueIndex(type_, strings)
        self._levels = {each: _LevelSets(each) for each in granularities}

    def add(self, groups: Longs, times: Longs, argument: Column) -> None:
        """Add the value of each row to the bucket of its time, at every level."""
        values = self._values.find(argument)
        for level in self._levels.values():
            level.add(groups, times, values)

    def sizes(self, granularity: Granularity, groups: Longs, starts: Longs) -> Longs:
        """How many values the buckets of these groups have seen; all of them have seen some."""
        level = self._levels[granularity]
        known = level.cells.count
        numbers = level.cells.find(groups, starts)
        assert level.cells.count == known, "a bucket without a row"
        return level.sizes.take(numbers)

    def drop_before(self, cutoffs_ms: dict[Granularity, int], group_numbers: Longs | None) -> None:
        """Forget buckets before the cutoff of their level, and values that no bucket holds any more.

        ``group_numbers``: what the groups that stay are called from now on; None: as before.
        """
        kept = {
            granularity: np.flatnonzero(level.cells.starts >= cutoffs_ms[granularity])
            if granularity in cutoffs_ms
            else np.arange(level.cells.count)
            for granularity, level in self._levels.items()
        }
        is_used = np.zeros(self._values.count, np.bool_)
        is_used[0] = True
        for granularity, level in self._levels.items():
            stays = np.zeros(level.cells.count, np.bool_)
            stays[kept[granularity]] = True
            pairs = level.pairs.keys()
            is_used[pairs[stays.take(pairs >> _VALUE_BITS)] & ((1 << _VALUE_BITS) - 1)] = True
        value_numbers = np.cumsum(is_used) - 1
        keys = self._values.snapshot()["keys"]
        self._values = ValueIndex(self._type, self._strings)
        self._values.restore({"keys": keys[is_used[1:]]})
        for granularity, level in self._levels.items():
            level.rebuild(kept[granularity], group_numbers, value_numbers)

    def snapshot(self) -> OperatorState:
        """Values, and the sets of each level."""
        return {
            "values": self._values.snapshot(),
            "levels": [
                {
                    "groups": level.cells.groups.copy(),
                    "starts": level.cells.starts.copy(),
                    "pairs": level.pairs.keys(),
                    "sizes": level.sizes[: level.cells.count],
                }
                for level in self._levels.values()
            ],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._values.restore(state["values"])
        for level, part in zip(self._levels.values(), state["levels"], strict=True):
            level.cells.load(part["groups"], part["starts"])
            level.pairs.restore(part["pairs"])
            level.sizes = np.array(part["sizes"], np.int64)
