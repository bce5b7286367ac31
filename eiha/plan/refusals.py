"""Refusing a plan at a place in its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from eiha.events.schema import AttributeType
from eiha.siddhiql.diagnostics import semantic_error, unsupported
from eiha.siddhiql.span import Span


@dataclass(frozen=True, slots=True)
class PlanFunction:
    """``define function name[python] return type { ... }``: ``source`` as ``plan.scripts`` checked it."""

    name: str
    returns: AttributeType
    source: str


class Refusals:
    """Raises the errors of one plan, each with its place and excerpt.

    ``scripts``: the functions that the plan defines itself; known wherever its expressions are bound.
    """

    __slots__ = ("scripts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.scripts: dict[str, PlanFunction] = {}

    def refuse(self, span: Span, message: str) -> NoReturn:
        """The plan is wrong at ``span``.

        Raises:
            PlanSemanticError: always.
        """
        raise semantic_error(self.text, span, message)

    def unsupported(self, span: Span, construct: str, remedy: str = "") -> NoReturn:
        """The plan asks for ``construct``, which is valid but not run yet; ``remedy``: what to write instead.

        Raises:
            UnsupportedConstruct: always.
        """
        raise unsupported(self.text, span, construct, remedy)
