"""Which timer of a query is first of those due at the same moment: that of its rate limit or that of its window."""

from __future__ import annotations

from typing import Final

from eiha.plan.expressions import Literal
from eiha.plan.nodes import JoinInput, PatternInput, Query, StreamInput, Window

_TIMED: Final = frozenset({"time", "timeBatch", "timeLength", "delay", "session"})
"""Windows that set a timer for the time in their first argument."""


def limits_first(query: Query) -> bool:
    """Whether a period that ends as a row leaves is over before it leaves, live.

    Siddhi's timers of one moment fire in the order in which they were set: that of a period as the period began, that
    of a window no earlier than its time before. Which is first is plain unless the window's time is the longer one.
    """
    if query.rate is None or query.rate.every_ms is None:
        return False
    every_ms = query.rate.every_ms
    match query.input:
        case StreamInput(handlers=handlers):
            pass
        case JoinInput(left=left, right=right):
            handlers = (*left.handlers, *right.handlers)
        case PatternInput():
            return False
    windows = [each for each in handlers if isinstance(each, Window) and each.name in _TIMED]
    return bool(windows) and all(_time_ms(each) <= every_ms for each in windows)


def _time_ms(window: Window) -> int:
    time = window.arguments[0]
    assert isinstance(time, Literal)
    assert isinstance(time.value, int)
    return time.value
