"""Neighbouring filters become one, and a filter that is always true goes.

``[a][b]`` equals ``[a and b]``: both evaluate b only where a is true, null counts as false in both, and rows keep their
chunks. Filters on two sides of a window or function stay apart, as do those that hold aggregates.
"""

from __future__ import annotations

from dataclasses import replace

from eiha.events.schema import AttributeType
from eiha.plan.expressions import Literal, Logic, LogicOp
from eiha.plan.nodes import Filter, Handler, Plan, Query, StreamInput


def merge_filters(plan: Plan) -> Plan:
    """``plan`` with at most one filter between any two other handlers."""
    return replace(plan, queries=tuple(_query(query) for query in plan.queries))


def _query(query: Query) -> Query:
    if not isinstance(query.input, StreamInput):
        return query
    merged: list[Handler] = []
    for handler in query.input.handlers:
        if isinstance(handler, Filter) and handler.condition == Literal(
            True, AttributeType.BOOL, handler.condition.span
        ):
            continue
        before = merged[-1] if merged else None
        if isinstance(handler, Filter) and isinstance(before, Filter) and not (handler.aggregates or before.aggregates):
            condition = Logic(LogicOp.AND, before.condition, handler.condition, handler.span)
            merged[-1] = Filter(condition, before.span)
        else:
            merged.append(handler)
    return replace(query, input=replace(query.input, handlers=tuple(merged)))
