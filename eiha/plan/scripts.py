"""``define function f[python] return type { body }``: Python within a plan, looked at when the plan is bound.

The body sees the arguments as the list ``data`` and ends with ``return``. Both nodes run it on the same events and must
come to the same result, so what could differ between them is refused: clocks, randomness, files, hashes that vary.
"""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from typing import Final

from eiha.siddhiql.span import Span

MODULES: Final = frozenset(
    {
        "base64", "bisect", "binascii", "cmath", "collections", "decimal", "fractions", "functools", "hashlib",
        "heapq", "html", "ipaddress", "itertools", "json", "math", "operator", "re", "statistics", "string", "struct",
        "textwrap", "unicodedata", "urllib.parse", "zlib",
    }
)  # fmt: skip
"""Modules of the standard library whose functions depend on their arguments only."""

FORBIDDEN: Final = frozenset(
    {
        "breakpoint", "compile", "eval", "exec", "globals", "hash", "help", "id", "input", "locals", "open", "print",
        "vars", "__import__",
    }
)  # fmt: skip
"""Built-in names that reach outside, or differ from process to process."""


@dataclass(frozen=True, slots=True)
class ScriptProblem(Exception):
    """The body cannot be run. ``line``: from 0, within the body."""

    message: str
    line: int


def checked_source(name: str, body: str) -> str:
    """The source of a function of ``data``, with ``body`` in it.

    Raises:
        ScriptProblem: the body is no Python, never returns a value, or could differ between nodes.
    """
    lines = body.split("\n")
    skipped = 0
    while lines and not lines[0].strip():
        lines.pop(0)
        skipped += 1
    first_indented = textwrap.dedent("\n".join(lines)).rstrip()
    if lines and lines[0] == lines[0].lstrip() and len(lines) > 1:
        # the body begins behind the brace: its first line says nothing of how far the others are set in
        first_indented = lines[0] + "\n" + textwrap.dedent("\n".join(lines[1:])).rstrip()
    source = f"def {name}(data):\n" + textwrap.indent(first_indented or "pass", "    ") + "\n"
    try:
        tree = ast.parse(source)
    except SyntaxError as cause:
        raise ScriptProblem(f"no Python: {cause.msg}", max((cause.lineno or 2) - 2, 0) + skipped) from cause
    _refuse_what_differs(tree, skipped)
    if not any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(tree)):
        raise ScriptProblem("the function never returns a value; end it with return", skipped)
    return source


def _refuse_what_differs(tree: ast.Module, skipped: int) -> None:
    why = "both nodes run it and must come to the same result"
    for node in ast.walk(tree):
        modules: list[str] = []
        match node:
            case ast.Import(names):
                modules = [each.name for each in names]
            case ast.ImportFrom(module):
                modules = [module or ""]
            case ast.Name(name) if name in FORBIDDEN:
                raise ScriptProblem(f"{name} cannot be used: {why}", node.lineno - 2 + skipped)
            case ast.Global() | ast.Nonlocal() | ast.AsyncFunctionDef() | ast.Await():
                raise ScriptProblem(f"a function keeps nothing from event to event: {why}", node.lineno - 2 + skipped)
            case ast.Attribute(attr=attribute) if attribute.startswith("__"):
                raise ScriptProblem(f"{attribute} cannot be used: {why}", node.lineno - 2 + skipped)
            case _:
                pass
        for module in modules:
            if module not in MODULES and module.partition(".")[0] not in MODULES:
                assert isinstance(node, ast.Import | ast.ImportFrom)
                known = ", ".join(sorted(MODULES))
                raise ScriptProblem(
                    f"module {module!r} cannot be used: {why}; there are {known}", node.lineno - 2 + skipped
                )


def script_line(text: str, definition: Span, body: str, line: int) -> Span:
    """Where line ``line`` (from 0) of a function's body stands in the plan's text."""
    begin = text.find(body, definition.start, definition.end)
    if begin < 0:
        return definition
    lines = body.split("\n")
    line = min(line, len(lines) - 1)
    start = begin + sum(len(each) + 1 for each in lines[:line])
    start += len(lines[line]) - len(lines[line].lstrip())
    end = start + len(lines[line].strip())
    return Span(text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1), start, max(end, start + 1))
