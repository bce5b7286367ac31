"""Patterns within a partition that are the same as one pattern over all keys whose steps must agree in the instance.

That holds for ``every e1=S -> ...``: each first event starts a partial match of its own, which events of other
instances neither end nor go on with. One machine then serves all keys, and finds waiting matches by instance. Rows
bring the instance in which they live in a column behind the others, ``INSTANCE``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.expressions import AttributeRef, Compare, CompareOp, Expression, Logic, LogicOp
from eiha.plan.nodes import (
    INNER_MARK,
    AbsentNode,
    EveryNode,
    LogicalNode,
    NextNode,
    PatternInput,
    PatternNode,
    PatternStep,
    Plan,
    Projection,
    Purge,
    Query,
    Selector,
    StepNode,
)

INSTANCE: Final = Attribute("#instance", AttributeType.LONG)
"""The column behind those of a stream; no attribute of a plan is called so."""


def with_instance(schema: Schema) -> Schema:
    """``schema`` with ``INSTANCE`` behind."""
    return Schema((*schema.attributes, INSTANCE))


def over_all_keys(query: Query, plan: Plan) -> Query | None:
    """``query``, a pattern within a partition, over rows with their instance; None if that is something else.

    Into inner streams it puts ``INSTANCE`` out, too, behind the other columns.
    """
    source, selector = query.input, query.selector
    assert query.partition is not None and isinstance(source, PatternInput)
    partition = plan.partitions[query.partition]
    if (
        not _begins_with_every_event(source)
        or (selector.aggregates and (_cuts(selector) or partition.purge is not None))
        or selector.having_aggregates
        or query.rate is not None
        or any(not step.stream.startswith(INNER_MARK) and partition.key(step.stream) is None for step in source.steps)
        or (partition.purge is not None and not _is_over_in_time(source, partition.purge))
    ):
        return None
    steps = tuple(
        replace(step, condition=_agrees(step, position, source.steps[0]), schema=with_instance(step.schema))
        for position, step in enumerate(source.steps)
    )
    return replace(
        query,
        input=replace(source, steps=steps),
        selector=_by_instance(selector, source.steps[0], is_inner=query.output.target.startswith(INNER_MARK)),
    )


def _begins_with_every_event(source: PatternInput) -> bool:
    match source.root:
        case NextNode((EveryNode(StepNode(first)), *rest)) if rest and not source.is_sequence:
            begins = _takes_one(source.steps[first])
        case _:
            return False
    if all(isinstance(each, StepNode) and _takes_one(source.steps[each.position]) for each in rest):
        return begins
    # as recorded, of matches that overtook one another while they waited some stay though they are too old
    one_wait = len(source.steps) == 2 and isinstance(rest[0], AbsentNode)
    return begins and all(map(_is_plain, rest)) and (source.within_ms is None or one_wait)


def _takes_one(step: PatternStep) -> bool:
    return step.min_count == step.max_count == 1


def _is_plain(node: PatternNode) -> bool:
    match node:
        case StepNode() | AbsentNode():
            return True
        case LogicalNode(_, StepNode(), StepNode()):
            return True
        case _:
            return False


def _cuts(selector: Selector) -> bool:
    return bool(selector.order_by) or selector.limit is not None or selector.offset is not None


def _is_over_in_time(source: PatternInput, purge: Purge) -> bool:
    """Whether matches of an instance that is forgotten go by themselves, and put nothing out behind its time."""
    assert isinstance(source.root, NextNode)
    waits = [each.wait_ms for each in source.root.elements if isinstance(each, AbsentNode)]
    only_waits = len(waits) == len(source.root.elements) - 1
    return (
        (only_waits or source.within_ms is not None)
        and not any(isinstance(each, LogicalNode) for each in source.root.elements)
        and all(wait_ms is None or wait_ms < purge.span_ms for wait_ms in waits)
    )


def _agrees(step: PatternStep, position: int, first: PatternStep) -> Expression | None:
    """The condition of the step at ``position``, and that its event lives where the first one does."""
    if position == 0:
        return step.condition
    same = Compare(CompareOp.EQUAL, _instance_of(step, position), _instance_of(first, 0))
    return same if step.condition is None else Logic(LogicOp.AND, same, step.condition)


def _instance_of(step: PatternStep, position: int) -> AttributeRef:
    return AttributeRef(position, len(step.schema), INSTANCE.name, INSTANCE.type)


def _by_instance(selector: Selector, first: PatternStep, *, is_inner: bool) -> Selector:
    instance = _instance_of(first, 0)
    if selector.aggregates:
        selector = replace(selector, group_by=(instance, *selector.group_by))
    if is_inner:
        projections = (*selector.projections, Projection(INSTANCE.name, instance))
        selector = replace(selector, projections=projections, schema=with_instance(selector.schema))
    return selector
