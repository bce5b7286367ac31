"""Rebuilding the expressions of a plan, children first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from eiha.plan.expressions import (
    AggregateRef,
    Arithmetic,
    AttributeRef,
    Call,
    Compare,
    EventIsNull,
    Expression,
    InTable,
    IsNull,
    Literal,
    Logic,
    Not,
    OutputRef,
)
from eiha.plan.nodes import (
    Aggregate,
    Filter,
    Handler,
    JoinInput,
    PatternInput,
    Plan,
    Query,
    QueryInput,
    Selector,
    StreamFunction,
    StreamInput,
    Window,
)

Change = Callable[[Expression], Expression]


def map_expression(node: Expression, change: Change) -> Expression:
    """``node`` with ``change`` applied to every node of it, operands before what holds them."""
    match node:
        case Literal() | AttributeRef() | AggregateRef() | OutputRef() | EventIsNull():
            rebuilt: Expression = node
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right) | Logic(left=left, right=right):
            rebuilt = replace(node, left=map_expression(left, change), right=map_expression(right, change))
        case Not(operand) | IsNull(operand):
            rebuilt = replace(node, operand=map_expression(operand, change))
        case Call(arguments=arguments):
            rebuilt = replace(node, arguments=tuple(map_expression(argument, change) for argument in arguments))
        case InTable(condition):
            rebuilt = replace(node, condition=map_expression(condition, change))
        case _:
            assert_never(node)
    return change(rebuilt)


def map_aggregate(aggregate: Aggregate, change: Change) -> Aggregate:
    """``aggregate`` with ``change`` applied to its argument and its guard."""
    return replace(
        aggregate,
        argument=None if aggregate.argument is None else map_expression(aggregate.argument, change),
        guard=None if aggregate.guard is None else map_expression(aggregate.guard, change),
    )


def map_plan(plan: Plan, change: Change) -> Plan:
    """``plan`` with ``change`` applied to every expression in it."""
    return replace(plan, queries=tuple(_query(query, change) for query in plan.queries))


def _query(query: Query, change: Change) -> Query:
    return replace(query, input=_input(query.input, change), selector=_selector(query.selector, change))


def _input(source: QueryInput, change: Change) -> QueryInput:
    match source:
        case StreamInput():
            return replace(source, handlers=tuple(_handler(handler, change) for handler in source.handlers))
        case PatternInput():
            steps = tuple(
                step if step.condition is None else replace(step, condition=map_expression(step.condition, change))
                for step in source.steps
            )
            return replace(source, steps=steps)
        case JoinInput():
            return _join(source, change)
        case _:
            assert_never(source)


def _join(join: JoinInput, change: Change) -> JoinInput:
    left, right = (
        replace(side, handlers=tuple(_handler(handler, change) for handler in side.handlers)) for side in join.sides
    )
    on = None if join.on is None else map_expression(join.on, change)
    buckets = join.buckets
    if buckets is not None:
        end = None if buckets.end is None else map_expression(buckets.end, change)
        start, per = map_expression(buckets.start, change), map_expression(buckets.per, change)
        buckets = replace(buckets, start=start, end=end, per=per)
    return replace(join, left=left, right=right, on=on, buckets=buckets)


def _handler(handler: Handler, change: Change) -> Handler:
    match handler:
        case Filter(condition):
            aggregates = tuple(map_aggregate(item, change) for item in handler.aggregates)
            return replace(handler, condition=map_expression(condition, change), aggregates=aggregates)
        case Window(arguments=arguments) | StreamFunction(arguments=arguments):
            return replace(handler, arguments=tuple(map_expression(argument, change) for argument in arguments))
        case _:
            assert_never(handler)


def _selector(selector: Selector, change: Change) -> Selector:
    return replace(
        selector,
        projections=tuple(
            replace(item, expression=map_expression(item.expression, change)) for item in selector.projections
        ),
        aggregates=tuple(map_aggregate(item, change) for item in selector.aggregates),
        group_by=tuple(map_expression(key, change) for key in selector.group_by),
        having=None if selector.having is None else map_expression(selector.having, change),
        having_aggregates=tuple(map_aggregate(item, change) for item in selector.having_aggregates),
    )
