"""Which queries run as tumbling aggregates: a batch window, plain aggregates over it, and only current rows put out.

Then of each batch one row a group is put out, with the aggregates over the whole batch, and nothing else is to be
seen: no running values, no expired rows, no resets. Decided from the plan alone.
"""

from __future__ import annotations

from typing import Final, assert_never

from eiha.engine.expressions.compile_expression import aggregate_indices, may_fail
from eiha.events.schema import AttributeType
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
from eiha.plan.nodes import Aggregate, OutputEvents, Query, StreamInput, Window

AGGREGATORS: Final = frozenset({"sum", "avg", "count", "min", "max"})
"""Aggregators of which only the last value in a batch counts."""

_WINDOWS: Final = frozenset({"lengthBatch", "timeBatch", "externalTimeBatch", "batch", "hopping"})
_WITHOUT_TIMEOUT: Final = 3
"""Arguments of ``externalTimeBatch`` without a timeout, at which rows go out that go out again later."""
_FUNCTIONS: Final = frozenset({"ifThenElse", "coalesce", "convert", "maximum", "minimum", "default"})
"""Functions of the row alone: an argument is read when its batch goes out, not when the row comes."""


def tumbles(query: Query) -> bool:
    """Whether ``query`` runs as tumbling aggregates."""
    if not isinstance(query.input, StreamInput) or query.rate is not None:
        return False
    handlers, selector = query.input.handlers, query.selector
    if not handlers or not isinstance(handlers[-1], Window) or not _turns_whole(handlers[-1]):
        return False
    cuts = selector.order_by or selector.limit is not None or selector.offset is not None
    fails = any(may_fail(each.expression) for each in selector.projections)
    return (
        query.output.events is OutputEvents.CURRENT
        and bool(selector.aggregates or selector.group_by)
        and all(map(_is_plain, selector.aggregates))
        and not (cuts or fails or selector.having is not None or selector.having_aggregates)
    )


def leaves_once(window: Window) -> bool:
    """Whether each row of ``window``, of a query that tumbles, goes out with one batch, as it came."""
    if window.name == "externalTimeBatch":
        return len(window.arguments) <= _WITHOUT_TIMEOUT
    return window.name != "hopping"


def _turns_whole(window: Window) -> bool:
    """Whether rows come out of ``window`` a batch at a time, not one by one."""
    if window.name not in _WINDOWS:
        return False
    if window.name == "lengthBatch":
        length = window.arguments[0]
        if not isinstance(length, Literal) or int(length.value) <= 0:
            return False
    streams = window.name != "externalTimeBatch" and any(
        isinstance(each, Literal) and each.type is AttributeType.BOOL and bool(each.value)
        for each in window.arguments[1:]
    )
    return not streams


def _is_plain(aggregate: Aggregate) -> bool:
    argument = aggregate.argument
    if aggregate.name not in AGGREGATORS or aggregate.guard is not None:
        return False
    return argument is None or not (may_fail(argument) or aggregate_indices(argument) or not is_timeless(argument))


def is_timeless(expression: Expression) -> bool:
    """Whether ``expression`` depends on nothing but the row's attributes."""
    match expression:
        case AttributeRef() | Literal():
            return True
        case Arithmetic(_, left, right) | Compare(_, left, right) | Logic(_, left, right):
            return is_timeless(left) and is_timeless(right)
        case Not(operand) | IsNull(operand):
            return is_timeless(operand)
        case Call(function, arguments):
            return function in _FUNCTIONS and all(map(is_timeless, arguments))
        case InTable() | EventIsNull() | AggregateRef() | OutputRef():
            return False
        case _:
            assert_never(expression)
