"""Limits by time: periods that begin one after the other from the start of the plan, by the wall clock.

A timer is set for the end of each period. When the clock has moved on, timers fire before the next chunk from outside;
within a batch they fire inside ``process``, as those of windows do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.operators.selected import Selected
from eiha.events.batch import CHUNK_STRIDE, Chunks, EventBatch, concatenate_batches

CATCH_UP_MAX: Final = 10_000
"""Periods that are made up for when the clock jumps; those before are left out, as if they had been empty."""

_NEVER: Final = -1


class PeriodicLimiter(ABC):
    """Rows are taken in, and put out at the end of each period.

    ``repeats``: what a period puts out comes again at the end of the next one, even if no row came.

    Args:
        every_ms: the length of a period.
        start_ms: where the first one begins, by the wall clock.
    """

    __slots__ = ("_due_ms", "_every_ms", "quiet_calls", "turned_ms")

    repeats: bool = False

    def __init__(self, every_ms: int, start_ms: int) -> None:
        assert every_ms > 0
        self._every_ms = every_ms
        self._due_ms = start_ms + every_ms
        self.turned_ms: int | None = None
        self.quiet_calls = 0

    @abstractmethod
    def _take_in(self, selected: Selected, first: int, stop: int) -> None:
        """Rows ``first`` to ``stop``."""

    @abstractmethod
    def _put_out(self) -> EventBatch | None:
        """What goes out at the end of a period, without chunk numbers; None: nothing.

        No rows: nothing either, but listeners are called.
        """

    @abstractmethod
    def _state(self) -> OperatorState:
        """What was taken in."""

    @abstractmethod
    def _restore(self, state: OperatorState) -> None:
        """Take over what ``_state`` gave."""

    def _ends_period(self, selected: Selected, first: int) -> int | None:  # noqa: ARG002
        """The first row from ``first`` on that ends the period by its own timestamp; None: no row does that."""
        return None

    def next_timer_ms(self) -> int | None:
        """The end of the period."""
        return self._due_ms

    def fire(self, now_ms: int) -> EventBatch | None:
        """What the period that is over puts out."""
        self._end_period(now_ms)
        outputs: list[EventBatch] = []
        self.quiet_calls = 0
        self._collect(outputs, FIRED_CHUNK)
        return outputs[0] if outputs else None

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:
        """What periods that are over put out, before the rows at which that shows."""
        chunks = selected.rows.chunk_numbers()
        outputs: list[EventBatch] = []
        self.quiet_calls = 0
        position = taken = 0
        last = -CHUNK_STRIDE
        while True:
            turn, number = self._next_turn(chunks, clock)
            row = self._ends_period(selected, position)
            if row is not None and (number == _NEVER or row < turn):
                self._take_in(selected, taken, row)
                taken, position = row, row + 1
                last = max(int(chunks[row]), last + 1)
                self._end_period(int(selected.rows.timestamps[row]))
                self._collect(outputs, last)
            elif number != _NEVER:
                self._take_in(selected, taken, turn)
                taken = position = max(taken, turn)
                last = max(last, int(chunks[turn - 1]) if turn else last, number - CHUNK_STRIDE)
                last = self._end_periods(outputs, self._reading(number, turn, clock), last, number - 1)
            else:
                break
        self._take_in(selected, taken, len(chunks))
        return concatenate_batches(outputs) if outputs else None

    def _next_turn(self, chunks: Chunks, clock: RowClock) -> tuple[int, int]:
        """The next chunk from outside by which the period is over: before which row it stands, and its number."""
        if len(clock.ticks_ms):
            tick = int(np.searchsorted(clock.ticks_ms, self._due_ms))
            if tick == len(clock.ticks_ms):
                return 0, _NEVER
            number = tick * CHUNK_STRIDE
            return int(np.searchsorted(chunks, number)), number
        over = np.flatnonzero((clock.now_ms >= self._due_ms) & (chunks % CHUNK_STRIDE == 0))
        if not len(over) or (over[0] and chunks[over[0] - 1] == chunks[over[0]]):
            return 0, _NEVER
        return int(over[0]), int(chunks[over[0]])

    @staticmethod
    def _reading(number: int, turn: int, clock: RowClock) -> int:
        return int(clock.ticks_ms[number // CHUNK_STRIDE] if len(clock.ticks_ms) else clock.now_ms[turn])

    def _end_periods(self, outputs: list[EventBatch], now_ms: int, last: int, number_max: int) -> int:
        """End all periods that are over by ``now_ms``; the number of the last chunk put out."""
        while self._due_ms <= now_ms:
            self._end_period(now_ms)
            number = min(last + 1, number_max)
            if self._collect(outputs, number):
                last = number
        return last

    def _end_period(self, now_ms: int) -> None:
        """Begin the next period; where nothing is repeated, the one in which ``now_ms`` lies."""
        over = max((now_ms - self._due_ms) // self._every_ms, 0)
        skipped = max(over - CATCH_UP_MAX, 0) if self.repeats else over
        self._due_ms += (skipped + 1) * self._every_ms

    def _collect(self, outputs: list[EventBatch], number: int) -> bool:
        out = self._put_out()
        if out is None:
            return False
        if len(out):
            outputs.append(_numbered(out, number))
        else:
            self.quiet_calls += 1
        return len(out) > 0

    def snapshot(self) -> OperatorState:
        """The phase, and what was taken in."""
        return {"due_ms": self._due_ms, "taken_in": self._state()}

    def restore(self, state: OperatorState) -> None:
        """Go on with the period."""
        self._due_ms = state["due_ms"]
        self._restore(state["taken_in"])


def _numbered(batch: EventBatch, number: int) -> EventBatch:
    chunks = np.full(len(batch), number, dtype=np.int64)
    return EventBatch(batch.schema, batch.timestamps, batch.columns, batch.kinds, chunks)
