r"""Regular expressions as Java writes them, for Python's ``re``.

Most of the two languages is one. Translated here: named groups, ``\p{...}`` of ASCII, ``\Q...\E``, ``\h``, ``\R``,
``\z``, ``\Z``, ``\x{...}``, and ``.``, which in Java stops at every kind of line end. ``\d``, ``\w``, ``\s`` and
``\b`` are ASCII. Not known: class intersections (``[a-z&&[^x]]``) and properties of scripts and blocks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

CACHE_MAX: Final = 1_024
"""Compiled patterns that are remembered."""

_POSIX: Final = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0b\f\r",
    "XDigit": "0-9a-fA-F",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "Graph": "!-~",
    "Print": " -~",
    "ASCII": r"\x00-\x7f",
}
_ANY_BUT_LINE_ENDS: Final = "[^\n\r\x85\u2028\u2029]"
_SIMPLE: Final = {
    "h": "[ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "R": "(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])",
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "e": r"\x1b",
}


@lru_cache(maxsize=CACHE_MAX)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """``pattern``, ready to match; None if it is none, or uses what is not known here."""
    try:
        return re.compile(translated(pattern), re.ASCII)
    except (re.error, ValueError, OverflowError, RecursionError):
        return None


def problem(pattern: str) -> str | None:
    """Why ``pattern`` cannot be used, or None."""
    try:
        re.compile(translated(pattern), re.ASCII)
    except (re.error, ValueError, OverflowError, RecursionError) as cause:
        return f"{pattern!r} is no regular expression: {cause}"
    return None


def translated(pattern: str) -> str:
    """``pattern`` in Python's spelling.

    Raises:
        ValueError: it uses what Python has no spelling for.
    """
    out: list[str] = []
    place = 0
    depth = 0  # of character classes
    while place < len(pattern):
        rest = pattern[place:]
        if rest[0] == "\\" and len(rest) > 1:
            text, length = _escape(rest, in_class=depth > 0)
        elif depth:
            text, length, depth = _in_class(rest, depth)
        elif rest[0] == "[":
            length = 2 if rest.startswith("[^") else 1
            depth = 1
            text = rest[:length]
            if rest[length : length + 1] == "]":
                text, length = text + r"\]", length + 1
        elif rest[0] == ".":
            text, length = _ANY_BUT_LINE_ENDS, 1
        elif rest.startswith("(?<") and rest[3:4] not in ("=", "!", ""):
            text, length = "(?P<", 3
        else:
            text, length = rest[0], 1
        out.append(text)
        place += length
    return "".join(out)


def _in_class(rest: str, depth: int) -> tuple[str, int, int]:
    if rest.startswith("&&"):
        raise ValueError("class intersections (&&) are not known here")
    if rest[0] == "]":
        return ("]" if depth == 1 else ""), 1, depth - 1
    if rest[0] == "[":
        if rest.startswith("[^"):
            raise ValueError("a negated class within a class is not known here")
        return "", 1, depth + 1  # a union: its members join those of the outer class
    return rest[0], 1, depth


def _escape(rest: str, *, in_class: bool) -> tuple[str, int]:
    letter = rest[1]
    if letter == "Q":
        end = rest.find("\\E", 2)
        quoted = rest[2:] if end < 0 else rest[2:end]
        return re.escape(quoted), len(rest) if end < 0 else end + 2
    if letter in "pP":
        return _property(rest, in_class=in_class)
    if letter == "x" and rest.startswith("\\x{"):
        end = rest.index("}")
        return re.escape(chr(int(rest[3:end], 16))), end + 1
    if letter == "k" and rest.startswith("\\k<"):
        end = rest.index(">")
        return f"(?P={rest[3:end]})", end + 1
    if letter in _SIMPLE and (letter in "he" or not in_class):
        text = _SIMPLE[letter]
        return (text.strip("[]") if in_class and text.startswith("[") else text), 2
    return rest[:2], 2


def _property(rest: str, *, in_class: bool) -> tuple[str, int]:
    if rest[2:3] != "{":
        name, length = rest[2:3], 3
    else:
        end = rest.index("}")
        name, length = rest[3:end], end + 1
    members = _POSIX.get(name) or {"L": r"^\W\d_", "IsAlphabetic": r"^\W\d_", "N": "0-9", "Nd": "0-9"}.get(name)
    if members is None or (in_class and (rest[1] == "P" or members.startswith("^"))):
        raise ValueError(f"the property {name!r} is not known here")
    if members.startswith("^"):
        # letters of any script: word characters of Unicode without digits and underscores
        return ("(?u:[^\\W\\d_])" if rest[1] == "p" else "(?u:[\\W\\d_])"), length
    if in_class:
        return members, length
    return f"[{'^' if rest[1] == 'P' else ''}{members}]", length


def java_replacement(text: str) -> str | None:
    """A replacement of Java (``$1``, ``${name}``, backslash escapes) in Python's spelling; None if it is malformed."""
    out: list[str] = []
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == "\\":
            if place + 1 == len(text):
                return None
            out.append(_literal(text[place + 1]))
            place += 2
            continue
        if letter == "$":
            match = re.match(r"\$(?:(\d)|\{(\w+)\})", text[place:])
            if match is None:
                return None
            out.append(f"\\g<{match[1] or match[2]}>")
            place += match.end()
            continue
        out.append(_literal(letter))
        place += 1
    return "".join(out)


def _literal(letter: str) -> str:
    return "\\\\" if letter == "\\" else letter
