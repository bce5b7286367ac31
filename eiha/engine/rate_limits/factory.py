"""The limiter for a rate limit and its query."""

from __future__ import annotations

from typing import assert_never

from eiha.engine.expressions.compile_expression import aggregate_indices
from eiha.engine.rate_limits.by_events import (
    AllByEvents,
    FirstByEvents,
    FirstOfGroupByEvents,
    LastByEvents,
    LastOfGroupByEvents,
    NothingByEvents,
)
from eiha.engine.rate_limits.by_time import AllByTime, LastByTime
from eiha.engine.rate_limits.first_by_time import FirstByTime
from eiha.engine.rate_limits.limiter import RateLimiter
from eiha.engine.rate_limits.snapshots import LastRowSnapshot
from eiha.engine.rate_limits.window_snapshots import WindowSnapshot
from eiha.events.strings import StringTable
from eiha.plan.nodes import JoinInput, PatternInput, Query, RateKind, RateLimit, Selector, StreamInput, Window


def make_limiter(
    rate: RateLimit, selector: Selector, strings: StringTable, *, windowed: bool, start_ms: int
) -> RateLimiter:
    """The stage behind the select of ``selector``.

    Args:
        rate: what to let through.
        selector: of the query.
        strings: the plan's string table.
        windowed: see ``has_window``.
        start_ms: where periods begin, by the wall clock.
    """
    if rate.every_events is not None:
        return _by_events(rate.kind, rate.every_events, selector)
    assert rate.every_ms is not None
    match rate.kind:
        case RateKind.ALL:
            return AllByTime(rate.every_ms, start_ms, selector.schema)
        case RateKind.FIRST:
            return FirstByTime(rate.every_ms)
        case RateKind.LAST:
            return LastByTime(rate.every_ms, start_ms, selector.schema)
        case RateKind.SNAPSHOT:
            return _snapshot(rate.every_ms, start_ms, selector, strings, windowed=windowed)
        case _:
            assert_never(rate.kind)


def has_window(query: Query) -> bool:
    """Whether rows can leave: the query has a window of its own, or is a join."""
    match query.input:
        case StreamInput(handlers=handlers):
            return any(isinstance(each, Window) for each in handlers)
        case JoinInput():
            return True
        case PatternInput():
            return False
        case _:
            assert_never(query.input)


def _by_events(kind: RateKind, every: int, selector: Selector) -> RateLimiter:
    grouped = bool(selector.group_by)
    if every == 0:
        return NothingByEvents()
    match kind:
        case RateKind.ALL:
            return AllByEvents(every, selector.schema)
        case RateKind.FIRST:
            return FirstOfGroupByEvents(every) if grouped else FirstByEvents(every)
        case RateKind.LAST:
            return LastOfGroupByEvents(every, selector.schema) if grouped else LastByEvents(every)
        case RateKind.SNAPSHOT:
            raise AssertionError("snapshots go by time")
        case _:
            assert_never(kind)


def _snapshot(every_ms: int, start_ms: int, selector: Selector, strings: StringTable, *, windowed: bool) -> RateLimiter:
    grouped = bool(selector.group_by)
    aggregates = tuple(
        position for position, each in enumerate(selector.projections) if aggregate_indices(each.expression)
    )
    if not windowed or len(aggregates) == len(selector.projections):
        return LastRowSnapshot(every_ms, start_ms, selector.schema, grouped=grouped, windowed=windowed)
    return WindowSnapshot(every_ms, start_ms, selector.schema, aggregates, grouped=grouped, strings=strings)
