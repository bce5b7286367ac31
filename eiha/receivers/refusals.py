"""Texts that receivers share when they refuse something."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

LISTED_MAX: Final = 20
"""Names listed in an answer; a node may have hundreds of streams."""


def unknown_stream(stream: str, known: Iterable[str]) -> str:
    """Why ``stream`` is refused, with the nearest name and those there are."""
    names = sorted(known)
    if not names:
        return f"no deployed plan defines stream {stream!r}; no plan is deployed"
    near = get_close_matches(stream, names, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ";"
    more = f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else ""
    return f"no deployed plan defines stream {stream!r}{hint} there are: {', '.join(names[:LISTED_MAX])}{more}"
