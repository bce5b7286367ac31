"""Rows that a stream got go to the queries that read it, and what these put out to where it goes.

One chunk at a time, depth first, is what defines right (``deliver``); whole batches, query by query, go where the route
says that nobody can tell (``deliver_whole``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import numpy as np

from eiha.engine.aggregations.aggregation import IncrementalAggregation
from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.chunk_rows import chunks_of, merged_rows, plain_rows, runs_of_instances
from eiha.engine.failed_rows import FailedRows
from eiha.engine.faults import EngineFault, with_error
from eiha.engine.operators.select import as_batch, as_current, without_resets
from eiha.engine.own_key_routes import OwnKeyRoute, own_key_route
from eiha.engine.plan_parts import Listener, PartitionGate, QueryProcess, TableAction
from eiha.engine.query_runtime import QueryRuntime
from eiha.engine.quiet_routes import QuietRoute, quiet_route
from eiha.engine.routes import Route, route, subscribers
from eiha.engine.shared_table_routes import SharedTableRoute, shared_table_route
from eiha.engine.shared_table_rows import Visit, take_turns
from eiha.events.batch import CHUNK_STRIDE, EventBatch, concatenate_batches
from eiha.events.column import Indices
from eiha.events.repeated import multiples
from eiha.events.schema import Schema
from eiha.plan.nodes import FAULT_MARK, Plan, Query

_DEPTH_MAX: Final = 128
"""How deep queries may feed one another within one chunk: a plan that feeds itself for ever ends in a fault."""

_FAULTS_MAX: Final = 16
"""Faults of one entry that are told in words: a bad batch must not make a list as long as itself."""

NOTHING_TRIED: Final[Mapping[int, EventBatch | None]] = {}

_NO_ROWS: Final = EventBatch(Schema(()), np.empty(0, dtype=np.int64), ())


class Delivery:
    """The wiring of one plan: who reads a stream, where output goes, what failed on the way.

    Args:
        plan: as bound.
        queries: one runtime for each of ``plan.queries``, in order.
        keep: streams whose rows are kept until ``take_outputs``.
        listener: told of each chunk, or None.
        actions: by position, what queries do whose output goes to a table.
        gates: one for each partition of the plan.
        aggregations: those of the plan, in order.
    """

    failed: FailedRows
    """Rows on which a reader failed, of streams whose failed rows are stored."""

    __slots__ = (
        "_actions",
        "_aggregations",
        "_entries",
        "_fault_count",
        "_faults",
        "_gates",
        "_groups",
        "_keep",
        "_latest_fault",
        "_listener",
        "_outputs",
        "_own_key_routes",
        "_plan",
        "_queries",
        "_quiet_routes",
        "_readers",
        "_routes",
        "_shared_tables",
        "_ways",
        "failed",
    )

    def __init__(
        self,
        plan: Plan,
        queries: tuple[QueryProcess, ...],
        keep: frozenset[str],
        listener: Listener | None,
        *,
        actions: Mapping[int, TableAction],
        gates: tuple[PartitionGate, ...],
        aggregations: tuple[IncrementalAggregation, ...],
    ) -> None:
        self._plan = plan
        self._queries = queries
        self._keep = keep
        self._listener = listener
        self._actions = actions
        self._gates = gates
        self._aggregations = aggregations
        self._readers = subscribers(plan)
        self._groups: dict[str, tuple[tuple[int | None, tuple[int, ...]], ...]] = {}
        self._routes: dict[str, Route] = {}
        self._shared_tables: dict[str, SharedTableRoute] = {}
        self._ways: dict[str, list[tuple[Route, _Way]]] = {}
        self._quiet_routes: dict[str, QuietRoute | None] = {}
        self._own_key_routes: dict[str, OwnKeyRoute | None] = {}
        self._outputs: dict[str, list[EventBatch]] = {}
        self._faults: list[str] = []
        self._fault_count = 0
        self._latest_fault = ""
        self._entries = len(plan.windows)
        self.failed = FailedRows(plan)

    def route(self, stream: str) -> Route:
        """How rows that enter at ``stream`` may be fed."""
        known = self._routes.get(stream)
        if known is None:
            known = route(self._plan, stream)
            if not known.batched and self.quiet_route(stream) is None and self.own_key_route(stream) is None:
                shared = shared_table_route(self._plan, stream)
                if shared is not None:
                    self._shared_tables[stream], known = shared, shared.way
            self._routes[stream] = known
        return known

    def quiet_route(self, stream: str) -> QuietRoute | None:
        """How those of its rows that change no table may be fed; None if they, too, must be fed one by one."""
        if stream not in self._quiet_routes:
            self._quiet_routes[stream] = quiet_route(self._plan, stream)
        return self._quiet_routes[stream]

    def look_ahead(self, quiet: QuietRoute, stream: str, rows: EventBatch, clock: ChunkClock) -> Ahead:
        """How far ``rows``, a chunk each, may go together, as tables are now."""
        count = len(rows)
        for index in quiet.writers:
            writer = self._queries[index]
            assert isinstance(writer, QueryRuntime), writer
            passing = writer.let_pass(plain_rows(rows, 0, count), clock)
            if len(passing):
                count = 0 if passing.chunks is None else int(passing.chunks[0]) // CHUNK_STRIDE
        rows, tried = plain_rows(rows, 0, count), dict[int, EventBatch | None]()
        for index in quiet.tried if count else ():
            try:
                tried[index] = self._queries[index].receive(stream, rows, clock)
            except EngineFault:
                return Ahead(0, {})
        return Ahead(count, tried)

    def own_key_route(self, stream: str) -> OwnKeyRoute | None:
        """How its rows may be fed that meet a table by a key of their own; None if they do not."""
        if stream not in self._own_key_routes:
            self._own_key_routes[stream] = own_key_route(self._plan, stream)
        return self._own_key_routes[stream]

    def run_queries(
        self, queries: tuple[int, ...], stream: str, rows: EventBatch, clock: ChunkClock
    ) -> Iterator[tuple[int, EventBatch]]:
        """Give ``rows`` to each of ``queries``: what it put out that goes to a stream; tables get theirs at once."""
        for index in queries:
            runtime = self._queries[index]
            out = runtime.receive(stream, rows, clock)
            if out is None or not len(out):
                continue
            action = self._actions.get(index)
            if action is not None:
                action.apply(out, clock.of(out))
            else:
                yield index, out

    def take_outputs(self) -> dict[str, EventBatch]:
        """What the kept streams got since the last call, in order of arrival."""
        taken = {stream: concatenate_batches(batches) for stream, batches in self._outputs.items()}
        self._outputs = {}
        return taken

    def take_faults(self) -> tuple[str, ...]:
        """What failed since the last call: the first ones in words, the others as a number."""
        faults, self._faults = self._faults, []
        more, self._fault_count = self._fault_count - len(faults), 0
        if more:
            faults.append(f"and {more} more failures of the same entry")
        return tuple(faults)

    def deliver(self, stream: str, batch: EventBatch, clock: ChunkClock, depth: int) -> None:
        """One chunk at ``stream``, depth first: each query of the stream to its end before the next."""
        if not self._aggregate(stream, batch, clock):
            self.failed.keep(stream, batch, self._latest_fault)
            return
        for partition, members in self._reader_groups(stream):
            if partition is not None and batch.keys is None:
                failed = self._deliver_by_key(partition, members, stream, batch, clock, depth)
                if failed is not None:
                    self._pass_on_faults(stream, batch.take(failed), clock, depth)
                    batch = batch.take(np.setdiff1d(np.arange(len(batch)), failed))
                    if not len(batch):
                        return
                continue
            for index in members:
                runtime = self._queries[index]
                if not self.guarded(runtime, _receiving(runtime, stream, batch, clock), clock, depth):
                    self._pass_on_faults(stream, batch, clock, depth)
                    return
        if self._listener is not None:
            self._listener.stream_got(stream, batch)
        if stream in self._keep:
            self._outputs.setdefault(stream, []).append(batch)

    def _deliver_by_key(
        self, partition: int, members: tuple[int, ...], stream: str, batch: EventBatch, clock: ChunkClock, depth: int
    ) -> Indices | None:
        """The rows of a chunk enter a partition, neighbours of one instance together.

        Returns:
            The rows on which a key or a query failed: later readers of the stream do not get them. None for no row.
        """
        # where several rows enter, their chunk numbers tell for a moment which row became which
        count = len(batch)
        tagged = batch if count == 1 else replace(batch, chunks=multiples(CHUNK_STRIDE, count))
        try:
            entered = self._gates[partition].enter(stream, tagged, clock)
        except EngineFault as fault:
            self.note_fault(f"partition {partition + 1}, key of stream {stream!r}: {fault}; the events are dropped")
            return np.arange(count)
        if count == 1:
            rows = np.zeros(len(entered), dtype=np.int64)
        else:
            rows = entered.chunk_numbers() // CHUNK_STRIDE
            entered = replace(entered, chunks=None if batch.chunks is None else batch.chunks.take(rows))
        failed: list[Indices] = []
        place = 0
        for run in runs_of_instances(entered):
            for index in members:
                runtime = self._queries[index]
                if not self.guarded(runtime, _receiving(runtime, stream, run, clock), clock, depth):
                    failed.append(rows[place : place + len(run)])
                    break
            place += len(run)
        return np.unique(np.concatenate(failed)) if failed else None

    def _aggregate(self, stream: str, batch: EventBatch, clock: ChunkClock, *, is_chunk: bool = True) -> bool:
        """Hand rows to the aggregations over ``stream``, its first readers; False if one failed, as in ``_guarded``."""
        for aggregation in self._aggregations:
            if aggregation.definition.input.stream != stream:
                continue
            name = aggregation.definition.name
            try:
                aggregation.receive(batch, clock, is_chunk=is_chunk)
            except EngineFault as fault:
                self.note_fault(f"aggregation {name!r}: {fault}; the events are dropped")
                return False
            for text in aggregation.take_faults():
                self.note_fault(f"aggregation {name!r}: {text}")
        return True

    def _reader_groups(self, stream: str) -> tuple[tuple[int | None, tuple[int, ...]], ...]:
        """Those who read ``stream``, in order of the text: queries one by one, those of a partition together."""
        known = self._groups.get(stream)
        if known is None:
            partitions = ((self._plan.queries[index].partition, index) for index in self._readers.get(stream, ()))
            runs = groupby(partitions, key=lambda each: each[0])
            known = tuple((partition, tuple(index for _, index in members)) for partition, members in runs)
            self._groups[stream] = known
        return known

    def guarded(
        self, runtime: QueryProcess, run: Callable[[], EventBatch | None], clock: ChunkClock, depth: int
    ) -> bool:
        """Pass on what ``run`` puts out; False if it failed: later readers of the stream do not get the chunk."""
        try:
            if depth > _DEPTH_MAX:
                raise EngineFault(f"queries feed one another more than {_DEPTH_MAX} deep")
            out = run()
            for chunk in () if out is None else chunks_of(out):
                self._put_out(runtime, chunk, clock, depth)
            if self._listener is not None:
                for _ in range(runtime.quiet_calls):
                    self._listener.query_put_out(runtime.query, _NO_ROWS, None)
        except EngineFault as fault:
            self.note_fault(f"query {runtime.query.name!r}: {fault}; the events are dropped")
            return False
        return True

    def _pass_on_faults(self, stream: str, batch: EventBatch, clock: ChunkClock, depth: int) -> None:
        """The chunk on which a query failed goes to the fault stream as one chunk, if there is one."""
        text = self._latest_fault
        self.failed.keep(stream, batch, text)
        if stream not in self._plan.fault_streams:
            return
        faulty = with_error(batch, self._plan.stream(FAULT_MARK + stream).schema, text)
        self.deliver(FAULT_MARK + stream, faulty, clock, depth + 1)

    def note_fault(self, text: str) -> None:
        """Remember what failed."""
        self._latest_fault = text
        self._fault_count += 1
        if self._fault_count <= _FAULTS_MAX:
            self._faults.append(text)

    def _put_out(self, runtime: QueryProcess, chunk: EventBatch, clock: ChunkClock, depth: int) -> None:
        """Hand a chunk to who listens, then to where it goes. Raises ``EngineFault`` where a table refuses it."""
        if self._listener is not None:
            self._listener.query_put_out(runtime.query, chunk, runtime.turned_ms)
            chunk = without_resets(chunk)
        action = self._actions.get(runtime.query.position)
        if action is not None:
            if len(chunk):
                action.apply(chunk, clock.of(chunk))
        elif len(chunk):
            self.deliver(runtime.query.output.target, self._entering(runtime.query, chunk), clock, depth + 1)

    def _entering(self, query: Query, rows: EventBatch) -> EventBatch:
        """Rows as those get them who read where ``query`` puts them: out of a named window with their kinds."""
        return as_batch(rows) if query.position < self._entries else as_current(rows)

    def deliver_whole(
        self,
        source: str,
        batch: EventBatch,
        clock: ChunkClock,
        route: Route,
        tried: Mapping[int, EventBatch | None] = NOTHING_TRIED,
    ) -> None:
        """Many chunks, query by query; only where ``route``, one of this plan's, says that nobody can tell.

        ``tried``: what queries put out that were given the batch already.
        """
        way = self._way(source, route)
        feeders = way.feeders
        pieces: dict[int, EventBatch] = {}
        merged: dict[str, EventBatch | None] = {source: batch}
        entered: dict[tuple[int, str], EventBatch] = {}
        for step in way.steps:
            if step.index == way.first_visitor:
                tried = {**tried, **self._let_visit(self._shared_tables[source], merged, pieces, feeders, clock)}
            stream, runtime, partition = step.stream, step.runtime, step.partition
            rows = merged[stream] if stream in merged else merged_rows(stream, merged, pieces, feeders)
            if rows is None:
                out = runtime.pass_time(clock) if step.is_timed else None
            elif step.index in tried:
                out = tried[step.index]
            else:
                if partition is not None and rows.keys is None:
                    if (partition, stream) not in entered:
                        entered[partition, stream] = self._gates[partition].enter(stream, rows, clock, apart=True)
                    rows = entered[partition, stream]
                out = runtime.receive(stream, rows, clock)
            if out is None or not len(out.timestamps):
                continue
            if step.action is not None:
                step.action.apply(out, clock.of(out))
            else:
                pieces[step.index] = step.entering(out)
        for stream in way.aggregated:
            rows = merged_rows(stream, merged, pieces, feeders)
            if rows is not None:
                self._aggregate(stream, rows, clock, is_chunk=False)
        for stream in way.kept:
            rows = merged_rows(stream, merged, pieces, feeders)
            if rows is not None:
                self._outputs.setdefault(stream, []).append(rows)

    def _let_visit(
        self,
        shared: SharedTableRoute,
        merged: dict[str, EventBatch | None],
        pieces: Mapping[int, EventBatch],
        feeders: Mapping[str, tuple[int, ...]],
        clock: ChunkClock,
    ) -> dict[int, EventBatch | None]:
        """Let queries meet tables in turns; what those put out that look into one."""
        visits = [
            Visit(visitor, self._queries[visitor.index], self._actions.get(visitor.index), rows)
            for visitor in shared.visitors
            if (rows := merged_rows(visitor.stream, merged, pieces, feeders)) is not None and len(rows)
        ]
        return {**dict.fromkeys(each.index for each in shared.visitors), **take_turns(visits, shared.by_key, clock)}

    def _way(self, source: str, route: Route) -> _Way:
        """What ``deliver_whole`` does for a route, found once; a stream has few routes."""
        known = self._ways.setdefault(source, [])
        for each, way in known:
            if each is route:
                return way
        steps = [
            _Step(
                index,
                stream,
                runtime := self._queries[index],
                runtime.query.partition,
                index in route.timed,
                self._actions.get(index),
                as_batch if runtime.query.position < self._entries else as_current,
            )
            for index, stream in route.queries
        ]
        aggregated = dict.fromkeys(each.definition.input.stream for each in self._aggregations)
        way = _Way(
            tuple(steps),
            route.feeders,
            tuple(stream for stream in aggregated if stream == source or stream in route.feeders),
            tuple(stream for stream in self._keep if stream == source or stream in route.feeders),
            shared.visitors[0].index if (shared := self._shared_tables.get(source)) and shared.way is route else -1,
        )
        known.append((route, way))
        return way


@dataclass(frozen=True, slots=True)
class Ahead:
    """``count`` rows may be fed whole; ``tried``: what queries that may fail put out for them."""

    count: int
    tried: Mapping[int, EventBatch | None]


@dataclass(frozen=True, slots=True)
class _Step:
    """One query on the way of whole batches: what it reads, and where its rows go."""

    index: int
    stream: str
    runtime: QueryProcess
    partition: int | None
    is_timed: bool
    action: TableAction | None
    entering: Callable[[EventBatch], EventBatch]


@dataclass(frozen=True, slots=True)
class _Way:
    """All that whole batches do that enter at one stream: queries, then aggregations, then streams that are kept.

    ``first_visitor``: of those queries that meet tables in turns, -1 for none.
    """

    steps: tuple[_Step, ...]
    feeders: Mapping[str, tuple[int, ...]]
    aggregated: tuple[str, ...]
    kept: tuple[str, ...]
    first_visitor: int


def _receiving(
    runtime: QueryProcess, stream: str, batch: EventBatch, clock: ChunkClock
) -> Callable[[], EventBatch | None]:
    return lambda: runtime.receive(stream, batch, clock)
