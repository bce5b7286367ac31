"""``unique:externalTimeBatch(key, timestamp, t[, start[, timeout[, replace]]])``: a period's latest row of each key.

A key keeps the place of its first row in the batch. After a timeout within a period, what goes out next holds the rows
put out already once more, with later rows of the same keys in their places.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from eiha.engine.operator import OperatorState
from eiha.engine.windows.counted_keys import key_ids
from eiha.engine.windows.external_time_batch import ExternalPeriods
from eiha.engine.windows.rowwise import Output, RowwiseWindow
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable

_SAVED: Final = ("_end_ms", "_start_ms", "_highest_ms", "_flushed", "_timer_ms")


class UniqueExternalTimeBatchWindow(RowwiseWindow):
    """Holds the batch that was put out last and the rows of the period that runs; a row without a time is refused."""

    __slots__ = (
        "_current", "_end_ms", "_flushed", "_highest_ms", "_key", "_periods", "_put_out", "_start_ms", "_strings",
        "_timer_ms",
    )  # fmt: skip

    collapses = True

    def __init__(
        self, schema: Schema, key: int, periods: ExternalPeriods, strings: StringTable, *, playback: bool
    ) -> None:
        super().__init__(schema, playback=playback)
        self._key = key
        self._periods = periods
        self._strings = strings
        self._current: dict[int, int] = {}
        self._put_out: dict[int, int] = {}
        self._start_ms = periods.start_ms or 0
        self._end_ms: int | None = None
        self._highest_ms = 0
        self._flushed = False
        self._timer_ms: int | None = None

    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """The batch of the period that ends, when a row of a later one comes."""
        times = batch.columns[self._periods.attribute]
        keys = key_ids([batch.columns[self._key]], self._strings).tolist()
        for place in np.flatnonzero(times.mask()).tolist():
            time_ms = int(times.values[place])
            if self._end_ms is None:
                self._begin(time_ms, now_ms)
            assert self._end_ms is not None
            self._highest_ms = max(self._highest_ms, time_ms)
            if time_ms >= self._end_ms:
                self._send(out)
                self._flushed = False
                self._end_ms = self._end_after(self._highest_ms)
                self._set_timer(now_ms)
            self._current[keys[place]] = first + place
            if self._periods.replaces:
                self._store.column(self._periods.attribute)[first + place] = self._end_ms

    def turn(self, at_ms: int, now_ms: int, out: Output) -> None:
        """The timeout."""
        self._send(out)
        self._flushed = True
        self._set_timer(at_ms)
        timeout_ms = self._periods.timeout_ms
        if not self._playback and not self._current and self._timer_ms is not None and self._timer_ms <= now_ms:
            self._timer_ms += (now_ms - self._timer_ms) // timeout_ms * timeout_ms  # nothing would come out

    def next_timer_ms(self) -> int | None:
        """The next timeout."""
        return self._timer_ms

    def positions(self) -> list[int]:
        """The rows of both batches."""
        return [*self._put_out.values(), *self._current.values()]

    def found(self) -> list[int]:
        """The batch that was put out last."""
        return list(self._put_out.values())

    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""
        self._put_out = {key: places[position] for key, position in self._put_out.items()}
        self._current = {key: places[position] for key, position in self._current.items()}

    def state(self, places: dict[int, int]) -> OperatorState:
        """Both batches, and where the period stands."""
        return {
            "put_out": [[key, places[position]] for key, position in self._put_out.items()],
            "current": [[key, places[position]] for key, position in self._current.items()],
            **{name: getattr(self, name) for name in _SAVED},
        }

    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""
        self._put_out = dict(state["put_out"])
        self._current = dict(state["current"])
        for name in _SAVED:
            setattr(self, name, state[name])

    def _begin(self, time_ms: int, now_ms: int) -> None:
        if self._periods.start_ms is None:
            self._start_ms = time_ms
            self._end_ms = time_ms + self._periods.length_ms
        else:
            self._end_ms = self._end_after(time_ms)
        self._set_timer(now_ms)

    def _end_after(self, time_ms: int) -> int:
        since, length_ms = time_ms - self._start_ms, self._periods.length_ms
        return time_ms + length_ms - (since % length_ms if since >= 0 else -(-since % length_ms))

    def _set_timer(self, now_ms: int) -> None:
        if self._periods.timeout_ms > 0:
            self._timer_ms = now_ms + self._periods.timeout_ms

    def _send(self, out: Output) -> None:
        """Put out the batch; if some of its period's rows were, then all of them once more."""
        if self._flushed and not self._current:
            return
        out.next_chunk()
        for position in self._put_out.values():
            out.expired(position, self._highest_ms)
        if self._current:
            out.reset(next(iter(self._current.values())), self._highest_ms)
        batch = {**self._put_out, **self._current} if self._flushed else self._current
        for position in batch.values():
            out.current(position)
        self._put_out, self._current = batch, {}
