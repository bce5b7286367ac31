"""A query within a partition, in the general form: a runtime of its own for each instance, made when rows come."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import AT_ONCE, OperatorState
from eiha.engine.partitions.instances import Instances, Numbers
from eiha.engine.plan_parts import QueryProcess
from eiha.engine.state_part import StatePart, StatesOnDemand
from eiha.events.batch import EventBatch, concatenate_batches
from eiha.plan.nodes import INNER_MARK, Query


class PerKeyQuery:
    """One ``QueryProcess`` for each instance; see there.

    Rows come with ``keys``; those put out into an inner stream have them, too. Of several instances with a due timer,
    the one with the earliest fires; in playback, where all see the same time, it then fires until nothing of it is due.

    Args:
        query: as bound.
        make: gives a runtime with empty state. What it costs is paid once for each key.
        playback: whether event time drives the plan.
        is_begun: whether instances must exist from the first row of their key on, be it for another query.
    """

    __slots__ = (
        "_alarms",
        "_alarms_seen",
        "_dues",
        "_forget",
        "_is_begun",
        "_is_inner",
        "_make",
        "_now_firing",
        "_playback",
        "_purge",
        "_runtimes",
        "_wall_ms",
        "query",
        "quiet_calls",
        "turned_ms",
    )

    def __init__(
        self,
        query: Query,
        make: Callable[[], QueryProcess],
        *,
        playback: bool,
        is_begun: bool,
    ) -> None:
        self.query = query
        self.turned_ms: int | None = None
        self.quiet_calls = 0
        self._make = make
        self._playback = playback
        self._is_begun = is_begun
        self._is_inner = query.output.target.startswith(INNER_MARK)
        self._purge: Instances | None = None
        self._forget: Callable[[Numbers], None] = self.forget
        self._clear()

    def _clear(self) -> None:
        self._runtimes: dict[int, QueryProcess] = {}
        self._alarms: dict[int, tuple[int, int]] = {}  # by instance: its next timer, and when that was first seen
        self._alarms_seen = 0
        self._dues: list[tuple[int, int, int]] = []  # a heap of (timer, order, instance); may hold old ones
        self._now_firing: int | None = None
        self._wall_ms: int | None = None

    def forgets_by(self, instances: Instances, forget: Callable[[Numbers], None]) -> None:
        """Let idle ``instances`` be forgotten by timers: ``forget`` tells all queries of the partition."""
        self._purge = instances
        self._forget = forget

    # --- rows

    def receive(self, stream: str, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        """What the rows make their instances put out, in order of chunks."""
        keys = batch.keys
        assert keys is not None
        self.turned_ms = None
        self.quiet_calls = 0
        if not len(batch):
            return None
        if len(batch) == 1 or bool((keys == keys[0]).all()):
            return self._receive_one(int(keys[0]), stream, replace(batch, keys=None), clock)
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys.take(order)
        cuts = np.flatnonzero(sorted_keys[1:] != sorted_keys[:-1]) + 1
        bounds = list(pairwise([0, *cuts.tolist(), len(batch)]))
        bounds.sort(
            key=lambda bound: int(order[bound[0]])
        )  # alarms of one time fire in the order in which they were set
        plain = replace(batch, keys=None)
        pieces: list[EventBatch] = []
        for start, stop in bounds:
            rows = plain.take(order[start:stop])
            out = self._receive_one(int(sorted_keys[start]), stream, rows, clock)
            if out is not None and len(out):
                pieces.append(out)
        if len(pieces) < 2:
            return pieces[0] if pieces else None
        whole = concatenate_batches(pieces)
        return whole.take(np.argsort(whole.chunk_numbers(), kind="stable"))

    def _receive_one(self, instance: int, stream: str, rows: EventBatch, clock: ChunkClock) -> EventBatch | None:
        runtime = self._runtime(instance)
        try:
            out = runtime.receive(stream, rows, clock)
        finally:
            self._note_alarm(instance, runtime)
        return self._put_out(instance, runtime, out)

    def _runtime(self, instance: int) -> QueryProcess:
        runtime = self._runtimes.get(instance)
        if runtime is None:
            runtime = self._runtimes[instance] = self._make()
            if self._wall_ms is not None:
                out = runtime.pass_wall_time(self._wall_ms, self._wall_ms)
                assert out is None, "what is new has nothing to put out"
        return runtime

    def _put_out(self, instance: int, runtime: QueryProcess, out: EventBatch | None) -> EventBatch | None:
        self.quiet_calls += runtime.quiet_calls
        if out is None:
            return None
        self.turned_ms = runtime.turned_ms
        return replace(out, keys=np.full(len(out), instance, dtype=np.int64)) if self._is_inner else out

    # --- timers

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:  # noqa: ARG002 - batches are cut where time moves
        """Nothing: timers within a partition fire by ``fire`` only."""
        return None

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:
        """What the instances put out by the wall clock, each a chunk, in order of the instances."""
        self._wall_ms = wall_ms
        self.turned_ms = None
        self.quiet_calls = 0
        pieces: list[EventBatch] = []
        for instance in sorted(self._runtimes):
            runtime = self._runtimes[instance]
            out = self._put_out(instance, runtime, runtime.pass_wall_time(wall_ms, now_ms))
            self._note_alarm(instance, runtime)
            if out is not None and len(out):
                pieces.append(replace(out, chunks=np.full(len(out), len(pieces), dtype=np.int64)))
        return concatenate_batches(pieces) if pieces else None

    def next_timer_ms(self) -> int | None:
        """The earliest timer of any instance, or the moment at which one is forgotten."""
        due_ms = self._next_alarm_ms()
        purge_ms = None if self._purge is None else self._purge.next_purge_ms()
        if due_ms is None or purge_ms is None:
            return purge_ms if due_ms is None else due_ms
        return min(due_ms, purge_ms)

    def _next_alarm_ms(self) -> int | None:
        while self._dues:
            due_ms, order, instance = self._dues[0]
            if self._alarms.get(instance) == (due_ms, order):
                return due_ms
            heapq.heappop(self._dues)
        return None

    def fire(self, now_ms: int) -> EventBatch | None:
        """Let one timer of one instance fire; where none is due, forget idle instances."""
        self.turned_ms = None
        self.quiet_calls = 0
        due_ms = self._next_alarm_ms()
        if due_ms is None or due_ms > now_ms:
            assert self._purge is not None
            self._forget(np.array(self._purge.purge(now_ms), dtype=np.int64))
            return None
        instance = self._now_firing
        if instance is None or not self._is_due(instance, now_ms):
            instance = self._dues[0][2]
        runtime = self._runtimes[instance]
        try:
            out = runtime.fire(now_ms)
        finally:
            self._note_alarm(instance, runtime)
        self._now_firing = instance if self._playback and self._is_due(instance, now_ms) else None
        return self._put_out(instance, runtime, out)

    def _is_due(self, instance: int, now_ms: int) -> bool:
        alarm = self._alarms.get(instance)
        return alarm is not None and alarm[0] <= now_ms

    def _note_alarm(self, instance: int, runtime: QueryProcess) -> None:
        due_ms = runtime.next_timer_ms()
        known = self._alarms.get(instance)
        if due_ms is None:
            self._alarms.pop(instance, None)
        elif known is None or known[0] != due_ms:
            self._alarms_seen += 1
            self._alarms[instance] = (due_ms, self._alarms_seen)
            heapq.heappush(self._dues, (due_ms, self._alarms_seen, instance))

    # --- instances

    def begin(self, instances: Numbers, now_ms: int) -> None:
        """Make the state of new instances, if they must exist before rows come; waits of theirs begin now."""
        if self._is_begun:
            for instance in instances.tolist():
                runtime = self._runtime(instance)
                if runtime.next_timer_ms() == AT_ONCE:
                    out = runtime.fire(now_ms)
                    assert out is None or not len(out), "a wait that begins puts nothing out"
                self._note_alarm(instance, runtime)

    def forget(self, instances: Numbers) -> None:
        """Drop the state of instances that are gone."""
        for instance in instances.tolist():
            self._runtimes.pop(instance, None)
            self._alarms.pop(instance, None)

    def snapshot(self) -> OperatorState:
        """The state of each instance, in order of their numbers."""
        instances = sorted(self._runtimes)
        return {
            "instances": np.array(instances, dtype=np.int64),
            "states": StatesOnDemand(len(instances), lambda place: self._runtimes[instances[place]].snapshot()),
            "alarms": [[instance, *self._alarms[instance]] for instance in sorted(self._alarms)],
            "alarms_seen": self._alarms_seen,
            "wall_ms": self._wall_ms,
        }

    def parts(self) -> tuple[StatePart, ...]:
        """See ``QueryProcess``: the instances are one part."""
        return (StatePart("instances", (), self.snapshot),)

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._clear()
        self._wall_ms = state["wall_ms"]
        for instance, part in zip(state["instances"].tolist(), state["states"], strict=True):
            self._runtime(instance).restore(part)
        self._alarms = {instance: (due_ms, order) for instance, due_ms, order in state["alarms"]}
        self._alarms_seen = state["alarms_seen"]
        self._dues = [(due_ms, order, instance) for instance, (due_ms, order) in self._alarms.items()]
        heapq.heapify(self._dues)
