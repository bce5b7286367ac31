"""``session(gap[, key[, latency]])``: rows of one key that follow one another within the gap are a session.

A row comes out at once; when nothing came for ``gap`` ms, the rows of the session leave together, with their own
timestamps. A row that is late but not by more than the gap joins its session. With a latency a session that is over
waits for so long for late rows, which may join it to the next one. Sessions that end at one timer leave in the order of
their ends, those of equal ends in the order of a Java hash map of their keys. Rows that are later still are dropped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, Final

import numpy as np

from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT, EXPIRED
from eiha.engine.windows.java_hash_table import hash_map_table, spread_hash
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable

_BEHIND_ALL: Final = 2**62
_GARBAGE_MIN: Final = 256
_DEFAULT_KEY: Final = "default-key"
_NO_KEY: Final = "null"


@dataclass(slots=True)
class _Session:
    """Positions of rows in the order in which they leave, and the times of start, end and latest wait.

    ``at``: where the last late row went, -1 none yet: the next one goes one row further.
    """

    rows: list[int] = field(default_factory=list)
    start_ms: int = 0
    end_ms: int = 0
    alive_ms: int = 0
    at: int = -1

    def add_late(self, rows: list[int]) -> None:
        if self.at + 1 < len(self.rows):
            self.at += 1
        self.rows[self.at : self.at] = rows
        self.at += len(rows)

    def take(self) -> list[int]:
        """Its rows, which it forgets."""
        rows, self.rows, self.at = self.rows, [], -1
        return rows

    def set_times(self, start_ms: int, end_ms: int, alive_ms: int) -> None:
        self.start_ms, self.end_ms, self.alive_ms = start_ms, end_ms, alive_ms


@dataclass(slots=True)
class _Sessions:
    """The sessions of one key."""

    current: _Session = field(default_factory=_Session)
    previous: _Session = field(default_factory=_Session)


@dataclass(slots=True)
class _Out:
    """Rows put out so far: position, kind, timestamp, chunk."""

    rows: list[tuple[int, int, int, int]] = field(default_factory=list)


class SessionWindow:
    """Holds the rows of open sessions, and of those that wait for late rows.

    Args:
        schema: of the rows.
        gap_ms: a session is over if nothing came for so long.
        key: position of the key, None for one session of all rows. A null key is a key like any other.
        latency_ms: how long a session that is over waits for late rows.
        strings: of the plan.
    """

    __slots__ = (
        "_ends", "_gap_ms", "_key", "_latency_ms", "_most", "_open", "_schema", "_sessions", "_store", "_strings",
        "_timers", "_waits", "late",
    )  # fmt: skip

    def __init__(self, schema: Schema, gap_ms: int, key: int | None, latency_ms: int, strings: StringTable) -> None:
        self._schema = schema
        self._gap_ms = gap_ms
        self._key = key
        self._latency_ms = latency_ms
        self._strings = strings
        self._store = RowStore(schema)
        self._sessions: dict[str, _Sessions] = {}
        self._timers: deque[int] = deque()
        self._ends: list[tuple[int, str]] = []  # heaps of times at which a session may be over, or waited enough
        self._waits: list[tuple[int, str]] = []
        self._open = 0  # open sessions
        self._most = 0  # ... and the most of them that a timer found
        self.late = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that are not too late, and those of the sessions whose timers are due before them."""
        store = self._store
        first = store.append(batch) if len(batch) else store.stop
        out = _Out()
        keys = self._keys(batch)
        chunks, times = batch.chunk_numbers().tolist(), batch.timestamps.tolist()
        now_ms, ticks_ms = clock.now_ms.tolist(), clock.ticks_ms.tolist()
        tick, index, last = 0, 0, -CHUNK_STRIDE
        while True:
            chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
            while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
                self._fire_until(ticks_ms[tick], max((tick - 1) * CHUNK_STRIDE, last), tick * CHUNK_STRIDE - 1, out)
                tick += 1
            if index == len(now_ms):
                break
            if chunk % CHUNK_STRIDE == 0:
                self._fire_until(now_ms[index], max(chunk - CHUNK_STRIDE, last), chunk - 1, out)
            leaving: list[int] = []
            while index < len(now_ms) and chunks[index] == chunk:
                position = first + index
                if self._enter(keys[index], position, times[index], leaving):
                    out.rows.append((position, CURRENT, times[index], chunk))
                index += 1
            out.rows += [(row, EXPIRED, int(store.timestamps[row]), chunk) for row in leaving]
            last = chunk
        put_out = self._batch(out)
        self._drop_garbage()
        return put_out

    def fire(self, now_ms: int) -> EventBatch | None:
        """The sessions that are over at the earliest timer."""
        if not self._timers or self._timers[0] > now_ms:
            return None
        out = _Out()
        self._let_leave(self._timers.popleft(), FIRED_CHUNK, out)
        put_out = self._batch(out)
        self._drop_garbage()
        return put_out if len(put_out) else None

    def next_timer_ms(self) -> int | None:
        """The timer that was set first of those that have not fired."""
        return self._timers[0] if self._timers else None

    def content(self) -> EventBatch:
        """The rows of open sessions and of those that wait, session by session in the order of their first rows."""
        positions = [
            row for each in self._sessions.values() for session in (each.previous, each.current) for row in session.rows
        ]
        return self._store.gathered(np.array(positions, dtype=np.int64))

    def snapshot(self) -> OperatorState:
        """The sessions in the order in which their keys came, their rows one after the other."""
        sessions: list[list[Any]] = []
        positions: list[int] = []
        for key, each in self._sessions.items():
            for session in (each.current, each.previous):
                times = [session.start_ms, session.end_ms, session.alive_ms]
                sessions.append([key, len(session.rows), *times, session.at])
                positions += session.rows
        store = RowStore(self._schema)
        store.append(self._store.gathered(np.array(positions, dtype=np.int64)))
        return {
            "rows": store.snapshot(),
            "sessions": sessions,
            "timers": list(self._timers),
            "most": self._most,
            "late": self.late,
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._sessions, self._ends, self._waits = {}, [], []
        position = 0
        saved = state["sessions"]
        for place in range(0, len(saved), 2):
            pair = []
            for _, count, start_ms, end_ms, alive_ms, at in saved[place : place + 2]:
                pair.append(_Session(list(range(position, position + count)), start_ms, end_ms, alive_ms, at))
                position += count
            key = saved[place][0]
            self._sessions[key] = _Sessions(*pair)
            if pair[0].rows:
                self._ends.append((pair[0].end_ms, key))
            if pair[1].rows:
                self._waits.append((pair[1].alive_ms, key))
        self._open = len(self._ends)
        heapify(self._ends)
        heapify(self._waits)
        self._timers = deque(state["timers"])
        self._most = state["most"]
        self.late = state["late"]

    def _keys(self, batch: EventBatch) -> list[str]:
        if self._key is None or not len(batch):
            return [_DEFAULT_KEY] * len(batch)
        column = batch.columns[self._key]
        texts = self._strings.texts_of(column.values.tolist())
        if column.valid is None:
            return list(texts)
        return [text if valid else _NO_KEY for text, valid in zip(texts, column.valid.tolist(), strict=True)]

    def _enter(self, key: str, position: int, time_ms: int, leaving: list[int]) -> bool:
        """Let a row enter its session; ``leaving`` gets the rows that leave now. Whether the row comes out."""
        sessions = self._sessions.get(key)
        if sessions is None:
            sessions = self._sessions[key] = _Sessions()
        current = sessions.current
        end_ms = time_ms + self._gap_ms
        alive_ms = end_ms + self._latency_ms
        if not current.rows:
            self._open += 1
            current.rows.append(position)
            current.set_times(time_ms, end_ms, alive_ms)
        elif time_ms < current.start_ms:
            return self._enter_late(key, sessions, position, time_ms)
        elif time_ms <= current.end_ms:
            current.rows.append(position)
            current.set_times(current.start_ms, end_ms, alive_ms)
        elif self._latency_ms > 0:
            previous = sessions.previous
            leaving += previous.take()
            previous.rows = current.take()
            previous.set_times(current.start_ms, current.end_ms, current.alive_ms)
            self._wait(key, sessions)
            current.rows.append(position)
            current.set_times(time_ms, end_ms, alive_ms)
        else:
            return True  # a row from the future: the session that it would end is still open by the clock
        self._timers.append(end_ms)
        heappush(self._ends, (end_ms, key))
        return True

    def _enter_late(self, key: str, sessions: _Sessions, position: int, time_ms: int) -> bool:
        """Let a row from before the current session enter it or the previous one; False if it is too late."""
        current, previous = sessions.current, sessions.previous
        if time_ms >= current.start_ms - self._gap_ms:
            current.add_late([position])
            current.start_ms = time_ms
            if self._latency_ms > 0:
                self._merge(previous, current)
            return True
        if self._latency_ms == 0 or not previous.rows or time_ms < previous.start_ms - self._gap_ms:
            self.late += 1
            return False
        previous.rows.append(position)
        if time_ms <= previous.end_ms - self._gap_ms and time_ms < previous.start_ms:
            previous.start_ms = time_ms
        else:
            previous.end_ms = time_ms + self._gap_ms
            previous.alive_ms = previous.end_ms + self._latency_ms
            heappush(self._waits, (previous.alive_ms, key))
            self._merge(previous, current)
        return True

    def _merge(self, previous: _Session, current: _Session) -> None:
        """Make one of two sessions that touch."""
        if previous.rows and previous.end_ms >= current.start_ms - self._gap_ms:
            current.start_ms = previous.start_ms
            current.add_late(previous.take())

    def _fire_until(self, now_ms: int, number: int, number_max: int, out: _Out) -> None:
        """Let the timers due by ``now_ms`` fire, each a chunk numbered above ``number``."""
        while self._timers and self._timers[0] <= now_ms:
            before = len(out.rows)
            self._let_leave(self._timers.popleft(), min(number + 1, number_max), out)
            if len(out.rows) > before:
                number = min(number + 1, number_max)

    def _let_leave(self, timer_ms: int, number: int, out: _Out) -> None:
        """Let the sessions leave that are over by ``timer_ms``, as chunk ``number``."""
        self._most = max(self._most, self._open)
        leaving: list[int] = []
        for key in self._due(self._ends, timer_ms):
            each = self._sessions[key]
            self._open -= 1
            if self._latency_ms > 0:
                each.previous.rows += each.current.take()
                each.previous.set_times(each.current.start_ms, each.current.end_ms, each.current.alive_ms)
                self._wait(key, each)
            else:
                leaving += each.current.take()
                del self._sessions[key]
        for key in self._due(self._waits, timer_ms):
            each = self._sessions[key]
            leaving += each.previous.take()
            if not each.current.rows:
                del self._sessions[key]
        out.rows += [(row, EXPIRED, int(self._store.timestamps[row]), number) for row in leaving]

    def _due(self, moments: list[tuple[int, str]], timer_ms: int) -> list[str]:
        """The keys whose open (or waiting) sessions are over: by their ends, equal ends as Java's hash map lists them.

        ``moments`` is a heap of times at which a session may be over; it may have got longer since.
        """
        due: dict[str, int] = {}
        while moments and moments[0][0] <= timer_ms:
            _, key = heappop(moments)
            each = self._sessions.get(key)
            if each is not None:
                session = each.current if moments is self._ends else each.previous
                over_ms = session.end_ms if moments is self._ends else session.alive_ms
                if session.rows and over_ms <= timer_ms:
                    due[key] = session.end_ms
        if len(due) < 2:
            return list(due)
        bins = hash_map_table(self._most) - 1
        return sorted(due, key=lambda key: (due[key], spread_hash(key) & bins, spread_hash(key), key))

    def _wait(self, key: str, sessions: _Sessions) -> None:
        """Let the previous session wait for late rows."""
        self._timers.append(sessions.previous.alive_ms)
        heappush(self._waits, (sessions.previous.alive_ms, key))

    def _batch(self, out: _Out) -> EventBatch:
        positions = np.array([row[0] for row in out.rows], dtype=np.int64)
        kinds = np.array([row[1] for row in out.rows], dtype=np.uint8)
        return EventBatch(
            schema=self._schema,
            timestamps=np.array([row[2] for row in out.rows], dtype=np.int64),
            columns=self._store.take(positions),
            kinds=kinds if kinds.any() else None,
            chunks=np.array([row[3] for row in out.rows], dtype=np.int64),
        )

    def _drop_garbage(self) -> None:
        sessions = [session for each in self._sessions.values() for session in (each.current, each.previous)]
        held = sum(len(session.rows) for session in sessions)
        if self._store.stop <= 2 * held + _GARBAGE_MIN:
            return
        positions = [row for session in sessions for row in session.rows]
        self._store.keep(np.array(positions, dtype=np.int64))
        first = 0
        for session in sessions:
            session.rows = list(range(first, first + len(session.rows)))
            first += len(session.rows)
