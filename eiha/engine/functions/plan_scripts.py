"""Functions whose source a plan holds, compiled when it is deployed."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any


def script_function(name: str, source: str) -> Callable[[list[Any]], Any]:
    """The function that ``source``, as ``plan.scripts`` checked it, defines."""
    module = compile(source, f"<function {name}>", "exec")
    (code,) = (each for each in module.co_consts if isinstance(each, CodeType))
    return FunctionType(code, {"__builtins__": builtins}, name)
