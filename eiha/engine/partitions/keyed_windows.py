"""From a window of the plan to its operator for all instances of a partition at once."""

from __future__ import annotations

from typing import Final

from eiha.engine.operator import Operator
from eiha.engine.partitions.keyed_batches import (
    KeyedBatches,
    KeyedExternalTimeBatch,
    KeyedLengthBatch,
    KeyedTimeBatch,
)
from eiha.engine.partitions.keyed_length import KeyedLength
from eiha.engine.partitions.keyed_time import KeyedTime
from eiha.engine.windows.arguments import WindowArguments
from eiha.events.schema import Schema
from eiha.plan.nodes import Window

KEYED_BATCHES: Final = frozenset({"lengthBatch", "timeBatch", "externalTimeBatch"})
"""Batch windows that run for all instances at once, where ``keyed_shapes`` says so."""

KEYED_SUMS: Final = frozenset({"length", "time"})
"""Windows over which sums slide in one loop (``keyed_select.SlidingSelect``)."""


def make_keyed_window(window: Window, schema: Schema) -> Operator:
    """The operator of a sliding window; its arguments were looked at by ``keyed_shapes``."""
    arguments = WindowArguments(window)
    match window.name:
        case "length":
            return KeyedLength(schema, arguments.int_constant(0, "the length"))
        case "time":
            return KeyedTime(schema, arguments.duration_ms(0, "the time"))
        case "timeLength":
            length_ms, rows_max = arguments.duration_ms(0, "the time"), arguments.int_constant(1, "the length")
            return KeyedTime(schema, length_ms, rows_max=rows_max)
        case _:
            assert window.name == "externalTime", window.name
            attribute = arguments.long_attribute(0, "the timestamp", schema)
            return KeyedTime(schema, arguments.duration_ms(1, "the time"), attribute=attribute)


def make_keyed_batches(window: Window, schema: Schema) -> KeyedBatches:
    """The same for one of ``KEYED_BATCHES``."""
    arguments = WindowArguments(window)
    has_start = len(arguments) > (1 if window.name == "timeBatch" else 2)
    match window.name:
        case "lengthBatch":
            return KeyedLengthBatch(schema, arguments.int_constant(0, "the length"))
        case "timeBatch":
            start_ms = arguments.duration_ms(1, "the start time") if has_start else None
            return KeyedTimeBatch(schema, arguments.duration_ms(0, "the time"), start_ms)
        case _:
            assert window.name == "externalTimeBatch", window.name
            attribute = arguments.long_attribute(0, "the timestamp", schema)
            length_ms = arguments.duration_ms(1, "the time")
            if has_start and not arguments.is_constant(2):
                named = arguments.long_attribute(2, "the start time", schema)
                return KeyedExternalTimeBatch(schema, attribute, length_ms, None, named)
            start = arguments.duration_ms(2, "the start time") if has_start else None
            return KeyedExternalTimeBatch(schema, attribute, length_ms, start, None)
