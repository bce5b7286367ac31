"""The rows of a table by the values of some of its columns."""

from __future__ import annotations

from collections.abc import Sequence

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
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]


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
        "_firsts",
        "_heads",
        "_is_unique",
        "_nexts",
        "_prevs",
        "_stored",
        "_strings",
        "_tails",
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
        self._heads: Longs = np.zeros(64, dtype=np.int64)
        self._tails: Longs = np.zeros(64, dtype=np.int64)
        self._nexts: Longs = np.zeros(64, dtype=np.int64)
        self._prevs: Longs = np.zeros(64, dtype=np.int64)
        self._stored: Words = np.zeros(64 * self._width, dtype=np.int64)
        if self._firsts is not None:
            self._firsts.clear()

    def reserve(self, capacity: int, rows: Indices) -> None:
        """Have room for places below ``capacity``; ``rows``: the places linked so far."""
        room = len(self._nexts)
        if capacity <= room:
            return
        while room < capacity:
            room *= 2
        stored = np.zeros(room * self._width, dtype=np.int64)
        stored[: len(self._stored)] = self._stored
        self._stored = stored
        self._heads, self._tails = np.zeros(room, dtype=np.int64), np.zeros(room, dtype=np.int64)
        self._nexts, self._prevs = np.zeros(room, dtype=np.int64), np.zeros(room, dtype=np.int64)
        self._link(rows)

    def words(self, keys: Sequence[Column]) -> Words:
        """Keys as this index compares them."""
        return words_of(keys, self._strings)

    def link(self, rows: Indices, keys: Sequence[Column]) -> None:
        """Know the rows at ``rows``, which have ``keys``."""
        if len(rows):
            self._stored.reshape(-1, self._width)[rows] = self.words(keys).reshape(-1, self._width)
            self._link(rows)

    def unlink(self, rows: Indices) -> None:
        """Forget the rows at ``rows``."""
        if self._firsts is not None:
            self._firsts.forget(self._stored[rows * self._width])
        unlink_rows(rows, self._width, self._stored, self._heads, self._tails, self._nexts, self._prevs)

    def first(self, words: Words) -> Indices:
        """For each key the place of the first row that has it, nulls included, or -1."""
        found = np.empty(len(words) // self._width, dtype=np.int64)
        first_rows(words, self._width, self._stored, self._heads, self._nexts, found)
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
        find_or_link_rows(
            words,
            null_is_a_key,
            self._width,
            self._stored,
            self._heads,
            self._tails,
            self._nexts,
            self._prevs,
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
                return np.arange(len(known)), known
        asked = comparable(keys) if wanted is None else comparable(keys) & wanted
        words = self.words(keys)
        state = (words, asked, self._width, self._stored, self._heads, self._nexts)
        count = int(count_rows(*state))
        outer = np.empty(count, dtype=np.int64)
        rows = np.empty(count, dtype=np.int64)
        if not list_rows(*state, outer, rows):
            order = np.lexsort((rows, outer))
            outer, rows = outer.take(order), rows.take(order)
        return outer, rows

    def _link(self, rows: Indices) -> None:
        link_rows(rows, self._width, self._stored, self._heads, self._tails, self._nexts, self._prevs)
