"""The rows of a table by the values of some of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.kernels.row_chains import (
    count_rows,
    find_or_link_rows,
    first_rows,
    link_rows,
    list_rows,
    unlink_rows,
)
from eiha.engine.tables.first_places import FirstPlaces
from eiha.engine.tables.key_words import Words, comparable, words_of
from eiha.events.column import Column, Indices, Mask
from eiha.events.repeated import row_numbers
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_ROOM_MIN: Final = 64


class RowIndex:
    """From values of ``columns`` to the places of the rows that have them.

    It is made anew from the rows after a restore, so it is no part of a snapshot.

    Args:
        schema: of the table.
        columns: positions in it.
        strings: the plan's string table.
        is_unique: at most one row has a key.
    """

    __slots__ = (
        "_beside",
        "_chains",
        "_firsts",
        "_is_unique",
        "_moved",
        "_strings",
        "_width",
        "columns",
    )

    def __init__(
        self, schema: Schema, columns: tuple[int, ...], strings: StringTable, *, is_unique: bool = False
    ) -> None:
        assert columns
        self.columns = columns
        self._is_unique = is_unique
        self._strings = strings
        is_text = len(columns) == 1 and schema.attributes[columns[0]].type is AttributeType.STRING
        self._firsts = FirstPlaces(strings) if is_text else None
        self._width = len(columns) + 1
        self.clear()

    def clear(self) -> None:
        """Know no row."""
        self._chains = _Chains(_ROOM_MIN, self._width)
        self._beside: _Chains | None = None
        self._moved = 0
        if self._firsts is not None:
            self._firsts.clear()

    def reserve(self, capacity: int, rows: Indices) -> None:
        """Have room for places below ``capacity``, at once; ``rows``: the places linked so far."""
        room = self._chains.room
        if capacity <= room:
            return
        while room < capacity:
            room *= 2
        self._beside, self._moved = None, 0
        before, self._chains = self._chains, _Chains(room, self._width)
        self._chains.take_over(before, rows)

    def move(self, capacity: int, rows: Indices, stop: int) -> None:
        """Make chains beside, for ``capacity`` places, go on to the places below ``stop``: link those at ``rows``.

        ``rows`` are those that are there between where the chains beside ended before and ``stop``.
        """
        if self._beside is None:
            self._beside = _Chains(capacity, self._width)
        self._beside.take_over(self._chains, rows)
        self._moved = stop

    def take_beside(self) -> None:
        """The chains beside have all rows: they take the place of the others."""
        assert self._beside is not None
        self._chains, self._beside, self._moved = self._beside, None, 0

    def drop(self) -> None:
        """The chains beside are not needed."""
        self._beside, self._moved = None, 0

    def words(self, keys: Sequence[Column]) -> Words:
        """Keys as this index compares them."""
        return words_of(keys, self._strings)

    def link(self, rows: Indices, keys: Sequence[Column]) -> None:
        """Know the rows at ``rows``, which have ``keys``."""
        if len(rows):
            words = self.words(keys).reshape(-1, self._width)
            self._chains.link(rows, words)
            if self._beside is not None:
                is_moved = rows < self._moved
                self._beside.link(rows[is_moved], words[is_moved])

    def unlink(self, rows: Indices) -> None:
        """Forget the rows at ``rows``."""
        if self._firsts is not None:
            self._firsts.forget(self._chains.stored[rows * self._width])
        self._chains.unlink(rows)
        if self._beside is not None:
            self._beside.unlink(rows[rows < self._moved])

    def first(self, words: Words) -> Indices:
        """For each key the place of the first row that has it, nulls included, or -1."""
        found = np.empty(len(words) // self._width, dtype=np.int64)
        chains = self._chains
        first_rows(words, self._width, chains.stored, chains.heads, chains.nexts, found)
        return found

    def find_or_link(self, keys: Sequence[Column], used: int, *, null_is_a_key: bool) -> tuple[Indices, Mask | None]:
        """For each key, in order, the place of the first row that has it, and whether that is a new row; None: none is.

        New rows are known at once, at places ``used``, ``used`` + 1, ...
        """
        known = None if self._firsts is None else self._firsts.of(keys[0])
        if known is not None:
            return known, None
        words = self.words(keys)
        found = np.empty(len(words) // self._width, dtype=np.int64)
        is_new = np.empty(len(found), dtype=np.bool_)
        chains = self._chains
        find_or_link_rows(
            words,
            null_is_a_key,
            self._width,
            chains.stored,
            chains.heads,
            chains.tails,
            chains.nexts,
            chains.prevs,
            used,
            found,
            is_new,
        )
        if self._firsts is not None:
            self._firsts.note(keys[0], found)
        return found, is_new if is_new.any() else None

    def equal(self, keys: Sequence[Column], wanted: Mask | None = None) -> tuple[Indices, Indices]:
        """The pairs of a key (by its position in ``keys``) and the place of a row that equals it, places rising.

        Null and NaN equal nothing. ``wanted``: keys that are asked for; None: all.
        """
        if self._is_unique and self._firsts is not None and wanted is None:
            known = self._firsts.of(keys[0])
            if known is not None:
                return row_numbers(len(known)), known
        asked = comparable(keys) if wanted is None else comparable(keys) & wanted
        words = self.words(keys)
        chains = self._chains
        state = (words, asked, self._width, chains.stored, chains.heads, chains.nexts)
        count = int(count_rows(*state))
        outer = np.empty(count, dtype=np.int64)
        rows = np.empty(count, dtype=np.int64)
        if not list_rows(*state, outer, rows):
            order = np.lexsort((rows, outer))
            outer, rows = outer.take(order), rows.take(order)
        return outer, rows


class _Chains:
    """Rows in buckets, with room for so many places; see ``row_chains``."""

    __slots__ = ("_width", "heads", "nexts", "prevs", "stored", "tails")

    def __init__(self, room: int, width: int) -> None:
        self._width = width
        self.heads: Longs = np.zeros(room, dtype=np.int64)
        self.tails: Longs = np.zeros(room, dtype=np.int64)
        self.nexts: Longs = np.zeros(room, dtype=np.int64)
        self.prevs: Longs = np.zeros(room, dtype=np.int64)
        self.stored: Words = np.zeros(room * width, dtype=np.int64)

    @property
    def room(self) -> int:
        return len(self.nexts)

    def link(self, rows: Indices, words: Words) -> None:
        """Append ``rows``, whose keys are the rows of ``words``."""
        self.stored.reshape(-1, self._width)[rows] = words
        link_rows(rows, self._width, self.stored, self.heads, self.tails, self.nexts, self.prevs)

    def unlink(self, rows: Indices) -> None:
        unlink_rows(rows, self._width, self.stored, self.heads, self.tails, self.nexts, self.prevs)

    def take_over(self, other: _Chains, rows: Indices) -> None:
        """Append ``rows`` with the keys that ``other`` has for them."""
        if len(rows):
            self.link(rows, other.stored.reshape(-1, self._width)[rows])
