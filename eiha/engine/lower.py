"""From a bound plan to its runtime: the last stage of compilation. Everything is resolved here, nothing per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, assert_never, cast

from eiha.engine.aggregations.aggregation import IncrementalAggregation
from eiha.engine.column_pruning import KeepColumns, kept_columns, read_by_output
from eiha.engine.expressions.rows import EntryIdentity, Scope
from eiha.engine.joins.factory import JoinSurroundings, make_join
from eiha.engine.on_demand import OnDemand
from eiha.engine.operator import Operator
from eiha.engine.operators.extension_window import ExtensionWindow
from eiha.engine.operators.filter_by_aggregates import FilterByAggregates
from eiha.engine.operators.filter_rows import FilterRows
from eiha.engine.operators.select import Select
from eiha.engine.operators.sliding_aggregates import SlidingAggregates
from eiha.engine.operators.stream_functions import make_stream_function
from eiha.engine.operators.tumbling_aggregates import TumblingAggregates
from eiha.engine.operators.tumbling_groups import TumblingGroups
from eiha.engine.partitions.factory import make_queries
from eiha.engine.partitions.instances import Instances
from eiha.engine.partitions.keyed_consecutive import KeyedConsecutive
from eiha.engine.partitions.keyed_pattern import KeyedPattern
from eiha.engine.partitions.keyed_query import KeyedQuery
from eiha.engine.partitions.keyed_rates import make_keyed_rate
from eiha.engine.partitions.keyed_select import KeyedSelect, SlidingSelect
from eiha.engine.partitions.keyed_shapes import is_keyed, keyed_pattern, keyed_window, may_be_in_a_row
from eiha.engine.partitions.keyed_tumbling import KeyedTumbling, TumbledEnd
from eiha.engine.partitions.keyed_windows import KEYED_BATCHES, KEYED_SUMS, make_keyed_batches, make_keyed_window
from eiha.engine.patterns.factory import PatternMaker, pattern_maker
from eiha.engine.patterns.matches_alone import each_match_alone
from eiha.engine.plan_parts import Listener, TableAction
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.query_runtime import QueryRuntime
from eiha.engine.rate_limits.factory import has_window, make_limiter
from eiha.engine.rate_limits.ties import limits_first
from eiha.engine.sliding_queries import slides, slides_by_rounds
from eiha.engine.tables.actions import make_table_action
from eiha.engine.tables.in_table import in_tables
from eiha.engine.tables.table import Table
from eiha.engine.tumbling_queries import leaves_once, tumbles
from eiha.engine.wall_clock import WallClock
from eiha.engine.windows.factory import SLIDING_WINDOWS, make_window
from eiha.engine.windows.findable import FindableWindow
from eiha.engine.windows.searched_batches import BATCH_WINDOWS, SearchedBatches
from eiha.engine.windows.turns import CountingWindow, TurningWindow
from eiha.events.schema import Schema
from eiha.events.strings import StringTable
from eiha.plan.nodes import (
    Filter,
    JoinInput,
    OutputEvents,
    PatternInput,
    Plan,
    Query,
    StreamFunction,
    StreamInput,
    Window,
)
from eiha.plan.registry import REGISTRY


class CompileText(Protocol):
    """From a plan's text to the bound plan (``plan.compilation.compile_plan``)."""

    def __call__(self, text: str, *, name: str | None = ...) -> Plan:
        """The plan called ``name``. Raises ``PlanError``."""


def lower(
    plan: Plan,
    strings: StringTable,
    identity: EntryIdentity,
    *,
    keep: frozenset[str] | None = None,
    listener: Listener | None = None,
    wall_ms: int = 0,
) -> PlanRuntime:
    """The runtime of ``plan``, with empty state.

    Args:
        plan: as bound.
        strings: the plan's string table; constants are interned into it, in order of the text.
        identity: told by the caller which entry is being applied.
        keep: streams whose rows are outputs; None: stored and published ones.
        listener: told of each chunk (the conformance runner).
        wall_ms: what the clock on the wall reads as the plan starts.

    Raises:
        UnsupportedConstruct: the plan asks for something that the engine does not run.
        PlanSemanticError: a window's arguments do not fit.
    """
    wall = WallClock(wall_ms)
    tables = {each.name: Table(each, strings) for each in plan.tables}
    scope = Scope(strings, identity, in_table=in_tables(tables))
    start_ms = None if plan.playback else wall_ms
    aggregations = tuple(IncrementalAggregation(each, scope, start_ms) for each in plan.aggregations)
    by_name = {each.definition.name: each for each in aggregations}
    windows: dict[str, FindableWindow] = {}
    patterns: dict[int, PatternMaker] = {}
    around = JoinSurroundings(
        plan.playback,
        listener is not None,
        tables,
        windows=windows,
        aggregations=by_name,
    )
    queries, gates, purging = make_queries(
        plan,
        scope,
        lambda query: _limited(_query(query, plan, scope, around, windows, patterns), plan, scope, wall),
        lambda query, instances: _keyed_query(query, plan, scope, instances, wall),
    )
    if keep is None:
        keep = frozenset((*plan.stored_streams, *plan.published_streams))
    return PlanRuntime(
        plan,
        queries,
        keep,
        listener,
        gates=gates,
        actions=_actions(plan, tables, scope),
        tables=tables,
        questions=OnDemand(
            plan, strings, identity, tables, windows, {each.definition.name: each for each in aggregations}
        ),
        aggregations=aggregations,
        wall=wall,
        purging=purging,
    )


def _actions(plan: Plan, tables: Mapping[str, Table], scope: Scope) -> dict[int, TableAction]:
    """What queries do whose output goes to a table."""
    return {
        position: make_table_action(query.output, tables[query.output.target], scope)
        for position, query in enumerate(plan.queries)
        if query.output.target in tables
    }


def _query(
    query: Query,
    plan: Plan,
    scope: Scope,
    around: JoinSurroundings,
    windows: dict[str, FindableWindow],
    patterns: dict[int, PatternMaker],
) -> QueryRuntime:
    match query.input:
        case StreamInput() if query.position < len(plan.windows):
            return _window_query(query, query.input, plan, scope, windows)
        case StreamInput() if slides(query) or tumbles(query) or slides_by_rounds(query):
            return _fused_query(query, query.input, plan, scope)
        case StreamInput():
            stages, expires, names = _stages(
                query, query.input, plan, scope, lambda *asked: _window(*asked, is_listened_to=around.is_listened_to)
            )
            expires = expires or _sees_rows_leave(query, query.input, plan)
            select = Select(query.selector, query.output.events, names, expires=expires, rate=query.rate)
            return QueryRuntime(query, None, stages, select)
        case PatternInput():
            return _pattern_query(query, query.input, scope, patterns)
        case JoinInput():
            stage, join_select = make_join(query, query.input, scope, around)
            return QueryRuntime(query, stage, (), join_select)
        case _:
            assert_never(query.input)


def _sees_rows_leave(query: Query, source: StreamInput, plan: Plan) -> bool:
    """Whether a query reads a named window and puts out rows that leave it: then it must remember what is in."""
    return plan.window(source.stream) is not None and query.output.events is not OutputEvents.CURRENT


def _window_query(
    query: Query, source: StreamInput, plan: Plan, scope: Scope, windows: dict[str, FindableWindow]
) -> QueryRuntime:
    """A named window at work; it is also noted in ``windows``, for those who look into it."""
    (handler,) = source.handlers
    assert isinstance(handler, Window)
    window = make_window(handler, source.schema, plan.playback, strings=scope.strings)
    if handler.name in BATCH_WINDOWS:
        window = SearchedBatches(window)
    windows[query.name] = window
    return QueryRuntime(query, None, (window,), Select(query.selector, query.output.events, scope, expires=False))


def _limited(runtime: QueryRuntime, plan: Plan, scope: Scope, wall: WallClock) -> QueryRuntime:
    """``runtime`` with what limits its rate, if anything does; periods begin now."""
    query = runtime.query
    if query.rate is not None:
        runtime.limiter = make_limiter(
            query.rate, query.selector, scope.strings, windowed=has_window(query), start_ms=wall.now_ms
        )
        runtime.limits_first = not plan.playback and limits_first(query)
    return runtime


def _fused_query(query: Query, source: StreamInput, plan: Plan, scope: Scope) -> QueryRuntime:
    """The window and the aggregates over it in one stage."""
    before, _, names = _stages(query, source, plan, scope, _silent_window if slides_by_rounds(query) else _no_window)
    window, schema = source.handlers[-1], source.schema
    assert isinstance(window, Window)
    kept = kept_columns(query, plan.stream(source.stream).schema)
    if kept is not None:
        window, schema = kept.window(window), kept.narrowed()
    stage: Operator
    if not tumbles(query):
        stage = SlidingAggregates(window, schema, query.selector, names)
    else:
        counts = leaves_once(window)
        made = make_window(
            window, schema, plan.playback, strings=scope.strings, wants_expired=False, counts_only=counts
        )
        if counts:
            read = read_by_output(query, kept)
            stage = TumblingGroups(cast("CountingWindow", made), schema, query.selector, read, names)
        else:
            stage = TumblingAggregates(cast("TurningWindow", made), schema, query.selector, names)
    select = Select(query.selector, query.output.events, names, expires=False, aggregates_from=len(schema))
    return QueryRuntime(query, None, (*before, stage), select)


def _keyed_query(
    query: Query, plan: Plan, scope: Scope, instances: Instances, wall: WallClock
) -> KeyedQuery | KeyedPattern | None:
    """A query within a partition for all instances at once; None if it must be run one by one."""
    if isinstance(query.input, PatternInput):
        whole = keyed_pattern(query, plan)
        if whole is None:
            return _in_a_row(query, query.input, plan, scope, instances)
        assert isinstance(whole.input, PatternInput)
        return KeyedPattern(query, _pattern_query(whole, whole.input, scope, {}, over_all_keys=True), instances)
    if not is_keyed(query, plan):
        return None
    assert isinstance(query.input, StreamInput)
    window = keyed_window(query)
    if window is not None and window.name in KEYED_SUMS and slides(query):
        stages, _, names = _stages(query, query.input, plan, scope, lambda *_: None)
        return KeyedQuery(query, stages, SlidingSelect(query.selector, names, window, instances))
    if window is not None and window.name in KEYED_BATCHES:
        before, _, names = _stages(query, query.input, plan, scope, lambda *_: None)
        schema = plan.stream(query.input.stream).schema
        kept = kept_columns(query, schema)
        if kept is not None:
            window, schema = kept.window(window), kept.narrowed()
        batches = KeyedTumbling(make_keyed_batches(window, schema), schema, query.selector, names)
        return KeyedQuery(query, (*before, batches), TumbledEnd(query.selector, names, len(schema)))
    stages, expires, names = _stages(query, query.input, plan, scope, _keyed_window)
    select = KeyedSelect(query.selector, query.output.events, names, expires=expires, instances=instances)
    limit = None
    if query.rate is not None:
        limit = make_keyed_rate(query.rate, query.selector, names, instances, wall)
    return KeyedQuery(query, stages, select, limit)


def _in_a_row(
    query: Query, source: PatternInput, plan: Plan, scope: Scope, instances: Instances
) -> KeyedPattern | None:
    """A sequence within a partition for all instances at once; None if it must be run one by one."""
    if not source.is_sequence or not may_be_in_a_row(query, plan):
        return None
    maker = pattern_maker(source, query.selector, scope)
    if maker.in_a_row is None:
        return None
    select = Select(each_match_alone(query.selector), query.output.events, maker.scope, expires=False)
    stage = KeyedConsecutive(maker.in_a_row)
    return KeyedPattern(query, QueryRuntime(query, stage, (), select), instances, by_slot=stage)


MakeWindow = Callable[[Window, Query, Schema, bool, Scope], Operator | None]


def _stages(
    query: Query, source: StreamInput, plan: Plan, scope: Scope, make: MakeWindow | None = None
) -> tuple[tuple[Operator, ...], bool, Scope]:
    """The stages before the select, whether a window among them lets rows leave, and what names mean behind them."""
    make = make or _window
    schema = plan.stream(source.stream).schema
    stages: list[Operator] = []
    expires = False
    kept = kept_columns(query, schema)
    for handler in source.handlers:
        narrows = kept if handler is source.handlers[0] else None
        match handler:
            case Filter(condition):
                if handler.aggregates:
                    stages.append(FilterByAggregates(handler, scope, narrows))
                else:
                    stages.append(FilterRows(condition, scope, narrows))
                if narrows is not None:
                    schema, scope = narrows.narrowed(), narrows.scope(scope)
            case Window():
                if narrows is not None:
                    stages.append(KeepColumns(narrows))
                    schema, scope = narrows.narrowed(), narrows.scope(scope)
                bound = handler if kept is None else kept.window(handler)
                window = make(bound, query, schema, plan.playback, scope)
                if window is not None:
                    stages.append(window)
                expires = True
            case StreamFunction():
                stage = make_stream_function(handler, scope)
                if stage is not None:
                    stages.append(stage)
                schema = handler.schema
            case _:
                assert_never(handler)
    return tuple(stages), expires, scope


def _window(
    window: Window, query: Query, schema: Schema, playback: bool, scope: Scope, *, is_listened_to: bool = True
) -> Operator | None:
    """The operator of ``window``; None if current rows just pass it and nobody sees the others leave."""
    extension = REGISTRY.windows.get(window.name)
    if extension is not None:
        return ExtensionWindow(window, extension, schema, scope.strings)
    wants_expired = query.output.events is not OutputEvents.CURRENT
    aggregates = bool(query.selector.aggregates) or _filters_by_aggregates(query)
    tells_expired = wants_expired or aggregates
    operator = make_window(
        window,
        schema,
        playback,
        strings=scope.strings,
        wants_expired=wants_expired,
        tells_expired=tells_expired,
        tells_resets=aggregates or query.rate is not None or is_listened_to,
    )
    return operator if tells_expired or window.name not in SLIDING_WINDOWS else None


def _no_window(window: Window, query: Query, schema: Schema, playback: bool, scope: Scope) -> None:
    """For a query whose last stage is the window, too."""


def _silent_window(window: Window, query: Query, schema: Schema, playback: bool, scope: Scope) -> Operator:  # noqa: ARG001
    """The operator of ``window`` where nobody sees rows leave."""
    return make_window(
        window, schema, playback, strings=scope.strings, wants_expired=False, tells_expired=False, tells_resets=False
    )


def _keyed_window(window: Window, query: Query, schema: Schema, playback: bool, scope: Scope) -> Operator | None:
    return None if _window(window, query, schema, playback, scope) is None else make_keyed_window(window, schema)


def _filters_by_aggregates(query: Query) -> bool:
    """Whether a filter, perhaps one behind the window, counts rows that leave."""
    assert isinstance(query.input, StreamInput)
    return any(isinstance(each, Filter) and bool(each.aggregates) for each in query.input.handlers)


def _pattern_query(
    query: Query,
    source: PatternInput,
    scope: Scope,
    patterns: dict[int, PatternMaker],
    *,
    over_all_keys: bool = False,
) -> QueryRuntime:
    """``patterns``: what is compiled once for all instances of a query, by the query's position."""
    maker = patterns.get(query.position)
    if maker is None:
        maker = pattern_maker(source, query.selector, scope, over_all_keys=over_all_keys)
        patterns[query.position] = maker
    selector = each_match_alone(query.selector)
    select = Select(selector, query.output.events, maker.scope, expires=False, rate=query.rate)
    return QueryRuntime(query, maker.make(), (), select)
