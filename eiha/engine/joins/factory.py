"""From a join of the plan to its first stage and its select."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from eiha.engine.aggregations.aggregation import IncrementalAggregation
from eiha.engine.aggregations.bucket_reader import BucketReader
from eiha.engine.column_pruning import KeptColumns
from eiha.engine.expressions.compile_expression import compile_condition
from eiha.engine.expressions.rows import Scope
from eiha.engine.joins.aggregation_side import AggregationSide
from eiha.engine.joins.entrance import Entrance, Keys
from eiha.engine.joins.equality import Equality, equality_of
from eiha.engine.joins.join import Join, JoinRules
from eiha.engine.joins.join_select import JoinSelect
from eiha.engine.joins.layout import JoinLayout, join_layout, joined_scope, pair_scope
from eiha.engine.joins.settled_side import HeldSide, HoardingSide, Holder, PassingSide, WindowSide
from eiha.engine.joins.side import Side
from eiha.engine.joins.sliding_side import SlidingSide
from eiha.engine.joins.table_side import TableSide
from eiha.engine.operator import Operator
from eiha.engine.operators.filter_by_aggregates import FilterByAggregates
from eiha.engine.operators.filter_rows import FilterRows
from eiha.engine.operators.stream_functions import make_stream_function
from eiha.engine.tables.conditions import compile_table_condition
from eiha.engine.tables.table import Table
from eiha.engine.windows.factory import make_window
from eiha.engine.windows.searched_batches import BATCH_WINDOWS, SearchedBatches
from eiha.events.schema import AttributeType, Schema
from eiha.plan.bind_joins import EMPTY_WINDOWS, HOARDING_WINDOWS
from eiha.plan.expressions import AttributeRef, Literal
from eiha.plan.nodes import (
    Filter,
    Handler,
    JoinInput,
    JoinSide,
    OutputEvents,
    Query,
    RateKind,
    SideKind,
    StreamFunction,
    Window,
)

_IN_ORDER: Final = frozenset({"length", "time", "timeLength", "externalTime"})
"""Windows whose rows leave in the order in which they came."""

_NO_WINDOW: Final = Window("lengthBatch", (Literal(0, AttributeType.INT),))
"""What a stream without a window has, as recorded: each row is a batch that leaves at once."""

_TRUE: Final = Literal(True, AttributeType.BOOL)


@dataclass(frozen=True, slots=True)
class JoinSurroundings:
    """What a join reads beside its streams, by name; and whether a listener is told of its resets."""

    playback: bool
    is_listened_to: bool
    tables: Mapping[str, Table] = field(default_factory=dict)
    windows: Mapping[str, Holder] = field(default_factory=dict)
    aggregations: Mapping[str, IncrementalAggregation] = field(default_factory=dict)


def make_join(query: Query, join: JoinInput, scope: Scope, around: JoinSurroundings) -> tuple[Join, JoinSelect]:
    """The first stage and the select of ``query``, whose input is ``join``.

    Raises:
        PlanSemanticError: a window's arguments do not fit.
    """
    return _JoinMaker(query, join, scope, around).make()


class _JoinMaker:
    """What is known of a join while its parts are made."""

    def __init__(self, query: Query, join: JoinInput, scope: Scope, around: JoinSurroundings) -> None:
        self._query = query
        self._join = join
        self._scope = scope
        self._around = around
        self._layout: JoinLayout = join_layout(query, join)
        self._pair_scope = pair_scope(self._layout, scope)
        self._equality = equality_of(join.on)
        if any(side.kind is SideKind.TABLE for side in join.sides):
            self._equality = Equality(((), ()), None)  # a table takes the whole condition
        elif any(side.kind is SideKind.AGGREGATION for side in join.sides):
            self._equality = Equality(((), ()), join.on)
        selector = query.selector
        aggregates = bool(selector.aggregates or selector.having_aggregates)
        self._wants_expired = query.output.events is not OutputEvents.CURRENT
        snapshots = query.rate is not None and query.rate.kind is RateKind.SNAPSHOT
        self._tells_expired = self._wants_expired or aggregates or snapshots
        self._shows_resets = around.is_listened_to and query.rate is None
        self._tells_resets = self._shows_resets or aggregates or query.rate is not None

    def make(self) -> tuple[Join, JoinSelect]:
        join, query = self._join, self._query
        sides = (self._side(0), self._side(1))
        rest = None if self._equality.rest is None else compile_condition(self._equality.rest, self._pair_scope)
        rules = JoinRules(
            (_stream_of(join.left), _stream_of(join.right)),
            (join.left.triggers, join.right.triggers),
            (join.kind.keeps_left, join.kind.keeps_right),
            rest,
            self._tells_expired,
            self._tells_resets,
        )
        stage = Join(sides, rules, self._layout)
        names = joined_scope(self._layout, self._scope)
        select = JoinSelect(query.selector, query.output.events, names, stage, query.rate, self._shows_resets)
        return stage, select

    def _side(self, source: int) -> Side:
        side = self._join.sides[source]
        kept = self._layout.kept[source]
        match side.kind:
            case SideKind.STREAM:
                return self._stream_side(source, side, kept)
            case SideKind.TABLE:
                table = self._around.tables[side.source]
                condition = compile_table_condition(self._join.on or _TRUE, table, self._pair_scope, source)
                return TableSide(table, kept.positions, condition)
            case SideKind.WINDOW:
                return HeldSide(kept.narrowed(), kept.positions, self._keys(source), self._around.windows[side.source])
            case SideKind.AGGREGATION:
                assert self._join.buckets is not None
                aggregation = self._around.aggregations[side.source]
                return AggregationSide(BucketReader(aggregation, self._join.buckets, self._pair_scope), kept.positions)
            case _:
                assert_never(side.kind)

    def _stream_side(self, source: int, side: JoinSide, kept: KeptColumns) -> Side:
        keys, schema = self._keys(source), kept.narrowed()
        *before, last = side.handlers or (_NO_WINDOW,)
        assert isinstance(last, Window)
        entrance = Entrance(_stages(before, self._scope), kept)
        searched = self._join.sides[1 - source].triggers
        if not side.handlers and not self._tells_expired and not self._tells_resets:
            return PassingSide(entrance, keys)
        window = kept.window(last)
        if last.name in _IN_ORDER and not _is_empty(last):
            return self._sliding_side(entrance, schema, keys, window, searched=searched)
        playback, strings = self._around.playback, self._scope.strings
        if not self._wants_expired and last.name in HOARDING_WINDOWS and side.handlers and searched:
            made = make_window(window, schema, playback, strings=strings, wants_expired=False)
            return HoardingSide(entrance, schema, keys, made)
        is_empty = last.name == "session" or (not self._wants_expired and last.name in EMPTY_WINDOWS)
        made = make_window(window, schema, playback, strings=strings)
        return WindowSide(
            entrance,
            schema,
            keys,
            SearchedBatches(made) if last.name in BATCH_WINDOWS else made,
            drops_batches=not self._wants_expired,
            holds=not is_empty,
        )

    def _sliding_side(
        self, entrance: Entrance, schema: Schema, keys: Keys, window: Window, *, searched: bool
    ) -> SlidingSide:
        timed_by = next((each.attribute for each in window.arguments if isinstance(each, AttributeRef)), None)
        arguments = tuple(
            replace(each, attribute=0) if isinstance(each, AttributeRef) else each for each in window.arguments
        )
        slim = Schema(() if timed_by is None else (schema.attributes[timed_by],))
        made = make_window(
            replace(window, arguments=arguments), slim, self._around.playback, strings=self._scope.strings
        )
        length = _length(window)
        if length is not None and not self._tells_expired:
            return SlidingSide(entrance, schema, keys, None, length=length, searched=searched)
        timed = window.name in ("time", "timeLength")
        return SlidingSide(entrance, schema, keys, made, timed_by=timed_by, sets_timers=timed, searched=searched)

    def _keys(self, source: int) -> Keys:
        """Where the columns lie whose values must equal those of the other side."""
        positions = self._layout.kept[source].positions
        return Keys(tuple(positions.index(each.attribute) for each in self._equality.keys[source]))


def _stream_of(side: JoinSide) -> str | None:
    """Whose rows come in on ``side``."""
    if side.kind is SideKind.STREAM or (side.kind is SideKind.WINDOW and side.triggers):
        return side.source
    return None


def _stages(handlers: list[Handler], scope: Scope) -> list[Operator]:
    stages: list[Operator] = []
    for handler in handlers:
        match handler:
            case Filter(condition):
                by_aggregates = FilterByAggregates(handler, scope, None) if handler.aggregates else None
                stages.append(by_aggregates or FilterRows(condition, scope))
            case StreamFunction():
                stage = make_stream_function(handler, scope)
                if stage is not None:
                    stages.append(stage)
            case Window():
                raise AssertionError(handler)
            case _:
                assert_never(handler)
    return stages


def _length(window: Window) -> int | None:
    if window.name != "length":
        return None
    argument = window.arguments[0]
    assert isinstance(argument, Literal)
    return int(argument.value)


def _is_empty(window: Window) -> bool:
    length = _length(window)
    return length is not None and length <= 0
