"""From the rarer windows of a plan (``hopping``, ``expression``, ``unique:``) to their operators."""

from __future__ import annotations

from collections.abc import Sequence

from eiha.engine.windows.arguments import WindowArguments
from eiha.engine.windows.compiled_expression import compiled_expression
from eiha.engine.windows.deduplicate_rows import DeduplicateRows
from eiha.engine.windows.expression import ExpressionBatchWindow, ExpressionWindow
from eiha.engine.windows.external_time_batch import ExternalPeriods
from eiha.engine.windows.findable import FindableWindow
from eiha.engine.windows.hopping import HoppingWindow
from eiha.engine.windows.length import LengthWindow
from eiha.engine.windows.reorder import KSlack
from eiha.engine.windows.unique import UniqueWindow
from eiha.engine.windows.unique_batch import UniqueBatches, UniqueBatchWindow
from eiha.engine.windows.unique_external import UniqueExternalTimeBatchWindow
from eiha.engine.windows.unique_periods import UniquePeriodsWindow
from eiha.events.schema import Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, Call, Compare, CompareOp, Expression, Literal
from eiha.plan.nodes import Window
from eiha.plan.window_expressions import AGGREGATES, EXPRESSION_WINDOWS
from eiha.plan.windows import OVERLOADS, PROCESSORS, forms


def make_extension_window(
    window: Window,
    schema: Schema,
    playback: bool,
    strings: StringTable,
    *,
    wants_expired: bool = True,
    tells_resets: bool = True,
) -> FindableWindow | None:
    """The operator for ``window``; None if it is none of these."""
    if window.name not in OVERLOADS and window.name not in PROCESSORS:
        return None
    arguments = WindowArguments(window, *forms(window.name))
    if window.name == "hopping":
        length_ms, hop_ms = arguments.duration_ms(0, "the time"), arguments.duration_ms(1, "the hop")
        return HoppingWindow(
            schema, length_ms, hop_ms, playback=playback, wants_expired=wants_expired, tells_resets=tells_resets
        )
    if window.name == "unique:deduplicate":
        return DeduplicateRows(schema, arguments.attribute(0), arguments.duration_ms(1, "the interval"), strings)
    if window.name == "reorder:kslack":
        return _kslack(arguments, schema, playback)
    if window.name == "expression":
        most = _most_rows(window.arguments[1:])
        if most is not None:
            return LengthWindow(schema, most)
    if window.name in EXPRESSION_WINDOWS:
        compiled = compiled_expression(window.name, schema, window.arguments, strings)
        if compiled is not None:
            return compiled
        if window.name == "expression":
            return ExpressionWindow(schema, window.arguments[1:], strings, playback=playback)
        return ExpressionBatchWindow(schema, window.arguments, strings, playback=playback)
    if not window.name.startswith("unique:"):
        return None
    kind = window.name.removeprefix("unique:")
    if kind in ("first", "ever"):
        keys = tuple(arguments.attribute(index) for index in range(len(arguments)))
        return UniqueWindow(schema, keys, strings, playback=playback, first=kind == "first")
    key = arguments.attribute(0)
    match kind:
        case "length":
            most = max(arguments.int_constant(1, "the length"), 0)
            return UniqueWindow(schema, (key,), strings, playback=playback, most=most)
        case "time":
            length_ms = arguments.duration_ms(1, "the time")
            return UniqueWindow(schema, (key,), strings, playback=playback, length_ms=length_ms)
        case "externalTimeBatch":
            periods = _periods(arguments, schema)
            if periods.timeout_ms <= 0:
                return UniquePeriodsWindow(schema, key, periods, strings)
            return UniqueExternalTimeBatchWindow(schema, key, periods, strings, playback=playback)
        case _:
            return UniqueBatchWindow(schema, key, _batches(kind, arguments), strings, playback=playback)


def _most_rows(arguments: Sequence[Expression]) -> int | None:
    """The n of the condition ``count() <= n`` (or ``< n + 1``); None: it is another condition, or lets no row stay."""
    match arguments:
        case (Compare(op, AttributeRef(source=source), Literal(value=int(value))), Call("count")) if (
            source == AGGREGATES
        ):
            most = value if op is CompareOp.LESS_EQUAL else value - 1
            return most if op in (CompareOp.LESS, CompareOp.LESS_EQUAL) and most > 0 else None
        case _:
            return None


def _kslack(arguments: WindowArguments, schema: Schema, playback: bool) -> KSlack:
    timeout_ms = arguments.duration_ms(1, "the timeout") if len(arguments) > 1 else -1
    return KSlack(
        schema,
        arguments.long_attribute(0, "the timestamp", schema),
        playback=playback,
        timeout_ms=timeout_ms if timeout_ms > 0 else None,
        most_ms=arguments.duration_ms(2, "the bound of k") if len(arguments) > 2 else None,
        discards=len(arguments) > 3 and arguments.bool_constant(3, "discard.flag"),
    )


def _batches(kind: str, arguments: WindowArguments) -> UniqueBatches:
    first = kind.startswith("first")
    if kind in ("lengthBatch", "firstLengthBatch"):
        return UniqueBatches(keys=arguments.int_constant(1, "the length"), first=first)
    has_length = kind == "timeLengthBatch"
    has_start = len(arguments) - has_length > 2
    return UniqueBatches(
        keys=arguments.int_constant(len(arguments) - 1, "the length") if has_length else None,
        length_ms=arguments.duration_ms(1, "the time"),
        start_ms=arguments.duration_ms(2, "the start time") if has_start else None,
        first=first,
    )


def _periods(arguments: WindowArguments, schema: Schema) -> ExternalPeriods:
    return ExternalPeriods(
        attribute=arguments.long_attribute(1, "the timestamp", schema),
        length_ms=arguments.duration_ms(2, "the time"),
        start_ms=arguments.duration_ms(3, "the start time") if len(arguments) > 3 else None,
        timeout_ms=arguments.duration_ms(4, "the timeout") if len(arguments) > 4 else 0,
        replaces=len(arguments) > 5 and arguments.bool_constant(5, "replace.timestamp"),
    )
