"""Which queries of a partition are run for all instances at once, and in which form: decided from the plan alone."""

from __future__ import annotations

from typing import Final

from eiha.engine.aggregators.factory import aggregator_may_fail
from eiha.engine.expressions.compile_expression import may_fail
from eiha.engine.query_expressions import expressions
from eiha.engine.sliding_queries import slides
from eiha.engine.tumbling_queries import is_timeless, tumbles
from eiha.events.schema import AttributeType
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.keyed_patterns import over_all_keys
from eiha.plan.nodes import (
    INNER_MARK,
    Filter,
    OutputEvents,
    PatternInput,
    Plan,
    Purge,
    Query,
    RateKind,
    RateLimit,
    StreamFunction,
    StreamInput,
    Window,
)

_ROW_BY_ROW: Final = frozenset({"log", "pol2Cart"})
"""Stream functions that add columns to rows and keep nothing."""


def is_keyed(query: Query, plan: Plan) -> bool:
    """Whether rows of all instances may pass the stages together.

    That holds where stages are filters, functions, ``length(n)``, windows of which nobody sees rows leave, or batch
    windows that put out current rows only; where nothing looks at chunks and nothing can fail. Rows of a named window
    come with kinds and in batches.
    """
    assert query.partition is not None
    selector = query.selector
    return (
        isinstance(query.input, StreamInput)
        and query.input.stream not in {window.name for window in plan.windows}
        and (query.rate is None or _is_plain_rate(query, query.rate))
        and not selector.order_by
        and selector.limit is None
        and selector.offset is None
        and not selector.having_aggregates
        and (
            all(_is_keyed_handler(handler, query) for handler in query.input.handlers)
            or _ends_with_batches(query, query.input)
        )
        and not any(may_fail(each) for each in expressions(query))
        and not any(aggregator_may_fail(each) for each in selector.aggregates)
        and _is_in_order(query, plan.partitions[query.partition].purge)
    )


def _is_in_order(query: Query, purge: Purge | None) -> bool:
    """Whether instances whose timers go off at the same moment keep their order.

    It is that of their slots, which are used again where instances are forgotten, depending on how rows are cut.
    """
    return purge is None or not keyed_timers(query)


def _is_plain_rate(query: Query, rate: RateLimit) -> bool:
    """Whether current rows are counted, of no groups but the instances."""
    return (
        rate.kind is not RateKind.SNAPSHOT
        and rate.every_events != 0
        and not query.selector.group_by
        and query.output.events is OutputEvents.CURRENT
    )


def _is_keyed_handler(handler: Filter | Window | StreamFunction, query: Query) -> bool:
    match handler:
        case Filter():
            return not handler.aggregates
        case StreamFunction(name):
            return name in _ROW_BY_ROW
        case Window("length"):
            return _constants(handler.arguments, 1)
        case Window("time"):
            return _constants(handler.arguments, 1) and (slides(query) or _leaves_unseen(query))
        case Window("timeLength"):
            return _constants(handler.arguments, 2) and _leaves_unseen(query)
        case Window("externalTime"):
            return _is_timestamp(handler) and _constants(handler.arguments[1:], 1) and _leaves_unseen(query)
        case _:
            return False


def _leaves_unseen(query: Query) -> bool:
    """Whether a row may leave when the next one of its instance comes: nobody sees it, nor when it is."""
    return query.output.events is OutputEvents.CURRENT and all(
        is_timeless(each) for each in expressions(query, without_projections=True)
    )


def _ends_with_batches(query: Query, source: StreamInput) -> bool:
    """Whether a batch window stands last, of which whole batches of current rows are put out, or their sums."""
    if not source.handlers or query.output.events is not OutputEvents.CURRENT or query.rate is not None:
        return False
    *before, last = source.handlers
    selector = query.selector
    plain = not (selector.aggregates or selector.group_by) and selector.having is None
    return (
        isinstance(last, Window)
        and _is_plain_batch(last)
        and (plain or tumbles(query))
        and all(not isinstance(each, Window) and _is_keyed_handler(each, query) for each in before)
    )


def _is_plain_batch(window: Window) -> bool:
    arguments = window.arguments
    match window.name:
        case "lengthBatch":
            return _constants(arguments, 1)
        case "timeBatch":
            return _constants(arguments[:1], 1) and (len(arguments) == 1 or _is_constant(arguments[1:], least=0))
        case "externalTimeBatch":
            starts = arguments[2:]
            return (
                _is_timestamp(window)
                and _constants(arguments[1:2], 1)
                and (not starts or _is_constant(starts, least=0) or (len(starts) == 1 and _is_long(starts[0])))
            )
        case _:
            return False


def _is_timestamp(window: Window) -> bool:
    return len(window.arguments) > 1 and _is_long(window.arguments[0])


def _is_long(argument: Expression) -> bool:
    return isinstance(argument, AttributeRef) and argument.type is AttributeType.LONG


def _constants(arguments: tuple[Expression, ...], count: int) -> bool:
    """Whether the arguments are ``count`` whole numbers, each 1 or more."""
    return len(arguments) == count and all(_is_constant((each,), least=1) for each in arguments)


def _is_constant(arguments: tuple[Expression, ...], *, least: int) -> bool:
    """Whether there is one argument, a whole number that is ``least`` or more."""
    match arguments:
        case (Literal(int(constant), AttributeType.INT | AttributeType.LONG),):
            return constant >= least
        case _:
            return False


def keyed_window(query: Query) -> Window | None:
    """The window of a keyed query; None: it has none."""
    assert isinstance(query.input, StreamInput)
    return next((handler for handler in query.input.handlers if isinstance(handler, Window)), None)


def keyed_timers(query: Query) -> bool:
    """Whether a keyed query sets timers."""
    if query.rate is not None:
        return query.rate.every_ms is not None and query.rate.kind is not RateKind.FIRST
    window = keyed_window(query)
    return window is not None and window.name == "timeBatch"


def keyed_pattern(query: Query, plan: Plan) -> Query | None:
    """A pattern of a partition as one over all keys; None if it is not the same, or can fail on rows of other keys."""
    whole = over_all_keys(query, plan)
    return None if whole is None or any(map(may_fail, expressions(whole))) else whole


def may_be_in_a_row(query: Query, plan: Plan) -> bool:
    """Whether a sequence of a partition may run for all instances at once if its matches are rows one after the other.

    Its matches are not told apart by instance any more, so nothing may read them by instance.
    """
    source, selector = query.input, query.selector
    assert query.partition is not None and isinstance(source, PatternInput)
    return (
        len(source.steps) > 1
        and not selector.aggregates
        and not selector.having_aggregates
        and query.rate is None
        and not query.output.target.startswith(INNER_MARK)
        and source.steps[0].stream not in {window.name for window in plan.windows}
        and plan.partitions[query.partition].key(source.steps[0].stream) is not None
    )
