"""The order in which Java's hash tables list their keys.

A key stands in the bin of its hash; bins are listed by number, within one the keys as they came. ``ConcurrentHashMap``
doubles its table when it holds three quarters of it and then deals each bin out to two, turning part of it round.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

TABLE_MIN: Final = 16
_WORD: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF
_REMEMBERED: Final = 65_536


@lru_cache(maxsize=_REMEMBERED)
def spread_hash(text: str) -> int:
    """``String.hashCode`` with its upper half folded into the lower one, as both kinds of tables use it."""
    number = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for place in range(0, len(units), 2):
        number = (31 * number + 256 * units[place] + units[place + 1]) & _WORD
    return (number ^ (number >> 16)) & _POSITIVE


def hash_map_order(keys: Sequence[str], table: int) -> list[int]:
    """The places of ``keys`` (in order of insertion) as a ``HashMap`` with ``table`` bins lists them."""
    return sorted(range(len(keys)), key=lambda place: (spread_hash(keys[place]) & (table - 1), place))


def hash_map_table(most: int) -> int:
    """The number of bins of a ``HashMap`` that has held up to ``most`` keys."""
    table = TABLE_MIN
    while 4 * most > 3 * table:
        table *= 2
    return table


def concurrent_table(most: int) -> int:
    """The number of bins of a ``ConcurrentHashMap`` that has held up to ``most`` keys."""
    table = TABLE_MIN
    while 4 * most >= 3 * table:
        table *= 2
    return table
