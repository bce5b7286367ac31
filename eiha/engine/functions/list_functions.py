"""``list:``: lists as objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import zip_longest
from typing import Any, Final

from eiha.engine.aggregators.collections import hashable
from eiha.engine.aggregators.row_wise import RowState
from eiha.engine.expressions.row_wise import Build, row_wise


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _on_list(function: Callable[..., Any], *, takes_nulls: bool = False) -> Build:
    """``function`` where the first argument is a list; null elsewhere."""

    def checked(value: Any, *others: Any) -> Any:
        return function(tuple(value), *others) if _is_list(value) else None

    return row_wise(checked, takes_nulls=takes_nulls)


def _on_two(function: Callable[..., Any]) -> Build:
    """``function`` where the first two arguments are lists; null elsewhere."""

    def checked(first: Any, second: Any, *others: Any) -> Any:
        return function(tuple(first), tuple(second), *others) if _is_list(first) and _is_list(second) else None

    return row_wise(checked)


def _add(values: tuple[Any, ...], value: Any, index: int | None = None) -> Any:
    place = len(values) if index is None else index
    return (*values[:place], value, *values[place:]) if 0 <= place <= len(values) else None


def _add_all(values: tuple[Any, ...], more: tuple[Any, ...], distinct: bool = False) -> Any:
    if not distinct:
        return values + more
    found = list(values)
    for value in more:
        if value not in found:
            found.append(value)
    return tuple(found)


def _last_index(values: tuple[Any, ...], value: Any) -> int:
    return next((place for place in range(len(values) - 1, -1, -1) if values[place] == value), -1)


def _without_place(values: tuple[Any, ...], index: int) -> Any:
    return (*values[:index], *values[index + 1 :]) if 0 <= index < len(values) else None


def _without(values: tuple[Any, ...], value: Any) -> Any:
    return _without_place(values, values.index(value)) if value in values else values


def _set(values: tuple[Any, ...], index: int | None, value: Any) -> Any:
    if index is None or not 0 <= index < len(values):
        return None
    return (*values[:index], value, *values[index + 1 :])


def _sort(values: tuple[Any, ...], order: str = "ASC") -> Any:
    if order.upper() == "REV":
        return values[::-1]
    if all(isinstance(value, str) for value in values):
        ordered = sorted(values, key=lambda value: value.upper().lower())
    elif all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        ordered = sorted(values)
    else:
        return None
    return tuple(reversed(ordered)) if order.upper() == "DESC" else tuple(ordered)


SCALARS: Final[dict[str, Build]] = {
    "list:add": _on_list(_add, takes_nulls=True),
    "list:addAll": _on_two(_add_all),
    "list:clear": _on_list(lambda _values: ()),
    "list:clone": _on_list(tuple),
    "list:contains": _on_list(lambda values, value: value in values, takes_nulls=True),
    "list:containsAll": _on_two(lambda values, wanted: all(value in values for value in wanted)),
    "list:containsAny": _on_two(lambda values, wanted: any(value in values for value in wanted)),
    "list:create": row_wise(lambda *values: values, takes_nulls=True),
    "list:get": _on_list(lambda values, index: values[index] if 0 <= index < len(values) else None),
    "list:indexOf": _on_list(lambda values, value: values.index(value) if value in values else -1, takes_nulls=True),
    "list:isEmpty": _on_list(lambda values: not values),
    "list:isList": row_wise(_is_list, takes_nulls=True),
    "list:lastIndexOf": _on_list(_last_index, takes_nulls=True),
    "list:remove": _on_list(_without, takes_nulls=True),
    "list:removeAll": _on_two(lambda values, others: tuple(value for value in values if value not in others)),
    "list:removeByIndex": _on_list(_without_place),
    "list:retainAll": _on_two(lambda values, others: tuple(value for value in values if value in others)),
    "list:set": _on_list(_set, takes_nulls=True),
    "list:size": _on_list(len),
    "list:sort": _on_list(_sort),
}


def _tokens(*lists: Any) -> list[tuple[Any, ...]]:
    if not all(_is_list(each) for each in lists):
        return []
    if len(lists) == 1:
        return list(enumerate(lists[0]))
    return [(index, values) for index, values in enumerate(zip_longest(*lists))]


PROCESSORS: Final[dict[str, Callable[..., list[tuple[Any, ...]]]]] = {"list:tokenize": _tokens}


class Collect:
    """``list:collect(value, distinct)``."""

    __slots__ = ("_distinct", "_held")

    def __init__(self) -> None:
        self._held: deque[Any] = deque()
        self._distinct = False

    def add(self, value: Any, distinct: bool = False) -> None:
        """A value comes."""
        self._distinct = distinct
        self._held.append(value)

    def remove(self, value: Any, distinct: bool = False) -> None:
        """A value leaves: the first such."""
        self._distinct = distinct
        if value in self._held:
            self._held.remove(value)

    def value(self) -> Any:
        """The list."""
        if not self._distinct:
            return tuple(self._held)
        found: list[Any] = []
        for value in self._held:
            if value not in found:
                found.append(value)
        return tuple(found)

    def snapshot(self) -> Any:
        """All values."""
        return list(self._held)

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        self._held = deque(hashable(value) for value in state)


class Merge(Collect):
    """``list:merge(list, distinct)``."""

    __slots__ = ()

    def add(self, value: Any, distinct: bool = False) -> None:
        """A list comes; what is no list adds nothing."""
        for each in value if _is_list(value) else ():
            super().add(each, distinct)

    def remove(self, value: Any, distinct: bool = False) -> None:
        """A list leaves."""
        for each in value if _is_list(value) else ():
            super().remove(each, distinct)


AGGREGATORS: Final[dict[str, Callable[[], RowState]]] = {"list:collect": Collect, "list:merge": Merge}
