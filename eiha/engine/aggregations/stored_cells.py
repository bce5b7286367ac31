"""Cells by (group, bucket): numbered by open addressing, and put down by a level as its groups leave them."""

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
_DROPPED = -(2**63)
"""Start of a cell that was dropped: before every span. Its place is free when room is wanted."""


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
    """Cells by (group, start of bucket), put down one behind the other.

    Several may be of one bucket, in order: they are added up when someone looks, and when room is wanted, so that
    putting down looks nothing up.
    """

    __slots__ = ("_count", "_fields", "_groups", "_layout", "_starts")

    def __init__(self, layout: CellLayout) -> None:
        self._layout = layout
        self._count = 0
        self._groups: Longs = np.zeros(0, np.int64)
        self._starts: Longs = np.zeros(0, np.int64)
        self._fields: Fields = [np.zeros(0, dtype) for dtype in layout.dtypes]

    def add(self, groups: Longs, starts: Longs, rows: Fields) -> None:
        """Add each row to its cell."""
        stop = self._count + len(groups)
        if stop > len(self._groups):
            self._make_room(len(groups))
            stop = self._count + len(groups)
        self._groups[self._count : stop] = groups
        self._starts[self._count : stop] = starts
        for field, values in zip(self._fields, rows, strict=True):
            field[self._count : stop] = values
        self._count = stop

    def between(self, start_ms: int, end_ms: int) -> tuple[Longs, Longs, Fields]:
        """Groups, starts and cells of the buckets that begin in this span, end exclusive; several may be of one."""
        starts = self._starts[: self._count]
        chosen: Indices = np.flatnonzero((starts >= start_ms) & (starts < end_ms))
        return self._groups.take(chosen), starts.take(chosen), [field.take(chosen) for field in self._fields]

    def in_order(self) -> tuple[Longs, Longs, Fields]:
        """Groups, starts and cells of all buckets, each once, by start, then by group."""
        groups, starts, fields = self._added_up()
        order = np.lexsort((groups, starts))
        return groups.take(order), starts.take(order), [field.take(order) for field in fields]

    def groups(self) -> Longs:
        """The group of each cell, with repetitions."""
        return self._groups[: self._count].compress(self._starts[: self._count] != _DROPPED)

    def drop_before(self, cutoff_ms: int) -> None:
        """Forget the buckets that begin before ``cutoff_ms``."""
        starts = self._starts[: self._count]
        starts[starts < cutoff_ms] = _DROPPED

    def renumber_groups(self, numbers: Longs) -> None:
        """Let group g be called ``numbers[g]``."""
        self._groups[: self._count] = numbers.take(self._groups[: self._count])

    def snapshot(self) -> OperatorState:
        """All cells."""
        groups, starts, fields = self.in_order()
        return {"groups": groups, "starts": starts, "fields": fields}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._load(state["groups"], state["starts"], state["fields"])

    def _make_room(self, more: int) -> None:
        """Room for ``more`` rows, and as many again as there are buckets: so adding up costs little a row."""
        self._load(*self._added_up())
        room = 2 * (self._count + more)
        self._groups = grown(self._groups, room)
        self._starts = grown(self._starts, room)
        self._fields = [grown(field, room) for field in self._fields]

    def _added_up(self) -> tuple[Longs, Longs, Fields]:
        """Groups, starts and cells of all buckets, each once, in the order in which they were first put down."""
        index, cells = CellIndex(), Cells(self._layout)
        kept: Indices = np.flatnonzero(self._starts[: self._count] != _DROPPED)
        numbers = index.find(self._groups.take(kept), self._starts.take(kept))
        cells.reserve(index.count)
        cells.add(numbers, [field.take(kept) for field in self._fields])
        return index.groups, index.starts, [field[: index.count] for field in cells.fields]

    def _load(self, groups: Longs, starts: Longs, fields: Fields) -> None:
        """Hold exactly these cells, a copy of them."""
        self._count = len(groups)
        self._groups = np.array(groups, np.int64)
        self._starts = np.array(starts, np.int64)
        self._fields = [np.array(field, dtype) for field, dtype in zip(fields, self._layout.dtypes, strict=True)]
