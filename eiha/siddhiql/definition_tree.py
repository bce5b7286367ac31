"""Definitions and the whole application as written. Equality of nodes ignores places."""

from __future__ import annotations

from dataclasses import dataclass, field

from eiha.events.schema import AttributeType
from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.expression_tree import AttributeReference, FunctionCall, TimeLiteral, TimeUnit
from eiha.siddhiql.query_tree import EventCategory, Partition, Query, Selection, StandardStream
from eiha.siddhiql.span import NO_SPAN, Span


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """``name type``."""

    name: str
    type: AttributeType
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class DefineStream:
    """``define stream``."""

    annotations: tuple[Annotation, ...]
    name: str
    attributes: tuple[AttributeDefinition, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class DefineTable:
    """``define table``."""

    annotations: tuple[Annotation, ...]
    name: str
    attributes: tuple[AttributeDefinition, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class DefineWindow:
    """``define window W (...) length(5) [output all events]``."""

    annotations: tuple[Annotation, ...]
    name: str
    attributes: tuple[AttributeDefinition, ...]
    window: FunctionCall
    output: EventCategory | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class DefineTrigger:
    """``define trigger T at every 5 sec`` (a time), or ``at 'start'`` or a cron expression (a text)."""

    annotations: tuple[Annotation, ...]
    name: str
    at: TimeLiteral | str
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class DefineFunction:
    """``define function f[language] return type { body }``; ``body`` without its outer braces."""

    annotations: tuple[Annotation, ...]
    name: str
    language: str
    returns: AttributeType
    body: str
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class Granularities:
    """``every sec...year`` (``is_range``: first and last) or ``every sec, hour``."""

    units: tuple[TimeUnit, ...]
    is_range: bool
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class DefineAggregation:
    """``define aggregation A from S select ... group by ... aggregate [by ts] every ...``."""

    annotations: tuple[Annotation, ...]
    name: str
    input: StandardStream
    selection: Selection
    by: AttributeReference | None
    every: Granularities
    span: Span = field(default=NO_SPAN, compare=False)


Definition = DefineStream | DefineTable | DefineWindow | DefineTrigger | DefineFunction | DefineAggregation


@dataclass(frozen=True, slots=True)
class Application:
    """A whole plan: header annotations, definitions, then queries and partitions."""

    annotations: tuple[Annotation, ...]
    definitions: tuple[Definition, ...]
    elements: tuple[Query | Partition, ...]
    span: Span = field(default=NO_SPAN, compare=False)
