"""A pattern within a partition that is run for all instances by one runtime."""

from __future__ import annotations

from dataclasses import replace

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import OperatorState
from eiha.engine.partitions.instances import Instances, Numbers
from eiha.engine.partitions.keyed_query import Forgetful
from eiha.engine.plan_parts import QueryProcess
from eiha.engine.state_part import StatePart
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType, Schema
from eiha.plan.keyed_patterns import with_instance
from eiha.plan.nodes import INNER_MARK, Query


class KeyedPattern:
    """See ``QueryProcess``. The first event of a key begins, so there is nothing to begin before.

    Matches of an instance that is forgotten can go on no more, since no other has its tag. They go when they are too
    old, or their wait is over; others are run instance by instance (``plan.keyed_patterns``).

    Args:
        query: as it stands in the partition.
        runtime: of the same query over all keys (``plan.keyed_patterns``).
        instances: of the partition.
        by_slot: the stage of ``runtime``, if it tells instances apart by ``EventBatch.keys`` and keeps rows by slot.
    """

    __slots__ = ("_by_slot", "_instances", "_is_inner", "_runtime", "_schemas", "query")

    def __init__(
        self, query: Query, runtime: QueryProcess, instances: Instances, *, by_slot: Forgetful | None = None
    ) -> None:
        self.query = query
        self._by_slot = by_slot
        self._runtime = runtime
        self._instances = instances
        self._is_inner = query.output.target.startswith(INNER_MARK)
        self._schemas: dict[str, Schema] = {}  # of rows with their instance, by stream

    @property
    def turned_ms(self) -> int | None:
        """Nothing turns in a pattern."""
        return None

    @property
    def quiet_calls(self) -> int:
        """Listeners hear of matches only."""
        return 0

    def receive(self, stream: str, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        """The matches that the rows complete."""
        if not len(batch) and not clock.reaches(self.next_timer_ms()):
            return None
        if self._by_slot is not None:
            return self._runtime.receive(stream, batch, clock)
        schema = self._schemas.get(stream)
        if schema is None:
            schema = self._schemas[stream] = with_instance(batch.schema)
        assert batch.keys is not None
        tags = Column(AttributeType.LONG, self._instances.tags(batch.keys))
        rows = replace(batch, schema=schema, columns=(*batch.columns, tags), keys=None)
        return self._told_apart(self._runtime.receive(stream, rows, clock))

    def _told_apart(self, matches: EventBatch | None) -> EventBatch | None:
        """Matches that go into an inner stream bring their instance with them."""
        if matches is None or not self._is_inner:
            return matches
        *columns, tags = matches.columns
        keys = self._instances.slots_of(tags.values)
        return replace(matches, schema=self.query.selector.schema, columns=tuple(columns), keys=keys)

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:
        """What alarms complete while rows pass that do not reach the query."""
        return self._told_apart(self._runtime.pass_time(clock))

    def next_timer_ms(self) -> int | None:
        """The earliest alarm of any match."""
        return self._runtime.next_timer_ms()

    def fire(self, now_ms: int) -> EventBatch | None:
        """Let the earliest alarm go off."""
        return self._told_apart(self._runtime.fire(now_ms))

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:  # noqa: ARG002 - no cron windows
        """Nothing."""
        return None

    def begin(self, instances: Numbers, now_ms: int) -> None:
        """Nothing: the first event of a key begins."""

    def forget(self, instances: Numbers) -> None:
        """Drop the rows of instances that are gone."""
        if self._by_slot is not None:
            self._by_slot.forget(instances)

    def snapshot(self) -> OperatorState:
        """The state over all keys."""
        return self._runtime.snapshot()

    def parts(self) -> tuple[StatePart, ...]:
        """See ``QueryProcess``."""
        return self._runtime.parts()

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._runtime.restore(state)
