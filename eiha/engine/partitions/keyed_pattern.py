"""A pattern within a partition that is run for all instances by one runtime."""

from __future__ import annotations

from dataclasses import replace

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import OperatorState
from eiha.engine.partitions.instances import Numbers
from eiha.engine.plan_parts import QueryProcess
from eiha.engine.state_part import StatePart
from eiha.events.batch import EventBatch
from eiha.plan.nodes import Query


class KeyedPattern:
    """See ``QueryProcess``. The first event of a key begins, so there is nothing to begin before.

    Args:
        query: as it stands in the partition.
        runtime: of the same query over all keys (``plan.keyed_patterns``); it sets no timers.
        reads_keys: whether it tells instances apart by ``EventBatch.keys``, not by its conditions.
    """

    __slots__ = ("_reads_keys", "_runtime", "query")

    def __init__(self, query: Query, runtime: QueryProcess, *, reads_keys: bool = False) -> None:
        self.query = query
        self._reads_keys = reads_keys
        self._runtime = runtime

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
        if not len(batch):
            return None
        return self._runtime.receive(stream, batch if self._reads_keys else replace(batch, keys=None), clock)

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:  # noqa: ARG002 - no timers
        """Nothing."""
        return None

    def next_timer_ms(self) -> int | None:
        """Never."""
        return None

    def fire(self, now_ms: int) -> EventBatch | None:
        """Never called."""
        raise AssertionError((self.query.name, now_ms))

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:  # noqa: ARG002 - no timers
        """Nothing."""
        return None

    def begin(self, instances: Numbers, now_ms: int) -> None:
        """Nothing: the first event of a key begins."""

    def forget(self, instances: list[int]) -> None:
        """Never called: partitions with a purge run each instance by itself."""
        raise AssertionError((self.query.name, instances))

    def snapshot(self) -> OperatorState:
        """The state over all keys."""
        return self._runtime.snapshot()

    def parts(self) -> tuple[StatePart, ...]:
        """See ``QueryProcess``."""
        return self._runtime.parts()

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._runtime.restore(state)
