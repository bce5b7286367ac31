"""JSON as text and as values: strict or, as the extension reads it, with single quotes and bare words."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any, Final

from eiha.engine.expressions.java_text import object_text

CACHE_MAX: Final = 256
DEPTH_MAX: Final = 200
"""Nesting beyond this is no JSON here: a text must not exhaust the stack."""

_SPACE: Final = re.compile(r"[\s\ufeff]*")
_BARE: Final = re.compile(r"[^\s,:{}\[\]\"']+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class NoJson(ValueError):
    """The text is no JSON."""


@lru_cache(maxsize=CACHE_MAX)
def parsed(text: str) -> Any:
    """The value of ``text``: dicts, tuples, text, numbers, bools, None. Not to be changed.

    Raises:
        NoJson: it has none.
    """
    value, place = _value(text, 0, 0)
    place = _skip(text, place)
    if place != len(text):
        raise NoJson(f"something follows the value at {place}")
    return value


def document(value: Any) -> Any:
    """``value`` if it is an object, what it says if it is text.

    Raises:
        NoJson: text without a value.
    """
    return parsed(value) if isinstance(value, str) else value


def text_of(value: Any) -> str:
    """``value`` as JSON, without spaces."""
    match value:
        case None:
            return "null"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case dict():
            return "{" + ",".join(f"{text_of(_key(key))}:{text_of(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(text_of(each) for each in value) + "]"
        case frozenset() | set():
            return "[" + ",".join(sorted(text_of(each) for each in value)) + "]"
        case float() if not math.isfinite(value):
            return "null"
        case _:
            return object_text(value)


def _key(key: Any) -> str:
    return key if isinstance(key, str) else object_text(key)


def _skip(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None
    return match.end()


def _value(text: str, place: int, depth: int) -> tuple[Any, int]:
    place = _skip(text, place)
    if place >= len(text) or depth > DEPTH_MAX:
        raise NoJson("the text ends too early, or is nested too deep")
    first = text[place]
    if first == "{":
        return _object(text, place + 1, depth + 1)
    if first == "[":
        return _array(text, place + 1, depth + 1)
    if first in "\"'":
        return _string(text, place)
    match = _BARE.match(text, place)
    if match is None:
        raise NoJson(f"no value at {place}")
    return _word(match[0]), match.end()


def _word(word: str) -> Any:
    constants = {"true": True, "false": False, "null": None}
    if word in constants:
        return constants[word]
    number = _NUMBER.match(word)
    if number is None:
        return word
    return float(word) if number[1] or number[2] else int(word)


def _string(text: str, place: int) -> tuple[str, int]:
    quote = text[place]
    out: list[str] = []
    place += 1
    while place < len(text):
        letter = text[place]
        if letter == quote:
            return "".join(out), place + 1
        if letter == "\\" and place + 1 < len(text):
            if text[place + 1] == "u":
                unit, place = _unicode(text, place)
                out.append(unit)
                continue
            out.append(_ESCAPES.get(text[place + 1], text[place + 1]))
            place += 2
            continue
        out.append(letter)
        place += 1
    raise NoJson("a text is not closed")


def _unicode(text: str, place: int) -> tuple[str, int]:
    match = re.compile(r"\\u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?").match(text, place)
    if match is None:
        raise NoJson(f"no character at {place}")
    high = int(match[1], 16)
    if 0xD800 <= high < 0xDC00 and match[2] is not None:
        return chr(0x10000 + ((high - 0xD800) << 10) + int(match[2], 16) - 0xDC00), match.end()
    if 0xD800 <= high < 0xE000:
        return "\ufffd", place + 6
    return chr(high), place + 6


def _array(text: str, place: int, depth: int) -> tuple[Any, int]:
    found: list[Any] = []
    place = _skip(text, place)
    if text.startswith("]", place):
        return (), place + 1
    while True:
        value, place = _value(text, place, depth)
        found.append(value)
        place = _skip(text, place)
        if text.startswith("]", place):
            return tuple(found), place + 1
        if not text.startswith(",", place):
            raise NoJson(f"a comma or ] is missing at {place}")
        place += 1


def _object(text: str, place: int, depth: int) -> tuple[Any, int]:
    found: dict[str, Any] = {}
    place = _skip(text, place)
    if text.startswith("}", place):
        return found, place + 1
    while True:
        place = _skip(text, place)
        if place < len(text) and text[place] in "\"'":
            key, place = _string(text, place)
        else:
            match = _BARE.match(text, place)
            if match is None:
                raise NoJson(f"no key at {place}")
            key, place = match[0], match.end()
        place = _skip(text, place)
        if not text.startswith(":", place):
            raise NoJson(f"a colon is missing at {place}")
        found[key], place = _value(text, place + 1, depth)
        place = _skip(text, place)
        if text.startswith("}", place):
            return found, place + 1
        if not text.startswith(",", place):
            raise NoJson(f"a comma or }} is missing at {place}")
        place += 1
