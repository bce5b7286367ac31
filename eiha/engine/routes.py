"""How rows of a stream travel through a plan: decided once, from the plan alone.

Right is what feeding one chunk at a time gives: each query of a stream, in the order of the text, to its end (depth
first) before the next. Where the outcome is the same, whole batches are fed instead: query by query in topological
order, the outputs of several queries into one stream merged by chunk number. ``route`` says where that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from eiha.engine.aggregators.factory import aggregator_may_fail
from eiha.engine.expressions.compile_expression import may_fail
from eiha.engine.partition_routes import comes_row_by_row, copies, copies_stay_in_order, one_instance_a_chunk
from eiha.engine.partitions.keyed_shapes import is_keyed, keyed_pattern, keyed_timers
from eiha.engine.pattern_routes import may_mistake_the_time, waits_of
from eiha.engine.query_expressions import aggregates_of, expressions, handlers_of
from eiha.engine.sliding_queries import slides
from eiha.events.schema import AttributeType
from eiha.plan.attribute_refs import tables_read
from eiha.plan.expressions import Literal
from eiha.plan.nodes import (
    ENTRY_MARK,
    Filter,
    JoinInput,
    JoinSide,
    OutputEvents,
    PatternInput,
    Plan,
    Query,
    RateKind,
    RateLimit,
    SideKind,
    StreamFunction,
    StreamInput,
    Window,
)
from eiha.plan.registry import REGISTRY

_PATHS_MAX: Final = 256
"""Paths a stream's rows may take before looking at all of them is given up."""

_NEVER_DUE_MS: Final = 2**62
"""Longer than any row is late."""

UNTIMED_WINDOWS: Final = frozenset(
    {
        *("length", "lengthBatch", "batch", "sort", "frequent", "lossyFrequent", "externalTime"),
        *("expression", "expressionBatch", "unique:first", "unique:ever", "unique:length"),
        *("unique:lengthBatch", "unique:firstLengthBatch", "unique:deduplicate"),
    }
)
"""Windows that never set a timer; all others may."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way of the rows of one stream.

    ``batched``: whole batches may be fed. ``queries``: positions of the queries reached, in topological order, each
    with the stream by which the rows reach it. ``feeders``: for each stream reached, the queries that fill it, in the
    order in which their rows for one chunk come. ``timed``: the queries reached that set timers of their own.

    ``fires_inside``: in playback, timers of ``timed`` may fire inside the operators while a batch passes, by the clock
    of its rows; else batches are cut where time moves. ``fires_inside_live``: the same for a live plan, whose timers
    each see a time of their own. ``delays``: rows may reach a query that sets timers later than they entered.
    """

    batched: bool
    queries: tuple[tuple[int, str], ...]
    feeders: Mapping[str, tuple[int, ...]]
    timed: frozenset[int]
    fires_inside: bool
    fires_inside_live: bool
    delays: bool


def input_streams(query: Query) -> tuple[str, ...]:
    """The streams that a query reads, each once, in order of appearance."""
    if isinstance(query.input, StreamInput):
        return (query.input.stream,)
    if isinstance(query.input, JoinInput):
        return tuple(dict.fromkeys(side.source for side in query.input.sides if _brings_rows(side)))
    return tuple(dict.fromkeys(step.stream for step in query.input.steps))


def _brings_rows(side: JoinSide) -> bool:
    """Whether a join is to be told of the rows of ``side``; a window is asked for what it holds."""
    return side.kind is SideKind.STREAM or (side.kind is SideKind.WINDOW and side.triggers)


def sets_timers(query: Query) -> bool:
    """Whether a query has a stage that may want to fire."""
    if query.rate is not None and sets_timers_by_rate(query.rate):
        return True
    if isinstance(query.input, PatternInput):
        return bool(waits_of(query.input.root))
    if slides(query):
        return False
    return any(isinstance(each, Window) and each.name not in UNTIMED_WINDOWS for each in handlers_of(query))


def sets_timers_by_rate(rate: RateLimit) -> bool:
    """Whether a rate limit puts out rows at the end of periods."""
    return rate.every_ms is not None and rate.kind is not RateKind.FIRST


def waiting_queries(plan: Plan) -> frozenset[int]:
    """Positions of the queries that set timers of their own."""
    return frozenset(
        index
        for index, query in enumerate(plan.queries)
        if (keyed_timers(query) if query.partition is not None and is_keyed(query, plan) else sets_timers(query))
    )


def shortest_idle_ms(plan: Plan) -> int:
    """How long keys of partitions are kept at least."""
    return min((each.purge.idle_ms for each in plan.partitions if each.purge is not None), default=_NEVER_DUE_MS)


def _is_keyed(plan: Plan, query: Query) -> bool:
    """Whether all instances of a query within a partition run as one, which lets their timers fire while rows pass."""
    if query.partition is None:
        return False
    return keyed_pattern(query, plan) is not None if isinstance(query.input, PatternInput) else is_keyed(query, plan)


def may_be_due_at_once(plan: Plan, way: Route, queries: frozenset[int], late_ms: int) -> bool:
    """Whether a row that is late by so much may set a timer of ``queries`` that is due before the next row.

    Or a new instance of a partition does: in playback its periods are counted from the clock on the wall.
    """
    if way.delays or 0 < late_ms >= _shortest_time_ms(plan, queries):
        return True
    some = (plan.queries[index] for index in queries)
    return plan.playback and any(each.partition is not None and each.rate is not None for each in some)


def _shortest_time_ms(plan: Plan, queries: frozenset[int]) -> int:
    """The least time constant of what sets timers in ``queries``: no row that is less late is due at once."""
    inputs = (plan.queries[index].input for index in sorted(queries))
    least_wait_ms = min(
        (wait_ms for each in inputs if isinstance(each, PatternInput) for wait_ms in waits_of(each.root)),
        default=_NEVER_DUE_MS,
    )
    return min(
        (
            argument.value
            for index in sorted(queries)
            for each in handlers_of(plan.queries[index])
            if not isinstance(each, Filter)
            for argument in each.arguments
            if isinstance(argument, Literal) and isinstance(argument.value, int) and argument.value > 0
        ),
        default=least_wait_ms,
    )


def wall_driven_queries(plan: Plan) -> tuple[int, ...]:
    """The positions of the queries that the wall clock drives even in playback: those with a cron window."""
    return tuple(
        index
        for index, query in enumerate(plan.queries)
        if isinstance(query.input, StreamInput)
        and any(isinstance(each, Window) and each.name == "cron" for each in query.input.handlers)
    )


def subscribers(plan: Plan) -> dict[str, tuple[int, ...]]:
    """For each stream, the positions in ``plan.queries`` of those that read it, in order of the text."""
    found: dict[str, list[int]] = {}
    for index, query in enumerate(plan.queries):
        for stream in input_streams(query):
            found.setdefault(stream, []).append(index)
    return {stream: tuple(indices) for stream, indices in found.items()}


def route(
    plan: Plan,
    source: str,
    *,
    without: frozenset[int] = frozenset(),
    tried: frozenset[int] = frozenset(),
    apart: frozenset[str] = frozenset(),
) -> Route:
    """The way of the rows that enter at ``source``.

    ``without``: positions of queries that are taken to be not there. ``tried``: of those that are known not to fail.
    ``apart``: tables of which those who feed rows see to it that nobody finds there what later rows did.
    """
    found = subscribers(plan)
    readers = {stream: tuple(index for index in found[stream] if index not in without) for stream in found}
    arrivals: dict[str, list[int]] = {}
    recursive = not _walk(plan, readers, source, arrivals)
    reached = frozenset(query for feeders in arrivals.values() for query in feeders)
    feeders = {stream: tuple(dict.fromkeys(queries)) for stream, queries in arrivals.items()}
    timed = reached & waiting_queries(plan)
    batched = (
        not recursive
        and not any(fails_by_a_row(plan.queries[index]) for index in reached - tried)
        and all(rule(plan, source, arrivals, readers) for rule in _RULES)
        and _no_joins_behind_the_times(plan, source, arrivals, readers, apart)
        and _no_table_met_too_late(plan, arrivals, apart)
    )
    if not batched:
        return Route(False, (), feeders, timed, fires_inside=False, fires_inside_live=False, delays=False)
    order = _topological(plan, reached, feeders)
    # the timers of a partition are those of its instances, which fire one after the other
    within = any(
        plan.queries[index].partition is not None and not _is_keyed(plan, plan.queries[index]) for index in timed
    )
    streams = {source, *feeders}
    splits = any(_splits_chunks(plan, source, index, arrivals, readers) for index in order)
    splits = splits or any(copies(plan, stream, readers) for stream in streams)
    fires_inside = not within and not splits and _timers_keep_order(plan, order, feeders, timed)
    direct = all(index in readers.get(source, ()) and _fires_at_its_times(plan, plan.queries[index]) for index in timed)
    steps = tuple(
        (index, next(each for each in input_streams(plan.queries[index]) if each in streams)) for index in order
    )
    delays = any(not comes_row_by_row(plan, source, stream, arrivals) for index, stream in steps if index in timed)
    return Route(True, steps, feeders, timed, fires_inside, fires_inside and direct, delays)


def _walk(plan: Plan, readers: Mapping[str, tuple[int, ...]], source: str, arrivals: dict[str, list[int]]) -> bool:
    """Note, stream by stream, the query behind each arrival in depth-first order; False if there is a cycle."""
    paths = 0

    def visit(stream: str, above: tuple[str, ...]) -> bool:
        nonlocal paths
        for index in readers.get(stream, ()):
            target = plan.queries[index].output.target
            arrivals.setdefault(target, []).append(index)
            paths += 1
            if target in above or paths > _PATHS_MAX or not visit(target, (*above, target)):
                return False
        return True

    return visit(source, (source,))


Rule = Callable[[Plan, str, Mapping[str, list[int]], Mapping[str, tuple[int, ...]]], bool]


def _no_interleaving(_plan: Plan, source: str, arrivals: Mapping[str, list[int]], _readers: object) -> bool:
    """Each query's arrivals at a stream follow one another, so that merging by (chunk, query) is exact."""
    for stream, queries in arrivals.items():
        runs = [query for position, query in enumerate(queries) if position == 0 or queries[position - 1] != query]
        if len(runs) != len(set(runs)) or stream == source:
            return False
    return True


def _no_failing_aggregations(plan: Plan, source: str, arrivals: Mapping[str, list[int]], _readers: object) -> bool:
    """No aggregation reached can fail on a row, other than by the time of a row of the source, which is looked at; and
    none asks whether rows are ``in`` a table that the same batch changes.
    """
    for aggregation in plan.aggregations:
        if aggregation.input.stream not in (source, *arrivals):
            continue
        conditions = [each.condition for each in aggregation.input.handlers if isinstance(each, Filter)]
        arguments = [each.argument for each in aggregation.columns if each.argument is not None]
        by = aggregation.by
        asked = {name for each in (*conditions, *arguments) for name in tables_read(each)}
        if not asked.isdisjoint(arrivals):
            return False
        if any(may_fail(each) for each in (*conditions, *arguments)) or (
            by is not None and by.type is AttributeType.STRING
        ):
            return False
        keeps_failed = aggregation.input.stream in (*plan.fault_streams, *plan.error_streams)
        if by is not None and keeps_failed and aggregation.input.stream != source:
            return False
    return True


def fails_by_a_row(query: Query) -> bool:
    """Whether a query can fail on a row: then just that chunk is dropped."""
    return (
        any(may_fail(each) for each in expressions(query))
        or any(aggregator_may_fail(each) for each in aggregates_of(query))
        or _runs_foreign_stages(query)
    )


def _runs_foreign_stages(query: Query) -> bool:
    """Whether a package's stream processor or window is among the handlers: its code may raise anything."""
    if not isinstance(query.input, StreamInput):
        return False
    return any(
        each.name in (REGISTRY.processors if isinstance(each, StreamFunction) else REGISTRY.windows)
        for each in query.input.handlers
        if not isinstance(each, Filter)
    )


def _no_two_streams_into_one_pattern(
    plan: Plan, source: str, arrivals: Mapping[str, list[int]], _readers: object
) -> bool:
    """No query gets the rows on two ways: the order between its streams would be lost."""
    streams = {source, *arrivals}
    return all(len(streams.intersection(input_streams(query))) <= 1 for query in plan.queries)


def _no_chunks_that_would_merge(
    plan: Plan, _source: str, arrivals: Mapping[str, list[int]], readers: Mapping[str, tuple[int, ...]]
) -> bool:
    """Where a stream gets several chunks of one number, no reader may tell chunks apart."""
    for stream, queries in arrivals.items():
        if len(queries) > 1 and any(_tells_chunks(plan.queries[index]) for index in readers.get(stream, ())):
            return False
    return True


def _no_joins_behind_the_times(
    plan: Plan,
    source: str,
    arrivals: Mapping[str, list[int]],
    readers: Mapping[str, tuple[int, ...]],
    apart: frozenset[str],
) -> bool:
    """Joins look into nothing that the same batch changes, and what they put out is merged with nothing else.

    A join gives several chunks for one, which only among themselves are in order.
    """
    reached = [(index, stream) for stream in (source, *arrivals) for index in readers.get(stream, ())]
    joins = {index for index, _ in reached if isinstance(plan.queries[index].input, JoinInput)}
    written = {plan.queries[index].output.target for index, _ in reached}
    written |= {each.name for each in plan.aggregations if each.input.stream in (source, *arrivals)}
    return all(
        (_looks_into(plan.queries[index]) - apart).isdisjoint(written)
        and len(set(arrivals.get(plan.queries[index].output.target, ()))) <= 1
        for index in joins
    )


def _no_table_met_too_late(plan: Plan, arrivals: Mapping[str, list[int]], apart: frozenset[str]) -> bool:
    """One query alone changes a table, and none asks it whether rows are ``in`` it: between two rows it would be told
    of what later ones did.
    """
    tables = {each.name for each in plan.tables} - apart
    written = {target: set(queries) for target, queries in arrivals.items() if target in tables}
    if not written:
        return True
    reached = {query for queries in arrivals.values() for query in queries}
    asked = {name for index in reached for each in expressions(plan.queries[index]) for name in tables_read(each)}
    return asked.isdisjoint(written) and all(len(queries) == 1 for queries in written.values())


def _looks_into(query: Query) -> frozenset[str]:
    """What a join asks for its rows, beside the streams that it is told of."""
    if not isinstance(query.input, JoinInput):
        return frozenset()
    return frozenset(side.source for side in query.input.sides if side.kind is not SideKind.STREAM)


def _rounds_within_a_row(plan: Plan, source: str, arrivals: Mapping[str, list[int]], _readers: object) -> bool:
    """Rounds of a rate limit that are chunks of their own end one after the other, each at another row.

    Else more of them could come out of one chunk than there are numbers before the next.
    """
    limited = {index for queries in arrivals.values() for index in queries if plan.queries[index].rate is not None}
    return all(_lets_pass_row_by_row(plan, source, plan.queries[index], arrivals) for index in limited)


def _lets_pass_row_by_row(plan: Plan, source: str, query: Query, arrivals: Mapping[str, list[int]]) -> bool:
    assert query.rate is not None
    if isinstance(query.input, JoinInput):
        return False
    if query.partition is not None and query.rate.every_ms is not None:
        return _is_keyed(plan, query)
    if query.rate.every_ms is not None or query.rate.kind is RateKind.FIRST:
        return True
    return (
        isinstance(query.input, StreamInput)
        and all(not isinstance(each, Window) or each.name == "length" for each in query.input.handlers)
        and comes_row_by_row(plan, source, query.input.stream, arrivals)
    )


_RULES: Final[tuple[Rule, ...]] = (
    _rounds_within_a_row,
    one_instance_a_chunk,
    copies_stay_in_order,
    _no_interleaving,
    _no_failing_aggregations,
    _no_two_streams_into_one_pattern,
    _no_chunks_that_would_merge,
)


def _tells_chunks(query: Query) -> bool:
    selector = query.selector
    if isinstance(query.input, StreamInput) and query.input.stream.startswith(ENTRY_MARK):
        return True  # for those who read a named window, what comes out at one moment is a batch
    return bool(selector.order_by) or selector.limit is not None or selector.offset is not None


def _fires_at_its_times(plan: Plan, query: Query) -> bool:
    """Whether the timers of a query may fire inside it while a live plan's clock moves past several of them."""
    if isinstance(query.input, PatternInput) or _tells_chunks(query):
        return False
    return query.rate is None or not sets_timers_by_rate(query.rate) or _is_keyed(plan, query)


def _timers_keep_order(
    plan: Plan, order: tuple[int, ...], feeders: Mapping[str, tuple[int, ...]], timed: frozenset[int]
) -> bool:
    """Whether chunk numbers alone put what timers cause in the order of playback.

    There, a move of the clock lets timers fire query by query in the order of the text. So a timed query must come
    behind all timed queries that feed it, and of a stream's feeders only those of one timed query may be merged.
    """
    behind: dict[int, frozenset[int]] = {}
    for index in order:
        query = plan.queries[index]
        above = [feeder for stream in input_streams(query) for feeder in feeders.get(stream, ())]
        causes = frozenset[int]().union(*(behind[feeder] for feeder in above))
        if index in timed and (not _fires_by_its_rows(query) or any(cause > index for cause in causes)):
            return False
        behind[index] = causes | {index} if index in timed else causes
    return all(
        len(frozenset[int]().union(*(behind[index] for index in queries))) <= 1
        for queries in feeders.values()
        if len(queries) > 1
    )


def _splits_chunks(
    plan: Plan,
    source: str,
    index: int,
    arrivals: Mapping[str, list[int]],
    readers: Mapping[str, tuple[int, ...]],
) -> bool:
    """Whether one chunk may make a query put out several, by whose numbers its readers cannot tell the time.

    The numbers behind a chunk's own may as well be those of timers, which belong to the chunk that comes next.
    """
    query = plan.queries[index]
    if isinstance(query.input, PatternInput):
        return may_mistake_the_time(plan, query, readers, expressions, sets_timers)
    if query.output.target not in readers:
        return False
    return not isinstance(query.input, StreamInput) or not comes_row_by_row(plan, source, query.input.stream, arrivals)


_LEAVE_IN_ORDER: Final = frozenset({"length", "time", "timeLength", "externalTime"})


def _fires_by_its_rows(query: Query) -> bool:
    """Whether what timers of a query cause can be put in order by the chunk numbers of its own rows.

    Of a join whose rows leave unseen and in order, only what is held when a row comes matters.
    """
    match query.input:
        case PatternInput():
            return True
        case JoinInput():
            selector = query.selector
            unseen = query.output.events is OutputEvents.CURRENT and not (
                selector.aggregates or selector.having_aggregates or query.rate
            )
            return unseen and all(
                side.kind is SideKind.STREAM
                and all(not isinstance(each, Window) or each.name in _LEAVE_IN_ORDER for each in side.handlers)
                for side in query.input.sides
            )
        case StreamInput():
            return True
        case _:
            assert_never(query.input)


def _topological(plan: Plan, reached: frozenset[int], feeders: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    done: list[int] = []
    waiting = sorted(reached)
    while waiting:
        ready = next(
            index
            for index in waiting
            if all(
                feeder in done for stream in input_streams(plan.queries[index]) for feeder in feeders.get(stream, ())
            )
        )
        waiting.remove(ready)
        done.append(ready)
    return tuple(done)
