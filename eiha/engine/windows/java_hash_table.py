"""The order in which Java's hash tables list their keys.

A key stands in the bin of its hash; bins are listed by number, within one the keys as they came. ``ConcurrentHashMap``
doubles its table when it holds three quarters of it and then deals each bin out to two, turning part of it round.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from eiha.events.schema import AttributeType

TABLE_MIN: Final = 16
_WORD: Final = 0xFFFFFFFF
_LONG: Final = 0xFFFFFFFFFFFFFFFF
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


@lru_cache(maxsize=_REMEMBERED)
def spread_value_hash(type_: AttributeType, text: str) -> int:
    """``hashCode`` of the value of ``type_`` that is written ``text``, its upper half folded into the lower one."""
    if text == "null" and type_ is not AttributeType.STRING:
        return 0
    match type_:
        case AttributeType.INT:
            number = int(text)
        case AttributeType.LONG:
            number = _folded(int(text) & _LONG)
        case AttributeType.FLOAT:
            number = int(np.float32(text.replace("Infinity", "inf")).view(np.int32))
        case AttributeType.DOUBLE:
            number = _folded(int(np.float64(text.replace("Infinity", "inf")).view(np.int64)) & _LONG)
        case AttributeType.BOOL:
            number = 1231 if text == "true" else 1237
        case _:
            return spread_hash(text)
    number &= _WORD
    return (number ^ (number >> 16)) & _POSITIVE


def _folded(number: int) -> int:
    return (number ^ (number >> 32)) & _WORD


def hash_map_order(hashes: Sequence[int], table: int) -> list[int]:
    """The places of keys (in order of insertion) with these hashes as a ``HashMap`` with ``table`` bins lists them."""
    return sorted(range(len(hashes)), key=lambda place: (hashes[place] & (table - 1), place))


def hash_map_table(most: int) -> int:
    """The number of bins of a ``HashMap`` that has held up to ``most`` keys."""
    table = TABLE_MIN
    while 4 * most > 3 * table:
        table *= 2
    return table
