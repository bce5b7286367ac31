"""One query at work: its stages in a row, then its select."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import Operator, OperatorState
from eiha.engine.operators.select import Select
from eiha.engine.pattern_stage import PatternStage
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.plan.nodes import Query

_NO_ROWS: Final = EventBatch(Schema(()), np.empty(0, dtype=np.int64), ())


@dataclass(slots=True)
class QueryRuntime:
    """``pattern`` is the first stage of a query over several streams; ``stages`` follow it."""

    query: Query
    pattern: PatternStage | None
    stages: tuple[Operator, ...]
    select: Select

    @property
    def turned_ms(self) -> int | None:
        """See ``QueryProcess``."""
        return self.select.turned_ms

    def receive(self, stream: str, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        """What the rows of ``stream`` make the query put out, kinds as they are; None for nothing.

        A batch without rows says that a batch window turned and all of its rows were kept back.

        Raises:
            EngineFault: a row cannot be processed.
        """
        if self.pattern is not None:
            batch = self.pattern.receive(stream, batch, clock.of(batch))
        return self._run(batch, 0, clock)

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:
        """What timers of the stages put out while rows pass that do not reach the query."""
        return self._run(_NO_ROWS, 0, clock) if clock.reaches(self.next_timer_ms()) else None

    def next_timer_ms(self) -> int | None:
        """The earliest timer of any stage."""
        dues = [due for operator in self._timed() if (due := operator.next_timer_ms()) is not None]
        # interpreted kernels give NumPy scalars where compiled ones give plain numbers
        return int(min(dues)) if dues else None

    def fire(self, now_ms: int) -> EventBatch | None:
        """Let the stage with the earliest timer fire and pass on what it puts out.

        Raises:
            EngineFault: a row cannot be processed.
        """
        best: int | None = None
        chosen: Operator | PatternStage | None = None
        after = 0
        for index, operator in enumerate(self._timed()):
            due = operator.next_timer_ms()
            if due is not None and (best is None or due < best):
                best, chosen, after = due, operator, index + 1
        assert chosen is not None
        fired = chosen.fire(now_ms)
        if fired is None:
            return None
        return self._run(fired, after if self.pattern is None else after - 1, ChunkClock(now_ms))

    def _timed(self) -> tuple[Operator | PatternStage, ...]:
        return self.stages if self.pattern is None else (self.pattern, *self.stages)

    def _run(self, batch: EventBatch, first: int, clock: ChunkClock) -> EventBatch | None:
        for stage in self.stages[first:]:
            if len(batch) or clock.reaches(stage.next_timer_ms()):
                batch = stage.process(batch, clock.of(batch))
        if not len(batch):
            return None
        out = self.select.process(batch, clock.of(batch))
        return out if len(out) or self.select.turned_ms is not None else None

    def snapshot(self) -> OperatorState:
        """The state of each stage."""
        return {
            "pattern": None if self.pattern is None else self.pattern.snapshot(),
            "stages": [stage.snapshot() for stage in self.stages],
            "select": self.select.snapshot(),
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        if self.pattern is not None:
            self.pattern.restore(state["pattern"])
        for stage, part in zip(self.stages, state["stages"], strict=True):
            stage.restore(part)
        self.select.restore(state["select"])
