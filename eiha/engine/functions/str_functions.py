"""``str:``: text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from eiha.engine.aggregators.collections import Counted
from eiha.engine.aggregators.row_wise import RowState
from eiha.engine.expressions.java_text import JAVA_WHITESPACE, object_text
from eiha.engine.expressions.row_wise import Build, row_wise
from eiha.kernel.java_regex import compiled, java_replacement

_BRACES: Final = re.compile(r"\{\{|\}\}")
_TEXT_MAX: Final = 16 * 1024 * 1024
"""A repeated text beyond this is null: a plan must not fill the memory with one event."""


def _char_at(text: str, index: int) -> str | None:
    return text[index] if 0 <= index < len(text) else None


def _char_frequency(text: str, character: str) -> int | None:
    return text.count(character) if len(character) == 1 else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _concat(*parts: str | None) -> str:
    return "".join(part for part in parts if part is not None)


def _equals_ignoring_case(left: str, right: str) -> bool:
    return left.upper().lower() == right.upper().lower()


def _fill_template(template: str | None, *values: Any) -> str | None:
    if template is None:
        return None
    parts = _BRACES.split(template)
    for place in range(1, len(parts), 2):
        value = _template_value(parts[place].strip(), values)
        if value is not None:
            parts[place] = object_text(value)
    return "".join(parts)


def _template_value(key: str, values: tuple[Any, ...]) -> Any:
    if len(values) == 1 and isinstance(values[0], dict):
        return values[0].get(key)
    return values[int(key) - 1] if key.isascii() and key.isdigit() and 1 <= int(key) <= len(values) else None


def _locate(part: str, text: str, start: int = 0) -> int | None:
    return text.find(part, start) if 0 <= start <= len(text) else None


def _regexp(text: str, pattern: str) -> bool | None:
    regex = compiled(pattern)
    return None if regex is None else regex.fullmatch(text) is not None


def _repeat(text: str, times: int) -> str | None:
    return text * times if times >= 0 and len(text) * times <= _TEXT_MAX else None


def _replaced(text: str, pattern: str, by: str, count: int) -> str | None:
    regex, replacement = compiled(pattern), java_replacement(by)
    if regex is None or replacement is None:
        return None
    try:
        return regex.sub(replacement, text, count=count)
    except (re.error, IndexError):
        return None


def _split(text: str, separator: str, group: int) -> str | None:
    regex = compiled(separator)
    if regex is None:
        return None
    parts = split_as_java(regex, text)
    return parts[group] if 0 <= group < len(parts) else None


def split_as_java(regex: re.Pattern[str], text: str) -> list[str]:
    """``String.split``: without empty texts at the end; a match of nothing at the start cuts nothing."""
    parts: list[str] = []
    begin = 0
    for match in regex.finditer(text):
        if match.end() == 0 or match.start() == match.end() == len(text):
            continue
        parts.append(text[begin : match.start()])
        begin = match.end()
    if not parts and begin == 0:
        return [text]
    parts.append(text[begin:])
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _compare(left: str, right: str) -> int:
    for first, second in zip(left, right, strict=False):
        if first != second:
            return ord(first) - ord(second)
    return len(left) - len(right)


def _substring(text: str, first: Any, second: Any = None) -> str | None:
    if isinstance(first, str):
        regex = compiled(first)
        match = None if regex is None else regex.search(text)
        if regex is None or (second is not None and not 0 <= second <= regex.groups):
            return None
        return "" if match is None else match[second or 0]
    end = len(text) if second is None else first + second
    return text[first:end] if 0 <= first <= end <= len(text) else None


def _unhex(digits: str) -> str | None:
    try:
        return bytes.fromhex(digits).decode()
    except ValueError:
        return None


SCALARS: Final[dict[str, Build]] = {
    "str:charAt": row_wise(_char_at),
    "str:charFrequency": row_wise(_char_frequency),
    "str:coalesce": row_wise(_first, takes_nulls=True),
    "str:concat": row_wise(_concat, takes_nulls=True),
    "str:contains": row_wise(lambda text, part: part in text),
    "str:equalsIgnoreCase": row_wise(_equals_ignoring_case),
    "str:fillTemplate": row_wise(_fill_template, takes_nulls=True),
    "str:hex": row_wise(lambda text: text.encode().hex()),
    "str:length": row_wise(len),
    "str:locate": row_wise(_locate),
    "str:lower": row_wise(str.lower),
    "str:regexp": row_wise(_regexp),
    "str:repeat": row_wise(_repeat),
    "str:replaceAll": row_wise(lambda text, pattern, by: _replaced(text, pattern, by, 0)),
    "str:replaceFirst": row_wise(lambda text, pattern, by: _replaced(text, pattern, by, 1)),
    "str:reverse": row_wise(lambda text: text[::-1]),
    "str:split": row_wise(_split),
    "str:strcmp": row_wise(_compare),
    "str:substr": row_wise(_substring),
    "str:trim": row_wise(lambda text: text.strip(JAVA_WHITESPACE)),
    "str:unhex": row_wise(_unhex),
    "str:upper": row_wise(str.upper),
}


def _tokens(text: str | None, separator: str, distinct: bool = False) -> list[tuple[Any, ...]]:
    regex = compiled(separator)
    if text is None or regex is None:
        return []
    parts = split_as_java(regex, text)
    return [(part,) for part in (dict.fromkeys(parts) if distinct else parts)]


PROCESSORS: Final[dict[str, Callable[..., list[tuple[Any, ...]]]]] = {"str:tokenize": _tokens}


class GroupConcat(Counted):
    """``str:groupConcat(key, separator, distinct, order)``."""

    __slots__ = ("_distinct", "_order", "_separator")

    def __init__(self) -> None:
        super().__init__()
        self._separator = ","
        self._distinct = False
        self._order = ""

    def add(self, key: str | None, separator: str | None = ",", distinct: bool = False, order: str = "") -> None:
        """A key comes; null adds nothing."""
        self._separator, self._distinct, self._order = object_text(separator), distinct, order.upper()
        if key is not None:
            self.take_in(key)

    def remove(self, key: str | None, separator: str | None = ",", distinct: bool = False, order: str = "") -> None:
        """A key leaves."""
        self._separator, self._distinct, self._order = object_text(separator), distinct, order.upper()
        if key is not None:
            self.give_back(key)

    def value(self) -> str:
        """The keys joined."""
        keys = list(self.counts)
        if self._order:
            keys.sort(reverse=self._order == "DESC")
        if not self._distinct:
            keys = [key for key in keys for _ in range(self.counts[key])]
        return self._separator.join(keys)


AGGREGATORS: Final[dict[str, Callable[[], RowState]]] = {"str:groupConcat": GroupConcat}
