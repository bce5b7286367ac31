"""Functions whose source a plan holds, compiled when it is deployed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def script_function(name: str, source: str) -> Callable[[list[Any]], Any]:
    """The function that ``source``, as ``plan.scripts`` checked it, defines."""
    scope: dict[str, Any] = {}
    code = compile(source, f"<function {name}>", "exec")
    exec(code, scope)  # noqa: S102 - plans come from those who run the node; their functions are theirs, too
    function: Callable[[list[Any]], Any] = scope[name]
    return function
