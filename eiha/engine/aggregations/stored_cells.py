"""The cells of a level by (group, bucket): open addressing, numbers in the order in which cells were first stored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.buckets import find_or_add_cells, rebuild_cells
from eiha.engine.aggregations.cells import CellLayout, Cells, Fields
from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState
from eiha.events.column import Indices

Longs = npt.NDArray[np.int64]

_TABLE_MIN = 32


class CellIndex:
    """(group, start of bucket) to numbers from 0."""

    __slots__ = ("_groups", "_starts", "_table", "count")

    def __init__(self) -> None:
        self.count = 0
        self._groups: Longs = np.zeros(16, np.int64)
        self._starts: Longs = np.zeros(16, np.int64)
        self._table: Longs = np.zeros(_TABLE_MIN, np.int64)

    @property
    def groups(self) -> Longs:
        """The group of each cell."""
        return self._groups[: self.count]

    @property
    def starts(self) -> Longs:
        """The start of each cell's bucket."""
        return self._starts[: self.count]

    def find(self, groups: Longs, starts: Longs) -> Longs:
        """The number of each (group, start), new ones for those never seen."""
        most = self.count + len(groups)
        self._groups = grown(self._groups, most)
        self._starts = grown(self._starts, most)
        if 2 * most > len(self._table):
            self._rebuild(1 << (2 * most).bit_length())
        numbers = np.empty(len(groups), np.int64)
        self.count = find_or_add_cells(groups, starts, self._table, self._groups, self._starts, self.count, numbers)
        return numbers

    def keep(self, numbers: Longs) -> None:
        """Forget all cells but these, which are renumbered from 0 in this order."""
        self.load(self._groups.take(numbers), self._starts.take(numbers))

    def load(self, groups: Longs, starts: Longs) -> None:
        """Hold exactly these cells, all different."""
        self.count = len(groups)
        self._groups = grown(np.array(groups, np.int64), max(16, self.count))
        self._starts = grown(np.array(starts, np.int64), max(16, self.count))
        self._rebuild(max(_TABLE_MIN, 1 << (2 * self.count).bit_length()))

    def _rebuild(self, size: int) -> None:
        self._table = np.zeros(size, np.int64)
        rebuild_cells(self._groups, self._starts, self.count, self._table)


class StoredCells:
    """Cells by (group, start of bucket). A dropped cell is emptied at once, and its place is freed with many others."""

    __slots__ = ("_cells", "index")

    def __init__(self, layout: CellLayout) -> None:
        self.index = CellIndex()
        self._cells = Cells(layout)

    def add(self, groups: Longs, starts: Longs, rows: Fields) -> None:
        """Add each row to its cell."""
        numbers = self.index.find(groups, starts)
        self._cells.reserve(self.index.count)
        self._cells.add(numbers, rows)

    def between(self, start_ms: int, end_ms: int) -> tuple[Longs, Longs, Fields]:
        """Groups, starts and cells of the buckets that begin in this span, end exclusive."""
        starts = self.index.starts
        return self._at(np.flatnonzero((starts >= start_ms) & (starts < end_ms) & self._is_filled()))

    def in_order(self) -> tuple[Longs, Longs, Fields]:
        """Groups, starts and cells of all buckets, by start, then by group."""
        filled = np.flatnonzero(self._is_filled())
        order = np.lexsort((self.index.groups.take(filled), self.index.starts.take(filled)))
        return self._at(filled.take(order))

    def groups(self) -> Longs:
        """The group of each cell."""
        return self.index.groups.compress(self._is_filled())

    def drop_before(self, cutoff_ms: int) -> None:
        """Forget the buckets that begin before ``cutoff_ms``."""
        is_filled = self._is_filled()
        dropped = np.flatnonzero((self.index.starts < cutoff_ms) & is_filled)
        self._cells.clear_at(dropped)
        empty = self.index.count - int(np.count_nonzero(is_filled)) + len(dropped)
        if 2 * empty > self.index.count:
            kept: Indices = np.flatnonzero(self._is_filled())
            fields = self._cells.take(kept)
            self.index.keep(kept)
            self._cells.restore(fields)

    def _is_filled(self) -> npt.NDArray[np.bool_]:
        """Whether any event is in a cell, which is so from the first one until the cell is dropped."""
        is_filled: npt.NDArray[np.bool_] = self._cells.counts(self.index.count) > 0
        return is_filled

    def _at(self, numbers: Indices) -> tuple[Longs, Longs, Fields]:
        return self.index.groups.take(numbers), self.index.starts.take(numbers), self._cells.take(numbers)

    def renumber_groups(self, numbers: Longs) -> None:
        """Let group g be called ``numbers[g]``."""
        groups, starts, fields = self._at(np.flatnonzero(self._is_filled()))
        self.index.load(numbers.take(groups), starts)
        self._cells.restore(fields)

    def snapshot(self) -> OperatorState:
        """All cells."""
        groups, starts, fields = self.in_order()
        return {"groups": groups, "starts": starts, "fields": fields}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self.index.load(state["groups"], state["starts"])
        self._cells.restore(state["fields"])
