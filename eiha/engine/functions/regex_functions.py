"""``regex:``: Java's regular expressions."""

from __future__ import annotations

from typing import Final

from eiha.engine.expressions.row_wise import Build, row_wise
from eiha.kernel.java_regex import compiled


def _find(pattern: str, text: str, start: int = 0) -> bool | None:
    regex = compiled(pattern)
    if regex is None or not 0 <= start <= len(text):
        return None
    return regex.search(text, start) is not None


def _group(pattern: str, text: str, group: int) -> str | None:
    regex = compiled(pattern)
    match = None if regex is None else regex.search(text)
    if regex is None or match is None or not 0 <= group <= regex.groups:
        return None
    held: str | None = match[group]
    return held


def _looking_at(pattern: str, text: str) -> bool | None:
    regex = compiled(pattern)
    return None if regex is None else regex.match(text) is not None


def _matches(pattern: str, text: str) -> bool | None:
    regex = compiled(pattern)
    return None if regex is None else regex.fullmatch(text) is not None


SCALARS: Final[dict[str, Build]] = {
    "regex:find": row_wise(_find),
    "regex:group": row_wise(_group),
    "regex:lookingAt": row_wise(_looking_at),
    "regex:matches": row_wise(_matches),
}
