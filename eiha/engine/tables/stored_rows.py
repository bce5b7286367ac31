"""The rows of a table as columns: added at the end, changed in place, deleted one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.kernels.scatter import scatter_bools, scatter_numbers
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, Indices, Mask
from eiha.events.schema import AttributeType, Schema

_CAPACITY_MIN: Final = 64


class StoredRows:
    """Rows by *place*: a number that rises in order of insertion and stays a row's own until ``compact``.

    A deleted row leaves its place empty. Buffers double when they are full, and are moved together when more than half
    of the places are empty, so a row costs a constant however many there are.

    ``used``: places given so far, empty ones included; ``count``: rows that are there.
    """

    __slots__ = ("_columns", "_is_there", "_places", "_schema", "_valid", "count", "used")

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
        self.used = 0
        self.count = 0

    @property
    def capacity(self) -> int:
        """Places that the buffers have."""
        return len(self._is_there)

    def places(self) -> Indices:
        """Where there are rows, in order of insertion."""
        if self._places is None:
            held = self._is_there[: self.used]
            self._places = np.arange(self.used) if self.count == self.used else np.flatnonzero(held)
        return self._places

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
        """Make ``rows`` new places with rows whose values are still to be written."""
        self.reserve(rows)
        first, self.used = self.used, self.used + rows
        self._is_there[first : self.used] = True
        self.count += rows
        self._places = None
        return np.arange(first, self.used)

    def reserve(self, rows: int) -> None:
        """Have room for ``rows`` more."""
        capacity = self.capacity
        if self.used + rows <= capacity:
            return
        while capacity < self.used + rows:
            capacity *= 2
        self._is_there = _resized(self._is_there, capacity)
        self._columns = [_resized(values, capacity) for values in self._columns]
        self._valid = [None if valid is None else _resized(valid, capacity, fill=True) for valid in self._valid]

    def write(self, position: int, places: Indices, column: Column) -> None:
        """Put the values of ``column`` at ``places``, in order; none for negative places."""
        values = self._columns[position]
        if column.type is AttributeType.OBJECT:
            for place, value in zip(places.tolist(), column.values.tolist(), strict=True):
                if place >= 0:
                    values[place] = value
        elif column.type is AttributeType.BOOL:
            scatter_bools(column.values, places, values)
        else:
            scatter_numbers(column.values, places, values)
        valid = self._valid[position]
        if column.valid is not None:
            if valid is None:
                valid = self._valid[position] = np.ones(self.capacity, dtype=np.bool_)
            scatter_bools(column.valid, places, valid)
        elif valid is not None:
            scatter_bools(np.ones(len(places), dtype=np.bool_), places, valid)

    def write_all(self, places: Indices, columns: Sequence[Column]) -> None:
        """Put whole rows at ``places``."""
        for position, column in enumerate(columns):
            self.write(position, places, column)

    def remove(self, places: Indices) -> None:
        """Delete the rows at ``places``, each of which is there and stands in the list once."""
        self._is_there[places] = False
        self.count -= len(places)
        self._places = None
        for position, attribute in enumerate(self._schema.attributes):
            self._columns[position][places] = None if attribute.type is AttributeType.OBJECT else 0
            valid = self._valid[position]
            if valid is not None:
                valid[places] = True

    def compact(self) -> bool:
        """Move rows together if more than half of the places are empty; whether they moved."""
        if self.used <= _CAPACITY_MIN or 2 * self.count >= self.used:
            return False
        self._hold(self.take(self.places()))
        return True

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
        columns = []
        for attribute, saved in zip(self._schema.attributes, state["columns"], strict=True):
            values = np.empty(state["count"], dtype=attribute.type.dtype)
            values[:] = saved["values"]
            columns.append(Column(attribute.type, values, None if saved["valid"] is None else np.array(saved["valid"])))
        self._hold(columns)

    def _hold(self, columns: Sequence[Column]) -> None:
        self.clear()
        if columns and len(columns[0]):
            self.write_all(self.extend(len(columns[0])), columns)


def _resized(buffer: npt.NDArray[Any], capacity: int, *, fill: object = None) -> npt.NDArray[Any]:
    wider = np.zeros(capacity, dtype=buffer.dtype) if fill is None else np.full(capacity, fill, dtype=buffer.dtype)
    if buffer.dtype == np.object_:
        wider[:] = None
    wider[: len(buffer)] = buffer
    return wider


def _full(column: Column) -> Column:
    """``column`` without a mask that hides nothing."""
    return Column(column.type, column.values) if column.valid is not None and column.valid.all() else column
