"""Bounds on the lists and maps of one msgpack or JSON value: on how many, since each costs 64 bytes and more and may
take one byte, and on how deep they lie in one another, since whoever walks them calls itself for each level.

msgpack bounds the items of one list, and a list of lists of empty lists passes any such bound. So what is large is
counted while it is read; what is small cannot hold enough of them to matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

SMALL_BYTES: Final = 1 << 20
"""Below, nothing is counted: as many empty lists take at most 72 MB, for as long as one message is decoded."""

CONTAINERS_MAX: Final = (1 << 20) + 1_024
"""Of a large value: a list for each of a million rows, the most that a publication may have, and its envelope."""


DEPTH_MAX: Final = 100
"""Lists and maps in one another: far beyond any event, and a tenth of what ends a walk through them."""


def nests_too_deep(value: Any, depth_max: int = DEPTH_MAX) -> bool:
    """Whether lists and maps of ``value`` lie in one another more than ``depth_max`` deep. Goes level by level."""
    level = [value] if isinstance(value, list | tuple | dict) else []
    for _ in range(depth_max):
        if not level:
            return False
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, list | tuple | dict)
        ]
    return bool(level)


def container_hooks(size: int, containers_max: int = CONTAINERS_MAX) -> dict[str, Callable[[Any], Any]]:
    """What to give msgpack for a value of ``size`` bytes so that it raises ``ValueError`` over the bound."""
    if size <= SMALL_BYTES:
        return {}
    left = containers_max

    def count(container: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"more than {containers_max} lists and maps")
        return container

    return {"list_hook": count, "object_hook": count}


def json_containers_exceed(text: bytes, containers_max: int = CONTAINERS_MAX) -> bool:
    """Whether a JSON text may hold more lists and maps than that; brackets inside of strings count, too."""
    return len(text) > SMALL_BYTES and text.count(b"[") + text.count(b"{") > containers_max
