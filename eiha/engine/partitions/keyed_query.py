"""A query within a partition whose instances are run together: whole batches, state by instance in arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

import numpy as np

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import Operator, OperatorState, RowClock
from eiha.engine.partitions.instances import Numbers
from eiha.engine.partitions.keyed_batches import BeginsWithInstance
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
    """See ``QueryProcess``. Its stages keep the ``keys`` of rows.

    Args:
        query: as it stands in the partition.
        stages: before the select; only the last one may set timers, and only if there is no limit.
        select: aggregates and projections.
        limit: of the rate, the last stage of all.
    """

    __slots__ = ("_is_inner", "_limit", "_select", "_stages", "_timed", "query", "quiet_calls", "turned_ms")

    def __init__(
        self, query: Query, stages: tuple[Operator, ...], select: KeyedEnd, limit: Operator | None = None
    ) -> None:
        self.query = query
        self.turned_ms: int | None = None
        self.quiet_calls = 0
        self._stages = stages
        self._select = select
        self._limit = limit
        self._timed = limit if limit is not None else stages[-1] if stages else None
        self._is_inner = query.output.target.startswith(INNER_MARK)

    def receive(self, stream: str, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:  # noqa: ARG002 - one
        """What the rows make the query put out."""
        for stage in self._stages:
            if len(batch) or clock.reaches(stage.next_timer_ms()):
                batch = stage.process(batch, clock.of(batch))
        return self._end(batch, clock)

    def _end(self, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        out = self._select.process(batch, clock.of(batch)) if len(batch) else None
        if self._limit is not None and (out is not None or clock.reaches(self._limit.next_timer_ms())):
            rows = _NO_ROWS if out is None else out
            out = self._limit.process(rows, clock.of(rows))
        return self._put_out(out)

    def _put_out(self, out: EventBatch | None) -> EventBatch | None:
        if out is None or not len(out):
            return None
        return out if self._is_inner else replace(out, keys=None)

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:  # noqa: ARG002 - no cron windows
        """Nothing."""
        return None

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:
        """What timers put out while rows pass that do not reach the query."""
        if not clock.reaches(self.next_timer_ms()):
            return None
        if self._limit is not None:
            return self._end(_NO_ROWS, clock)
        return self._end(self._stages[-1].process(_NO_ROWS, clock.of(_NO_ROWS)), clock)

    def next_timer_ms(self) -> int | None:
        """That of the last stage."""
        return None if self._timed is None else self._timed.next_timer_ms()

    def fire(self, now_ms: int) -> EventBatch | None:
        """Let the earliest timer of any instance fire."""
        assert self._timed is not None
        fired = self._timed.fire(now_ms)
        if self._limit is not None:
            return self._put_out(fired)
        return None if fired is None else self._end(fired, ChunkClock(now_ms))

    def begin(self, instances: Numbers, now_ms: int) -> None:  # noqa: ARG002 - periods go by the clock on the wall
        """Periods of a rate limit begin; other state comes with the first row."""
        limit: object = self._limit
        if isinstance(limit, BeginsWithInstance):
            limit.begin(instances)

    def forget(self, instances: Numbers) -> None:
        """Drop the state of instances that are gone."""
        parts: tuple[object, ...] = (*self._stages, self._select, self._limit)
        for part in parts:
            if isinstance(part, Forgetful):
                part.forget(instances)

    def snapshot(self) -> OperatorState:
        """The state of each stage."""
        return {
            "stages": [stage.snapshot() for stage in self._stages],
            "select": self._select.snapshot(),
            "limiter": None if self._limit is None else self._limit.snapshot(),
        }

    def parts(self) -> tuple[StatePart, ...]:
        """See ``QueryProcess``."""
        select = StatePart(operator_words(self._select), ("select",), self._select.snapshot)
        if self._limit is None:
            return (*stage_parts(self._stages), select)
        limit = StatePart(operator_words(self._limit), ("limiter",), self._limit.snapshot)
        return (*stage_parts(self._stages), select, limit)

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        for stage, part in zip(self._stages, state["stages"], strict=True):
            stage.restore(part)
        self._select.restore(state["select"])
        if self._limit is not None:
            self._limit.restore(state["limiter"])
