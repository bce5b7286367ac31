"""Patterns and sequences: steps in textual order, conditions over captured events, the tree of the combination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from eiha.events.schema import Schema
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.expressions import Expression, Logic, LogicOp
from eiha.plan.nodes import (
    AbsentNode,
    EveryNode,
    LogicalNode,
    NextNode,
    PatternInput,
    PatternNode,
    PatternStep,
    Projection,
    StepNode,
)
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import PatternScope, PatternSource
from eiha.siddhiql import expression_tree as tree
from eiha.siddhiql import query_tree
from eiha.siddhiql.span import Span

SchemaOf = Callable[[query_tree.Source], Schema]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A step as written."""

    reference: str | None
    stream: query_tree.StandardStream
    min_count: int
    max_count: int | None
    is_counted: bool
    is_absent: bool
    span: Span


def bind_pattern(
    pattern: query_tree.StateStream, schema_of: SchemaOf, refusals: Refusals
) -> tuple[PatternInput, PatternScope]:
    """The pattern, and the scope of its captured events.

    Args:
        pattern: as written.
        schema_of: the definition of a stream; raises for streams that there are not.
        refusals: raises the errors.
    """
    leaves: list[_Leaf] = []
    partners: dict[int, int] = {}
    root = _node(pattern.root, leaves, partners)
    sources = tuple(
        PatternSource(leaf.reference or leaf.stream.source.name, schema_of(leaf.stream.source), leaf.is_counted)
        for leaf in leaves
    )
    steps = tuple(_step(position, leaves, sources, partners, refusals) for position in range(len(leaves)))
    within_ms = None if pattern.within is None else pattern.within.milliseconds
    bound = PatternInput(pattern.is_sequence, steps, root, within_ms, pattern.span)
    return bound, PatternScope(sources, refusals)


def all_captured(scope: PatternScope, span: Span) -> tuple[Projection, ...]:
    """What ``select *`` puts out for a pattern: the attributes of all steps, whose names must differ."""
    names = [name for source in scope.sources for name in source.schema.names]
    for name in names:
        if names.count(name) > 1:
            message = f"select * would put out {name!r} twice; name the attributes of the pattern one by one"
            scope.refusals.refuse(span, message)
    return tuple(Projection(name, scope.attribute(tree.AttributeReference(name, span=span))) for name in names)


def pattern_warnings(pattern: PatternInput) -> tuple[str, ...]:
    """What an author should know: matches that are begun again and again, and nothing ever ends."""
    if pattern.is_sequence or pattern.within_ms is not None or not _piles_up(pattern.root):
        return ()
    place = f"line {pattern.span.line}" if pattern.span.line else "a pattern"
    held = f"{place}: every match that begins is held until it is complete, since there is no within"
    return (f"{held}; add within if matches may stay incomplete",)


def _piles_up(node: PatternNode) -> bool:
    """Whether ``every`` lets matches begin that then wait for a further step."""
    if isinstance(node, EveryNode):
        return _piles_up(node.element)
    if not isinstance(node, NextNode):
        return False
    return any(isinstance(each, EveryNode) for each in node.elements[:-1]) or any(map(_piles_up, node.elements))


# --- the tree


def _node(state: query_tree.State, leaves: list[_Leaf], partners: dict[int, int]) -> PatternNode:
    match state:
        case query_tree.StreamState(stream, reference, span):
            leaves.append(_Leaf(reference, stream, 1, 1, False, False, span))
            return StepNode(len(leaves) - 1)
        case query_tree.CountState(inner, least, most, span):
            leaves.append(_Leaf(inner.reference, inner.stream, least, most, True, False, span))
            return StepNode(len(leaves) - 1)
        case query_tree.AbsentState(stream, wait, span):
            leaves.append(_Leaf(None, stream, 1, 1, False, True, span))
            return AbsentNode(len(leaves) - 1, None if wait is None else wait.milliseconds)
        case query_tree.LogicalState(is_and, left, right):
            first = _node(left, leaves, partners)
            position = len(leaves)
            second = _node(right, leaves, partners)
            partners[position - 1], partners[position] = position, position - 1
            return LogicalNode(is_and, first, second)
        case query_tree.EveryState(element):
            return EveryNode(_node(element, leaves, partners))
        case query_tree.NextState(elements):
            return NextNode(tuple(_node(element, leaves, partners) for element in elements))
        case _:
            assert_never(state)


# --- the steps


def _step(
    position: int,
    leaves: list[_Leaf],
    sources: tuple[PatternSource, ...],
    partners: dict[int, int],
    refusals: Refusals,
) -> PatternStep:
    leaf = leaves[position]
    hidden = set(range(position + 1, len(leaves)))
    if position in partners:
        hidden.add(partners[position])
    scope = PatternScope(sources, refusals, position, frozenset(hidden))
    return PatternStep(
        reference=leaf.reference or leaf.stream.source.name,
        stream=leaf.stream.source.name,
        schema=sources[position].schema,
        condition=_condition(leaf, scope, refusals),
        min_count=leaf.min_count,
        max_count=leaf.max_count,
        span=leaf.span,
    )


def _condition(leaf: _Leaf, scope: PatternScope, refusals: Refusals) -> Expression | None:
    """All filters of the step as one: each is tried only where those before it are true, as with ``and``."""
    binder = ExpressionBinder(scope, refusals)
    condition: Expression | None = None
    for handler in leaf.stream.handlers:
        if not isinstance(handler, query_tree.FilterHandler):
            refusals.unsupported(handler.span, "pattern.streamFunction")
        bound = binder.bind_condition(handler.condition, "a filter takes a bool")
        condition = bound if condition is None else Logic(LogicOp.AND, condition, bound, handler.span)
    return condition
