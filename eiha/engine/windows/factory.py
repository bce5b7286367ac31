"""From a window of the plan to its operator."""

from __future__ import annotations

from typing import Final, TypedDict

from eiha.engine.windows.arguments import WindowArguments
from eiha.engine.windows.batch import BatchWindow
from eiha.engine.windows.cron import CronWindow
from eiha.engine.windows.extension_factory import make_extension_window
from eiha.engine.windows.external_time import ExternalTimeWindow
from eiha.engine.windows.external_time_batch import ExternalPeriods, ExternalTimeBatchWindow
from eiha.engine.windows.findable import FindableWindow
from eiha.engine.windows.frequent import FrequentWindow, LossyFrequentWindow
from eiha.engine.windows.length import LengthWindow
from eiha.engine.windows.length_batch import LengthBatchWindow
from eiha.engine.windows.session import SessionWindow
from eiha.engine.windows.sliding_time import TimeWindow
from eiha.engine.windows.sort import SortWindow
from eiha.engine.windows.sort_keys import SortAttribute
from eiha.engine.windows.time_batch import TimeBatchWindow
from eiha.errors import UnsupportedConstruct
from eiha.events.schema import Schema
from eiha.events.strings import StringTable
from eiha.kernel.cron import parse_cron
from eiha.plan.nodes import Window
from eiha.plan.windows import forms


class _BatchFlags(TypedDict):
    """What ``make_window`` is told of the readers of a batch window."""

    wants_expired: bool
    tells_resets: bool
    counts_only: bool


SLIDING_WINDOWS: Final = frozenset({"length", "time", "timeLength", "externalTime", "sort"})
"""Windows that pass each current row on at once: they only add the rows that leave."""


def make_window(
    window: Window,
    schema: Schema,
    playback: bool,
    *,
    strings: StringTable,
    wants_expired: bool = True,
    tells_expired: bool = True,
    tells_resets: bool = True,
    counts_only: bool = False,
) -> FindableWindow:
    """The operator for ``window`` over rows of ``schema``.

    Args:
        window: as bound; its arguments are checked here.
        schema: of the rows that come in, which are all current.
        playback: whether event time drives the plan.
        strings: of the plan.
        wants_expired: False if the query puts out current rows only. Batch windows then leave expired rows out, which
            changes nothing for the aggregates, since a reset follows them; sliding windows put them out regardless.
            Batch windows have a ``content`` only if it is True.
        tells_expired: False if nobody sees rows leave, aggregates neither: ``cron`` and counted keys leave them out.
        tells_resets: False if nobody asks where batches begin anew: then batch windows put out no resets.
        counts_only: nobody looks at the rows of a batch window themselves (``turns.CountingWindow``).

    Raises:
        PlanSemanticError: the arguments do not fit.
        UnsupportedConstruct: there is no operator for this window yet.
    """
    flags = _BatchFlags(wants_expired=wants_expired, tells_resets=tells_resets, counts_only=counts_only)
    match window.name:
        case "length":
            arguments = WindowArguments(window, "length(<int>)")
            arguments.require_count(1, 1)
            return LengthWindow(schema, arguments.int_constant(0, "the length"))
        case "lengthBatch":
            return _length_batch(window, schema, flags)
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
            return BatchWindow(schema, length, **flags)
        case "timeBatch":
            return _time_batch(window, schema, playback, flags)
        case "externalTime":
            arguments = WindowArguments(window, "externalTime(<long attribute>, <int, long or time>)")
            arguments.require_count(2, 2)
            attribute = arguments.long_attribute(0, "the timestamp", schema)
            return ExternalTimeWindow(schema, attribute, arguments.duration_ms(1, "the time"))
        case "externalTimeBatch":
            return _external_time_batch(window, schema, playback, flags)
        case "session":
            return _session(window, schema, strings)
        case "sort":
            return _sort(window, schema, strings)
        case "frequent" | "lossyFrequent":
            return _counting(window, schema, strings, tells_expired=tells_expired)
        case "cron":
            arguments = WindowArguments(window, *forms(window.name))
            arguments.require_count(1, 1)
            return CronWindow(
                schema, parse_cron(arguments.text(0)), by_wall_clock=playback, tells_expired=tells_expired
            )
        case _:
            made = make_extension_window(
                window, schema, playback, strings, wants_expired=wants_expired, tells_resets=tells_resets
            )
            if made is None:
                raise UnsupportedConstruct(f"window.{window.name}", line=window.span.line, column=window.span.column)
            return made


def _length_batch(window: Window, schema: Schema, flags: _BatchFlags) -> FindableWindow:
    arguments = WindowArguments(window, "lengthBatch(<int>)", "lengthBatch(<int>, <bool>)")
    arguments.require_count(1, 2)
    length = arguments.int_constant(0, "the length")
    streams = len(arguments) == 2 and arguments.bool_constant(1, "stream.current.event")
    return LengthBatchWindow(schema, length, streams_current=streams, **flags)


def _time_batch(window: Window, schema: Schema, playback: bool, flags: _BatchFlags) -> FindableWindow:
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
    return TimeBatchWindow(schema, length_ms, start_ms, streams_current=streams, playback=playback, **flags)


def _external_time_batch(window: Window, schema: Schema, playback: bool, flags: _BatchFlags) -> FindableWindow:
    arguments = WindowArguments(window, *forms(window.name))
    arguments.require_count(2, 5)
    start_ms: int | None = None
    start_attribute: int | None = None
    if len(arguments) > 2:
        if arguments.is_constant(2):
            start_ms = arguments.duration_ms(2, "the start time")
        else:
            start_attribute = arguments.long_attribute(2, "the start time", schema)
    periods = ExternalPeriods(
        attribute=arguments.long_attribute(0, "the timestamp", schema),
        length_ms=arguments.duration_ms(1, "the time"),
        start_ms=start_ms,
        start_attribute=start_attribute,
        timeout_ms=arguments.duration_ms(3, "the timeout") if len(arguments) > 3 else 0,
        replaces=len(arguments) > 4 and arguments.bool_constant(4, "replace.with.batchtime"),
    )
    return ExternalTimeBatchWindow(schema, periods, playback=playback, **flags)


def _session(window: Window, schema: Schema, strings: StringTable) -> FindableWindow:
    arguments = WindowArguments(window, *forms(window.name))
    arguments.require_count(1, 3)
    key = arguments.attribute(1) if len(arguments) > 1 else None
    latency_ms = arguments.duration_ms(2, "the allowed latency") if len(arguments) > 2 else 0
    return SessionWindow(schema, arguments.duration_ms(0, "the session gap"), key, latency_ms, strings)


def _sort(window: Window, schema: Schema, strings: StringTable) -> FindableWindow:
    arguments = WindowArguments(window, *forms(window.name))
    attributes: list[SortAttribute] = []
    for index in range(1, len(arguments)):
        if arguments.is_constant(index):
            attributes[-1] = SortAttribute(attributes[-1].position, arguments.text(index).lower() == "desc")
        else:
            attributes.append(SortAttribute(arguments.attribute(index), False))
    return SortWindow(schema, arguments.int_constant(0, "the length"), attributes, strings)


def _counting(window: Window, schema: Schema, strings: StringTable, *, tells_expired: bool) -> FindableWindow:
    arguments = WindowArguments(window, *forms(window.name))
    if window.name == "frequent":
        attributes = tuple(arguments.attribute(index) for index in range(1, len(arguments)))
        most = arguments.int_constant(0, "the number of values")
        return FrequentWindow(schema, most, attributes, strings, tells_expired=tells_expired)
    support = arguments.number(0)
    error = arguments.number(1) if len(arguments) > 1 else support / 10
    attributes = tuple(arguments.attribute(index) for index in range(2, len(arguments)))
    return LossyFrequentWindow(schema, support, error, attributes, strings, tells_expired=tells_expired)
