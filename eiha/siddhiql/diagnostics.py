"""Errors with a place: the offending line with a caret, what would have been valid, the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from eiha.errors import PlanSemanticError, PlanSyntaxError, UnsupportedConstruct
from eiha.siddhiql.span import Span

EXCERPT_COLUMNS_MAX = 120
"""Longer lines are cut around the caret: a generated plan may be one line of a megabyte."""


def excerpt(text: str, span: Span) -> str:
    """The line of ``span`` with carets below what it covers on that line; empty when the place is not known."""
    if span.line == 0:
        return ""
    begin = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", begin)
    line = text[begin : end if end >= 0 else len(text)].rstrip("\r").replace("\t", " ")
    column = span.start - begin
    width = max(1, min(span.end - span.start, len(line) - column))
    if len(line) > EXCERPT_COLUMNS_MAX:
        cut = max(0, column - EXCERPT_COLUMNS_MAX // 2)
        line, column = line[cut : cut + EXCERPT_COLUMNS_MAX], column - cut
        width = max(1, min(width, len(line) - column))
    return f"    {line}\n    {' ' * column}{'^' * width}"


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The entry of ``valid`` that ``name`` was most likely meant to be, whatever its case; None if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in valid}
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest of ``valid``, or an empty string."""
    match = nearest(name, valid)
    return f"; did you mean {match!r}?" if match is not None and match != name else ""


def did_you_mean_of_namespace(name: str, valid: Iterable[str], kind: str) -> str:
    """``did_you_mean`` for a function or window: where nothing of its namespace is there, no name is near.

    ``kind``: what was asked for, e.g. ``function``.
    """
    valid = list(valid)
    namespace, colon, _ = name.partition(":")
    if colon and not any(each.startswith(f"{namespace}:") for each in valid):
        return f"; no {kind} of the namespace {namespace!r} is here, a Python package can bring one (docs/functions.md)"
    return did_you_mean(name, valid)


def syntax_error(text: str, span: Span, message: str) -> PlanSyntaxError:
    """The error that ``text`` is not SiddhiQL at ``span``."""
    return PlanSyntaxError(message, line=span.line, column=span.column, excerpt=excerpt(text, span))


def semantic_error(text: str, span: Span, message: str) -> PlanSemanticError:
    """The error that names or types do not fit at ``span``."""
    return PlanSemanticError(message, line=span.line, column=span.column, excerpt=excerpt(text, span))


def unsupported(text: str, span: Span, construct: str, remedy: str = "") -> UnsupportedConstruct:
    """The error that ``construct`` is not run yet, at ``span``; ``remedy``: what to write instead."""
    place = excerpt(text, span)
    return UnsupportedConstruct(construct, remedy, line=span.line, column=span.column, excerpt=place)
