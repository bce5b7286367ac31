"""``map:``: maps as objects."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any, Final
from xml.sax.saxutils import escape

from eiha.engine.aggregators.collections import hashable
from eiha.engine.aggregators.row_wise import RowState
from eiha.engine.expressions.java_text import LONG_MAX, LONG_MIN, JavaLong, object_text, parse_double, parse_integer
from eiha.engine.expressions.row_wise import Build, row_wise
from eiha.engine.functions.json_text import NoJson, parsed, text_of

_PLAIN_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
_DECLARATION: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def _on_map(function: Callable[..., Any], *, takes_nulls: bool = False) -> Build:
    """``function`` where the first argument is a map; null elsewhere."""

    def checked(value: Any, *others: Any) -> Any:
        return function(value, *others) if isinstance(value, dict) else None

    return row_wise(checked, takes_nulls=takes_nulls)


def _key(value: Any) -> Any:
    """``value`` as a key: lists as tuples, maps and sets by their text."""
    if isinstance(value, dict):
        return object_text(value)
    return hashable(value)


def _create(*entries: Any) -> Any:
    return {_key(entries[place]): entries[place + 1] for place in range(0, len(entries) - 1, 2)}


def combined(*maps: Any) -> dict[Any, Any] | None:
    """For each key of any map, in order of first sight, its values in all of them; None if one is no map."""
    if not all(isinstance(each, dict) for each in maps):
        return None
    keys = dict.fromkeys(key for each in maps for key in each)
    return {key: tuple(each.get(key) for each in maps) for key in keys}


def _from_json(text: str) -> Any:
    try:
        value = parsed(text)
    except NoJson:
        return None
    return value if isinstance(value, dict) else None


def _from_xml(text: str) -> Any:
    if _DECLARATION.search(text):
        return None  # entities could grow without a bound
    try:
        root = ET.fromstring(text)  # noqa: S314 - declarations were refused
    except ET.ParseError:
        return None
    return _elements(root)


def _elements(parent: ET.Element) -> dict[str, Any]:
    return {child.tag: _elements(child) if len(child) else _word(child.text or "") for child in parent}


def _word(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if not _PLAIN_NUMBER.match(text):
        return text
    whole = parse_integer(text, LONG_MIN, LONG_MAX)
    return parse_double(text) if whole is None else JavaLong(whole)


def _get(values: dict[Any, Any], key: Any, default: Any = None) -> Any:
    found = values.get(_key(key))
    return default if found is None else found


def _without(values: dict[Any, Any], key: Any) -> dict[Any, Any]:
    key = _key(key)
    return {each: value for each, value in values.items() if each != key}


def _replace(values: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    return {**values, _key(key): value} if _key(key) in values else values


def _put_if_absent(values: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    return values if _key(key) in values else {**values, _key(key): value}


def _replace_all(values: dict[Any, Any], others: Any) -> dict[Any, Any] | None:
    return {key: others.get(key, value) for key, value in values.items()} if isinstance(others, dict) else None


def _xml(values: dict[Any, Any]) -> str:
    parts = []
    for key, value in values.items():
        name = object_text(key)
        inner = _xml(value) if isinstance(value, dict) else escape(object_text(value))
        parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


def _to_xml(values: dict[Any, Any], root: str | None = None) -> str:
    return _xml(values) if root is None else f"<{root}>{_xml(values)}</{root}>"


SCALARS: Final[dict[str, Build]] = {
    "map:clear": _on_map(lambda _values: {}),
    "map:clone": _on_map(dict),
    "map:combineByKey": row_wise(combined),
    "map:containsKey": _on_map(lambda values, key: _key(key) in values, takes_nulls=True),
    "map:containsValue": _on_map(lambda values, value: value in values.values(), takes_nulls=True),
    "map:create": row_wise(_create, takes_nulls=True),
    "map:createFromJSON": row_wise(_from_json),
    "map:createFromXML": row_wise(_from_xml),
    "map:get": _on_map(_get, takes_nulls=True),
    "map:isEmpty": _on_map(lambda values: not values),
    "map:isMap": row_wise(lambda value: isinstance(value, dict), takes_nulls=True),
    "map:keys": _on_map(tuple),
    "map:put": _on_map(lambda values, key, value: {**values, _key(key): value}, takes_nulls=True),
    "map:putAll": _on_map(lambda values, more: {**values, **more} if isinstance(more, dict) else None),
    "map:putIfAbsent": _on_map(_put_if_absent, takes_nulls=True),
    "map:remove": _on_map(_without, takes_nulls=True),
    "map:replace": _on_map(_replace, takes_nulls=True),
    "map:replaceAll": _on_map(_replace_all),
    "map:size": _on_map(len),
    "map:toJSON": _on_map(text_of),
    "map:toXML": _on_map(_to_xml),
    "map:values": _on_map(lambda values: tuple(values.values())),
}


def _tokens(*maps: Any) -> list[tuple[Any, ...]]:
    found = combined(*maps) or {}
    return [(key, values[0] if len(maps) == 1 else values) for key, values in found.items()]


PROCESSORS: Final[dict[str, Callable[..., list[tuple[Any, ...]]]]] = {"map:tokenize": _tokens}


class Collect:
    """``map:collect(key, value)``: keys and the values that are in for each, oldest first."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[Any, list[Any]] = {}

    def add(self, key: Any, value: Any) -> None:
        """An entry comes."""
        self._held.setdefault(_key(key), []).append(value)

    def remove(self, key: Any, value: Any) -> None:
        """An entry leaves."""
        key = _key(key)
        values = self._held.get(key, [])
        if value in values:
            values.remove(value)
        if not values:
            self._held.pop(key, None)

    def value(self) -> Any:
        """The last value of each key."""
        return {key: values[-1] for key, values in self._held.items()}

    def snapshot(self) -> Any:
        """Keys with their values."""
        return [[key, list(values)] for key, values in self._held.items()]

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        self._held = {hashable(key): [hashable(value) for value in values] for key, values in state}


class Merge:
    """``map:merge(map)``."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries = Collect()

    def add(self, values: Any) -> None:
        """A map comes; what is no map adds nothing."""
        for key, value in values.items() if isinstance(values, dict) else ():
            self._entries.add(key, value)

    def remove(self, values: Any) -> None:
        """A map leaves."""
        for key, value in values.items() if isinstance(values, dict) else ():
            self._entries.remove(key, value)

    def value(self) -> Any:
        """The last value of each key."""
        return self._entries.value()

    def snapshot(self) -> Any:
        """Keys with their values."""
        return self._entries.snapshot()

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        self._entries.restore(state)


AGGREGATORS: Final[dict[str, Callable[[], RowState]]] = {"map:collect": Collect, "map:merge": Merge}
