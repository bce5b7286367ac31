"""Queries, partitions and on-demand queries as written. Equality of nodes ignores places."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.expression_tree import AttributeReference, Expression, FunctionCall, TimeLiteral
from eiha.siddhiql.span import NO_SPAN, Span


class EventCategory(enum.Enum):
    """Which events an output clause speaks of."""

    CURRENT = "current"
    EXPIRED = "expired"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Source:
    """A stream, table, window, trigger or aggregation by name; ``#`` inner, ``!`` fault."""

    name: str
    is_inner: bool = False
    is_fault: bool = False
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class FilterHandler:
    """``[condition]``."""

    condition: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class FunctionHandler:
    """``#name(...)``, a stream function."""

    call: FunctionCall
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class WindowHandler:
    """``#window.name(...)``."""

    call: FunctionCall
    span: Span = field(default=NO_SPAN, compare=False)


Handler = FilterHandler | FunctionHandler | WindowHandler


@dataclass(frozen=True, slots=True)
class StandardStream:
    """One source with its handlers in textual order, at most one of them a window."""

    source: Source
    handlers: tuple[Handler, ...] = ()
    span: Span = field(default=NO_SPAN, compare=False)


class JoinKind(enum.Enum):
    """Kinds of join; the value is the text before ``join``."""

    INNER = "inner"
    LEFT_OUTER = "left outer"
    RIGHT_OUTER = "right outer"
    FULL_OUTER = "full outer"


@dataclass(frozen=True, slots=True)
class JoinSide:
    """One side of a join."""

    stream: StandardStream
    alias: str | None = None
    is_unidirectional: bool = False
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """``within start, end`` or ``within pattern`` (``end`` None) of aggregations."""

    start: Expression
    end: Expression | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class JoinStream:
    """``left join right on condition within ... per ...``."""

    kind: JoinKind
    left: JoinSide
    right: JoinSide
    on: Expression | None = None
    within: TimeRange | None = None
    per: Expression | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class StreamState:
    """``reference=Stream[...]`` in a pattern or sequence."""

    stream: StandardStream
    reference: str | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class CountState:
    """``state<min:max>``; ``max_count`` None: no maximum. Sequences write ``*``, ``+``, ``?`` too."""

    state: StreamState
    min_count: int
    max_count: int | None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class AbsentState:
    """``not Stream[...] for wait``; ``wait`` None only as a partner of ``and``."""

    stream: StandardStream
    wait: TimeLiteral | None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class LogicalState:
    """``left and right`` (``is_and``) or ``left or right``."""

    is_and: bool
    left: StreamState | AbsentState
    right: StreamState | AbsentState
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class EveryState:
    """``every element``."""

    element: State
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class NextState:
    """``a -> b -> ...`` or ``a, b, ...``: two or more elements; groups in parentheses are nested ones."""

    elements: tuple[State, ...]
    span: Span = field(default=NO_SPAN, compare=False)


State = StreamState | CountState | AbsentState | LogicalState | EveryState | NextState


@dataclass(frozen=True, slots=True)
class StateStream:
    """A pattern, or a sequence."""

    is_sequence: bool
    root: State
    within: TimeLiteral | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class AnonymousStream:
    """``(from ... select ... return)``: a query in the place of a stream."""

    input: QueryInput
    selection: Selection | None = None
    rate: OutputRate | None = None
    events: EventCategory | None = None
    span: Span = field(default=NO_SPAN, compare=False)


QueryInput = StandardStream | JoinStream | StateStream | AnonymousStream


@dataclass(frozen=True, slots=True)
class OutputAttribute:
    """``expression as alias``; ``alias`` None: an attribute under its own name."""

    expression: Expression
    alias: str | None = None
    span: Span = field(default=NO_SPAN, compare=False)

    @property
    def name(self) -> str:
        """The name of the output attribute."""
        if self.alias is not None:
            return self.alias
        assert isinstance(self.expression, AttributeReference)
        return self.expression.name


@dataclass(frozen=True, slots=True)
class OrderReference:
    """One key of ``order by``."""

    attribute: AttributeReference
    is_descending: bool = False
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """``select ... group by ... having ... order by ... limit ... offset ...``; no ``attributes``: ``select *``."""

    attributes: tuple[OutputAttribute, ...] = ()
    group_by: tuple[AttributeReference, ...] = ()
    having: Expression | None = None
    order_by: tuple[OrderReference, ...] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    span: Span = field(default=NO_SPAN, compare=False)


class RateKind(enum.Enum):
    """What ``output ... every`` lets through."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class OutputRate:
    """``output kind every n events`` (``every`` an int) or ``every time``; snapshots go by time only."""

    kind: RateKind
    every: int | TimeLiteral
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class SetAssignment:
    """``T.column = expression``."""

    target: AttributeReference
    value: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class InsertInto:
    """``insert [events] into target``."""

    target: Source
    events: EventCategory | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class DeleteFrom:
    """``delete target [for events] [on condition]``."""

    target: Source
    on: Expression | None = None
    events: EventCategory | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class UpdateTable:
    """``update target [for events] [set ...] on condition``; ``or_insert``: ``update or insert into``."""

    target: Source
    on: Expression
    assignments: tuple[SetAssignment, ...] = ()
    or_insert: bool = False
    events: EventCategory | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class Return:
    """``return [events]``."""

    events: EventCategory | None = None
    span: Span = field(default=NO_SPAN, compare=False)


QueryOutput = InsertInto | DeleteFrom | UpdateTable | Return


@dataclass(frozen=True, slots=True)
class Query:
    """One query; ``selection`` None: all attributes."""

    annotations: tuple[Annotation, ...]
    input: QueryInput
    selection: Selection | None
    rate: OutputRate | None
    output: QueryOutput
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class ValueKey:
    """``attribute of Stream``."""

    expression: Expression
    stream: str
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class KeyRange:
    """``condition as 'label'``."""

    condition: Expression
    label: str
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class RangeKey:
    """``condition as 'label' or ... of Stream``."""

    ranges: tuple[KeyRange, ...]
    stream: str
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class Partition:
    """``partition with (...) begin ... end``."""

    annotations: tuple[Annotation, ...]
    keys: tuple[ValueKey | RangeKey, ...]
    queries: tuple[Query, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class OnDemandQuery:
    """A question to a table, window or aggregation. ``source`` None: a statement without ``from``; ``output`` None:
    the rows go to who asked.
    """

    source: Source | None
    alias: str | None = None
    on: Expression | None = None
    within: TimeRange | None = None
    per: Expression | None = None
    selection: Selection | None = None
    output: QueryOutput | None = None
    span: Span = field(default=NO_SPAN, compare=False)
