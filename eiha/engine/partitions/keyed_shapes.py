"""Which queries of a partition are run for all instances at once, and in which form: decided from the plan alone."""

from __future__ import annotations

from typing import Final

from eiha.engine.aggregators.factory import aggregator_may_fail
from eiha.engine.expressions.compile_expression import may_fail
from eiha.engine.routes import expressions
from eiha.engine.sliding_queries import slides
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Literal
from eiha.plan.keyed_patterns import over_all_keys
from eiha.plan.nodes import Filter, Plan, Query, StreamFunction, StreamInput, Window

_ROW_BY_ROW: Final = frozenset({"log", "pol2Cart"})
"""Stream functions that add columns to rows and keep nothing."""


def is_keyed(query: Query, plan: Plan) -> bool:
    """Whether rows of all instances may pass the stages together.

    That holds where stages are filters, functions, ``length(n)``, or ``time(t)`` with sums of current rows, where
    nothing looks at chunks and nothing can fail. Rows of a named window come with kinds and in batches. Instances that
    may be forgotten are run one by one, since then their state is one thing that can be dropped.
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
        and all(_is_keyed_handler(handler, query) for handler in query.input.handlers)
        and not any(may_fail(each) for each in expressions(query))
        and not any(aggregator_may_fail(each) for each in selector.aggregates)
    )


def _is_keyed_handler(handler: Filter | Window | StreamFunction, query: Query) -> bool:
    match handler:
        case Filter():
            return not handler.aggregates
        case StreamFunction(name):
            return name in _ROW_BY_ROW
        case Window(name):
            return _constant(handler) is not None and (name == "length" or (name == "time" and slides(query)))


def _constant(window: Window) -> int | None:
    """The only argument, if it is a whole number, 1 or more."""
    match window.arguments:
        case (Literal(int(constant), AttributeType.INT | AttributeType.LONG),) if constant > 0:
            return constant
        case _:
            return None


def keyed_window(query: Query) -> tuple[str, int] | None:
    """Name and constant of the window of a keyed query; None: it has none."""
    assert isinstance(query.input, StreamInput)
    for handler in query.input.handlers:
        if isinstance(handler, Window):
            constant = _constant(handler)
            assert constant is not None
            return handler.name, constant
    return None


def keyed_pattern(query: Query, plan: Plan) -> Query | None:
    """A pattern of a partition as one over all keys; None if it is not the same, or can fail on rows of other keys."""
    whole = over_all_keys(query, plan)
    return None if whole is None or any(map(may_fail, expressions(whole))) else whole
