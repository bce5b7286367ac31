"""Joins: two sides, each with handlers of its own, a condition over both, and what names mean over joined rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from eiha.events.schema import Schema
from eiha.plan.bind_aggregations import bind_range
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.bind_streams import bind_stream
from eiha.plan.expressions import LAST_EVENT, AttributeRef, EventIsNull, Expression
from eiha.plan.nodes import (
    Aggregation,
    AggregationRange,
    Handler,
    JoinInput,
    JoinKind,
    JoinSide,
    OutputEvents,
    Projection,
    SideKind,
    TableDefinition,
    Window,
)
from eiha.plan.refusals import Refusals
from eiha.plan.registry import REGISTRY
from eiha.plan.scopes import unknown_attribute
from eiha.siddhiql import query_tree
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.expression_tree import AttributeReference, EventIndex, StreamReference
from eiha.siddhiql.span import Span


@dataclass(frozen=True, slots=True)
class JoinSource:
    """What a name stands for; ``aggregation``: if it is one."""

    kind: SideKind
    schema: Schema
    aggregation: Aggregation | None = None


SourceOf = Callable[[query_tree.Source], JoinSource]

_NOT_SEARCHED: Final = frozenset({"cron"})
"""Windows in which Siddhi's joins cannot look for partners."""

HOARDING_WINDOWS: Final = frozenset({"lengthBatch", "timeBatch"})
"""Windows in which a join that puts out no expired rows finds every row that they ever put out."""

EMPTY_WINDOWS: Final = frozenset({"batch"})
"""Windows in which a join that puts out no expired rows finds nothing."""


@dataclass(frozen=True, slots=True)
class JoinScope:
    """The two sides, by their names; of equal names the left side is meant."""

    sides: tuple[JoinSide, ...]
    refusals: Refusals

    def attribute(self, reference: AttributeReference) -> Expression:
        """``side.x``, or a name that only one side has."""
        if reference.stream is None:
            source, event = self._only_source(reference), 0
        else:
            source, event = self._source(reference.stream), _event(reference.stream.index)
        side = self.sides[source]
        position = side.schema.position(reference.name)
        if position is None:
            self.refusals.refuse(reference.span, unknown_attribute(reference.name, side.name, side.schema))
        type_ = side.schema.attributes[position].type
        return AttributeRef(source, position, reference.name, type_, event, reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:
        """``side is null``: whether a row of an outer join has no partner on that side."""
        if reference.is_inner or reference.is_fault or all(side.name != reference.name for side in self.sides):
            return None
        return EventIsNull(self._source(reference), _event(reference.index), reference.span)

    def _only_source(self, reference: AttributeReference) -> int:
        found = [i for i, side in enumerate(self.sides) if side.schema.position(reference.name) is not None]
        if not found:
            names = [name for side in self.sides for name in side.schema.names]
            message = f"neither side of the join has an attribute {reference.name!r}"
            self.refusals.refuse(reference.span, message + did_you_mean(reference.name, names))
        if len(found) > 1:
            first = self.sides[0].name
            owners = " and ".join(side.name for side in self.sides)
            message = f"{reference.name!r} is in {owners}; write which, e.g. {first}.{reference.name}"
            self.refusals.refuse(reference.span, message)
        return found[0]

    def _source(self, stream: StreamReference) -> int:
        names = [side.name for side in self.sides]
        if stream.is_inner or stream.is_fault or stream.name not in names:
            message = f"{stream.name!r} is no side of the join; its sides are {' and '.join(names)}"
            self.refusals.refuse(stream.span, message + did_you_mean(stream.name, names))
        return names.index(stream.name)


def bind_join(
    join: query_tree.JoinStream,
    source_of: SourceOf,
    refusals: Refusals,
    tables: Mapping[str, TableDefinition] | None = None,
) -> tuple[JoinInput, JoinScope]:
    """The join, and the scope of its rows.

    Args:
        join: as written.
        source_of: what a name stands for, and its attributes; raises for names that there are not.
        refusals: raises the errors.
        tables: those that ``in`` may ask.
    """
    only = join.left.is_unidirectional or join.right.is_unidirectional
    left = _side(join.left, source_of, refusals, tables, silent=only and not join.left.is_unidirectional)
    right = _side(join.right, source_of, refusals, tables, silent=only and not join.right.is_unidirectional)
    if not (_lives(left) or _lives(right)):
        message = (
            f"neither {left.source!r} nor {right.source!r} brings rows by itself; join a stream or a window with them"
        )
        refusals.refuse(join.span, message)
    if left.kind is SideKind.WINDOW and left.source == right.source:
        right = _silent(right)  # as recorded: of one window's rows, the first side alone is told
    scope = JoinScope((left, right), refusals)
    binder = ExpressionBinder(scope, refusals, tables=tables)
    on = None if join.on is None else binder.bind_condition(join.on, "on takes a bool")
    buckets = _buckets(join, (left, right), source_of, refusals)
    return JoinInput(JoinKind(join.kind.value), left, right, on, buckets, join.span), scope


def all_of_both(scope: JoinScope, span: Span) -> tuple[Projection, ...]:
    """What ``select *`` puts out for a join: the attributes of both sides, whose names must differ."""
    names = [name for side in scope.sides for name in side.schema.names]
    for name in names:
        if names.count(name) > 1:
            message = f"select * would put out {name!r} twice; name the attributes of the join one by one"
            scope.refusals.refuse(span, message)
    return tuple(Projection(name, scope.attribute(AttributeReference(name, span=span))) for name in names)


def join_warnings(join: query_tree.JoinStream, bound: JoinInput, events: OutputEvents) -> Iterator[str]:
    """What has no effect, or one that surprises."""
    for written, side in zip((join.left, join.right), bound.sides, strict=True):
        if side.kind is not SideKind.STREAM and written.stream.handlers:
            yield f"filters of {side.name!r} have no effect: in a join a {side.kind.value} is searched whole"
        partner = bound.right if side is bound.left else bound.left
        window = side.handlers[-1] if side.handlers else None
        if not isinstance(window, Window) or not partner.triggers:
            continue
        if window.name == "session":
            yield f"the session window of {side.name!r} has no effect on the join: it is always found empty"
        if events is OutputEvents.CURRENT and window.name in HOARDING_WINDOWS:
            yield (
                f"rows of the {window.name} window of {side.name!r} never leave this join and take up memory without "
                "bound: it puts out current events only; write insert all events into, or use another window"
            )
        if events is OutputEvents.CURRENT and window.name in EMPTY_WINDOWS:
            yield (
                f"the {window.name} window of {side.name!r} is always found empty by this join, which puts out current "
                "events only; write insert all events into"
            )


def _lives(side: JoinSide) -> bool:
    return side.kind in (SideKind.STREAM, SideKind.WINDOW)


def _silent(side: JoinSide) -> JoinSide:
    return JoinSide(side.source, side.kind, side.name, side.handlers, side.schema, False, side.span)


def _side(
    side: query_tree.JoinSide,
    source_of: SourceOf,
    refusals: Refusals,
    tables: Mapping[str, TableDefinition] | None,
    *,
    silent: bool,
) -> JoinSide:
    source = side.stream.source
    known = source_of(source)
    kind, schema = known.kind, known.schema
    handlers: tuple[Handler, ...] = ()
    if kind is SideKind.STREAM:
        bound = bind_stream(side.stream, schema, refusals, tables)
        handlers, schema = bound.handlers, bound.schema
        _refuse_unsearchable(source.name, handlers, refusals, side.stream.span)
    else:
        for handler in side.stream.handlers:
            if isinstance(handler, query_tree.WindowHandler):
                message = f"{source.name!r} is a {kind.value}, which takes no window in a join"
                refusals.refuse(handler.span, message)
    triggers = kind in (SideKind.STREAM, SideKind.WINDOW) and not silent
    return JoinSide(source.name, kind, side.alias or source.name, handlers, schema, triggers, side.span)


def _refuse_unsearchable(name: str, handlers: tuple[Handler, ...], refusals: Refusals, span: Span) -> None:
    if not handlers:
        return
    window = handlers[-1]
    if not isinstance(window, Window):
        message = f"with filters or functions, {name!r} needs a window in a join; e.g. {name}[...]#window.length(1)"
        refusals.refuse(span, message)
    if window.name in _NOT_SEARCHED:
        refusals.refuse(window.span, f"a join cannot look into the window {window.name!r}")
    if window.name in REGISTRY.windows:
        refusals.unsupported(window.span, f"join.window.{window.name}")  # packages need not tell what they hold


def _event(index: EventIndex | None) -> int:
    """A side is one event: ``[0]`` and ``[last]`` are it, others are null."""
    if index is None:
        return 0
    if index.from_last:
        return LAST_EVENT - index.offset if index.offset else 0
    return index.offset


def _buckets(
    join: query_tree.JoinStream, sides: tuple[JoinSide, JoinSide], source_of: SourceOf, refusals: Refusals
) -> AggregationRange | None:
    """``within`` and ``per``, which aggregations need and nothing else takes; they read the other side."""
    for position, written in enumerate((join.left, join.right)):
        aggregation = source_of(written.stream.source).aggregation
        if aggregation is not None:
            binder = ExpressionBinder(_OtherSide(sides, 1 - position, refusals), refusals)
            return bind_range(join.within, join.per, aggregation, binder, join.span, refusals)
    if join.within is not None:
        refusals.refuse(join.within.span, "within and per are for aggregations; neither side is one")
    return None


@dataclass(frozen=True, slots=True)
class _OtherSide:
    """The rows that come, while an aggregation is asked for its own."""

    sides: tuple[JoinSide, JoinSide]
    source: int
    refusals: Refusals

    def attribute(self, reference: AttributeReference) -> Expression:
        """An attribute of the side that comes; the side's name may stand before it."""
        side = self.sides[self.source]
        if reference.stream is not None and reference.stream.name != side.name:
            message = f"only attributes of {side.name!r} can be read here"
            self.refusals.refuse(reference.stream.span, message)
        position = side.schema.position(reference.name)
        if position is None:
            self.refusals.refuse(reference.span, unknown_attribute(reference.name, side.name, side.schema))
        type_ = side.schema.attributes[position].type
        return AttributeRef(self.source, position, reference.name, type_, span=reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:  # noqa: ARG002 - the protocol's form
        """There is always an event."""
        return None
