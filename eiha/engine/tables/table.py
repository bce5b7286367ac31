"""A table: its rows, their primary key, and indexes that the plan defines or its conditions ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from eiha.engine.expressions.java_text import object_text
from eiha.engine.operator import OperatorState
from eiha.engine.tables.row_index import RowIndex
from eiha.engine.tables.stored_rows import StoredRows
from eiha.events.batch import EventBatch
from eiha.events.column import Column, Indices, Mask
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.nodes import TableDefinition

_COMPLAINTS_MAX: Final = 16
"""Rows refused in one entry that are told in words."""

NO_PLACES: Final = np.empty(0, dtype=np.int64)


class Table:
    """Rows in order of insertion, by place (see ``StoredRows``); places are good until the next deletion.

    A row whose primary key another has already is refused and told of in ``take_complaints``. It grows with what the
    plan puts in, and shrinks with what it deletes.
    """

    __slots__ = ("_complaint_count", "_complaints", "_indexes", "_rows", "_strings", "definition", "primary")

    def __init__(self, definition: TableDefinition, strings: StringTable) -> None:
        self.definition = definition
        self._strings = strings
        self._rows = StoredRows(definition.schema)
        self.primary = (
            RowIndex(definition.schema, definition.primary_key, strings, is_unique=True)
            if definition.primary_key
            else None
        )
        self._indexes: list[RowIndex] = [] if self.primary is None else [self.primary]
        for column in definition.indexes:
            self.index((column,))
        self._complaints: list[str] = []
        self._complaint_count = 0

    def __len__(self) -> int:
        return self._rows.count

    @property
    def name(self) -> str:
        """As defined."""
        return self.definition.name

    @property
    def schema(self) -> Schema:
        """As defined."""
        return self.definition.schema

    def index(self, columns: tuple[int, ...]) -> RowIndex:
        """The index over ``columns``, made if it is not there yet."""
        for known in self._indexes:
            if known.columns == columns:
                return known
        fresh = RowIndex(self.schema, columns, self._strings)
        self._indexes.append(fresh)
        self._build(fresh)
        return fresh

    @property
    def indexes(self) -> tuple[RowIndex, ...]:
        """All of them, that of the primary key first."""
        return tuple(self._indexes)

    # --- reading

    def places(self) -> Indices:
        """Where there are rows, in order of insertion."""
        return self._rows.places()

    def columns(self) -> tuple[Column, ...]:
        """The columns by place, as views that the next change changes."""
        return self._rows.columns()

    def take(self, places: Indices) -> tuple[Column, ...]:
        """The rows at ``places``, copied."""
        return self._rows.take(places)

    def content(self) -> EventBatch:
        """All rows, copied, in order of insertion, each a chunk; they carry no times."""
        places = self.places()
        return EventBatch(self.schema, np.full(len(places), -1, dtype=np.int64), self.take(places))

    # --- changing

    def insert(self, columns: Sequence[Column]) -> None:
        """Add rows, in order; one whose primary key is there already is refused."""
        rows = len(columns[0])
        if self.primary is None:
            self._add(columns, rows)
            return
        self._reserve(rows)
        keys = [columns[position] for position in self.primary.columns]
        _, is_new = self.primary.find_or_link(keys, self._rows.used, null_is_a_key=True)
        if is_new is None:
            is_new = np.zeros(rows, dtype=np.bool_)
        self.complain_of_duplicates(columns, ~is_new)
        fresh = np.flatnonzero(is_new)
        if len(fresh) < rows:
            columns = [column.take(fresh) for column in columns]
        self.add_linked(columns, len(fresh), self.primary)

    def delete(self, places: Indices) -> None:
        """Delete the rows at ``places``, each named once."""
        if not len(places):
            return
        for index in self._indexes:
            index.unlink(places)
        self._rows.remove(places)
        if self._rows.compact():
            for index in self._indexes:
                self._build(index)
        else:
            self._move_together(len(places))

    def overwrite(self, places: Indices, changes: Mapping[int, Column]) -> bool:
        """Write columns of the rows at ``places``, each named once; all of it or, if primary keys collide, nothing.

        Returns:
            Whether it was done.
        """
        if not len(places):
            return True
        touched = [index for index in self._indexes if not changes.keys().isdisjoint(index.columns)]
        if self.primary in touched and self._would_collide(places, changes):
            return False
        for index in touched:
            index.unlink(places)
        for position in sorted(changes):
            self._rows.write(position, places, changes[position])
        for index in touched:
            index.link(places, [self._rows.column(position).take(places) for position in index.columns])
        return True

    def write_in_order(self, position: int, places: Indices, column: Column) -> None:
        """Write a column that no index is over; of several values for one place the last one stays.

        Negative places are left out.
        """
        assert all(position not in index.columns for index in self._indexes)
        self._rows.write(position, places, column)

    def add_linked(self, columns: Sequence[Column], rows: int, linked: RowIndex) -> Indices:
        """Add rows that ``linked`` knows already, at the next places; which."""
        places = self._rows.extend(rows)
        self._rows.write_all(places, columns)
        for index in self._indexes:
            if index is not linked:
                index.link(places, [columns[position] for position in index.columns])
        return places

    def reserve(self, rows: int) -> int:
        """Have room for ``rows`` more; the place of the next one."""
        self._reserve(rows)
        return self._rows.used

    # --- complaints

    def complain_of_duplicates(self, columns: Sequence[Column], refused: Mask) -> None:
        """Remember that rows were refused, the first few with their key."""
        if not refused.any():
            return
        for row in np.flatnonzero(refused)[: max(0, _COMPLAINTS_MAX - len(self._complaints))].tolist():
            self._complaints.append(
                f"table {self.name!r} has a row with primary key {self._key_text(columns, row)} already; "
                "the new one is dropped"
            )
        self._complaint_count += int(np.count_nonzero(refused))

    def complain_of_update(self, columns: Sequence[Column], row: int) -> None:
        """Remember that an update would have given two rows one key; ``columns``, ``row``: what was to be written."""
        self._complaint_count += 1
        if len(self._complaints) < _COMPLAINTS_MAX:
            key = self._key_text(columns, row)
            self._complaints.append(
                f"table {self.name!r}: an update would give two rows the primary key {key}; it is dropped"
            )

    def take_complaints(self) -> tuple[str, ...]:
        """What was refused since the last call: the first ones in words, the others as a number."""
        told, self._complaints = self._complaints, []
        more, self._complaint_count = self._complaint_count - len(told), 0
        return (*told, f"and {more} more rows that table {self.name!r} refused") if more else tuple(told)

    def _key_text(self, columns: Sequence[Column], row: int) -> str:
        texts = []
        for position in self.definition.primary_key:
            column = columns[position]
            value = column.values[row] if column.valid is None or column.valid[row] else None
            if column.type is AttributeType.STRING and value is not None:
                texts.append(repr(self._strings.text(int(value))))
            else:
                texts.append(object_text(value.item() if isinstance(value, np.generic) else value))
        return ", ".join(texts)

    # --- state

    def snapshot(self) -> OperatorState:
        """The rows in order."""
        return self._rows.snapshot()

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave; indexes are made anew."""
        self._rows.restore(state)
        for index in self._indexes:
            self._build(index)

    # --- within

    def _add(self, columns: Sequence[Column], rows: int) -> None:
        self._reserve(rows)
        places = self._rows.extend(rows)
        self._rows.write_all(places, columns)
        for index in self._indexes:
            index.link(places, [columns[position] for position in index.columns])

    def _reserve(self, rows: int) -> None:
        self._change_buffers(lambda: self._rows.reserve(rows))

    def _move_together(self, rows: int) -> None:
        """Of a large table move some rows into places that are empty, and some into narrower buffers."""
        held = self._rows
        moves = held.next_moves(rows)
        if moves is None:
            self._change_buffers(lambda: held.narrow(rows))
            return
        sources, targets = moves
        for index in self._indexes:
            index.unlink(sources)
        self._change_buffers(lambda: held.move_down(sources, targets))
        for index in self._indexes:
            index.link(targets, [held.column(position).take(targets) for position in index.columns])

    def _change_buffers(self, change: Callable[[], None]) -> None:
        """Indexes follow what becomes of the rows' buffers."""
        held = self._rows
        capacity, beside, moved = held.capacity, held.next_capacity, held.moved
        change()
        is_dropped = held.next_capacity != beside or held.moved < moved
        if beside and is_dropped and held.capacity != beside:
            for index in self._indexes:
                index.drop()
            beside = moved = 0
        if held.next_capacity:
            self._move(held.next_capacity, moved, held.moved)
        elif held.capacity != capacity:
            if beside == held.capacity:
                self._move(beside, moved, held.used)
            for index in self._indexes:
                if beside == held.capacity:
                    index.take_beside()
                else:
                    index.reserve(held.capacity, held.places())

    def _move(self, capacity: int, first: int, stop: int) -> None:
        """Indexes follow where rows were copied into the buffers beside."""
        if stop > first or not first:  # the first time also for none, so that every index has chains beside
            places = self._rows.places_between(first, stop)
            for index in self._indexes:
                index.move(capacity, places, stop)

    def _would_collide(self, places: Indices, changes: Mapping[int, Column]) -> bool:
        """Whether the rows at ``places`` would, changed, have a key twice or that of another row."""
        assert self.primary is not None
        keys = [
            changes[position] if position in changes else self._rows.column(position).take(places)
            for position in self.primary.columns
        ]
        words = self.primary.words(keys)
        width = len(keys) + 1
        if len(np.unique(words.reshape(-1, width), axis=0)) < len(places):
            return True
        holders = self.primary.first(words)
        return bool(((holders >= 0) & ~np.isin(holders, places)).any())

    def _build(self, index: RowIndex) -> None:
        index.clear()
        index.reserve(self._rows.capacity, NO_PLACES)
        places = self.places()
        index.link(places, [self._rows.column(position).take(places) for position in index.columns])
        if self._rows.next_capacity:
            moved = self._rows.moved
            index.move(self._rows.next_capacity, self._rows.places_between(0, moved), moved)
