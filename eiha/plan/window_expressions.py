"""The expressions of ``expression`` and ``expressionBatch`` windows, which stand in a plan as strings.

In them ``name`` is the row that comes or leaves, ``first.name`` and ``last.name`` are the oldest and the newest row of
the window, ``eventTimestamp(first)`` is a row's time, and aggregators go over the rows in the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from eiha.errors import PlanError, UnsupportedConstruct
from eiha.events.schema import AttributeType
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.expressions import AggregateRef, AttributeRef, Call, EventIsNull, Expression, Literal
from eiha.plan.nodes import Aggregate
from eiha.plan.refusals import Refusals
from eiha.plan.rewrites.map_expressions import map_expression
from eiha.plan.scopes import StreamScope
from eiha.siddhiql import expression_tree as tree
from eiha.siddhiql.parser import parse_expression
from eiha.siddhiql.span import NO_SPAN, Span

EXPRESSION_WINDOWS: Final = frozenset({"expression", "expressionBatch"})

ROW: Final = 0
FIRST: Final = 1
LAST: Final = 2
AGGREGATES: Final = 3
"""Source of the values of aggregates, numbered by ``event_index``."""
ROW_TIME: Final = 4
"""Source of the time of the row; behind it come those of the first and the last one."""

RUN_IN_WINDOWS: Final = frozenset({"count", "sum", "avg", "min", "max"})
"""Aggregators that conditions of windows may hold."""

_EVENTS: Final = {"first": FIRST, "last": LAST}


@dataclass(frozen=True, slots=True)
class _WindowScope:
    """What names mean over the rows of a window."""

    rows: StreamScope

    def attribute(self, reference: tree.AttributeReference) -> Expression:
        """A column of the row, of the first or of the last one."""
        stream = reference.stream
        if stream is None or stream.name not in _EVENTS:
            return self.rows.attribute(reference)
        found = self.rows.attribute(replace(reference, stream=None))
        assert isinstance(found, AttributeRef)
        return replace(found, source=_EVENTS[stream.name])

    def event_is_null(self, reference: tree.StreamReference) -> EventIsNull | None:  # noqa: ARG002 - the protocol's form
        """There is always a first and a last row."""
        return None


class _WindowBinder(ExpressionBinder):
    """Knows ``eventTimestamp(first)`` beside all that an expression may hold."""

    __slots__ = ()

    def _call(self, node: tree.FunctionCall) -> Expression:
        if node.name != "eventTimestamp" or node.namespace is not None:
            return ExpressionBinder._call(self, node)
        match node.arguments:
            case ():
                source = ROW
            case (tree.AttributeReference(name, None, None),) if name in _EVENTS:
                source = _EVENTS[name]
            case _:
                self.refusals.refuse(node.span, "eventTimestamp takes first, last or nothing")
        return AttributeRef(ROW_TIME + source, 0, "eventTimestamp", AttributeType.LONG, span=NO_SPAN)


def with_condition(
    window: str, arguments: Sequence[Expression], span: Span, scope: StreamScope, refusals: Refusals
) -> tuple[Expression, ...]:
    """``arguments`` with those left out, then the condition that the first one spells, then what it aggregates.

    Each aggregate is a ``Call`` of the aggregator; the condition reads it as attribute of the source ``AGGREGATES``.

    Raises:
        PlanSemanticError: the expression is not valid.
        UnsupportedConstruct: it holds something that does not run in a window.
    """
    text = arguments[0]
    if not isinstance(text, Literal):
        refusals.unsupported(span, f"window.{window}.dynamic")
    given = tuple(arguments)
    if window == "expressionBatch":
        given += (Literal(False, AttributeType.BOOL),) * (3 - len(given))
    inner = Refusals(str(text.value))
    inner.scripts = refusals.scripts
    held: list[Aggregate] = []
    try:
        parsed = parse_expression(str(text.value))
        binder = _WindowBinder(_WindowScope(replace(scope, refusals=inner)), inner, held)
        condition = binder.bind_condition(parsed, "the expression of a window must be bool")
    except UnsupportedConstruct as problem:
        refusals.unsupported(span, problem.construct)
    except PlanError as problem:
        refusals.refuse(span, f"window {window}: in {text.value!r}: {problem.message}")
    for each in held:
        if each.name not in RUN_IN_WINDOWS:
            refusals.unsupported(span, f"window.{window}.{each.name}")
    aggregates = tuple(
        Call(each.name, () if each.argument is None else (_over_values(each.argument),), each.type) for each in held
    )
    return (*given, _over_values(condition), *aggregates)


def _over_values(expression: Expression) -> Expression:
    """``expression`` with aggregates as attributes of a source of their own."""

    def change(node: Expression) -> Expression:
        if isinstance(node, AggregateRef):
            return AttributeRef(AGGREGATES, 0, "aggregate", node.type, node.index)
        return node

    return map_expression(expression, change)
