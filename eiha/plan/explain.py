"""Every stage of compilation as stable, readable text."""

from __future__ import annotations

import enum
from dataclasses import fields, is_dataclass
from typing import Any, assert_never

from eiha.plan.bind import bind
from eiha.plan.digest import digest
from eiha.plan.plan_text import plan_text
from eiha.plan.rewrites import rewrite
from eiha.siddhiql.parser import parse
from eiha.siddhiql.unparse import unparse


class Stage(enum.Enum):
    """Stages of compilation, in order; the value is the name a user gives."""

    TEXT = "text"
    AST = "ast"
    BOUND = "bound"
    REWRITTEN = "rewritten"


def explain(text: str, stage: str | Stage = Stage.REWRITTEN) -> str:
    """What ``text`` is after ``stage``: its canonical form, its tree, its typed plan, or that plan rewritten.

    Raises:
        ValueError: there is no such stage.
        PlanError: the text is refused at or before ``stage``.
    """
    match Stage(stage):
        case Stage.TEXT:
            return unparse(parse(text))
        case Stage.AST:
            return tree_text(parse(text))
        case Stage.BOUND:
            return plan_text(bind(parse(text), text))
        case Stage.REWRITTEN:
            plan = rewrite(bind(parse(text), text))
            return f"{plan_text(plan)}digest {digest(plan)}\n"
        case never:
            assert_never(never)


def tree_text(node: Any) -> str:
    """A syntax tree, one node a line, fields below it; places, empty fields and defaults of ``None`` left out."""
    lines: list[str] = []
    _describe(node, "", 0, lines)
    return "".join(f"{line}\n" for line in lines)


def _describe(value: Any, label: str, depth: int, lines: list[str]) -> None:
    indent = "  " * depth
    if isinstance(value, tuple):
        lines.append(f"{indent}{label}")
        for item in value:
            _describe(item, "- ", depth + 1, lines)
    elif is_dataclass(value) and not isinstance(value, type):
        simple: list[tuple[str, Any]] = []
        nested: list[tuple[str, Any]] = []
        for each in fields(value):
            content = getattr(value, each.name)
            if each.name == "span" or content is None or content == () or content is False:
                continue
            (nested if is_dataclass(content) or isinstance(content, tuple) else simple).append((each.name, content))
        facts = "".join(f" {name}={_plain(content)}" for name, content in simple)
        lines.append(f"{indent}{label}{type(value).__name__}{facts}")
        for name, content in nested:
            _describe(content, f"{name}: ", depth + 1, lines)
    else:
        lines.append(f"{indent}{label}{_plain(value)}")


def _plain(value: Any) -> str:
    return str(value.value) if isinstance(value, enum.Enum) else repr(value)
