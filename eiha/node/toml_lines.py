"""Where keys stand in a TOML text: ``tomllib`` does not say, and an error without a line helps nobody.

The scan assumes a text that ``tomllib`` accepted, so it only has to find statements, not to judge them.
"""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(r"^\s*\[\[?\s*(?P<path>[^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_ASSIGNMENT: Final = re.compile(r"^\s*(?P<path>(\"[^\"]*\"|'[^']*'|[\w-]+)(\s*\.\s*(\"[^\"]*\"|'[^']*'|[\w-]+))*)\s*=")
_PART: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)")


def find_lines(text: str) -> dict[tuple[str, ...], int]:
    """Line, from 1, of each table header and key by its path; the first place wins."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    scanner = _ValueScanner()
    for number, line in enumerate(text.splitlines(), start=1):
        if scanner.inside:
            scanner.feed(line)
            continue
        header = _HEADER.match(line)
        if header:
            table = _parts(header["path"])
            lines.setdefault(table, number)
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment:
            lines.setdefault((*table, *_parts(assignment["path"])), number)
            scanner.feed(line[assignment.end() :])
    return lines


def _parts(path: str) -> tuple[str, ...]:
    return tuple(a or b or c for a, b, c in _PART.findall(path))


class _ValueScanner:
    """Follows a value over lines: open brackets and multi-line strings."""

    __slots__ = ("_depth", "_quote")

    def __init__(self) -> None:
        self._depth = 0
        self._quote = ""

    @property
    def inside(self) -> bool:
        return self._depth > 0 or bool(self._quote)

    def feed(self, line: str) -> None:
        position = 0
        while position < len(line):
            if self._quote:
                position = self._leave_string(line, position)
                continue
            triple = line[position : position + 3]
            letter = line[position]
            if triple in ('"""', "'''"):
                self._quote = triple
                position += 3
            elif letter in "\"'":
                self._quote = letter
                position += 1
            elif letter == "#":
                break
            else:
                self._depth += (letter in "[{") - (letter in "]}")
                position += 1
        if len(self._quote) == 1:
            self._quote = ""  # a plain string ends with its line

    def _leave_string(self, line: str, position: int) -> int:
        """Position after the end of the string that is open, or after the line."""
        escapes = self._quote[0] == '"'
        while position < len(line):
            if escapes and line[position] == "\\":
                position += 2
            elif line.startswith(self._quote, position):
                position += len(self._quote)
                self._quote = ""
                return position
            else:
                position += 1
        return position
