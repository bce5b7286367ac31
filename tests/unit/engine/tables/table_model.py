"""A table as a plain list of rows, and statements on it done one row at a time: what the engine must equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Row = tuple[Any, ...]
Condition = Callable[[Row, Row], bool]
"""Of the row that acts and the row of the table; rows are (k, n, v)."""
Change = Callable[[Row, Row], Row]
"""The row of the table as it will be."""


def _equal(left: Any, right: Any) -> bool:
    return left is not None and right is not None and left == right


def _less(left: Any, right: Any) -> bool:
    return left is not None and right is not None and left < right


def _sum(left: Any, right: Any) -> Any:
    return None if left is None or right is None else left + right


CONDITIONS: dict[str, Condition] = {
    "T.k == k": lambda row, held: _equal(held[0], row[0]),
    "T.n == n": lambda row, held: _equal(held[1], row[1]),
    "n == T.n and T.k == k": lambda row, held: _equal(held[1], row[1]) and _equal(held[0], row[0]),
    "T.n > n": lambda row, held: _less(row[1], held[1]),
    "T.k == k or T.n < n": lambda row, held: _equal(held[0], row[0]) or _less(held[1], row[1]),
    "T.k == k and T.v < v": lambda row, held: _equal(held[0], row[0]) and _less(held[2], row[2]),
    "T.n == v": lambda row, held: _equal(held[1], row[2]),
    "T.k != k": lambda row, held: held[0] is None or row[0] is None or held[0] != row[0],
    "T.v is null": lambda _, held: held[2] is None,
    "T.k == 'a'": lambda _, held: held[0] == "a",
    "(T.k == k and T.n != 1) in T": lambda row, held: True,
}

EXACT_KEYS = {"T.k == k": (0,), "T.n == n": (1,), "n == T.n and T.k == k": (0, 1)}
"""Conditions on exactly a primary key of these positions: for update or insert, null is a key like any other."""

CHANGES: dict[str, Change] = {
    "": lambda row, held: row,
    "set T.v = v": lambda row, held: (held[0], held[1], row[2]),
    "set T.v = T.v + v": lambda row, held: (held[0], held[1], _sum(held[2], row[2])),
    "set T.v = T.v + v, T.n = n": lambda row, held: (held[0], row[1], _sum(held[2], row[2])),
    "set T.n = T.n + 1, T.v = T.n + v": lambda row, held: (
        held[0],
        _sum(held[1], 1),
        _sum(_sum(held[1], 1), row[2]),
    ),
    "set T.k = k, T.v = 7L": lambda row, held: (row[0], held[1], 7),
    "set T.k = 'b'": lambda _, held: ("b", held[1], held[2]),
    "set T.n = n, T.k = k": lambda row, held: (row[0], row[1], held[2]),
}


@dataclass
class TableModel:
    """``key``: positions of the primary key's columns; empty: none."""

    key: tuple[int, ...] = ()
    rows: list[Row] = field(default_factory=list)
    refused: int = 0

    def act(self, verb: str, on: str, change: str, rows: list[Row]) -> None:
        """Let each of ``rows`` act."""
        for row in rows:
            met = [position for position, held in enumerate(self.rows) if self._meets(on, row, held)]
            if verb == "upsert" and self.key == EXACT_KEYS.get(on):
                met = [position for position, held in enumerate(self.rows) if self._key(held) == self._key(row)]
            if verb == "insert" or (verb == "upsert" and not met):
                self._insert(row)
            elif verb == "delete":
                self.rows = [held for position, held in enumerate(self.rows) if position not in met]
            else:
                self._update(met, CHANGES[change], row)

    def _meets(self, on: str, row: Row, held: Row) -> bool:
        if " in T" in on:
            return any(_equal(each[0], row[0]) and each[1] != 1 for each in self.rows)
        return CONDITIONS[on](row, held)

    def _key(self, row: Row) -> Row:
        return tuple(row[position] for position in self.key)

    def _insert(self, row: Row) -> None:
        if self.key and any(self._key(held) == self._key(row) for held in self.rows):
            self.refused += 1
        else:
            self.rows.append(row)

    def _update(self, met: list[int], change: Change, row: Row) -> None:
        changed = [change(row, held) if position in met else held for position, held in enumerate(self.rows)]
        keys = [self._key(each) for each in changed]
        if self.key and len(set(keys)) < len(keys):
            self.refused += 1
        else:
            self.rows = changed
