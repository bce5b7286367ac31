"""JSONPath: ``$.items[0].name``, ``$..price``, ``$.items[?(@.price > 10)]``; where in a document it leads.

Known: names, ``['name']``, indices (negative ones from the end), ``[a,b]``, slices, ``*``, ``..`` and filters of one
comparison or existence, joined by ``&&`` and ``||``. A path of names and single indices leads to one place at most.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

CACHE_MAX: Final = 256

Place = tuple[Any, ...]
"""The keys and indices from the root to a value."""

_NAME: Final = re.compile(r"[^.\[\]()'\"*?@,:\s]+")
_INDEX: Final = re.compile(r"\s*-?\d+\s*(?:,\s*-?\d+\s*)*")
_SLICE: Final = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*")
_QUOTED: Final = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)")\s*""")
_COMPARISON: Final = re.compile(
    r"""\s*@((?:\.[\w$-]+|\[\d+\]|\['[^']*'\])*)\s*(?:(==|!=|<=|>=|<|>)\s*('[^']*'|"[^"]*"|-?[\d.eE+]+|true|false|null))?\s*\Z"""
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class _Step:
    """One step down: from a value to the keys of some of its members. ``is_deep``: of all values below, too."""

    keys: Callable[[Any], list[Any]]
    is_definite: bool
    is_deep: bool = False


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path. ``is_definite``: it leads to one place at most."""

    steps: tuple[_Step, ...]
    is_definite: bool

    def places(self, document: Any) -> list[Place]:
        """Where it leads, in the order of the document."""
        found: list[Place] = [()]
        for step in self.steps:
            found = [place for start in found for place in _down(document, start, step)]
        return found

    def values(self, document: Any) -> list[Any]:
        """What is there."""
        return [value_at(document, place) for place in self.places(document)]


def value_at(document: Any, place: Place) -> Any:
    """The value at a place that exists."""
    for key in place:
        document = document[key]
    return document


def with_value(document: Any, place: Place, change: Callable[[Any], Any]) -> Any:
    """A copy of ``document`` in which the value at ``place`` is what ``change`` makes of it."""
    if not place:
        return change(document)
    key, rest = place[0], place[1:]
    if isinstance(document, dict):
        return {**document, key: with_value(document[key], rest, change)}
    return tuple(with_value(each, rest, change) if index == key else each for index, each in enumerate(document))


def _down(document: Any, start: Place, step: _Step) -> Iterator[Place]:
    value = value_at(document, start)
    for key in step.keys(value):
        yield (*start, key)
    if step.is_deep:
        for key in _all_keys(value):
            yield from _down(document, (*start, key), step)


def _all_keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list | tuple) else []


@lru_cache(maxsize=CACHE_MAX)
def compiled(text: str) -> JsonPath | None:
    """The path that ``text`` writes; None if it writes none that is known."""
    rest = text.strip()
    if not rest.startswith("$"):
        rest = f"$.{rest}"
    rest = rest[1:]
    steps: list[_Step] = []
    while rest:
        taken = _step(rest)
        if taken is None:
            return None
        step, rest = taken
        steps.append(step)
    return JsonPath(tuple(steps), all(step.is_definite and not step.is_deep for step in steps))


def _step(rest: str) -> tuple[_Step, str] | None:
    is_deep = rest.startswith("..")
    if is_deep:
        rest = rest[1:] if not rest.startswith("..[") else rest[2:]
    if rest.startswith(".*"):
        return _Step(_all_keys, False, is_deep), rest[2:]
    if rest.startswith("."):
        match = _NAME.match(rest, 1)
        return None if match is None else (_Step(_named((match[0],)), True, is_deep), rest[match.end() :])
    if rest.startswith("[?("):
        end = rest.find(")]")
        keep = None if end < 0 else _filter(rest[3:end])
        return None if keep is None else (_Step(_kept(keep), False, is_deep), rest[end + 2 :])
    if rest.startswith("["):
        return _bracket(rest, is_deep)
    return None


def _bracket(rest: str, is_deep: bool) -> tuple[_Step, str] | None:
    end = rest.find("]")
    inside = rest[1:end]
    if inside.strip() == "*":
        return _Step(_all_keys, False, is_deep), rest[end + 1 :]
    names, place = [], 1
    while (match := _QUOTED.match(rest, place)) is not None:
        names.append(match[1] if match[1] is not None else match[2])
        place = match.end()
        if rest.startswith("]", place):
            return _Step(_named(tuple(names)), len(names) == 1, is_deep), rest[place + 1 :]
        if not rest.startswith(",", place):
            return None
        place += 1
    if end > 0 and _INDEX.fullmatch(inside):
        indices = tuple(int(each) for each in inside.split(","))
        return _Step(_indexed(indices), len(indices) == 1, is_deep), rest[end + 1 :]
    match = _SLICE.fullmatch(inside) if end > 0 else None
    if match is None:
        return None
    low, high = (int(each) if each else None for each in match.groups())
    return _Step(_sliced(low, high), False, is_deep), rest[end + 1 :]


def _named(names: tuple[str, ...]) -> Callable[[Any], list[Any]]:
    return lambda value: [name for name in names if name in value] if isinstance(value, dict) else []


def _indexed(indices: tuple[int, ...]) -> Callable[[Any], list[Any]]:
    def keys(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            return []
        size = len(value)
        return [index % size for index in indices if size and -size <= index < size]

    return keys


def _sliced(low: int | None, high: int | None) -> Callable[[Any], list[Any]]:
    def keys(value: Any) -> list[Any]:
        return list(range(len(value)))[low:high] if isinstance(value, list | tuple) else []

    return keys


def _kept(keep: Callable[[Any], bool]) -> Callable[[Any], list[Any]]:
    return lambda value: [key for key in _all_keys(value) if keep(value[key])]


def _filter(text: str) -> Callable[[Any], bool] | None:
    choices = [[_comparison(part) for part in choice.split("&&")] for choice in text.split("||")]
    tests = [[test for test in choice if test is not None] for choice in choices]
    if any(len(test) != len(choice) for test, choice in zip(tests, choices, strict=True)):
        return None
    return lambda value: any(all(test(value) for test in choice) for choice in tests)


def _comparison(text: str) -> Callable[[Any], bool] | None:
    match = _COMPARISON.match(text)
    path = None if match is None else compiled(f"${match[1]}")
    if match is None or path is None:
        return None
    if match[2] is None:
        return lambda value: bool(path.places(value))
    wanted = _constant(match[3])
    symbol = match[2]

    def test(value: Any) -> bool:
        found = path.values(value)
        if not found:
            return symbol == "!="
        if symbol in ("==", "!="):
            return bool(found[0] == wanted) == (symbol == "==")
        if isinstance(found[0], str) != isinstance(wanted, str) or None in (found[0], wanted):
            return False
        try:
            return _COMPARE[symbol](found[0], wanted)
        except TypeError:
            return False

    return test


def _constant(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    named = {"true": True, "false": False, "null": None}
    if text in named:
        return named[text]
    try:
        return float(text) if any(letter in text for letter in ".eE") else int(text)
    except ValueError:
        return text
