"""How rows come into a side of a join: filters and functions, then the columns that the join reads, then keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eiha.engine.column_pruning import KeptColumns
from eiha.engine.expressions.rows import Columns
from eiha.engine.joins.equality import Longs, words_of
from eiha.engine.operator import Operator, OperatorState, RowClock
from eiha.events.batch import EventBatch
from eiha.events.column import Column, Mask


@dataclass(frozen=True, slots=True)
class Keys:
    """Positions of the columns whose values must equal those of the other side; none: nothing must."""

    positions: tuple[int, ...]

    def of(self, columns: Columns) -> tuple[Longs | None, Mask | None]:
        """Words of the rows, and which can have partners (None: all)."""
        return words_of([columns[position] for position in self.positions]) if self.positions else (None, None)


class Entrance:
    """The stages before the window of a side, and what the join keeps of the rows behind them."""

    __slots__ = ("_kept", "_schema", "_stages")

    def __init__(self, stages: Sequence[Operator], kept: KeptColumns) -> None:
        self._stages = tuple(stages)
        self._kept = kept.positions
        self._schema = kept.narrowed()

    def enter(self, batch: EventBatch, clock: RowClock) -> tuple[EventBatch, RowClock]:
        """The rows that pass, narrowed, and their clock."""
        if len(batch):
            of = clock_by_chunk(batch, clock)
            for stage in self._stages:
                batch = stage.process(batch, of(batch))
                if not len(batch):
                    break
            clock = of(batch)
        if not len(batch):
            return self.nothing(), RowClock(np.empty(0, dtype=np.int64), clock.ticks_ms)
        columns = batch.columns
        kept: tuple[Column, ...] = tuple([columns[position] for position in self._kept])
        return EventBatch(self._schema, batch.timestamps, kept, batch.kinds, batch.chunks), clock

    def nothing(self) -> EventBatch:
        """No rows."""
        columns = tuple(Column(each.type, np.empty(0, dtype=each.type.dtype)) for each in self._schema.attributes)
        return EventBatch(self._schema, np.empty(0, dtype=np.int64), columns)

    def snapshot(self) -> OperatorState:
        """The state of each stage."""
        return {"stages": [stage.snapshot() for stage in self._stages]}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        for stage, part in zip(self._stages, state["stages"], strict=True):
            stage.restore(part)


def clock_by_chunk(batch: EventBatch, clock: RowClock) -> Callable[[EventBatch], RowClock]:
    """What the clock of ``batch`` says for rows that come of its own."""
    now_ms = clock.now_ms

    def of(rows: EventBatch) -> RowClock:
        if len(rows) == len(now_ms) or len(now_ms) == 0:
            return clock
        if now_ms[0] == now_ms[-1]:
            return RowClock(np.full(len(rows), now_ms[0], dtype=np.int64), clock.ticks_ms)
        places = np.searchsorted(batch.chunk_numbers(), rows.chunk_numbers(), side="left")
        return RowClock(now_ms.take(places, mode="clip"), clock.ticks_ms)

    return of
