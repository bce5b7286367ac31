"""The rows of a table as columns: added at the end, changed in place, deleted one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.kernels.scatter import scatter_bools, scatter_numbers
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, Indices, Mask
from eiha.events.schema import AttributeType, Schema

_CAPACITY_MIN: Final = 64

SPREAD_MIN: Final = 1 << 16
"""Buffers for fewer places are copied at once when they are full: that takes less than a millisecond a column."""

MOVED_A_ROW: Final = 6
"""Places copied into wider buffers for each row that comes, from three quarters on: done when nine tenths are full."""

MOVED_MIN: Final = 256
"""So many are copied at least, so that rows that come one by one do not cost a copy of six values each time."""

PACKED_A_ROW: Final = 8
"""Places looked at for each row that is deleted while rows are moved together: done when an eighth more is deleted."""


class StoredRows:
    """Rows by *place*: a number that rises in order of insertion and stays a row's own until rows are moved together.

    A deleted row leaves its place empty. Buffers double when they are full, and rows are moved together when more than
    half of the places are empty, so a row costs a constant however many there are. Where there are many, this is done a
    few places at a time for each row that comes or goes, so that no row costs much more than another: rows are moved
    down within the buffers (``next_moves``), and wider buffers, or narrower ones, are filled beside the others; until
    these take their place what changes is written to both.

    ``used``: places given so far, empty ones included; ``count``: rows that are there; ``moved``: places below are in
    the buffers beside, too, if there are any.
    """

    __slots__ = (
        "_beside",
        "_columns",
        "_is_there",
        "_packing",
        "_places",
        "_schema",
        "_valid",
        "count",
        "moved",
        "used",
    )

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        self._columns: list[npt.NDArray[Any]] = [
            _resized(np.empty(0, dtype=attribute.type.dtype), _CAPACITY_MIN) for attribute in self._schema.attributes
        ]
        self._valid: list[Mask | None] = [None] * len(self._schema)
        self._is_there: Mask = np.zeros(_CAPACITY_MIN, dtype=np.bool_)
        self._places: Indices | None = None
        self._beside: _Beside | None = None
        self._packing: _Packing | None = None
        self.moved = 0
        self.used = 0
        self.count = 0

    @property
    def capacity(self) -> int:
        """Places that the buffers have."""
        return len(self._is_there)

    @property
    def next_capacity(self) -> int:
        """Places of the buffers that are being filled beside; 0: none are."""
        return 0 if self._beside is None else self._beside.capacity

    def places(self) -> Indices:
        """Where there are rows, in order of insertion."""
        if self._places is None:
            held = self._is_there[: self.used]
            self._places = np.arange(self.used) if self.count == self.used else np.flatnonzero(held)
        return self._places

    def places_between(self, first: int, stop: int) -> Indices:
        """Where there are rows from ``first`` on and below ``stop``."""
        return np.flatnonzero(self._is_there[first:stop]) + first

    def column(self, position: int) -> Column:
        """The values at all places, as a view that the next change changes; zero where there is no row."""
        valid = self._valid[position]
        return Column(
            self._schema.attributes[position].type,
            self._columns[position][: self.used],
            None if valid is None else valid[: self.used],
        )

    def columns(self) -> tuple[Column, ...]:
        """All of them, as ``column`` gives them."""
        return tuple([self.column(position) for position in range(len(self._schema))])

    def extend(self, rows: int) -> Indices:
        """Make ``rows`` new places, for which there is room, with rows whose values are still to be written."""
        assert self.used + rows <= self.capacity
        first, self.used = self.used, self.used + rows
        self._is_there[first : self.used] = True
        self.count += rows
        self._places = None
        return np.arange(first, self.used)

    def reserve(self, rows: int) -> None:
        """Have room for ``rows`` more."""
        capacity, needed = self.capacity, self.used + rows
        if self._beside is not None and self._beside.capacity < capacity:
            if needed <= self._beside.capacity:
                self.narrow(rows)
                return
            self._drop_beside()
        if self._beside is None and capacity >= SPREAD_MIN and 4 * needed > 3 * capacity and needed <= 2 * capacity:
            self._beside = _Beside(self._columns, self._valid, 2 * capacity)
        if self._beside is not None:
            if needed <= capacity:
                self._move(max(MOVED_MIN, MOVED_A_ROW * rows))
                return
            if needed <= self._beside.capacity:
                self._move(self.used)
                self._take_beside()
                return
            self._drop_beside()
        elif needed <= capacity:
            return
        while capacity < needed:
            capacity *= 2
        self._is_there = _resized(self._is_there, capacity)
        self._columns = [_resized(values, capacity) for values in self._columns]
        self._valid = [None if valid is None else _resized(valid, capacity, fill=True) for valid in self._valid]

    def narrow(self, rows: int) -> None:
        """Go on filling narrower buffers, if there are any, since ``rows`` come or go; they take over when all is in
        them."""
        if self._beside is None or self._beside.capacity >= self.capacity:
            return
        self._move(max(MOVED_MIN, MOVED_A_ROW * rows))
        if self.moved == self.used:
            self._take_beside()

    def _take_beside(self) -> None:
        """The buffers beside have all rows: they take the place of the others."""
        assert self._beside is not None
        self._columns, self._valid = self._beside.columns, self._beside.valid
        held, self._is_there = self._is_there, np.zeros(self._beside.capacity, dtype=np.bool_)
        self._is_there[: self.used] = held[: self.used]
        self._drop_beside()

    def _drop_beside(self) -> None:
        self._beside, self.moved = None, 0

    def _move(self, places: int) -> None:
        """Copy so many further places into the buffers beside, or as many as there are."""
        assert self._beside is not None
        stop = min(self.used, self.moved + places)
        self._beside.copy(self._columns, self._valid, self.moved, stop)
        self.moved = stop

    def write(self, position: int, places: Indices, column: Column) -> None:
        """Put the values of ``column`` at ``places``, in order; none for negative places."""
        self._valid[position] = _written(self._columns[position], self._valid[position], places, column)
        if self._beside is not None and len(places) and places.min() < self.moved:
            beside, moved = self._beside, np.where(places < self.moved, places, -1)
            beside.valid[position] = _written(beside.columns[position], beside.valid[position], moved, column)

    def write_all(self, places: Indices, columns: Sequence[Column]) -> None:
        """Put whole rows at ``places``."""
        for position, column in enumerate(columns):
            self.write(position, places, column)

    def remove(self, places: Indices) -> None:
        """Delete the rows at ``places``, each of which is there and stands in the list once."""
        self._is_there[places] = False
        self.count -= len(places)
        self._places = None
        _erase(self._columns, self._valid, places)
        if self._beside is not None:
            _erase(self._beside.columns, self._beside.valid, places[places < self.moved])

    def compact(self) -> bool:
        """Move the rows of a small table together if more than half of the places are empty; whether they moved."""
        if self.used <= _CAPACITY_MIN or self.used >= SPREAD_MIN or 2 * self.count >= self.used:
            return False
        self._hold(self.take(self.places()))
        return True

    def next_moves(self, rows: int) -> tuple[Indices, Indices] | None:
        """Of a large table: which rows are moved down next, since ``rows`` were deleted, and to which places.

        None: they lie close enough. The caller calls ``move_down`` with these.
        """
        if self._packing is None:
            if self.used < SPREAD_MIN or 2 * self.count >= self.used:
                return None
            first = int(np.argmin(self._is_there[: self.used]))
            self._packing = _Packing(first, first)
        packing = self._packing
        stop = min(self.used, packing.source + max(MOVED_MIN, PACKED_A_ROW * rows))
        sources = self.places_between(packing.source, stop)
        targets = np.arange(packing.target, packing.target + len(sources))
        self._packing = _Packing(packing.target + len(sources), stop)
        return sources, targets

    def move_down(self, sources: Indices, targets: Indices) -> None:
        """Move whole rows to ``targets``, which rise without a gap and hold nothing but rows that are moved, too.

        After the last row the places above are free, and buffers that are far too wide give way to narrower ones.
        """
        assert self._packing is not None
        if len(sources):
            rows = self.take(sources)
            self._is_there[sources] = False
            self._is_there[targets] = True
            left = sources[sources > targets[-1]]
            _erase(self._columns, self._valid, left)
            if self._beside is not None:
                _erase(self._beside.columns, self._beside.valid, left[left < self.moved])
            self.write_all(targets, rows)
            self._places = None
        if self._packing.source < self.used:
            return
        self.used, self._packing, self._places = self._packing.target, None, None
        self._drop_beside()
        capacity = self.capacity
        while capacity > SPREAD_MIN and 4 * self.used <= capacity:
            capacity //= 2
        if capacity < self.capacity:
            self._beside = _Beside(self._columns, self._valid, capacity)

    def take(self, places: Indices) -> tuple[Column, ...]:
        """The rows at ``places``, copied."""
        return tuple([_full(self.column(position).take(places)) for position in range(len(self._schema))])

    def snapshot(self) -> OperatorState:
        """The rows in order of insertion: as they lie there, if none was deleted since room was made."""
        if self.count == self.used:
            held = tuple([_full(self.column(position)) for position in range(len(self._schema))])
        else:
            held = self.take(self.places())
        return {
            "count": self.count,
            "columns": [
                {
                    "values": column.values.tolist() if column.type is AttributeType.OBJECT else column.values,
                    "valid": column.valid,
                }
                for column in held
            ],
        }

    def restore(self, state: OperatorState) -> None:
        """Hold exactly the rows of a snapshot."""
        count = state["count"]
        self._make_room(count)
        for position, attribute in enumerate(self._schema.attributes):
            values, valid = state["columns"][position]["values"], state["columns"][position]["valid"]
            if attribute.type is AttributeType.OBJECT:
                held = np.empty(count, dtype=np.object_)
                held[:] = values
                values = held
            self._fill(position, Column(attribute.type, values, valid))

    def _hold(self, columns: Sequence[Column]) -> None:
        self._make_room(len(columns[0]) if columns else 0)
        for position, column in enumerate(columns):
            self._fill(position, column)

    def _make_room(self, rows: int) -> None:
        """Hold that many rows, whose values are still to be filled in, and nothing else."""
        self.clear()
        if rows:
            self.reserve(rows + rows // 2)  # so there is time to make wider buffers
            self.extend(rows)

    def _fill(self, position: int, column: Column) -> None:
        """All values of a column."""
        self._columns[position][: self.used] = column.values
        if column.valid is not None:
            valid = self._valid[position] = np.ones(self.capacity, dtype=np.bool_)
            valid[: self.used] = column.valid


@dataclass(frozen=True, slots=True)
class _Packing:
    """Rows are being moved together: places below ``target`` are settled, those from there up to ``source`` empty."""

    target: int
    source: int


class _Beside:
    """Buffers that are going to take the place of others."""

    __slots__ = ("capacity", "columns", "valid")

    def __init__(self, columns: Sequence[npt.NDArray[Any]], valid: Sequence[Mask | None], capacity: int) -> None:
        self.capacity = capacity
        self.columns = [_resized(values[:0], capacity) for values in columns]
        self.valid: list[Mask | None] = [None if each is None else np.ones(capacity, dtype=np.bool_) for each in valid]

    def copy(self, columns: Sequence[npt.NDArray[Any]], valid: Sequence[Mask | None], first: int, stop: int) -> None:
        """Take over the places from ``first`` up to ``stop``."""
        for position, values in enumerate(columns):
            self.columns[position][first:stop] = values[first:stop]
            held = valid[position]
            if held is not None:
                own = self.valid[position]
                if own is None:
                    own = self.valid[position] = np.ones(self.capacity, dtype=np.bool_)
                own[first:stop] = held[first:stop]


def _written(values: npt.NDArray[Any], valid: Mask | None, places: Indices, column: Column) -> Mask | None:
    """Put ``column`` at ``places`` of ``values``, in order, but for negative ones; the mask after that."""
    if column.type is AttributeType.OBJECT:
        for place, value in zip(places.tolist(), column.values.tolist(), strict=True):
            if place >= 0:
                values[place] = value
    elif column.type is AttributeType.BOOL:
        scatter_bools(column.values, places, values)
    else:
        scatter_numbers(column.values, places, values)
    if column.valid is not None:
        if valid is None:
            valid = np.ones(len(values), dtype=np.bool_)
        scatter_bools(column.valid, places, valid)
    elif valid is not None:
        scatter_bools(np.ones(len(places), dtype=np.bool_), places, valid)
    return valid


def _erase(columns: Sequence[npt.NDArray[Any]], valid: Sequence[Mask | None], places: Indices) -> None:
    for values, held in zip(columns, valid, strict=True):
        values[places] = None if values.dtype == np.object_ else 0
        if held is not None:
            held[places] = True


def _resized(buffer: npt.NDArray[Any], capacity: int, *, fill: object = None) -> npt.NDArray[Any]:
    if buffer.dtype == np.object_:
        wider = np.empty(capacity, dtype=buffer.dtype)  # None everywhere
    elif fill is None:
        wider = np.zeros(capacity, dtype=buffer.dtype)  # memory that costs nothing until it is written to
    else:
        wider = np.full(capacity, fill, dtype=buffer.dtype)
    wider[: len(buffer)] = buffer
    return wider


def _full(column: Column) -> Column:
    """``column`` without a mask that hides nothing."""
    return Column(column.type, column.values) if column.valid is not None and column.valid.all() else column
