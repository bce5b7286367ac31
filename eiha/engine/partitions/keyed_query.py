"""A query within a partition whose instances are run together: whole batches, state by instance in arrays."""

from __future__ import annotations

from dataclasses import replace

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import Operator, OperatorState
from eiha.engine.partitions.instances import Numbers
from eiha.engine.partitions.keyed_select import KeyedEnd
from eiha.engine.state_part import StatePart, operator_words, stage_parts
from eiha.events.batch import EventBatch
from eiha.plan.nodes import INNER_MARK, Query


class KeyedQuery:
    """See ``QueryProcess``. Its stages keep the ``keys`` of rows; none sets timers, none lets rows turn in batches."""

    __slots__ = ("_is_inner", "_select", "_stages", "query", "quiet_calls", "turned_ms")

    def __init__(self, query: Query, stages: tuple[Operator, ...], select: KeyedEnd) -> None:
        self.query = query
        self.turned_ms: int | None = None
        self.quiet_calls = 0
        self._stages = stages
        self._select = select
        self._is_inner = query.output.target.startswith(INNER_MARK)

    def receive(self, stream: str, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:  # noqa: ARG002 - one
        """What the rows make the query put out."""
        for stage in self._stages:
            if not len(batch):
                return None
            batch = stage.process(batch, clock.of(batch))
        if not len(batch):
            return None
        out = self._select.process(batch, clock.of(batch))
        return out if out is None or self._is_inner else replace(out, keys=None)

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:  # noqa: ARG002 - no timers
        """Nothing."""
        return None

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:  # noqa: ARG002 - no timers
        """Nothing."""
        return None

    def next_timer_ms(self) -> int | None:
        """Never."""
        return None

    def fire(self, now_ms: int) -> EventBatch | None:
        """Never called."""
        raise AssertionError((self.query.name, now_ms))

    def begin(self, instances: Numbers, now_ms: int) -> None:
        """State comes with the first row."""

    def forget(self, instances: list[int]) -> None:
        """Never called: partitions with a purge run each instance by itself."""
        raise AssertionError((self.query.name, instances))

    def snapshot(self) -> OperatorState:
        """The state of each stage."""
        return {"stages": [stage.snapshot() for stage in self._stages], "select": self._select.snapshot()}

    def parts(self) -> tuple[StatePart, ...]:
        """See ``QueryProcess``."""
        select = StatePart(operator_words(self._select), ("select",), self._select.snapshot)
        return (*stage_parts(self._stages), select)

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        for stage, part in zip(self._stages, state["stages"], strict=True):
            stage.restore(part)
        self._select.restore(state["select"])
