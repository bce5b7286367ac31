"""Windows whose rows leave in an order of their own, one row at a time: what they share.

For windows that are rare in plans; their rows are looked at in Python, their columns stay columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema

_BEHIND_ALL: Final = 2**62
_GARBAGE_MIN: Final = 256


@dataclass(slots=True)
class Output:
    """Rows put out so far: position, kind, timestamp and chunk number of each; ``chunk`` is that of the next ones."""

    timestamps: npt.NDArray[np.int64]
    chunk: int = FIRED_CHUNK
    positions: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)

    def current(self, position: int, at_ms: int | None = None) -> None:
        """A current row, with its own timestamp unless ``at_ms`` is given."""
        self._add(position, CURRENT, int(self.timestamps[position]) if at_ms is None else at_ms)

    def expired(self, position: int, at_ms: int) -> None:
        """A row that leaves."""
        self._add(position, EXPIRED, at_ms)

    def reset(self, position: int, at_ms: int) -> None:
        """A reset with the values of a row."""
        self._add(position, RESET, at_ms)

    def next_chunk(self) -> None:
        """What follows is a chunk of its own, if there is anything before it in this one."""
        if self.chunks and self.chunks[-1] == self.chunk and (self.chunk + 1) % CHUNK_STRIDE:
            self.chunk += 1

    def _add(self, position: int, kind: int, at_ms: int) -> None:
        self.positions.append(position)
        self.kinds.append(kind)
        self.times.append(at_ms)
        self.chunks.append(self.chunk)


class RowwiseWindow(ABC):
    """Rows are kept in a store and known by their positions; subclasses say which stay, which come out and when."""

    __slots__ = ("_clock_ms", "_playback", "_room", "_schema", "_store")

    collapses = False
    """Whether what comes out is put out by batches."""

    def __init__(self, schema: Schema, *, playback: bool) -> None:
        self._schema = schema
        self._playback = playback
        self._store = RowStore(schema)
        self._clock_ms = -(2**62)
        self._room = _GARBAGE_MIN  # rows in the store at which to look for garbage

    @abstractmethod
    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """The rows of one chunk come; the row ``batch[i]`` has position ``first + i``."""

    def turn(self, at_ms: int, now_ms: int, out: Output) -> None:  # noqa: ARG002 - for windows without timers
        """The earliest timer fires; the clock reads ``at_ms`` and is on its way to ``now_ms``."""
        raise AssertionError(self)

    def next_timer_ms(self) -> int | None:
        """The earliest timer."""
        return None

    @abstractmethod
    def positions(self) -> list[int]:
        """Positions of all rows held, without doubles."""

    @abstractmethod
    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""

    @abstractmethod
    def found(self) -> list[int]:
        """Positions of what a search finds."""

    @abstractmethod
    def state(self, places: dict[int, int]) -> OperatorState:
        """What is to be saved beside the rows; positions as ``places`` says."""

    @abstractmethod
    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """What the rows, and the timers due before them, put out."""
        store = self._store
        first = store.append(batch) if len(batch) else store.stop
        out = Output(store.timestamps)
        chunks, now_ms, ticks_ms = batch.chunk_numbers(), clock.now_ms, clock.ticks_ms
        cuts = [0, *(np.flatnonzero(chunks[1:] != chunks[:-1]) + 1).tolist(), len(batch)] if len(batch) else [0]
        tick, last = 0, -CHUNK_STRIDE
        for place, begin in enumerate(cuts):
            chunk = int(chunks[begin]) if begin < len(batch) else _BEHIND_ALL
            while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
                self._turn_until(
                    int(ticks_ms[tick]), max((tick - 1) * CHUNK_STRIDE, last), tick * CHUNK_STRIDE - 1, out
                )
                tick += 1
            if begin == len(batch):
                break
            now = int(now_ms[begin])
            if chunk % CHUNK_STRIDE == 0:
                self._turn_until(now, max(chunk - CHUNK_STRIDE, last), chunk - 1, out)
            out.chunk = max(chunk, last)
            self._clock_ms = max(self._clock_ms, now)
            self.enter(batch.take(np.arange(begin, cuts[place + 1])), first + begin, now, out)
            last = out.chunk
        return self._batch(out)

    def fire(self, now_ms: int) -> EventBatch | None:
        """What the earliest timer puts out."""
        timer_ms = self.next_timer_ms()
        if timer_ms is None or timer_ms > now_ms:
            return None
        out = Output(self._store.timestamps)
        self.turn(self._reading(timer_ms, now_ms), now_ms, out)
        put_out = self._batch(out)
        return put_out if len(put_out) else None

    def content(self) -> EventBatch:
        """The rows that a search finds."""
        return self._store.gathered(np.array(self.found(), dtype=np.int64))

    def snapshot(self) -> OperatorState:
        """The rows held, as they came, and what the window knows of them."""
        held = sorted(self.positions())
        store = RowStore(self._schema)
        store.append(self._store.gathered(np.array(held, dtype=np.int64)))
        places = {position: place for place, position in enumerate(held)}
        return {"rows": store.snapshot(), "clock_ms": self._clock_ms, "window": self.state(places)}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._clock_ms = state["clock_ms"]
        self.take_over(state["window"])

    def _reading(self, timer_ms: int, now_ms: int) -> int:
        """What the clock reads when a timer fires: in playback where it went, else the moment for which it was set."""
        at_ms = now_ms if self._playback else max(timer_ms, self._clock_ms)
        self._clock_ms = max(self._clock_ms, at_ms)
        return at_ms

    def _turn_until(self, now_ms: int, number: int, number_max: int, out: Output) -> None:
        """Let the timers due by ``now_ms`` fire, each a chunk numbered above ``number``."""
        while (timer_ms := self.next_timer_ms()) is not None and timer_ms <= now_ms:
            before = len(out.chunks)
            out.chunk = min(number + 1, number_max)
            self.turn(self._reading(timer_ms, now_ms), now_ms, out)
            if len(out.chunks) > before:
                number = out.chunk

    def _batch(self, out: Output) -> EventBatch:
        """The rows put out; then those that nobody needs any longer are dropped if they are most of the store."""
        positions = np.array(out.positions, dtype=np.int64)
        kinds = np.array(out.kinds, dtype=np.uint8)
        put_out = EventBatch(
            schema=self._schema,
            timestamps=np.array(out.times, dtype=np.int64),
            columns=self._store.take(positions),
            kinds=kinds if kinds.any() else None,
            chunks=np.array(out.chunks, dtype=np.int64),
            collapses=self.collapses,
        )
        if self._store.stop > self._room:
            self._drop_garbage()
        return put_out

    def _drop_garbage(self) -> None:
        held = sorted(self.positions())
        if self._store.stop > 2 * len(held) + _GARBAGE_MIN:
            self._store.keep(np.array(held, dtype=np.int64))
            self.moved({position: place for place, position in enumerate(held)})
        self._room = 2 * (len(held) + _GARBAGE_MIN)
