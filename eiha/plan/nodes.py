"""The typed logical plan: what ``bind`` makes, ``rewrite`` improves and the engine lowers to operators."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from eiha.events.schema import AttributeType, Schema, StreamDefinition
from eiha.plan.connections import Buffering, Connection
from eiha.plan.expressions import AttributeRef, Expression, OutputRef
from eiha.plan.granularities import Granularity
from eiha.siddhiql.span import NO_SPAN, Span


@dataclass(frozen=True, slots=True)
class Filter:
    """``[condition]``: rows for which it is true pass. ``aggregates``: those that the condition holds."""

    condition: Expression
    span: Span = NO_SPAN
    aggregates: tuple[Aggregate, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """``#window.name(arguments)``; arguments are typed, constants already folded to ``Literal``."""

    name: str
    arguments: tuple[Expression, ...]
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class StreamFunction:
    """``#name(arguments)``: adds columns (``#log`` adds none)."""

    name: str
    arguments: tuple[Expression, ...]
    schema: Schema
    span: Span = NO_SPAN


Handler = Filter | Window | StreamFunction


@dataclass(frozen=True, slots=True)
class StreamInput:
    """``from S[...]#window...``: one stream and its handlers in textual order; ``schema`` leaves the last one."""

    stream: str
    handlers: tuple[Handler, ...]
    schema: Schema
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class PatternStep:
    """A stream step: ``e1=S[condition]<min:max>``. In ``condition``, a ``source`` equal to the step's own position
    is the arriving event; lower ones are captured events.
    """

    reference: str
    stream: str
    schema: Schema
    condition: Expression | None
    min_count: int = 1
    max_count: int | None = 1
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class StepNode:
    """Leaf: the step at ``position`` in ``PatternInput.steps``."""

    position: int


@dataclass(frozen=True, slots=True)
class NextNode:
    """``a -> b -> ...`` or ``a, b, ...``."""

    elements: tuple[PatternNode, ...]


@dataclass(frozen=True, slots=True)
class EveryNode:
    """``every (...)``."""

    element: PatternNode


@dataclass(frozen=True, slots=True)
class LogicalNode:
    """``a and b``, ``a or b``."""

    both: bool
    left: PatternNode
    right: PatternNode


@dataclass(frozen=True, slots=True)
class AbsentNode:
    """``not S[...] for t``; ``wait_ms`` None in ``not S and ...``."""

    position: int
    wait_ms: int | None


PatternNode = StepNode | NextNode | EveryNode | LogicalNode | AbsentNode


@dataclass(frozen=True, slots=True)
class PatternInput:
    """A pattern (``->``) or a sequence (``,``)."""

    is_sequence: bool
    steps: tuple[PatternStep, ...]
    root: PatternNode
    within_ms: int | None
    span: Span = NO_SPAN


class JoinKind(enum.Enum):
    """Which rows without partner a join puts out, with nulls for the other side."""

    INNER = "inner"
    LEFT_OUTER = "left outer"
    RIGHT_OUTER = "right outer"
    FULL_OUTER = "full outer"

    @property
    def keeps_left(self) -> bool:
        """Whether rows of the left side are put out without a partner."""
        return self in (JoinKind.LEFT_OUTER, JoinKind.FULL_OUTER)

    @property
    def keeps_right(self) -> bool:
        """Whether rows of the right side are put out without a partner."""
        return self in (JoinKind.RIGHT_OUTER, JoinKind.FULL_OUTER)


class SideKind(enum.Enum):
    """What stands on a side of a join."""

    STREAM = "stream"
    TABLE = "table"
    WINDOW = "window"
    AGGREGATION = "aggregation"


@dataclass(frozen=True, slots=True)
class JoinSide:
    """One side of a join: ``source`` known as ``name`` (its alias, if it has one).

    ``handlers``: of a stream; the last one is a window, or there are none: then a row stays for no time at all.
    ``triggers``: whether rows that come (and leave) on this side look for partners on the other one.
    """

    source: str
    kind: SideKind
    name: str
    handlers: tuple[Handler, ...]
    schema: Schema
    triggers: bool
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class JoinInput:
    """``left join right on condition within ... per ...``. In expressions source 0 is left, 1 right.

    ``buckets``: which ones of the side that is an aggregation; its expressions read the other side.
    """

    kind: JoinKind
    left: JoinSide
    right: JoinSide
    on: Expression | None
    buckets: AggregationRange | None = None
    span: Span = NO_SPAN

    @property
    def sides(self) -> tuple[JoinSide, JoinSide]:
        """Left and right."""
        return self.left, self.right


QueryInput = StreamInput | PatternInput | JoinInput


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregator, e.g. ``avg(price)``. ``argument`` None: ``count()``; several arguments are one ``ARGUMENTS`` call.

    ``argument`` and ``guard`` may refer to aggregates before this one. ``guard``: only rows for which it is true
    reach the aggregator, since it stands where it is not always evaluated (behind ``and``, in ``ifThenElse``).
    """

    name: str
    argument: Expression | None
    type: AttributeType
    span: Span = NO_SPAN
    guard: Expression | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """What is evaluated for it: the guard, then the argument."""
        return tuple(each for each in (self.guard, self.argument) if each is not None)


@dataclass(frozen=True, slots=True)
class Projection:
    """``expression as name``; the expression may hold ``AggregateRef`` nodes."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of order by: a column of the output, in joins also one of the sides."""

    column: OutputRef | AttributeRef
    descending: bool


@dataclass(frozen=True, slots=True)
class Selector:
    """``select ... group by ... having ... order by ... limit ... offset``. ``schema`` is the output's.

    ``having_aggregates``: those that ``having`` holds, over the rows put out, all in one group.
    """

    projections: tuple[Projection, ...]
    aggregates: tuple[Aggregate, ...]
    group_by: tuple[Expression, ...]
    having: Expression | None
    order_by: tuple[OrderKey, ...]
    limit: int | None
    offset: int | None
    schema: Schema
    having_aggregates: tuple[Aggregate, ...] = ()


class OutputEvents(enum.Enum):
    """Which rows an output clause takes."""

    CURRENT = "current"
    EXPIRED = "expired"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class InsertInto:
    """``insert [current|expired|all events] into target``. Expired rows arrive there as current ones."""

    target: str
    events: OutputEvents


@dataclass(frozen=True, slots=True)
class SetColumn:
    """``set T.column = value``. In ``value`` source 0 is the query's output row, source 1 the row of the table."""

    column: int
    value: Expression


@dataclass(frozen=True, slots=True)
class DeleteFrom:
    """``delete target for events on condition``; sources in ``on`` as in ``SetColumn``."""

    target: str
    events: OutputEvents
    on: Expression


@dataclass(frozen=True, slots=True)
class UpdateTable:
    """``update [or insert into] target for events set ... on condition``; sources as in ``SetColumn``."""

    target: str
    events: OutputEvents
    sets: tuple[SetColumn, ...]
    on: Expression
    or_insert: bool


QueryOutput = InsertInto | DeleteFrom | UpdateTable


class RateKind(enum.Enum):
    """What ``output ... every`` lets through."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``output kind every n events`` or ``every t``: exactly one of ``every_events`` and ``every_ms`` is there."""

    kind: RateKind
    every_events: int | None
    every_ms: int | None
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class Query:
    """One query. ``name``: from ``@info(name=...)``, else ``query<position from 1>``; ``named`` tells which.

    ``partition``: position in ``Plan.partitions`` of the one that it stands in.
    """

    name: str
    named: bool
    position: int
    input: QueryInput
    selector: Selector
    output: QueryOutput
    span: Span = NO_SPAN
    rate: RateLimit | None = None
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """``define table``; ``primary_key`` and ``indexes`` are positions of columns, each index is over one of them."""

    name: str
    schema: Schema
    primary_key: tuple[int, ...] = ()
    indexes: tuple[int, ...] = ()
    span: Span = NO_SPAN


ENTRY_MARK: Final = ">"
"""Before the name of a named window: the stream of the rows that go into it. What comes out has the plain name."""

FAULT_MARK: Final = "!"
"""Before the name of a stream: that of the rows of it that queries failed on."""


@dataclass(frozen=True, slots=True)
class NamedWindow:
    """``define window name (...) window output events``.

    Its rows go from the stream ``entry`` through a query of its own (the first ones of the plan) to the stream
    ``name``, where they keep their kinds.
    """

    name: str
    schema: Schema
    window: Window
    events: OutputEvents
    span: Span = NO_SPAN

    @property
    def entry(self) -> str:
        """The stream that fills it."""
        return ENTRY_MARK + self.name


@dataclass(frozen=True, slots=True)
class Trigger:
    """``define trigger name at ...``: ``every_ms``, ``cron``, or neither: at the start. ``every_ms`` 0: once."""

    name: str
    every_ms: int | None = None
    cron: str | None = None
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class ValueKey:
    """``expression of stream``: rows are told apart by the text of ``expression``; null drops the row."""

    stream: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class RangeKey:
    """``condition as 'label' or ... of stream``: a row goes to each label whose condition holds, in order."""

    stream: str
    ranges: tuple[tuple[Expression, str], ...]


PartitionKey = ValueKey | RangeKey


@dataclass(frozen=True, slots=True)
class Purge:
    """``@purge(enable='true', interval='1 min', idle.period='1 hour')``."""

    interval_ms: int
    idle_ms: int

    @property
    def span_ms(self) -> int:
        """How long after its last row an instance is forgotten: at the first of the moments ``last row + n * interval``
        that is more than the idle period behind it.
        """
        return self.interval_ms * (self.idle_ms // self.interval_ms + 1)


@dataclass(frozen=True, slots=True)
class Partition:
    """``partition with (...) begin ... end``; its queries name it by position. ``keys``: at most one a stream."""

    keys: tuple[PartitionKey, ...]
    purge: Purge | None = None
    span: Span = NO_SPAN

    def key(self, stream: str) -> PartitionKey | None:
        """How rows of ``stream`` are told apart; None: they go to every instance."""
        return next((each for each in self.keys if each.stream == stream), None)


class RollUp(enum.Enum):
    """What a column of an aggregation shows for a bucket; the value is the aggregator's name, if it has one."""

    SUM = "sum"
    AVERAGE = "avg"
    MINIMUM = "min"
    MAXIMUM = "max"
    COUNT = "count"
    DISTINCT_COUNT = "distinctCount"
    LATEST = "latest"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class AggregationColumn:
    """One selected column. ``argument`` reads the rows of the source; None: ``count()``."""

    name: str
    type: AttributeType
    roll_up: RollUp
    argument: Expression | None


@dataclass(frozen=True, slots=True)
class Aggregation:
    """``define aggregation``: buckets of time of each granularity, kept up to date as rows of the source come.

    ``by`` reads the time of a row (long, or string); None: the row's timestamp. ``granularities`` go from fine to
    coarse, ``retention_ms`` says for each how long its buckets are kept (None: for ever). ``purge_interval_ms`` None:
    nothing is ever dropped. ``schema`` is what readers see: ``AGG_TIMESTAMP``, then ``columns``.
    """

    name: str
    input: StreamInput
    columns: tuple[AggregationColumn, ...]
    group_by: tuple[Expression, ...]
    by: Expression | None
    granularities: tuple[Granularity, ...]
    retention_ms: tuple[int | None, ...]
    purge_interval_ms: int | None
    schema: Schema
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class AggregationRange:
    """``within start, end per granularity`` of who reads ``aggregation``; ``end`` None: ``start`` is a pattern.

    The expressions are constants or read the row that asks; times are long or string, ``per`` is a string.
    """

    aggregation: str
    start: Expression
    end: Expression | None
    per: Expression
    span: Span = NO_SPAN


INNER_MARK: Final = "#"
"""First character of the names of inner streams, by which they are told from others."""


@dataclass(frozen=True, slots=True)
class Deduplication:
    """``@source(type='eiha', events.duplicated.in.cluster='true', dedup.key='id', dedup.size='100000')``: of rows of
    ``stream`` with equal ``attribute`` only the first is taken, as long as it is among the last ``size`` keys.
    """

    stream: str
    attribute: int
    size: int


@dataclass(frozen=True, slots=True)
class PlaybackIdle:
    """``@app:playback(idle.time='...', increment='...')``."""

    time_ms: int
    increment_ms: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A bound plan. ``streams``: defined and inferred ones, in order of appearance.

    ``playback``: event time drives timers. ``stored_streams``: those marked ``@store(type='events')`` whose raw
    events go to the event store. ``published_streams``: outputs that go to the processed-data store: those
    marked ``@sink(type='store')``; if none is marked, every stream that queries fill and none reads.
    ``queries``: first those of the named windows, in order, then those of the text. ``fault_streams``: streams with
    ``@OnError(action='STREAM')``; ``error_streams``: those with ``STORE``. ``connections``: sources, sinks and buffers,
    most without effect.
    """

    name: str
    streams: tuple[StreamDefinition, ...]
    defined: frozenset[str]
    queries: tuple[Query, ...]
    playback: bool
    stored_streams: tuple[str, ...]
    published_streams: tuple[str, ...]
    deduplicated: tuple[Deduplication, ...]
    warnings: tuple[str, ...]
    tables: tuple[TableDefinition, ...] = ()
    windows: tuple[NamedWindow, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    fault_streams: tuple[str, ...] = ()
    idle: PlaybackIdle | None = None
    partitions: tuple[Partition, ...] = ()
    aggregations: tuple[Aggregation, ...] = ()
    connections: tuple[Connection | Buffering, ...] = ()
    error_streams: tuple[str, ...] = ()

    def aggregation(self, name: str) -> Aggregation | None:
        """The aggregation called ``name``, if there is one."""
        return next((each for each in self.aggregations if each.name == name), None)

    def table(self, name: str) -> TableDefinition | None:
        """The table called ``name``, if there is one."""
        return next((each for each in self.tables if each.name == name), None)

    def window(self, name: str) -> NamedWindow | None:
        """The window called ``name``, if there is one."""
        return next((each for each in self.windows if each.name == name), None)

    def stream(self, name: str) -> StreamDefinition:
        """The definition of ``name``, which must exist."""
        for definition in self.streams:
            if definition.name == name:
                return definition
        raise AssertionError(name)
