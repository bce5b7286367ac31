"""``hopping(t, hop)``: every ``hop`` ms, what came in the latest t ms, as a batch.

The first hop is ``hop`` after the first row. Each puts out, as one chunk, the batch before as expired rows, a reset and
the rows of the latest t ms, by the rows' own timestamps; a row is in as many batches as hops fall into its t ms.
"""

from __future__ import annotations

from collections import deque

from eiha.engine.operator import OperatorState
from eiha.engine.windows.rowwise import Output, RowwiseWindow
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


class HoppingWindow(RowwiseWindow):
    """Holds the batch that was put out last and the rows of the latest ``length_ms``."""

    __slots__ = ("_hop_ms", "_length_ms", "_next_ms", "_put_out", "_rows")

    collapses = True

    def __init__(self, schema: Schema, length_ms: int, hop_ms: int, *, playback: bool) -> None:
        assert hop_ms > 0
        super().__init__(schema, playback=playback)
        self._length_ms = length_ms
        self._hop_ms = hop_ms
        self._next_ms: int | None = None
        self._rows: deque[int] = deque()
        self._put_out: list[int] = []

    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """The rows wait for the next hop; if that is due within the chunk, it comes behind them."""
        self._rows.extend(range(first, first + len(batch)))
        if self._next_ms is None:
            self._next_ms = now_ms + self._hop_ms
        if now_ms >= self._next_ms:
            self._next_ms += self._hop_ms
            self._hop(now_ms, out)

    def turn(self, at_ms: int, now_ms: int, out: Output) -> None:
        """A hop."""
        assert self._next_ms is not None
        self._next_ms += self._hop_ms
        self._hop(at_ms, out)
        if not self._rows and not self._put_out and self._next_ms <= now_ms:  # hops without rows are skipped
            self._next_ms += ((now_ms - self._next_ms) // self._hop_ms + 1) * self._hop_ms

    def next_timer_ms(self) -> int | None:
        """The next hop."""
        return self._next_ms

    def positions(self) -> list[int]:
        """The rows of the latest time and those put out last."""
        return list(dict.fromkeys((*self._put_out, *self._rows)))

    def found(self) -> list[int]:
        """The batch that was put out last."""
        return self._put_out

    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""
        self._put_out = [places[position] for position in self._put_out]
        self._rows = deque(places[position] for position in self._rows)

    def state(self, places: dict[int, int]) -> OperatorState:
        """Rows and the next hop."""
        return {
            "put_out": [places[position] for position in self._put_out],
            "rows": [places[position] for position in self._rows],
            "next_ms": self._next_ms,
        }

    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""
        self._put_out = list(state["put_out"])
        self._rows = deque(state["rows"])
        self._next_ms = state["next_ms"]

    def _hop(self, now_ms: int, out: Output) -> None:
        times = self._store.timestamps
        while self._rows and times[self._rows[0]] + self._length_ms <= now_ms:
            self._rows.popleft()
        for position in self._put_out:
            out.expired(position, now_ms)
        if self._rows:
            out.reset(self._rows[0], now_ms)
        for position in self._rows:
            out.current(position)
        self._put_out = list(self._rows)
