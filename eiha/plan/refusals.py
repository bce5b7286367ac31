"""Refusing a plan at a place in its text."""

from __future__ import annotations

from typing import NoReturn

from eiha.siddhiql.diagnostics import semantic_error, unsupported
from eiha.siddhiql.span import Span


class Refusals:
    """Raises the errors of one plan, each with its place and excerpt."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, span: Span, message: str) -> NoReturn:
        """The plan is wrong at ``span``.

        Raises:
            PlanSemanticError: always.
        """
        raise semantic_error(self.text, span, message)

    def unsupported(self, span: Span, construct: str) -> NoReturn:
        """The plan asks for ``construct``, which is valid but not run yet.

        Raises:
            UnsupportedConstruct: always.
        """
        raise unsupported(self.text, span, construct)
