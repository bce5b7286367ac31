"""Which queries of a partition are run for all instances at once, and in which form: decided from the plan alone."""

from __future__ import annotations

from typing import Final

from eiha.engine.aggregators.factory import aggregator_may_fail
from eiha.engine.expressions.compile_expression import aggregate_indices, may_fail
from eiha.engine.partitions.sliding_sums import SLIDING_AGGREGATES
from eiha.engine.routes import expressions
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Literal
from eiha.plan.keyed_patterns import over_all_keys
from eiha.plan.nodes import Filter, OutputEvents, Plan, Query, StreamFunction, StreamInput, Window

_ROW_BY_ROW: Final = frozenset({"log", "pol2Cart"})
"""Stream functions that add columns to rows and keep nothing."""


def is_keyed(query: Query, plan: Plan) -> bool:
    """Whether rows of all instances may pass the stages together.

    That holds where stages are filters, functions and ``length(n)``, where nothing looks at chunks and nothing can
    fail. Rows of a named window come with kinds and in batches. Instances that may be forgotten are run one by one,
    since then their state is one thing that can be dropped.
    """
    assert query.partition is not None
    selector = query.selector
    return (
        isinstance(query.input, StreamInput)
        and query.input.stream not in {window.name for window in plan.windows}
        and plan.partitions[query.partition].purge is None
        and query.rate is None
        and not selector.order_by
        and selector.limit is None
        and selector.offset is None
        and not selector.having_aggregates
        and all(_is_keyed_handler(handler) for handler in query.input.handlers)
        and not any(may_fail(each) for each in expressions(query))
        and not any(aggregator_may_fail(each) for each in selector.aggregates)
    )


def _is_keyed_handler(handler: Filter | Window | StreamFunction) -> bool:
    match handler:
        case Filter():
            return not handler.aggregates
        case StreamFunction(name):
            return name in _ROW_BY_ROW
        case Window():
            return _length(handler) is not None


def _length(window: Window) -> int | None:
    """The n of ``length(n)``, 1 or more; None for all else."""
    match window:
        case Window("length", (Literal(int(length), AttributeType.INT),)) if length > 0:
            return length
        case _:
            return None


def window_length(query: Query) -> int | None:
    """The n of the query's ``length(n)``; None: it has no window."""
    assert isinstance(query.input, StreamInput)
    lengths = [_length(handler) for handler in query.input.handlers if isinstance(handler, Window)]
    return lengths[0] if lengths else None


def slides_sums(query: Query) -> bool:
    """Whether a keyed query only wants current rows with sums, averages and counts over its window, the last stage."""
    assert isinstance(query.input, StreamInput)
    handlers, aggregates = query.input.handlers, query.selector.aggregates
    return (
        query.output.events is OutputEvents.CURRENT
        and bool(handlers)
        and isinstance(handlers[-1], Window)
        and bool(aggregates)
        and all(each.name in SLIDING_AGGREGATES and each.guard is None for each in aggregates)
        and not any(aggregate_indices(each.argument) for each in aggregates if each.argument is not None)
    )


def keyed_pattern(query: Query, plan: Plan) -> Query | None:
    """A pattern of a partition as one over all keys; None if it is not the same, or can fail on rows of other keys."""
    whole = over_all_keys(query, plan)
    return None if whole is None or any(map(may_fail, expressions(whole))) else whole
