"""A side whose window lets rows go in the order in which they came: length, time, timeLength, externalTime.

Its rows lie in a trail. The window itself sees no columns: it only says when rows leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from eiha.engine.expressions.rows import Columns
from eiha.engine.joins.entrance import Entrance, Keys
from eiha.engine.joins.side import Asked, Emitted, Held, Longs, Pairs
from eiha.engine.joins.trail import Trail
from eiha.engine.joins.trail_search import search
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.windows.findable import FindableWindow
from eiha.events.batch import EventBatch, Kind
from eiha.events.column import Column, Indices, Mask
from eiha.events.schema import Schema

_CURRENT: Final = int(Kind.CURRENT)
_EXPIRED: Final = int(Kind.EXPIRED)
_NO_TIMES: Final[Longs] = np.empty(0, dtype=np.int64)


class SlidingSide:
    """Rows come out as they come in, and again, expired, when they leave.

    Args:
        entrance: what stands before the window.
        schema: of the columns that the join keeps.
        keys: where the join must find equal values.
        window: says when rows leave; None: with the row that is the ``length``-th after them.
        timed_by: the column that the window reads, if it reads one.
        length: see ``window``.
        sets_timers: whether the window does.
        searched: whether the other side looks for partners here.
    """

    __slots__ = (
        "_entrance",
        "_keys",
        "_length",
        "_no_columns",
        "_slim",
        "_timed_by",
        "_trail",
        "_window",
        "sets_timers",
    )

    def __init__(
        self,
        entrance: Entrance,
        schema: Schema,
        keys: Keys,
        window: FindableWindow | None,
        *,
        timed_by: int | None = None,
        length: int = 0,
        sets_timers: bool = False,
        searched: bool = True,
    ) -> None:
        self.sets_timers = sets_timers
        self._entrance = entrance
        self._keys = keys
        self._window = window
        self._timed_by = timed_by
        self._length = length
        self._slim = Schema(() if timed_by is None else (schema.attributes[timed_by],))
        self._no_columns = tuple(
            Column(each.type, np.empty(0, dtype=each.type.dtype)) for each in self._slim.attributes
        )
        self._trail = Trail(schema, keyed=searched and bool(keys.positions))

    @property
    def low(self) -> int:
        """The number of the oldest row held."""
        return self._trail.start

    @property
    def stop(self) -> int:
        """The number of the next row."""
        return self._trail.stop

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:
        """The rows that come, each behind those that it makes leave."""
        batch, clock = self._entrance.enter(batch, clock)
        if self._timed_by is not None and batch.columns[self._timed_by].valid is not None:
            kept = np.flatnonzero(batch.columns[self._timed_by].mask())  # a row without a time never comes in
            batch, clock = batch.take(kept), RowClock(clock.now_ms.take(kept), clock.ticks_ms)
        words, linkable = self._keys.of(batch.columns) if len(batch) else (None, None)
        first = self._append(batch.columns, len(batch), words, linkable)
        if self._window is None:
            return self._as_they_come(batch, first, words, linkable)
        columns = () if self._timed_by is None else (batch.columns[self._timed_by],)
        slim = EventBatch(self._slim, batch.timestamps, columns, None, batch.chunks)
        return self._of_window(self._window.process(slim, clock), first)

    def pass_time(self, clock: RowClock) -> Emitted:
        """The rows that leave by the clock's ticks."""
        assert self._window is not None
        nothing = EventBatch(self._slim, _NO_TIMES, self._no_columns)
        return self._of_window(self._window.process(nothing, RowClock(_NO_TIMES, clock.ticks_ms)), self.stop)

    def fire(self, now_ms: int) -> Emitted | None:
        """The rows that leave at the earliest timer."""
        fired = None if self._window is None else self._window.fire(now_ms)
        return None if fired is None else self._of_window(fired, self.stop)

    def next_timer_ms(self) -> int | None:
        """When a row leaves by itself."""
        return None if self._window is None else self._window.next_timer_ms()

    def leave_to(self, low: int) -> None:
        """Rows before ``low`` left."""
        self._trail.drop_to(min(low, self.stop))

    def settle(self) -> None:
        """Nothing: the join says with ``leave_to`` how far."""

    def find(self, asked: Asked) -> Iterator[Pairs]:
        """Rows of equal key; without keys all that are held."""
        return search(self._trail, asked)

    def partners(self, found: Indices) -> Columns:
        """The rows of these numbers."""
        return self._trail.columns(found)

    def snapshot(self) -> OperatorState:
        """The rows held, and what the window knows."""
        window = None if self._window is None else self._window.snapshot()
        return {"rows": self._trail.snapshot(), "window": window, **self._entrance.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._entrance.restore(state)
        if self._window is not None:
            self._window.restore(state["window"])
        columns, rows = self._trail.saved_columns(state["rows"]), state["rows"]["rows"]
        self._trail.clear()
        words, linkable = self._keys.of(columns) if rows else (None, None)
        self._append(columns, rows, words, linkable)

    def _append(self, columns: Sequence[Column], rows: int, words: Longs | None, linkable: Mask | None) -> int:
        if not rows:
            return self.stop
        return self._trail.append(columns, rows, words if self._trail.keyed else None, linkable)

    def _as_they_come(self, batch: EventBatch, first: int, words: Longs | None, linkable: Mask | None) -> Emitted:
        """The rows from ``first`` on: nobody looks at those that they push out."""
        trail, low, length = self._trail, self.low, self._length

        def at(indices: Indices) -> Columns:
            return trail.columns(indices + first)

        def held() -> Held:
            stops = np.arange(first + 1, first + 1 + len(batch), dtype=np.int64)
            return Held(np.maximum(stops - length, low), stops)

        after = max(self.stop - length, low)
        chunks = batch.chunk_numbers()
        return Emitted(None, batch.timestamps, chunks, at, words, linkable, batch.chunks is None, held, after)

    def _of_window(self, out: EventBatch, first: int) -> Emitted:
        """What the window put out, with the numbers of the rows: they leave in the order in which they came."""
        kinds = out.kind_array()
        leaves = kinds == _EXPIRED
        numbers = np.empty(len(out), dtype=np.int64)
        gone = np.cumsum(leaves)
        come = np.cumsum(~leaves)
        np.add(gone, self.low - 1, out=numbers, where=leaves)
        np.add(come, first - 1, out=numbers, where=~leaves)
        trail, low = self._trail, self.low

        def at(indices: Indices) -> Columns:
            return trail.columns(numbers.take(indices))

        words, linkable = self._keys.of(trail.columns(numbers)) if len(numbers) else (None, None)
        after = low + int(gone[-1]) if len(out) else low
        return Emitted(
            out.kinds,
            out.timestamps,
            out.chunk_numbers(),
            at,
            words,
            linkable,
            held=lambda: Held(gone + low, come + first),
            low=after,
        )
