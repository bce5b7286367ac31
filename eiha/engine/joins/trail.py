"""Rows in order of arrival that leave in the same order, found by number and, through chains, by key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, SupportsIndex

import numpy as np
import numpy.typing as npt

from eiha.engine.joins.chains import link_and_start
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, Indices, Mask
from eiha.events.schema import AttributeType, Schema

Longs = npt.NDArray[np.int64]

_CAPACITY_MIN: Final = 64
_NONE: Final = np.empty(0, dtype=np.int64)


class Trail:
    """A ring of rows with running numbers: those from ``start`` to ``stop`` are held.

    A new row costs the same however many are held; the ring doubles when it is full and halves when it is nearly empty.
    With ``keyed`` rows have a word each, by which ``starts`` begins a search.
    """

    __slots__ = (
        "_columns",
        "_heads",
        "_linkable",
        "_linked",
        "_schema",
        "_valid",
        "keyed",
        "prevs",
        "start",
        "stop",
        "words",
    )

    def __init__(self, schema: Schema, *, keyed: bool) -> None:
        self._schema = schema
        self.keyed = keyed
        self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        self.start = 0
        self.stop = 0
        self._linked = 0  # rows before this number are chained
        self._columns: list[npt.NDArray[Any]] = [
            np.zeros(_CAPACITY_MIN, dtype=attribute.type.dtype) for attribute in self._schema.attributes
        ]
        self._valid: list[Mask | None] = [None] * len(self._schema)
        self._make_chains(_CAPACITY_MIN)

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def capacity(self) -> int:
        """Rows that the ring can take."""
        return len(self.words)

    def append(self, columns: Sequence[Column], rows: int, words: Longs | None, linkable: Mask | None) -> int:
        """Add rows, which ``starts`` will chain; the number of the first.

        ``words``: keys of the rows, if the trail is keyed. ``linkable``: which of them can be found; None: all.
        """
        self._make_room(rows)
        first, self.stop = self.stop, self.stop + rows
        for position, column in enumerate(columns):
            self._write(self._columns[position], first, column.values)
            self._write_valid(position, first, column)
        if self.keyed:
            assert words is not None
            self._write(self.words, first, words)
            self._write(self._linkable, first, np.ones(rows, dtype=np.bool_) if linkable is None else linkable)
        return first

    def drop_to(self, number: int) -> None:
        """Forget the rows before ``number``."""
        assert self.start <= number <= self.stop
        self.start = number

    def starts(self, asked: Longs, stops: Longs) -> Longs:
        """Where a search for each word begins that is to find rows before ``stops``; chains all rows on the way."""
        starts = np.empty(len(asked), dtype=np.int64)
        link_and_start(
            self._linked, self.stop, self._linkable, self.words, self._heads, self.prevs, asked, stops, starts
        )
        self._linked = self.stop
        return starts

    def columns(self, numbers: Indices) -> TrailColumns:
        """The rows with these numbers, gathered column by column when they are read."""
        return TrailColumns(self, numbers & (self.capacity - 1))

    def column(self, position: int, slots: Indices) -> Column:
        """A column of the rows at ``slots`` of the ring."""
        valid = self._valid[position]
        mask = None if valid is None else valid.take(slots)
        if mask is not None and mask.all():
            mask = None
        return Column(self._schema.attributes[position].type, self._columns[position].take(slots), mask)

    def __iter__(self) -> Iterator[Column]:
        held = np.arange(self.start, self.stop, dtype=np.int64) & (self.capacity - 1)
        return (self.column(position, held) for position in range(len(self._schema)))

    def snapshot(self) -> OperatorState:
        """The rows held, oldest first."""
        columns = []
        for column in self:
            is_object = column.type is AttributeType.OBJECT
            columns.append({"values": column.values.tolist() if is_object else column.values, "valid": column.valid})
        return {"rows": len(self), "columns": columns}

    def saved_columns(self, state: OperatorState) -> tuple[Column, ...]:
        """The columns of the rows of a snapshot."""
        columns = []
        for attribute, saved in zip(self._schema.attributes, state["columns"], strict=True):
            values = np.empty(state["rows"], dtype=attribute.type.dtype)
            values[:] = saved["values"]
            columns.append(Column(attribute.type, values, saved["valid"]))
        return tuple(columns)

    def _make_chains(self, capacity: int) -> None:
        size = capacity if self.keyed else 1
        self.words: Longs = np.zeros(capacity, dtype=np.int64)
        self.prevs: Longs = np.zeros(size, dtype=np.int64)
        self._heads: Longs = np.zeros(size, dtype=np.int64)
        self._linkable: Mask = np.zeros(size, dtype=np.bool_)

    def _make_room(self, rows: int) -> None:
        need = len(self) + rows
        capacity = self.capacity
        if need <= capacity and (capacity == _CAPACITY_MIN or 16 * need >= capacity):
            return
        fitting = max(_CAPACITY_MIN, 1 << (2 * need - 1).bit_length())
        if fitting == capacity:
            return
        numbers = np.arange(self.start, self.stop, dtype=np.int64)
        old, new = numbers & (capacity - 1), numbers & (fitting - 1)
        self._columns = [_moved(values, old, new, fitting) for values in self._columns]
        self._valid = [None if valid is None else _moved(valid, old, new, fitting) for valid in self._valid]
        words, linkable = self.words, self._linkable
        self._make_chains(fitting)
        if self.keyed:
            self.words[new], self._linkable[new] = words.take(old), linkable.take(old)
            self._linked = self.start
            self.starts(_NONE, _NONE)

    def _write(self, ring: npt.NDArray[Any], first: int, values: npt.NDArray[Any]) -> None:
        begin = first & (self.capacity - 1)
        until = min(begin + len(values), self.capacity)
        ring[begin:until] = values[: until - begin]
        ring[: len(values) - (until - begin)] = values[until - begin :]

    def _write_valid(self, position: int, first: int, column: Column) -> None:
        valid = self._valid[position]
        if valid is None:
            if column.valid is None:
                return
            valid = self._valid[position] = np.ones(self.capacity, dtype=np.bool_)
        self._write(valid, first, column.mask())


def _moved(ring: npt.NDArray[Any], old: Indices, new: Indices, capacity: int) -> npt.NDArray[Any]:
    replacement = np.zeros(capacity, dtype=ring.dtype)
    replacement[new] = ring.take(old)
    return replacement


class TrailColumns:
    """The rows at some slots of a trail; good until it takes new ones."""

    __slots__ = ("_slots", "_taken", "_trail")

    def __init__(self, trail: Trail, slots: Indices) -> None:
        self._trail = trail
        self._slots = slots
        self._taken: dict[SupportsIndex, Column] = {}

    def __getitem__(self, position: SupportsIndex, /) -> Column:
        taken = self._taken.get(position)
        if taken is None:
            taken = self._taken[position] = self._trail.column(position.__index__(), self._slots)
        return taken

    def __len__(self) -> int:
        return len(self._trail._schema)

    def __iter__(self) -> Iterator[Column]:
        return (self[position] for position in range(len(self)))
