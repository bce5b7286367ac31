"""Rows in order of arrival, as columns: appended at the end, dropped at the front, gathered by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import OperatorState
from eiha.events.batch import EventBatch
from eiha.events.column import Column, Indices
from eiha.events.schema import AttributeType, Schema

_CAPACITY_MIN: Final = 64

_MANY: Final = range(4_096, 1 << 18)
"""With so many rows held, buffers are larger, so that rows are moved less often than once while they are held. With
more of them, memory counts for more than that."""

_ROOM: Final = 4
"""How much larger than what is held."""


class RowStore:
    """A queue of rows of one schema. A row keeps its *position* (an index into the buffers) until the next append.

    Appending and dropping cost a constant per row however many rows are held: full buffers grow, or their rows are
    moved to the front when half of them or more was dropped.

    ``start`` and ``stop`` bound the positions that hold rows.
    """

    __slots__ = ("_columns", "_valid", "schema", "start", "stop", "timestamps")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._clear()

    def _clear(self) -> None:
        schema = self.schema
        self._columns: list[npt.NDArray[Any]] = [
            np.zeros(_CAPACITY_MIN, dtype=attribute.type.dtype) for attribute in schema.attributes
        ]
        self._valid: list[npt.NDArray[np.bool_] | None] = [None] * len(schema)
        self.timestamps: npt.NDArray[np.int64] = np.zeros(_CAPACITY_MIN, dtype=np.int64)
        self.start = 0
        self.stop = 0

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def capacity(self) -> int:
        """Rows the buffers can take, held or not."""
        return len(self.timestamps)

    def append(self, batch: EventBatch) -> int:
        """Add the rows of ``batch``; held rows may move. The position of the first of the new rows."""
        return self.append_columns(batch.timestamps, batch.columns)

    def append_columns(self, timestamps: npt.NDArray[np.int64], columns: Sequence[Column]) -> int:
        """As ``append``; numbers may be of narrower types than the schema's, and become of those."""
        rows = len(timestamps)
        self._make_room(rows)
        first, self.stop = self.stop, self.stop + rows
        self.timestamps[first : self.stop] = timestamps
        for index, column in enumerate(columns):
            self._columns[index][first : self.stop] = column.values
            self._set_valid(index, first, column)
        return first

    def drop(self, rows: int) -> None:
        """Forget the oldest ``rows``."""
        assert 0 <= rows <= len(self)
        self.start += rows
        if self.start == self.stop:
            self.start = self.stop = 0

    def column(self, index: int) -> npt.NDArray[Any]:
        """The buffer of attribute ``index``, to be read at positions of held rows."""
        return self._columns[index]

    def valid(self, index: int) -> npt.NDArray[np.bool_] | None:
        """The validity of attribute ``index``, as ``column``; None while no row was null."""
        return self._valid[index]

    def replace(self, index: int, values: npt.NDArray[Any]) -> None:
        """Give all rows held other values of attribute ``index``, in order."""
        self._columns[index][self.start : self.stop] = values

    def take(self, positions: Indices) -> tuple[Column, ...]:
        """The columns of the rows at ``positions``."""
        taken = []
        for attribute, values, valid in zip(self.schema.attributes, self._columns, self._valid, strict=True):
            mask = None if valid is None else valid.take(positions)
            if mask is not None and mask.all():
                mask = None
            taken.append(Column(attribute.type, values.take(positions), mask))
        return tuple(taken)

    def value(self, index: int, position: int) -> Any:
        """The value of attribute ``index`` of one row; None: null."""
        valid = self._valid[index]
        if valid is not None and not valid[position]:
            return None
        value = self._columns[index][position]
        return value if self.schema.attributes[index].type is AttributeType.OBJECT else value.item()

    def rows(self, first: int, stop: int) -> EventBatch:
        """The rows at positions ``first`` to ``stop``, as views: good until the next append."""
        held = slice(first, stop)
        columns = tuple(
            Column(attribute.type, values[held], None if valid is None else valid[held])
            for attribute, values, valid in zip(self.schema.attributes, self._columns, self._valid, strict=True)
        )
        return EventBatch(self.schema, self.timestamps[held], columns)

    def gathered(self, positions: Indices) -> EventBatch:
        """The rows at ``positions``, in that order, as copies."""
        return EventBatch(self.schema, self.timestamps.take(positions), self.take(positions))

    def copied(self, chunk: int) -> EventBatch:
        """All rows, as copies, as one chunk of this number."""
        held = self.rows(self.start, self.stop)
        columns = tuple(
            Column(each.type, each.values.copy(), None if each.valid is None or each.valid.all() else each.valid.copy())
            for each in held.columns
        )
        return EventBatch(self.schema, held.timestamps.copy(), columns, None, np.full(len(held), chunk, dtype=np.int64))

    def keep(self, positions: Indices) -> None:
        """Hold exactly the rows at ``positions``, in that order, from position 0 on."""
        kept = self.gathered(positions)
        self._clear()
        self.append(kept)

    def snapshot(self) -> OperatorState:
        """The rows held, oldest first. A mask of rows that left does not show: equal rows give equal states."""
        held = slice(self.start, self.stop)
        columns = []
        for attribute, values, valid in zip(self.schema.attributes, self._columns, self._valid, strict=True):
            is_full = valid is None or bool(valid[held].all())
            is_object = attribute.type is AttributeType.OBJECT
            columns.append(
                {
                    "values": values[held].tolist() if is_object else values[held],
                    "valid": None if is_full or valid is None else valid[held],
                }
            )
        return {
            "timestamps": self.timestamps[held],
            "columns": columns,
        }

    def restore(self, state: OperatorState) -> None:
        """Hold exactly the rows of a snapshot."""
        self._clear()
        columns = []
        for attribute, saved in zip(self.schema.attributes, state["columns"], strict=True):
            values = np.empty(len(saved["values"]), dtype=attribute.type.dtype)
            values[:] = saved["values"]
            columns.append(Column(attribute.type, values, saved["valid"]))
        self.append(EventBatch(self.schema, state["timestamps"], tuple(columns)))

    def _set_valid(self, index: int, first: int, column: Column) -> None:
        valid = self._valid[index]
        if valid is None and column.valid is not None:
            valid = self._valid[index] = np.ones(self.capacity, dtype=np.bool_)
        if valid is not None:
            valid[first : self.stop] = True if column.valid is None else column.valid

    def _make_room(self, rows: int) -> None:
        if self.stop + rows <= self.capacity:
            return
        held, capacity = len(self), self.capacity
        room = _ROOM if held in _MANY else 2
        while capacity > _CAPACITY_MIN and 4 * room * (held + rows) < capacity:
            capacity //= 2
        while held + rows > capacity or room * held > capacity:
            capacity *= 2
        if capacity == self.capacity and held <= self.start:
            for buffer in (self.timestamps, *self._columns, *(valid for valid in self._valid if valid is not None)):
                buffer[:held] = buffer[self.start : self.stop]
            self.start, self.stop = 0, held
            return
        self.timestamps = self._moved(self.timestamps, capacity)
        self._columns = [self._moved(values, capacity) for values in self._columns]
        self._valid = [None if valid is None else self._moved(valid, capacity) for valid in self._valid]
        self.start, self.stop = 0, held

    def _moved(self, buffer: npt.NDArray[Any], capacity: int) -> npt.NDArray[Any]:
        replacement = np.empty(capacity, dtype=buffer.dtype)
        replacement[: len(self)] = buffer[self.start : self.stop]
        return replacement
