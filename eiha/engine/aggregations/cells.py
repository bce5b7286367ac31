"""What is kept of the events of one bucket and group: a row in parallel arrays, to which other such rows are added.

A single event, a bucket of seconds and a bucket of years have the same form, so that one loop adds events to buckets
and buckets to coarser ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.merging import (
    add_counts,
    add_double_sums,
    add_events,
    add_long_sums,
    add_ones,
    choose_latest,
    keep_extremes,
)
from eiha.engine.aggregators.growth import grown
from eiha.events.column import Indices
from eiha.events.schema import AttributeType

Fields = list[npt.NDArray[Any]]
"""One array for each entry of ``CellLayout.dtypes``, all of one length."""

_NO_ROW: Final = -1


@dataclass(frozen=True, slots=True)
class CellLayout:
    """What a cell holds: how many events, then a value and whether it is there for each sum, extreme and latest value.

    ``sums``: whether each is of longs (else doubles). ``extremes``: the type of each, and whether it is the greatest.
    ``latest``: the types of the values shown bare, behind the stamp of the event that they are of.
    """

    sums: tuple[bool, ...]
    extremes: tuple[tuple[AttributeType, bool], ...]
    latest: tuple[AttributeType, ...]

    @property
    def dtypes(self) -> tuple[np.dtype[Any], ...]:
        """Of all fields, in order."""
        flag = np.dtype(np.bool_)
        found: list[np.dtype[Any]] = [np.dtype(np.int64)]
        for is_long in self.sums:
            found += [np.dtype(np.int64 if is_long else np.float64), flag]
        for type_, _ in self.extremes:
            found += [type_.dtype, flag]
        if self.latest:
            found += [np.dtype(np.int64), flag]
        for type_ in self.latest:
            found += [type_.dtype, flag]
        return tuple(found)

    def sum_field(self, index: int) -> int:
        """Where the sum at ``index`` lies; whether it is there lies behind it."""
        return 1 + 2 * index

    def extreme_field(self, index: int) -> int:
        """The same for an extreme."""
        return self.sum_field(len(self.sums)) + 2 * index

    @property
    def stamp_field(self) -> int:
        """The same for the stamp of the latest values."""
        return self.extreme_field(len(self.extremes))

    def latest_field(self, index: int) -> int:
        """The same for a latest value."""
        return self.stamp_field + 2 + 2 * index


class Cells:
    """Cells by number. All are empty (zeros, nothing there) until rows are added."""

    __slots__ = ("_chosen", "_layout", "fields")

    def __init__(self, layout: CellLayout) -> None:
        self._layout = layout
        self.fields: Fields = [np.zeros(0, dtype) for dtype in layout.dtypes]
        # scratch, all _NO_ROW between calls
        self._chosen = np.zeros(0, np.int64)

    def reserve(self, count: int) -> None:
        """Make room for cells 0 to ``count`` - 1."""
        if count > len(self.fields[0]):
            self.fields = [grown(field, count) for field in self.fields]

    def add(self, slots: Indices, rows: Fields, *, are_events: bool = False) -> None:
        """Add each row to the cell that ``slots`` names. ``are_events``: each counts one, whatever its first field."""
        layout, fields = self._layout, self.fields
        with_first = are_events and bool(layout.sums) and not layout.sums[0]
        if with_first:
            add_events(slots, rows[1], rows[2], fields[0], fields[1], fields[2])
        elif are_events:
            add_ones(slots, fields[0])
        else:
            add_counts(slots, rows[0], fields[0])
        for index, is_long in enumerate(layout.sums):
            if with_first and not index:
                continue
            at = layout.sum_field(index)
            add_sums = add_long_sums if is_long else add_double_sums
            add_sums(slots, rows[at], rows[at + 1], fields[at], fields[at + 1])
        for index, (type_, is_max) in enumerate(layout.extremes):
            at = layout.extreme_field(index)
            assert type_.is_numeric
            keep_extremes(slots, rows[at], rows[at + 1], is_max, fields[at], fields[at + 1])
        if layout.latest:
            self._keep_latest(slots, rows)

    def _keep_latest(self, slots: Indices, rows: Fields) -> None:
        layout, fields = self._layout, self.fields
        at = layout.stamp_field
        self._chosen = grown(self._chosen, len(fields[0]), _NO_ROW)
        touched = np.empty(len(slots), np.int64)
        count = choose_latest(slots, rows[at], rows[at + 1], fields[at], fields[at + 1], self._chosen, touched)
        cells = touched[:count]
        chosen = self._chosen.take(cells)
        self._chosen[cells] = _NO_ROW
        for field in range(at + 2, len(fields)):
            fields[field][cells] = rows[field].take(chosen)

    def take(self, slots: Indices) -> Fields:
        """The cells at ``slots``, as rows: a copy."""
        return [field.take(slots) for field in self.fields]

    def copy(self, sources: Indices, targets: Indices) -> None:
        """Let the cells at ``targets`` be what those at ``sources`` are."""
        for field in self.fields:
            field[targets] = field.take(sources)

    def clear(self, start: int, stop: int) -> None:
        """Empty the cells from ``start`` to ``stop``, exclusive."""
        for field in self.fields:
            field[start:stop] = 0

    def clear_at(self, slots: Indices) -> None:
        """Empty the cells at ``slots``."""
        for field in self.fields:
            field[slots] = 0

    def restore(self, fields: Fields) -> None:
        """Hold exactly these cells, a copy of them."""
        self.fields = [np.array(field, dtype) for field, dtype in zip(fields, self._layout.dtypes, strict=True)]
