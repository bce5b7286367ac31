"""``json:``: documents as text or objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from eiha.engine.aggregators.row_wise import RowState
from eiha.engine.expressions.java_text import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    object_text,
    parse_double,
    parse_float,
    parse_integer,
)
from eiha.engine.expressions.row_wise import Build, row_wise
from eiha.engine.functions.json_path import compiled, value_at, with_value
from eiha.engine.functions.json_text import NoJson, document, parsed, text_of

_MISSING: Final = object()


def _found(json: Any, path: str) -> Any:
    """What a path finds: a list where it may lead to several places. ``_MISSING``: nothing, or no JSON."""
    way = compiled(path)
    if way is None:
        return _MISSING
    try:
        root = document(json)
    except NoJson:
        return _MISSING
    values = way.values(root)
    if way.is_definite:
        return values[0] if values else _MISSING
    return tuple(values)


def _as_number(parse: Callable[[str], Any]) -> Callable[[Any, str], Any]:
    def get(json: Any, path: str) -> Any:
        value = _found(json, path)
        if value is _MISSING or isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        number = parse(object_text(value))
        return None if number is None else number

    return get


def _get_bool(json: Any, path: str) -> bool | None:
    value = _found(json, path)
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _get_object(json: Any, path: str) -> Any:
    value = _found(json, path)
    return None if value is _MISSING else value


def _get_string(json: Any, path: str) -> str | None:
    value = _found(json, path)
    if value is _MISSING or value is None:
        return None
    return value if isinstance(value, str) else text_of(value)


def _to_object(text: str) -> Any:
    try:
        return parsed(text)
    except NoJson:
        return None


def _set_element(json: Any, path: str, element: Any, key: str | None = None) -> Any:
    way = compiled(path)
    try:
        root = document(json)
    except NoJson:
        return None
    places = [] if way is None else way.places(root)
    if isinstance(element, str):
        said = _to_object(element)
        element = said if isinstance(said, dict | tuple) else element
    for place in places:
        target = value_at(root, place)
        if isinstance(target, list | tuple):
            root = with_value(root, place, lambda value: (*value, element))
        elif key is None:
            root = with_value(root, place, lambda _value: element)
        elif isinstance(target, dict):
            root = with_value(root, place, lambda value: {**value, key: element})
    return root


SCALARS: Final[dict[str, Build]] = {
    "json:getBool": row_wise(_get_bool),
    "json:getDouble": row_wise(_as_number(parse_double)),
    "json:getFloat": row_wise(_as_number(parse_float)),
    "json:getInt": row_wise(_as_number(lambda text: parse_integer(text, INT_MIN, INT_MAX))),
    "json:getLong": row_wise(_as_number(lambda text: parse_integer(text, LONG_MIN, LONG_MAX))),
    "json:getObject": row_wise(_get_object),
    "json:getString": row_wise(_get_string),
    "json:isExists": row_wise(lambda json, path: _found(json, path) not in (_MISSING, ())),
    "json:setElement": row_wise(_set_element),
    "json:toJson": row_wise(text_of, takes_nulls=True),
    "json:toObject": row_wise(_to_object),
    "json:toString": row_wise(text_of),
}


def _tokens(json: Any, path: Any, fail_on_missing: bool | None, write: Callable[[Any], Any]) -> list[tuple[Any, ...]]:
    value = _MISSING if json is None or path is None else _found(json, path)
    if value is _MISSING or value is None or value == ():
        return [(None,)] if fail_on_missing is False else []
    elements = value if isinstance(value, list | tuple) else (value,)
    return [(write(element),) for element in elements]


def _token_text(value: Any) -> str:
    return value if isinstance(value, str) else text_of(value)


PROCESSORS: Final[dict[str, Callable[..., list[tuple[Any, ...]]]]] = {
    "json:tokenize": lambda json, path, fail=True: _tokens(json, path, fail, _token_text),
    "json:tokenizeAsObject": lambda json, path, fail=True: _tokens(json, path, fail, lambda value: value),
}


class GroupAsObject:
    """``json:groupAsObject(json, enclosing, distinct)``. Elements are told apart by their JSON."""

    __slots__ = ("_counts", "_distinct", "_elements", "_enclosing")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._elements: dict[str, Any] = {}
        self._enclosing: str | None = None
        self._distinct = False

    def add(self, json: Any, *options: Any) -> None:
        """An element comes."""
        self._note(options)
        text = text_of(_element(json))
        self._counts[text] = self._counts.get(text, 0) + 1
        if text not in self._elements:
            self._elements[text] = parsed(text)

    def remove(self, json: Any, *options: Any) -> None:
        """An element leaves."""
        self._note(options)
        text = text_of(_element(json))
        count = self._counts.get(text, 0)
        if count > 1:
            self._counts[text] = count - 1
        else:
            self._counts.pop(text, None)
            self._elements.pop(text, None)

    def _note(self, options: tuple[Any, ...]) -> None:
        texts = [option for option in options if isinstance(option, str)]
        self._enclosing = texts[0] if texts else None
        self._distinct = True in options

    def value(self) -> Any:
        """The list, or an object that holds it."""
        found = tuple(
            self._elements[text] for text, count in self._counts.items() for _ in range(1 if self._distinct else count)
        )
        return found if self._enclosing is None else {self._enclosing: found}

    def snapshot(self) -> Any:
        """The JSON of each element, with its count."""
        return [[text, count] for text, count in self._counts.items()]

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        self._counts = dict(state)
        self._elements = {text: parsed(text) for text in self._counts}


class GroupAsText(GroupAsObject):
    """``json:group``: the same, as text."""

    __slots__ = ()

    def value(self) -> Any:
        """The JSON of the list."""
        return text_of(super().value())


def _element(json: Any) -> Any:
    if not isinstance(json, str):
        return json
    said = _to_object(json)
    return json if said is None else said


AGGREGATORS: Final[dict[str, Callable[[], RowState]]] = {"json:group": GroupAsText, "json:groupAsObject": GroupAsObject}
