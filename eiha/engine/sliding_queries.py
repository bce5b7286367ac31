"""Which queries run as sliding aggregates: a sliding window, sums over it, and only current rows put out.

Then nobody sees a row leave: it is taken out of the sums when the next row comes, in the same order as if it had left
on time, and no timer is needed. Decided from the plan alone.
"""

from __future__ import annotations

from typing import Final

from eiha.engine.expressions.compile_expression import aggregate_indices, may_fail
from eiha.plan.expressions import ARGUMENTS, Call, Literal
from eiha.plan.nodes import Aggregate, OutputEvents, Query, StreamInput, Window

SUMS: Final = frozenset({"sum", "avg", "count"})
"""Aggregators that a row leaves by a subtraction."""

_OTHERS: Final = frozenset({"stdDev", "min", "max", "distinctCount"})
"""Aggregators that know how to let a row go without being shown it as an expired one, outside of partitions."""

_WINDOWS: Final = frozenset({"length", "time", "timeLength", "externalTime"})


ROUNDS: Final = "cron"
"""The window whose rows are in from the end of one round to the end of the next."""


def slides(query: Query) -> bool:
    """Whether ``query`` runs as sliding aggregates."""
    window = _last_window(query)
    return window is not None and _slides_plainly(window) and _aggregates_alone(query)


def slides_by_rounds(query: Query) -> bool:
    """Whether ``query`` runs as sliding aggregates behind its window, which decides when rows come."""
    window = _last_window(query)
    return window is not None and window.name == ROUNDS and _aggregates_alone(query)


def _last_window(query: Query) -> Window | None:
    if not isinstance(query.input, StreamInput) or not query.input.handlers:
        return None
    last = query.input.handlers[-1]
    return last if isinstance(last, Window) else None


def _aggregates_alone(query: Query) -> bool:
    """Whether nobody but aggregates that let rows go by themselves would see rows leave."""
    selector = query.selector
    cuts = selector.order_by or selector.limit is not None or selector.offset is not None
    fails = any(may_fail(each.expression) for each in selector.projections)
    return (
        query.rate is None
        and query.output.events is OutputEvents.CURRENT
        and bool(selector.aggregates)
        and all(_slides_along(each, query) for each in selector.aggregates)
        and not (cuts or fails or selector.having_aggregates)
    )


def _slides_plainly(window: Window) -> bool:
    if window.name not in _WINDOWS:
        return False
    if window.name not in ("length", "timeLength"):
        return True
    rows_max = window.arguments[-1]
    return isinstance(rows_max, Literal) and int(rows_max.value) > 0


def _slides_along(aggregate: Aggregate, query: Query) -> bool:
    argument = aggregate.argument
    if aggregate.name not in SUMS and (aggregate.name not in _OTHERS or query.partition is not None):
        return False
    if aggregate.guard is not None:
        return False
    if argument is None:
        return True
    has_several = isinstance(argument, Call) and argument.function == ARGUMENTS
    return not (has_several or may_fail(argument) or aggregate_indices(argument))
