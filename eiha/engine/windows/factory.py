"""From a window of the plan to its operator."""

from __future__ import annotations

from typing import Final

from eiha.engine.windows.arguments import WindowArguments
from eiha.engine.windows.batch import BatchWindow
from eiha.engine.windows.external_time import ExternalTimeWindow
from eiha.engine.windows.findable import FindableWindow
from eiha.engine.windows.length import LengthWindow
from eiha.engine.windows.length_batch import LengthBatchWindow
from eiha.engine.windows.sliding_time import TimeWindow
from eiha.engine.windows.time_batch import TimeBatchWindow
from eiha.errors import UnsupportedConstruct
from eiha.events.schema import Schema
from eiha.plan.nodes import Window

SLIDING_WINDOWS: Final = frozenset({"length", "time", "timeLength", "externalTime"})
"""Windows that pass each current row on at once: they only add the rows that leave."""


def make_window(window: Window, schema: Schema, playback: bool, *, wants_expired: bool = True) -> FindableWindow:
    """The operator for ``window`` over rows of ``schema``.

    Args:
        window: as bound; its arguments are checked here.
        schema: of the rows that come in, which are all current.
        playback: whether event time drives the plan.
        wants_expired: False if the query puts out current rows only. Batch windows then leave expired rows out, which
            changes nothing for the aggregates, since a reset follows them; sliding windows put them out regardless.
            Batch windows have a ``content`` only if it is True.

    Raises:
        PlanSemanticError: the arguments do not fit.
        UnsupportedConstruct: there is no operator for this window yet.
    """
    match window.name:
        case "length":
            arguments = WindowArguments(window, "length(<int>)")
            arguments.require_count(1, 1)
            return LengthWindow(schema, arguments.int_constant(0, "the length"))
        case "lengthBatch":
            return _length_batch(window, schema, wants_expired)
        case "time":
            arguments = WindowArguments(window, "time(<int, long or time>)")
            arguments.require_count(1, 1)
            return TimeWindow(schema, arguments.duration_ms(0, "the time"), playback=playback)
        case "timeLength":
            arguments = WindowArguments(window, "timeLength(<int, long or time>, <int>)")
            arguments.require_count(2, 2)
            length_ms, rows_max = arguments.duration_ms(0, "the time"), arguments.int_constant(1, "the length")
            return TimeWindow(schema, length_ms, playback=playback, rows_max=rows_max)
        case "delay":
            arguments = WindowArguments(window, "delay(<int, long or time>)")
            arguments.require_count(1, 1)
            return TimeWindow(schema, arguments.duration_ms(0, "the delay"), playback=playback, delays=True)
        case "batch":
            arguments = WindowArguments(window, "batch()", "batch(<int>)")
            arguments.require_count(0, 1)
            length = arguments.int_constant(0, "the length") if len(arguments) else 0
            return BatchWindow(schema, length, wants_expired=wants_expired)
        case "timeBatch":
            return _time_batch(window, schema, playback, wants_expired)
        case "externalTime":
            arguments = WindowArguments(window, "externalTime(<long attribute>, <int, long or time>)")
            arguments.require_count(2, 2)
            attribute = arguments.long_attribute(0, "the timestamp", schema)
            return ExternalTimeWindow(schema, attribute, arguments.duration_ms(1, "the time"))
        case _:
            raise UnsupportedConstruct(f"window.{window.name}", line=window.span.line, column=window.span.column)


def _length_batch(window: Window, schema: Schema, wants_expired: bool) -> FindableWindow:
    arguments = WindowArguments(window, "lengthBatch(<int>)", "lengthBatch(<int>, <bool>)")
    arguments.require_count(1, 2)
    length = arguments.int_constant(0, "the length")
    streams = len(arguments) == 2 and arguments.bool_constant(1, "stream.current.event")
    return LengthBatchWindow(schema, length, streams_current=streams, wants_expired=wants_expired)


def _time_batch(window: Window, schema: Schema, playback: bool, wants_expired: bool) -> FindableWindow:
    arguments = WindowArguments(
        window,
        "timeBatch(<int, long or time>)",
        "timeBatch(<time>, <start time: int or long>)",
        "timeBatch(<time>, <bool>)",
        "timeBatch(<time>, <start time>, <bool>)",
    )
    arguments.require_count(1, 3)
    length_ms = arguments.duration_ms(0, "the time")
    if length_ms <= 0:
        raise arguments.refusal(f"the time must be above 0, not {length_ms}")
    start_ms: int | None = None
    streams = False
    if len(arguments) == 2 and arguments.is_bool(1):
        streams = arguments.bool_constant(1, "stream.current.event")
    elif len(arguments) >= 2:
        start_ms = arguments.duration_ms(1, "the start time")
    if len(arguments) == 3:
        streams = arguments.bool_constant(2, "stream.current.event")
    return TimeBatchWindow(
        schema, length_ms, start_ms, streams_current=streams, playback=playback, wants_expired=wants_expired
    )
