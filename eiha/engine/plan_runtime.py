"""One deployed plan at work: rows enter at a stream, run through the queries, and what the streams got is kept.

Time: a live plan's clock is the log time of the entry; a playback plan's is the highest event time so far. Timers due
by then fire first, earliest first. Listeners (the conformance runner) see each chunk as it happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from eiha.engine.aggregations.aggregation import IncrementalAggregation
from eiha.engine.alarms import Alarms
from eiha.engine.answer import Answer
from eiha.engine.chunk_clock import ChunkClock, Longs
from eiha.engine.chunk_rows import plain_rows
from eiha.engine.deduplicate import Deduplicator
from eiha.engine.delivery import Delivery
from eiha.engine.failed_rows import FailedRows
from eiha.engine.heartbeat import Heartbeat
from eiha.engine.kernels.rising import never_falls
from eiha.engine.on_demand import OnDemand
from eiha.engine.operator import AT_ONCE, NO_TICKS, OperatorState
from eiha.engine.own_key_rows import can_feed_by_key, feed_by_key
from eiha.engine.plan_parts import Listener, PartitionGate, QueryProcess, TableAction, TableRows
from eiha.engine.plan_state import plan_state_parts
from eiha.engine.quiet_rows import feed_quiet_rows
from eiha.engine.routes import may_be_due_at_once, shortest_idle_ms, waiting_queries, wall_driven_queries
from eiha.engine.state_part import StatePart
from eiha.engine.triggers import Triggers
from eiha.engine.wall_clock import WallClock
from eiha.events.batch import EventBatch
from eiha.plan.nodes import Plan
from eiha.plan.on_demand import Question, Statement

_FIRST_TRIGGER: Final = -1
"""Key of the first trigger among the alarms; queries have theirs from 0 on."""

_BEFORE_ANY_EVENT = 0
"""Where the event clock of playback stands before the first event."""


class PlanRuntime:
    """The state and the wiring of one plan.

    Args:
        plan: as bound.
        queries: one runtime for each of ``plan.queries``, in order.
        keep: streams whose rows are kept until ``take_outputs``.
        listener: told of each chunk, or None.
        actions: by position, what queries do whose output goes to a table.
        gates: one for each partition of the plan.
        tables: those of the plan, by name.
        questions: who answers what is asked from outside.
        aggregations: those of the plan, in order.
        wall: the clock on the wall.
        purging: positions of queries that want to fire to let idle keys of their partition be forgotten.
    """

    def __init__(
        self,
        plan: Plan,
        queries: tuple[QueryProcess, ...],
        keep: frozenset[str],
        listener: Listener | None = None,
        *,
        actions: Mapping[int, TableAction] | None = None,
        gates: tuple[PartitionGate, ...] = (),
        tables: Mapping[str, TableRows] | None = None,
        questions: OnDemand | None = None,
        aggregations: tuple[IncrementalAggregation, ...] = (),
        wall: WallClock | None = None,
        purging: frozenset[int] = frozenset(),
    ) -> None:
        assert len(queries) == len(plan.queries)
        self.plan = plan
        self._queries = queries
        self._gates = gates
        self._tables = tables or {}
        self._questions = questions
        self._aggregations = aggregations
        self._wall = wall or WallClock()
        self._listener = listener
        self._delivery = Delivery(
            plan, queries, keep, listener, actions=actions or {}, gates=gates, aggregations=aggregations
        )
        self._timed = waiting_queries(plan) | purging
        self._idle_ms = shortest_idle_ms(plan)
        self._has_timers = bool(self._timed or plan.triggers)
        self._wall_driven = wall_driven_queries(plan)
        self._deduplicators = {each.stream: Deduplicator(each) for each in plan.deduplicated}
        self._clock_ms = _BEFORE_ANY_EVENT
        self._alarms = Alarms()
        self._triggers = Triggers(plan)
        self._heartbeat = None if plan.idle is None else Heartbeat(plan.idle.time_ms, plan.idle.increment_ms)
        self._wakes = plan.playback and (self._heartbeat is not None or bool(plan.triggers))
        self._is_stopped = False
        self._entries = {each.name: each.entry for each in plan.windows}
        # nothing but rows makes a plan do something, and rows enter as they are
        clocked = plan.playback or self._has_timers or bool(self._wall_driven)
        self._is_plain = not (clocked or plan.deduplicated or plan.windows)

    @property
    def failed(self) -> FailedRows:
        """Rows on which a reader failed."""
        return self._delivery.failed

    @property
    def clock_ms(self) -> int:
        """Where the plan's clock stands."""
        return self._clock_ms

    def publish(self, stream: str, batch: EventBatch, log_time_ms: int, *, one_chunk: bool = False) -> None:
        """Rows enter at ``stream``: each as a chunk of its own, or all as one.

        ``batch`` has neither kinds nor chunk numbers. ``log_time_ms`` is the clock of a live plan.
        """
        if self._is_plain and not one_chunk and not self._is_stopped:
            self._wall.reach(log_time_ms)
            self._clock_ms = max(self._clock_ms, log_time_ms)
            if len(batch):
                self._feed(stream, batch, self._clock_ms, fires_inside=False)
            return
        deduplicator = self._deduplicators.get(stream)
        if deduplicator is not None:
            batch = deduplicator.process(batch)
        self.pass_wall_time(log_time_ms)
        if not len(batch) or self._is_stopped:
            return
        stream = self._entries.get(stream, stream)
        if one_chunk:
            zeros = np.zeros(len(batch), dtype=np.int64)
            batch = EventBatch(batch.schema, batch.timestamps, batch.columns, None, zeros)
        if not self.plan.playback:
            fires_inside = self._fires_inside(stream, batch)
            if fires_inside:
                self._clock_ms = max(self._clock_ms, log_time_ms)
            else:
                self.advance(log_time_ms)
            self._feed_live(stream, batch, fires_inside=fires_inside)
            self._note_alarms()
            return
        if self._heartbeat is not None and int(batch.timestamps.max()) >= self._clock_ms:
            self._heartbeat.hear(log_time_ms)
        if one_chunk:
            self.advance(int(batch.timestamps[-1]))
            self._feed(stream, batch, self._clock_ms, fires_inside=False)
        else:
            self._play_back(stream, batch)

    def advance(self, now_ms: int) -> None:
        """Move the clock, never back; timers due by then fire, earliest first.

        In a live plan each sees its own time, in playback all see the new one.
        """
        if self._is_stopped:
            return
        if not self.plan.playback and self._has_timers:
            self._begin_waits(now_ms)
            self._note_alarms()
            while (due := self.next_timer_ms()) is not None and due <= now_ms:
                self._clock_ms = max(self._clock_ms, due)
                self._fire_earliest(self._clock_ms)
        self._clock_ms = max(self._clock_ms, now_ms)
        if self.plan.playback:
            self._fire_due()

    def pass_wall_time(self, wall_ms: int) -> None:
        """Move the clock on the wall, never back. In playback it drives what event time does not, before the rows."""
        if self._wakes and not self._is_stopped:
            while (due := self.next_wall_timer_ms()) is not None and due <= wall_ms:
                self._wall.reach(due)
                self._wake(due)
        self._wall.reach(wall_ms)
        if self._wall_driven and self.plan.playback and not self._is_stopped:
            for index in self._wall_driven:
                self._drive(index)

    def next_wall_timer_ms(self) -> int | None:
        """In playback, when the clock on the wall makes something happen next."""
        if not self.plan.playback or self._is_stopped:
            return None
        beat_ms = None if self._heartbeat is None else self._heartbeat.next_timer_ms()
        return min((due for due in (self._triggers.next_timer_ms(), beat_ms) if due is not None), default=None)

    def _wake(self, wall_ms: int) -> None:
        """In playback a trigger fires, stamped with the event clock; or the event clock moves by itself."""
        if self._triggers.next_timer_ms() == wall_ms:
            self._trigger(self._triggers.earliest())
        else:
            assert self._heartbeat is not None
            if self._heartbeat.beat():
                self.advance(self._clock_ms + self._heartbeat.increment_ms)

    def _trigger(self, place: int) -> None:
        stream = self._triggers.fire(place)
        self._delivery.deliver(stream, self._triggers.row(stream, self._clock_ms), ChunkClock(self._clock_ms), 0)

    def start(self, wall_ms: int, *, event_clock_ms: int | None = None) -> None:
        """Begin at ``wall_ms``: triggers count from now, those at the start fire.

        A plan with a trigger that cannot be set stops instead. In playback event time begins at ``event_clock_ms``.
        """
        self._wall.reach(wall_ms)
        if event_clock_ms is not None:
            self._clock_ms = event_clock_ms
        elif not self.plan.playback:
            self._clock_ms = max(self._clock_ms, wall_ms)
        if self._triggers.problem is not None:
            self._delivery.note_fault(self._triggers.problem)
            self.stop()
            return
        for stream in self._triggers.start(wall_ms):
            self._delivery.deliver(stream, self._triggers.row(stream, self._clock_ms), ChunkClock(self._clock_ms), 0)
        if not self.plan.playback:
            self._begin_waits(wall_ms)

    def stop(self) -> None:
        """Take no more events and let no timers fire."""
        self._is_stopped = True

    def _drive(self, index: int) -> None:
        runtime, now_ms = self._queries[index], self._clock_ms
        clock = ChunkClock(now_ms)
        self._delivery.guarded(runtime, lambda: runtime.pass_wall_time(self._wall.now_ms, now_ms), clock, 0)

    def next_timer_ms(self) -> int | None:
        """The earliest timer of the plan's clock."""
        if self._is_stopped:
            return None
        due = self._next_timer_of(self._timed)
        if self.plan.playback or not len(self._triggers):
            return due
        return min((each for each in (due, self._triggers.next_timer_ms()) if each is not None), default=None)

    def ask(self, text: str) -> Answer:
        """The answer to a question, or the change that a statement asks for, by the state as it is.

        Raises:
            PlanError: ``text`` is neither, or does not fit the plan.
            EngineFault: a row cannot be evaluated.
        """
        return self.ask_bound(self.bind(text))

    def bind(self, text: str) -> Question | Statement:
        """What ``text`` asks of the plan, or tells it to change. Raises ``PlanError``."""
        assert self._questions is not None
        return self._questions.bind(text)

    def ask_bound(self, bound: Question | Statement) -> Answer:
        """As ``ask``. Raises ``EngineFault``."""
        assert self._questions is not None
        return self._questions.ask(bound, self._clock_ms)

    def take_outputs(self) -> dict[str, EventBatch]:
        """What the kept streams got since the last call, in order of arrival."""
        return self._delivery.take_outputs()

    def take_faults(self) -> tuple[str, ...]:
        """What failed since the last call: the first ones in words, the others as a number."""
        return (*self._delivery.take_faults(), *self.take_complaints())

    def take_complaints(self) -> tuple[str, ...]:
        """What tables refused since the last call."""
        return tuple(text for table in self._tables.values() for text in table.take_complaints())

    def snapshot(self) -> OperatorState:
        """The state of the clock, of all queries and of the keys already seen."""
        return {
            **self._clocks(),
            "queries": [query.snapshot() for query in self._queries],
            "gates": [gate.snapshot() for gate in self._gates],
            "tables": {name: table.snapshot() for name, table in self._tables.items()},
            "aggregations": [aggregation.snapshot() for aggregation in self._aggregations],
            "deduplicators": {stream: each.snapshot() for stream, each in self._deduplicators.items()},
        }

    def _clocks(self) -> OperatorState:
        return {
            "clock_ms": self._clock_ms,
            "alarms": self._alarms.snapshot(),
            "triggers": self._triggers.snapshot(),
            "heartbeat": None if self._heartbeat is None else self._heartbeat.snapshot(),
            "is_stopped": self._is_stopped,
            "wall_ms": self._wall.now_ms,
        }

    def parts(self) -> tuple[StatePart, ...]:
        """All that ``snapshot`` gives, operator by operator."""
        return plan_state_parts(
            self._clocks, self._queries, self._gates, self._tables, self._aggregations, self._deduplicators
        )

    def restore(self, state: OperatorState, *, triggers: bool = True) -> None:
        """Take over what ``snapshot`` of an equal plan gave; without ``triggers`` these go on as they are."""
        self._clock_ms = state["clock_ms"]
        self._alarms.restore(state["alarms"])
        if triggers:
            self._triggers.restore(state["triggers"])
        if self._heartbeat is not None:
            self._heartbeat.restore(state["heartbeat"])
        self._is_stopped = state["is_stopped"]
        self._wall.reach(state["wall_ms"])
        for query, part in zip(self._queries, state["queries"], strict=True):
            query.restore(part)
        for gate, part in zip(self._gates, state["gates"], strict=True):
            gate.restore(part)
        for aggregation, part in zip(self._aggregations, state["aggregations"], strict=True):
            aggregation.restore(part)
        for name, part in state["tables"].items():
            self._tables[name].restore(part)
        for stream, part in state["deduplicators"].items():
            self._deduplicators[stream].restore(part)

    def resume(self) -> None:
        """Go on after a restore of parts of another plan's state: timers are found anew."""
        self._note_alarms()

    def _next_timer_of(self, queries: frozenset[int]) -> int | None:
        earliest: int | None = None
        for index in queries:
            due = self._queries[index].next_timer_ms()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def _fires_inside(self, stream: str, batch: EventBatch) -> bool:
        """Whether all timers of a live plan fire inside its operators, before the first row, at their own times.

        Firing many timers one by one, each through the whole plan, would cost more than the rows.
        """
        if not self._timed or len(batch) == 1 or batch.chunks is not None or self._listener is not None:
            return False
        if len(self._triggers):
            return False
        way = self._delivery.route(stream)
        return way.fires_inside_live and self._timed <= way.timed

    def _play_back(self, stream: str, batch: EventBatch) -> None:
        """Rows, each with its own time: fed as far as no timer stands between them that does not fire inside."""
        now_ms = batch.timestamps
        if not never_falls(now_ms, self._clock_ms):
            now_ms = np.maximum.accumulate(np.maximum(now_ms, self._clock_ms))
        way = self._delivery.route(stream)
        fires_inside = way.fires_inside and self._listener is None
        outside = self._timed - way.timed if fires_inside else self._timed
        start = 0
        while start < len(batch):
            stop = len(batch)
            if outside:
                due = self._next_timer_of(outside)
                if due is not None and due <= now_ms[start]:
                    self.advance(int(now_ms[start]))
                    due = self._next_timer_of(outside)
                if not fires_inside:
                    stop = int(np.searchsorted(now_ms, now_ms[start], side="right"))
                    late_ms = int((now_ms[start:stop] - batch.timestamps[start:stop]).max())
                    if stop > start + 1 and may_be_due_at_once(self.plan, way, outside, late_ms):
                        stop = start + 1
                else:  # rows put off when keys of theirs are forgotten, and new keys are not so soon
                    idle_ms = int(now_ms[start]) + self._idle_ms
                    due = idle_ms if due is None else min(due, idle_ms)
                    stop = max(start + 1, int(np.searchsorted(now_ms, due, side="left")))
            self._feed(stream, plain_rows(batch, start, stop), now_ms[start:stop], fires_inside=fires_inside)
            self._clock_ms = max(self._clock_ms, int(now_ms[stop - 1]))
            start = stop

    def _feed_live(self, stream: str, batch: EventBatch, *, fires_inside: bool) -> None:
        """Rows at the time at which the clock stands: whole, unless one is so late that it is due before the next."""
        whole = fires_inside or len(batch) == 1 or batch.chunks is not None or not self._timed
        if whole or not self._may_be_due_at_once(stream, batch):
            self._feed(stream, batch, self._clock_ms, fires_inside=fires_inside)
            return
        for row in range(len(batch)):
            self.advance(self._clock_ms)
            self._feed(stream, plain_rows(batch, row, row + 1), self._clock_ms, fires_inside=False)

    def _may_be_due_at_once(self, stream: str, batch: EventBatch) -> bool:
        late_ms = self._clock_ms - int(batch.timestamps.min())
        return may_be_due_at_once(self.plan, self._delivery.route(stream), self._timed, late_ms)

    def _feed(self, stream: str, batch: EventBatch, now_ms: int | Longs, *, fires_inside: bool) -> None:
        way = self._delivery.route(stream)
        is_plain = batch.chunks is None and self._listener is None and self._aggregations_cannot_fail(stream, batch)
        if is_plain and way.batched:
            timers_inside = fires_inside and bool(way.timed)
            ticks_ms = NO_TICKS
            if timers_inside:
                ticks_ms = np.full(len(batch), now_ms) if isinstance(now_ms, int) else now_ms
            self._delivery.deliver_whole(stream, batch, ChunkClock(now_ms, ticks_ms, timers_inside), way)
        elif len(batch) == 1 or batch.chunks is not None:
            self._delivery.deliver(stream, batch, ChunkClock(now_ms if isinstance(now_ms, int) else int(now_ms[-1])), 0)
        elif is_plain and (quiet := self._delivery.quiet_route(stream)) is not None:
            feed_quiet_rows(self._delivery, quiet, stream, batch, now_ms)
        elif is_plain and (own := self._delivery.own_key_route(stream)) is not None and can_feed_by_key(own, batch):
            feed_by_key(self._delivery, own, stream, batch, now_ms)
        else:
            for row in range(len(batch)):
                clock = ChunkClock(now_ms if isinstance(now_ms, int) else int(now_ms[row]))
                self._delivery.deliver(stream, plain_rows(batch, row, row + 1), clock, 0)

    def _aggregations_cannot_fail(self, stream: str, batch: EventBatch) -> bool:
        """Whether no row of ``batch`` fails by its time, which only a look at it tells."""
        if not self._aggregations:
            return True
        return not any(each.definition.input.stream == stream and each.may_fail(batch) for each in self._aggregations)

    def _begin_waits(self, now_ms: int) -> None:
        """Tell stages whose waits begin with the first reading of a live plan's clock."""
        if self.next_timer_ms() == AT_ONCE:
            self._clock_ms = max(self._clock_ms, now_ms)
            for index in sorted(self._timed):
                if self._queries[index].next_timer_ms() == AT_ONCE:
                    self._fire(index, self._clock_ms)
            self._note_alarms()

    def _fire_due(self) -> None:
        """In playback a move of the clock is told query by query, in the order of the text."""
        while (due := self.next_timer_ms()) is not None and due <= self._clock_ms:
            for index in sorted(self._timed):
                while (own := self._queries[index].next_timer_ms()) is not None and own <= self._clock_ms:
                    self._fire(index, self._clock_ms)

    def _fire_earliest(self, now_ms: int) -> None:
        """In a live plan one timer fires; of equal ones that which was set first."""
        due_ms, key = self._alarms.earliest()
        assert due_ms <= now_ms
        if key < 0:
            self._trigger(_FIRST_TRIGGER - key)
        else:
            self._fire(key, now_ms)
        self._note_alarms()

    def _fire(self, index: int, now_ms: int) -> None:
        runtime = self._queries[index]
        self._delivery.guarded(runtime, lambda: runtime.fire(now_ms), ChunkClock(now_ms), 0)

    def _note_alarms(self) -> None:
        """Remember in which order the queries' next timers were first seen."""
        if not self._has_timers:
            return
        for index in sorted(self._timed):
            self._alarms.note(index, self._queries[index].next_timer_ms())
        for place in range(len(self._triggers)):
            self._alarms.note(_FIRST_TRIGGER - place, self._triggers.due_ms(place))
