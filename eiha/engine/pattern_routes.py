"""What a pattern's alarms ask of the way on which batches are fed.

A pattern may put out several chunks for one row. Where alarms go off while rows pass, the numbers behind a row's own
are those of alarms, which belong to the next row: who asks for the time would be told that of the next row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from eiha.plan.attribute_refs import parts
from eiha.plan.expressions import Call, Expression
from eiha.plan.nodes import (
    AbsentNode,
    EveryNode,
    Filter,
    JoinInput,
    LogicalNode,
    NextNode,
    PatternInput,
    PatternNode,
    Plan,
    Query,
    StepNode,
    StreamInput,
)

_CLOCK: Final = "currentTimeMillis"

Expressions = Callable[[Query], list[Expression]]


def waits_of(node: PatternNode) -> tuple[int, ...]:
    """How long the absent steps of a pattern wait, ms."""
    match node:
        case StepNode():
            return ()
        case NextNode(elements):
            return tuple(each for element in elements for each in waits_of(element))
        case EveryNode(element):
            return waits_of(element)
        case LogicalNode(_, left, right):
            return waits_of(left) + waits_of(right)
        case AbsentNode(_, wait_ms):
            return () if wait_ms is None else (wait_ms,)
        case _:
            assert_never(node)


def may_mistake_the_time(
    plan: Plan,
    query: Query,
    readers: Mapping[str, tuple[int, ...]],
    expressions: Expressions,
    is_timed: Callable[[Query], bool],
) -> bool:
    """Whether the select or the rate limit of a pattern, or some query behind it, asks what time it is."""
    seen: set[int] = set()
    waiting = [query]
    while waiting:
        each = waiting.pop()
        if each.position in seen:
            continue
        seen.add(each.position)
        if _asks_for_the_time(plan, each, expressions) or (each is not query and is_timed(each)):
            return True
        waiting += [plan.queries[index] for index in readers.get(each.output.target, ())]
    return False


def _asks_for_the_time(plan: Plan, query: Query, expressions: Expressions) -> bool:
    if query.rate is not None and query.rate.every_ms is not None:
        return True
    if query.partition is not None or any(each.input.stream == query.output.target for each in plan.aggregations):
        return True
    read = (part for each in expressions(query) for part in parts(each))
    if any(isinstance(part, Call) and part.function == _CLOCK for part in read):
        return True
    match query.input:
        case PatternInput():
            return False
        case JoinInput():
            return True
        case StreamInput(handlers=handlers):
            return any(not isinstance(each, Filter) and each.name != "length" for each in handlers)
        case _:
            assert_never(query.input)
