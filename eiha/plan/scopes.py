"""What names mean where an expression stands: in a stream, in a pattern, in having."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eiha.events.schema import AttributeType, Schema
from eiha.plan.expressions import (
    LAST_EVENT,
    OWN_EVENT,
    TABLE_ROW,
    WHOLE_LIST,
    AttributeRef,
    EventIsNull,
    Expression,
    OutputRef,
)
from eiha.plan.refusals import Refusals
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.expression_tree import AttributeReference, EventIndex, StreamReference


class Scope(Protocol):
    """Resolves names; raises ``PlanSemanticError`` for those that mean nothing here."""

    def attribute(self, reference: AttributeReference) -> Expression:
        """What ``reference`` reads."""

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:
        """The check whether the event itself is missing; None if ``reference`` names no event."""


@dataclass(frozen=True, slots=True)
class StreamScope:
    """The rows of one stream, known by the stream's name."""

    stream: str
    schema: Schema
    refusals: Refusals

    def attribute(self, reference: AttributeReference) -> Expression:
        """A column; the stream's own name may stand before it."""
        stream = reference.stream
        if stream is not None and (stream.name != self.stream or stream.is_inner or stream.is_fault):
            what = f"{stream.name!r} is not in scope here; only {self.stream!r} is"
            self.refusals.refuse(stream.span, what + did_you_mean(stream.name, [self.stream]))
        position = self.schema.position(reference.name)
        if position is None:
            self.refusals.refuse(reference.span, unknown_attribute(reference.name, self.stream, self.schema))
        return AttributeRef(0, position, reference.name, self.schema.attributes[position].type, span=reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:  # noqa: ARG002 - the protocol's form
        """There are no captured events."""
        return None


@dataclass(frozen=True, slots=True)
class TableRowScope:
    """The condition of ``in``: ``T.column`` is the table's row, all else what it is outside."""

    table: str
    schema: Schema
    outside: Scope
    refusals: Refusals

    def attribute(self, reference: AttributeReference) -> Expression:
        """A column of the row, or what ``reference`` means outside."""
        stream = reference.stream
        if stream is None or stream.name != self.table or stream.is_inner or stream.is_fault:
            return self.outside.attribute(reference)
        position = self.schema.position(reference.name)
        if position is None:
            self.refusals.refuse(reference.span, unknown_attribute(reference.name, self.table, self.schema))
        type_ = self.schema.attributes[position].type
        return AttributeRef(TABLE_ROW, position, reference.name, type_, span=reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:
        """What it is outside."""
        return self.outside.event_is_null(reference)


def unknown_attribute(name: str, stream: str, schema: Schema) -> str:
    """The message for an attribute that ``stream`` does not have (``null`` among them)."""
    if name.lower() == "null":
        return "there is no null constant; write: is null, or: not (... is null)"
    return f"{stream!r} has no attribute {name!r}; it has {schema}" + did_you_mean(name, schema.names)


@dataclass(frozen=True, slots=True)
class PatternSource:
    """A step as names see it. ``name``: its reference, or its stream's name where it has none; of equal ones the
    first is meant.
    """

    name: str
    schema: Schema
    is_counted: bool


@dataclass(frozen=True, slots=True)
class PatternScope:
    """Captured events. ``own``: the step whose condition this is (None: select and what follows).

    ``hidden``: steps that exist but cannot be read here: later ones, and the partner in a logical pair.
    """

    sources: Sequence[PatternSource]
    refusals: Refusals
    own: int | None = None
    hidden: frozenset[int] = frozenset()

    def attribute(self, reference: AttributeReference) -> Expression:
        """``e1.x``, ``e1[0].x``, or a name that only one step can mean (in a condition: the arriving event)."""
        if reference.stream is None:
            source = self.own if self.own is not None else self._only_source(reference)
            index: EventIndex | None = None
        else:
            source = self._source(reference.stream)
            index = reference.stream.index
        schema = self.sources[source].schema
        position = schema.position(reference.name)
        if position is None:
            name = self.sources[source].name
            self.refusals.refuse(reference.span, unknown_attribute(reference.name, name, schema))
        event, is_list = self._event(source, index)
        type_ = AttributeType.OBJECT if is_list else schema.attributes[position].type
        return AttributeRef(source, position, reference.name, type_, event, reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:
        """``e1 is null``, ``e1[2] is null``."""
        if reference.is_inner or reference.is_fault:
            return None
        if all(source.name != reference.name for source in self.sources):
            return None
        source = self._source(reference)
        if source == self.own and reference.index is None:
            self.refusals.refuse(reference.span, f"{reference.name!r} is the arriving event, which is never null")
        event, is_list = self._event(source, reference.index)
        return EventIsNull(source, 0 if is_list else event, reference.span)

    def _only_source(self, reference: AttributeReference) -> int:
        found = [i for i, source in enumerate(self.sources) if source.schema.position(reference.name) is not None]
        if not found:
            names = [name for source in self.sources for name in source.schema.names]
            message = f"no step of the pattern has an attribute {reference.name!r}"
            self.refusals.refuse(reference.span, message + did_you_mean(reference.name, names))
        if len(found) > 1:
            owners = " and ".join(self.sources[i].name for i in found)
            first = self.sources[found[0]].name
            message = f"{reference.name!r} is in {owners}; write which, e.g. {first}.{reference.name}"
            self.refusals.refuse(reference.span, message)
        return found[0]

    def _source(self, stream: StreamReference) -> int:
        names = [source.name for source in self.sources]
        if stream.is_inner or stream.is_fault or stream.name not in names:
            message = f"{stream.name!r} is no step of the pattern; its steps are {', '.join(names)}"
            self.refusals.refuse(stream.span, message + did_you_mean(stream.name, names))
        source = names.index(stream.name)
        if self.own is not None and names[self.own] == stream.name:
            source = self.own
        if source in self.hidden:
            self.refusals.refuse(stream.span, f"{stream.name!r} is not captured yet when this step is tried")
        return source

    def _event(self, source: int, index: EventIndex | None) -> tuple[int, bool]:
        """Which event of a step, and whether it is the list of all."""
        is_counted = self.sources[source].is_counted
        if source == self.own:
            if index is None:
                return 0, False
            if is_counted and not index.from_last:
                return OWN_EVENT + index.offset, False
        if index is None:
            return (WHOLE_LIST, True) if is_counted else (0, False)
        if not is_counted:
            # on a single step e[0] and e[last] are the event, others are null
            return (LAST_EVENT - index.offset if index.from_last and index.offset else index.offset), False
        return (LAST_EVENT - index.offset if index.from_last else index.offset), False


@dataclass(frozen=True, slots=True)
class OutputScope:
    """Having and order by: the query's own output; in patterns and joins names reach the events behind it too."""

    schema: Schema
    refusals: Refusals
    captured: Scope | None = None

    def attribute(self, reference: AttributeReference) -> Expression:
        """An output attribute, by its name alone."""
        if reference.stream is not None:
            if self.captured is not None:
                return self.captured.attribute(reference)
            message = f"only output attributes can be read here, by name alone: {self.schema}"
            self.refusals.refuse(reference.span, message)
        position = self.schema.position(reference.name)
        if position is None and self.captured is not None:
            return self.captured.attribute(reference)
        if position is None:
            message = f"the query puts out no attribute {reference.name!r}; it puts out {self.schema}"
            self.refusals.refuse(reference.span, message + did_you_mean(reference.name, self.schema.names))
        return OutputRef(position, reference.name, self.schema.attributes[position].type, reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:
        """Captured events, in patterns."""
        return None if self.captured is None else self.captured.event_is_null(reference)
