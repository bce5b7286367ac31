"""One query at work: its stages in a row, then its select."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import Operator, OperatorState, WallDriven
from eiha.engine.operators.select import Select, as_current
from eiha.engine.operators.selected import NOTHING_SELECTED
from eiha.engine.operators.stateless import Stateless
from eiha.engine.pattern_stage import PatternStage
from eiha.engine.rate_limits.limiter import RateLimiter
from eiha.engine.state_part import StatePart, operator_words, stage_parts
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.plan.nodes import PatternInput, Query

_NO_ROWS: Final = EventBatch(Schema(()), np.empty(0, dtype=np.int64), ())


@dataclass(slots=True)
class QueryRuntime:
    """``pattern`` is the first stage of a query over several streams; ``stages`` follow it.

    ``limiter``: the last stage, behind the select, of a query with ``output ... every``. ``limits_first``: of timers
    that are due at the same moment, its own fires first.
    """

    query: Query
    pattern: PatternStage | None
    stages: tuple[Operator, ...]
    select: Select
    limiter: RateLimiter | None = None
    limits_first: bool = False

    @property
    def turned_ms(self) -> int | None:
        """See ``QueryProcess``."""
        return self.select.turned_ms if self.limiter is None else self.limiter.turned_ms

    @property
    def quiet_calls(self) -> int:
        """See ``QueryProcess``."""
        return self.select.quiet_calls if self.limiter is None else self.limiter.quiet_calls

    def receive(self, stream: str, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        """What the rows of ``stream`` make the query put out, kinds as they are; None for nothing.

        A batch without rows says that a batch window turned and all of its rows were kept back.

        Raises:
            EngineFault: a row cannot be processed.
        """
        if self.pattern is not None:
            if isinstance(self.query.input, PatternInput):
                batch = as_current(batch)  # of a named window's rows, those that leave are events, too
            batch = self.pattern.receive(stream, batch, clock.of(batch))
        return self._run(batch, 0, clock)

    def let_pass(self, batch: EventBatch, clock: ChunkClock) -> EventBatch:
        """The rows that would reach the select of a query without window, and nothing is changed by asking."""
        for stage in self.stages:
            assert isinstance(stage, Stateless), stage
            batch = stage.process(batch, clock.of(batch)) if len(batch) else batch
        return batch

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:
        """What timers of the stages put out while rows pass that do not reach the query."""
        self.select.quiet_calls = 0
        if not clock.reaches(self.next_timer_ms()):
            return None
        if self.pattern is not None and isinstance(self.query.input, PatternInput):
            return self._run(self.pattern.receive("", _NO_ROWS, clock.of(_NO_ROWS)), 0, clock)
        return self._run(_NO_ROWS, 0, clock)

    def next_timer_ms(self) -> int | None:
        """The earliest timer of any stage."""
        dues = [due for operator in self._timed() if (due := operator.next_timer_ms()) is not None]
        # interpreted kernels give NumPy scalars where compiled ones give plain numbers
        return int(min(dues)) if dues else None

    def fire(self, now_ms: int) -> EventBatch | None:
        """Let the first stage that has a timer due fire, and pass on what it puts out.

        Raises:
            EngineFault: a row cannot be processed.
        """
        self.select.quiet_calls = 0
        if self.limiter is not None:
            self.limiter.quiet_calls = 0
        stages = self._timed()
        stage = next(each for each in stages if (due := each.next_timer_ms()) is not None and due <= now_ms)
        fired = stage.fire(now_ms)
        if fired is None or stage is self.limiter:
            return fired
        first = 0 if stage is self.pattern else next(i for i, each in enumerate(self.stages) if each is stage) + 1
        return self._run(fired, first, ChunkClock(now_ms))

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:
        """See ``QueryProcess``."""
        for index, stage in enumerate(self.stages):
            if isinstance(stage, WallDriven):
                fired = stage.pass_wall_time(wall_ms, now_ms)
                if fired is not None:
                    return self._run(fired, index + 1, ChunkClock(now_ms))
        return None

    def _timed(self) -> tuple[Operator | PatternStage | RateLimiter, ...]:
        stages: tuple[Operator | PatternStage | RateLimiter, ...] = self.stages
        if self.pattern is not None:
            stages = (self.pattern, *stages)
        if self.limiter is None:
            return stages
        return (self.limiter, *stages) if self.limits_first else (*stages, self.limiter)

    def _run(self, batch: EventBatch, first: int, clock: ChunkClock) -> EventBatch | None:
        for stage in self.stages[first:] if first else self.stages:
            if len(batch.timestamps) or clock.reaches(stage.next_timer_ms()):
                batch = stage.process(batch, clock.of(batch))
        if self.limiter is not None:
            return self._limited(self.limiter, batch, clock)
        if not len(batch.timestamps):
            self.select.quiet_calls = 0
            return None
        out = self.select.process(batch, clock.of(batch))
        return out if len(out.timestamps) or self.select.turned_ms is not None else None

    def _limited(self, limiter: RateLimiter, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        limiter.quiet_calls = 0
        selected = self.select.limited(batch, clock.of(batch)) if len(batch) else NOTHING_SELECTED
        if not selected and not clock.reaches(limiter.next_timer_ms()):
            return None
        return limiter.process(selected, clock.of(selected.rows))

    def snapshot(self) -> OperatorState:
        """The state of each stage."""
        return {
            "pattern": None if self.pattern is None else self.pattern.snapshot(),
            "stages": [stage.snapshot() for stage in self.stages],
            "select": self.select.snapshot(),
            "limiter": None if self.limiter is None else self.limiter.snapshot(),
        }

    def parts(self) -> tuple[StatePart, ...]:
        """See ``QueryProcess``."""
        found = stage_parts(self.stages)
        if self.pattern is not None:
            found.insert(0, StatePart(operator_words(self.pattern), ("pattern",), self.pattern.snapshot))
        found.append(StatePart(operator_words(self.select), ("select",), self.select.snapshot))
        if self.limiter is not None:
            found.append(StatePart(operator_words(self.limiter), ("limiter",), self.limiter.snapshot))
        return tuple(found)

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        if self.pattern is not None:
            self.pattern.restore(state["pattern"])
        for stage, part in zip(self.stages, state["stages"], strict=True):
            stage.restore(part)
        self.select.restore(state["select"])
        if self.limiter is not None:
            self.limiter.restore(state["limiter"])
