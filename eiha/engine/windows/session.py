"""``session(gap[, key[, latency]])``: rows of one key that follow one another within the gap are a session.

A row comes out at once; when nothing came for ``gap`` ms, the rows of the session leave together, with their own
timestamps. A row that is late but not by more than the gap joins its session. With a latency a session that is over
waits for so long for late rows, which may join it to the next one. Sessions that end at one timer leave in the order of
their ends, those of equal ends in the order of a Java hash map of their keys. Rows that are later still are dropped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.counted_keys import key_ids
from eiha.engine.windows.emission import Emission
from eiha.engine.windows.key_hashes import KeyHashes
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.session_kernels import (
    AT,
    BEFORE,
    CAME,
    COUNT,
    COUNTERS,
    END,
    ENDS,
    ENDS_BY,
    FAR,
    FIRED,
    FREE,
    HASH,
    HEAD,
    HELD,
    KEY,
    LATE,
    LEAVING,
    MOST,
    NEXT,
    OPEN,
    PENDING,
    PREVIOUS,
    START,
    TAIL,
    USED,
    WAITS,
    WAITS_BY,
    WIDTH,
    fire_first,
    list_rows,
    run_sessions,
)
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_GARBAGE_MIN: Final = 256
_BLOCKS: Final = (("current", 0), ("previous", PREVIOUS))
_SAVED: Final = (("counts", COUNT), ("starts", START), ("ends", END))


def _longs(size: int = 0) -> Longs:
    return np.zeros(size, dtype=np.int64)


class SessionWindow:
    """Holds the rows of open sessions, and of those that wait for late rows.

    Rows lie in the store by position; the rest is told in ``session_kernels``.

    Args:
        schema: of the rows.
        gap_ms: a session is over if nothing came for so long.
        key: position of the key, None for one session of all rows. A null key is a key like any other.
        latency_ms: how long a session that is over waits for late rows.
        strings: of the plan.
    """

    __slots__ = (
        "_counters", "_due", "_end_places", "_end_times", "_following", "_gap_ms", "_hashes", "_key", "_latency_ms",
        "_schema", "_slot_of", "_slots", "_store", "_strings", "_timers", "_wait_places", "_wait_times",
    )  # fmt: skip

    def __init__(self, schema: Schema, gap_ms: int, key: int | None, latency_ms: int, strings: StringTable) -> None:
        self._schema = schema
        self._gap_ms = gap_ms
        self._key = key
        self._latency_ms = latency_ms
        self._strings = strings
        self._store = RowStore(schema)
        self._hashes = KeyHashes(strings)
        self._clear()

    def _clear(self) -> None:
        self._slots, self._slot_of, self._due = _longs(), _longs(1), _longs()
        self._following, self._timers = _longs(), _longs()
        self._end_times, self._end_places = _longs(), _longs()
        self._wait_times, self._wait_places = _longs(), _longs()
        self._counters = _longs(COUNTERS)
        self._counters[[FREE, LEAVING]] = -1

    @property
    def late(self) -> int:
        """Rows that came too late and were dropped."""
        return int(self._counters[LATE])

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that are not too late, and those of the sessions whose timers are due before them."""
        store, counters = self._store, self._counters
        first = store.append(batch) if len(batch) else store.stop
        if self._key is None or not len(batch):
            keys, hashes = _longs(len(batch)), _longs(1)
        else:
            keys = key_ids([batch.columns[self._key]], self._strings)
            hashes = self._hashes.of_texts(keys)
            self._slot_of = grown(self._slot_of, len(self._strings))
        self._make_room(len(batch), len(hashes))
        emission = Emission(int(counters[HELD]) + 2 * len(batch))
        rows = run_sessions(
            self._slots, self._slot_of, self._following, self._gap_ms, self._latency_ms, self._timers,
            self._end_times, self._end_places, self._wait_times, self._wait_places, self._due, counters,
            store.timestamps, first, keys, hashes, clock.now_ms, batch.chunk_numbers(), clock.ticks_ms,
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        return self._put_out(emission, rows)

    def fire(self, now_ms: int) -> EventBatch | None:
        """The sessions that are over at the earliest timer."""
        timer_ms = self.next_timer_ms()
        if timer_ms is None or timer_ms > now_ms:
            return None
        self._make_room(0, 0)
        emission = Emission(int(self._counters[HELD]))
        rows = fire_first(
            self._slots, self._slot_of, self._following, self._latency_ms, self._timers, self._end_times,
            self._end_places, self._wait_times, self._wait_places, self._due, self._counters, self._store.timestamps,
            FIRED_CHUNK, emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        return self._put_out(emission, rows) if rows else None

    def next_timer_ms(self) -> int | None:
        """The timer that was set first of those that have not fired."""
        fired, pending = self._counters[FIRED], self._counters[PENDING]
        return int(self._timers[fired]) if fired < pending else None

    def content(self) -> EventBatch:
        """The rows of open sessions and of those that wait, session by session in the order of their first rows."""
        return self._store.gathered(self._positions(self._listed(), PREVIOUS, 0))

    def snapshot(self) -> OperatorState:
        """The sessions in the order in which their keys came, their rows one after the other."""
        listed = self._listed()
        store = RowStore(self._schema)
        store.append(self._store.gathered(self._positions(listed, 0, PREVIOUS)))
        held = self._fields().take(listed, axis=0)
        state: OperatorState = {
            "rows": store.snapshot(),
            "keys": held[:, KEY].copy(),
            "at": held[:, AT].copy(),
            "timers": self._timers[self._counters[FIRED] : self._counters[PENDING]].copy(),
            "most": int(self._counters[MOST]),
            "late": self.late,
        }
        for block, fields in _BLOCKS:
            is_empty = held[:, fields + COUNT] == 0
            state[block] = {name: np.where(is_empty, 0, held[:, fields + field]) for name, field in _SAVED}
        return state

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._clear()
        counters, keys = self._counters, state["keys"]
        count = len(keys)
        counters[[USED, NEXT, HELD]] = count, count, len(self._store)
        counters[[MOST, LATE, PENDING]] = state["most"], state["late"], len(state["timers"])
        self._timers = np.array(state["timers"])
        self._slots = _longs(count * WIDTH)
        fields = self._fields()
        fields[:, KEY], fields[:, AT], fields[:, CAME] = keys, state["at"], np.arange(count)
        fields[:, ENDS_BY], fields[:, WAITS_BY] = FAR, FAR
        for block, place in _BLOCKS:
            for name, field in _SAVED:
                fields[:, place + field] = state[block][name]
        if self._key is not None:
            fields[:, HASH] = self._hashes.of_texts(keys).take(keys)
            self._slot_of = grown(self._slot_of, len(self._strings))
        self._slot_of[keys] = np.arange(1, count + 1)
        is_open, waits = fields[:, COUNT] > 0, fields[:, PREVIOUS + COUNT] > 0
        counters[OPEN] = np.count_nonzero(is_open)
        self._end_times, self._end_places = self._heap(np.flatnonzero(is_open), END, 0, ENDS_BY)
        self._wait_times, self._wait_places = self._heap(
            np.flatnonzero(waits), PREVIOUS + END, self._latency_ms, WAITS_BY
        )
        counters[ENDS], counters[WAITS] = len(self._end_times), len(self._wait_times)
        self._link(np.arange(count))

    def _heap(self, slots: Longs, field: int, latency_ms: int, by: int) -> tuple[Longs, Longs]:
        """The heap of the times at which sessions are over: sorted entries are one."""
        times = self._fields()[slots, field] + latency_ms
        self._fields()[slots, by] = times
        order = np.argsort(times, kind="stable")
        return times.take(order), slots.take(order)

    def _fields(self) -> Longs:
        return self._slots.reshape(-1, WIDTH)

    def _listed(self) -> Longs:
        """The slots in use, in the order in which their keys came."""
        fields = self._fields()[: self._counters[USED]]
        used = np.flatnonzero(fields[:, COUNT] + fields[:, PREVIOUS + COUNT])
        return used.take(np.argsort(fields[used, CAME]))

    def _positions(self, listed: Longs, block: int, other: int) -> Longs:
        positions = np.empty(int(self._counters[HELD]), dtype=np.int64)
        list_rows(self._slots, listed, self._following, block, other, positions)
        return positions

    def _make_room(self, rows: int, keys: int) -> None:
        """For ``rows`` that come, of ``keys`` at most: slots, timers, entries of the heaps, the chains of rows."""
        counters = self._counters
        slots = int(counters[USED]) + min(rows, keys)
        if slots * WIDTH > len(self._slots):
            self._slots = grown(self._slots, slots * WIDTH)
            self._slots = self._slots[: len(self._slots) // WIDTH * WIDTH]
        self._due = grown(self._due, slots)
        more = 2 * rows + int(counters[OPEN])
        fired, pending = int(counters[FIRED]), int(counters[PENDING])
        if pending + more > len(self._timers):
            waiting = self._timers[fired:pending]
            self._timers = grown(waiting, 2 * (len(waiting) + more))
            counters[FIRED], counters[PENDING] = 0, len(waiting)
        self._end_times = grown(self._end_times, int(counters[ENDS]) + rows)
        self._end_places = grown(self._end_places, int(counters[ENDS]) + rows)
        self._wait_times = grown(self._wait_times, int(counters[WAITS]) + more)
        self._wait_places = grown(self._wait_places, int(counters[WAITS]) + more)
        self._following = grown(self._following, self._store.stop)

    def _put_out(self, emission: Emission, rows: int) -> EventBatch:
        """The rows; then those that left are dropped, if they are most of the store."""
        store = self._store
        out = emission.batch(rows, self._schema, store)
        held = int(self._counters[HELD])
        if not held:
            store.drop(len(store))
        elif store.stop > 2 * held + _GARBAGE_MIN:
            listed = self._listed()
            if self._counters[USED] > 4 * len(listed) + _GARBAGE_MIN:
                self.restore(self.snapshot())  # most slots are free: begin with as many as there are keys
            else:
                store.keep(self._positions(listed, 0, PREVIOUS))
                self._link(listed)
        return out

    def _link(self, listed: Longs) -> None:
        """Chain the rows anew: those of the slots ``listed`` lie one after the other, the current session's first."""
        fields = self._fields()
        counts = fields[np.repeat(listed, 2), np.tile([COUNT, PREVIOUS + COUNT], len(listed))]
        stops = np.cumsum(counts)
        starts = stops - counts
        self._following = np.arange(1, int(self._counters[HELD]) + 1)
        self._following[stops[counts > 0] - 1] = -1
        for number, (_, block) in enumerate(_BLOCKS):
            fields[listed, block + HEAD] = starts[number::2]
            fields[listed, block + TAIL] = stops[number::2] - 1
        at = fields[listed, AT]
        fields[listed, BEFORE] = np.where(at > 0, starts[::2] + at - 1, -1)
