"""In what two states differ: both are walked in step, and every value that differs is told with the way to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

ITEMS_MAX: Final = 10
"""Values of one array or list that are told; the others are counted."""

Way = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands for a value that one of the states does not have."""


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Differing:
    """One value that differs, or ``more`` others of the array or list at ``way`` that are not told."""

    way: Way
    mine: Any
    theirs: Any
    more: int = 0


def differences(mine: Any, theirs: Any, *, items_max: int = ITEMS_MAX, way: Way = ()) -> Iterator[Differing]:
    """All differences, in the order of ``mine``; of one array or list at most ``items_max``."""
    match mine, theirs:
        case dict(), dict():
            yield from _of_maps(mine, theirs, items_max, way)
        case np.ndarray(), np.ndarray():
            yield from _of_arrays(mine, theirs, items_max, way)
        case ((list() | tuple()), (list() | tuple())):
            yield from _of_lists(mine, theirs, items_max, way)
        case _:
            if not _is_same(mine, theirs):
                yield Differing(way, mine, theirs)


def _of_maps(mine: dict[Any, Any], theirs: dict[Any, Any], items_max: int, way: Way) -> Iterator[Differing]:
    for key, value in mine.items():
        step = key if isinstance(key, int) else str(key)
        if key in theirs:
            yield from differences(value, theirs[key], items_max=items_max, way=(*way, step))
        else:
            yield Differing((*way, step), value, MISSING)
    for key, value in theirs.items():
        if key not in mine:
            yield Differing((*way, key if isinstance(key, int) else str(key)), MISSING, value)
    if list(mine) != list(theirs) and set(mine) == set(theirs):
        yield Differing((*way, "order"), list(mine), list(theirs))


def _of_arrays(mine: Any, theirs: Any, items_max: int, way: Way) -> Iterator[Differing]:
    if mine.dtype != theirs.dtype:
        yield Differing((*way, "type"), str(mine.dtype), str(theirs.dtype))
        return
    both = min(len(mine), len(theirs))
    # by their bits: -0.0 is not 0.0, and NaN is NaN
    plain = np.dtype(f"V{mine.dtype.itemsize}")
    one = np.ascontiguousarray(mine[:both]).view(plain)
    other = np.ascontiguousarray(theirs[:both]).view(plain)
    places = np.flatnonzero(one != other)
    yield from _told(mine, theirs, places.tolist(), items_max, way)


def _of_lists(mine: Any, theirs: Any, items_max: int, way: Way) -> Iterator[Differing]:
    both = min(len(mine), len(theirs))
    told = 0
    more = 0
    for place in range(both):
        found = differences(mine[place], theirs[place], items_max=items_max, way=(*way, place))
        first = next(found, None)
        if first is None:
            continue
        if told < items_max:
            told += 1
            yield first
            yield from found
        else:
            more += 1
    yield from _told(mine, theirs, [], items_max - told, way, more)


def _told(mine: Any, theirs: Any, places: list[int], items_max: int, way: Way, more: int = 0) -> Iterator[Differing]:
    """The items at ``places``, those that only one side has, and how many more there are."""
    both, longer = min(len(mine), len(theirs)), max(len(mine), len(theirs))
    for place in places[:items_max]:
        yield Differing((*way, place), mine[place], theirs[place])
    room = max(0, items_max - len(places))
    for place in range(both, min(longer, both + room)):
        yield Differing(
            (*way, place),
            mine[place] if place < len(mine) else MISSING,
            theirs[place] if place < len(theirs) else MISSING,
        )
    more += max(0, len(places) - items_max) + max(0, longer - both - room)
    if more:
        yield Differing(way, len(mine), len(theirs), more)


def _is_same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return np.float64(mine).tobytes() == np.float64(theirs).tobytes()
    return type(mine) is type(theirs) and bool(mine == theirs)
