"""A query within a partition whose instances are run together: whole batches, state by instance in arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

import numpy as np

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import Operator, OperatorState, RowClock
from eiha.engine.partitions.instances import Numbers
from eiha.engine.state_part import StatePart, operator_words, stage_parts
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.plan.nodes import INNER_MARK, Query

_NO_ROWS: Final = EventBatch(Schema(()), np.empty(0, dtype=np.int64), ())


@runtime_checkable
class Forgetful(Protocol):
    """What keeps something for each instance."""

    def forget(self, instances: Numbers) -> None:
        """Instances are gone: drop what is kept for them; their slots will be those of others."""


class KeyedEnd(Protocol):
    """What follows the stages: aggregates, if they are not there yet, having and projections."""

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch | None:
        """The output rows of ``batch``, with their instances; None for none."""

    def snapshot(self) -> OperatorState:
        """The whole state."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


class KeyedQuery:
    """See ``QueryProcess``. Its stages keep the ``keys`` of rows; only the last one may set timers."""

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
            if len(batch) or clock.reaches(stage.next_timer_ms()):
                batch = stage.process(batch, clock.of(batch))
        return self._end(batch, clock)

    def _end(self, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        if not len(batch):
            return None
        out = self._select.process(batch, clock.of(batch))
        return out if out is None or self._is_inner else replace(out, keys=None)

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:  # noqa: ARG002 - no cron windows
        """Nothing."""
        return None

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:
        """What the last stage's timers put out while rows pass that do not reach the query."""
        if not clock.reaches(self.next_timer_ms()):
            return None
        return self._end(self._stages[-1].process(_NO_ROWS, clock.of(_NO_ROWS)), clock)

    def next_timer_ms(self) -> int | None:
        """That of the last stage."""
        return self._stages[-1].next_timer_ms() if self._stages else None

    def fire(self, now_ms: int) -> EventBatch | None:
        """Let the earliest timer of any instance fire."""
        fired = self._stages[-1].fire(now_ms)
        return None if fired is None else self._end(fired, ChunkClock(now_ms))

    def begin(self, instances: Numbers, now_ms: int) -> None:
        """State comes with the first row."""

    def forget(self, instances: Numbers) -> None:
        """Drop the state of instances that are gone."""
        for part in (*self._stages, self._select):
            if isinstance(part, Forgetful):
                part.forget(instances)

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
