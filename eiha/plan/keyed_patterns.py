"""Patterns within a partition that are the same as one pattern over all keys whose steps must agree in the key.

That holds for ``every e1=S -> e2=S -> ...``: each first event starts a partial match of its own, which events of other
keys neither end nor go on with. One machine then serves all keys, and finds waiting matches by key.
"""

from __future__ import annotations

from dataclasses import replace

from eiha.events.schema import AttributeType
from eiha.plan.expressions import AttributeRef, Compare, CompareOp, Expression, IsNull, Logic, LogicOp, Not
from eiha.plan.nodes import (
    INNER_MARK,
    EveryNode,
    NextNode,
    PatternInput,
    PatternStep,
    Plan,
    Query,
    StepNode,
    ValueKey,
)
from eiha.plan.rewrites.map_expressions import map_expression

_TOLD_APART_BY_VALUE = frozenset({AttributeType.STRING, AttributeType.INT, AttributeType.LONG, AttributeType.BOOL})
"""Types of which two values are equal where their texts are."""


def over_all_keys(query: Query, plan: Plan) -> Query | None:
    """``query``, a pattern within a partition, with the key in its conditions; None if that is something else."""
    source, selector = query.input, query.selector
    assert query.partition is not None and isinstance(source, PatternInput)
    if (
        plan.partitions[query.partition].purge is not None
        or not _is_chain_of_every_event(source)
        or selector.aggregates
        or selector.having_aggregates
        or query.rate is not None
        or query.output.target.startswith(INNER_MARK)
    ):
        return None
    keys = [_key(query.partition, step, plan) for step in source.steps]
    first = keys[0]
    if first is None or any(key is None or key.type is not first.type for key in keys):
        return None
    steps = tuple(
        replace(step, condition=_both(_agrees(key, position, first), step.condition))
        for position, (step, key) in enumerate(zip(source.steps, keys, strict=True))
        if key is not None
    )
    return replace(query, input=replace(source, steps=steps))


def _is_chain_of_every_event(source: PatternInput) -> bool:
    match source.root:
        case NextNode((EveryNode(StepNode()), *rest)):
            is_chain = all(isinstance(each, StepNode) for each in rest)
        case _:
            is_chain = False
    return is_chain and not source.is_sequence and all(step.min_count == step.max_count == 1 for step in source.steps)


def _key(partition: int, step: PatternStep, plan: Plan) -> Expression | None:
    key = plan.partitions[partition].key(step.stream)
    if isinstance(key, ValueKey) and key.expression.type in _TOLD_APART_BY_VALUE:
        return key.expression
    return None


def _agrees(key: Expression, position: int, first: Expression) -> Expression:
    """That the arriving event at ``position`` has the key of the first one; of the first one, that it has a key."""
    own = _of_source(key, position)
    return Compare(CompareOp.EQUAL, own, _of_source(first, 0)) if position else Not(IsNull(own))


def _of_source(expression: Expression, source: int) -> Expression:
    return map_expression(
        expression, lambda node: replace(node, source=source) if isinstance(node, AttributeRef) else node
    )


def _both(left: Expression, right: Expression | None) -> Expression:
    return left if right is None else Logic(LogicOp.AND, left, right)
