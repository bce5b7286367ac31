"""``unique:first``, ``unique:ever``, ``unique:length``, ``unique:time``: sliding windows with one row for each key.

``first`` lets the first row of each key pass, for ever. The others hold the latest row of each key: a further one
pushes the row before out, which leaves just before it; so does the oldest one when ``length`` keys are held, and each
one when it is ``time`` old. Keys are compared by their text, several attributes by their texts one behind the other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.operator import FIRED_CHUNK, NO_TICKS, OperatorState, RowClock
from eiha.engine.windows.counted_keys import key_ids
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_NO_TIME: Final = -(2**62)
_BEHIND_ALL: Final = 2**62
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not
_GARBAGE_MIN: Final = 256
_NO_ROWS: Final[Longs] = np.empty(0, dtype=np.int64)


class UniqueWindow:
    """One row for each key, in order of arrival.

    Rows lie in the store with the id of their key behind. ``_numbers`` has for each id the running number of the row
    held for it, 0 if there is none; the row at position p has the number p + ``_offset``. A row whose key has another
    number is garbage.

    Args:
        schema: of the rows.
        keys: positions of the attributes that make up the key.
        strings: of the plan.
        playback: whether event time drives the plan.
        most: how many keys are held at most; None: all that came, so memory grows with their number.
        length_ms: how long a row stays; None: until another one takes its place.
        first: whether a key's first row stays, instead of its latest.
    """

    __slots__ = (
        "_clock_ms", "_first", "_held", "_keys", "_length_ms", "_most", "_numbers", "_offset", "_playback",
        "_record_ms", "_schema", "_store", "_strings", "_timers",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema,
        keys: tuple[int, ...],
        strings: StringTable,
        *,
        playback: bool,
        most: int | None = None,
        length_ms: int | None = None,
        first: bool = False,
    ) -> None:
        self._schema = schema
        self._keys = keys
        self._strings = strings
        self._playback = playback
        self._most = -1 if most is None else most
        self._length_ms = -1 if length_ms is None else length_ms
        self._first = first
        self._store = RowStore(Schema((*schema.attributes, Attribute("key", AttributeType.LONG))))
        self._numbers = np.zeros(16, dtype=np.int64)
        self._offset = 1
        self._held = 0
        self._timers: Longs = _NO_ROWS
        self._clock_ms = _NO_TIME
        self._record_ms = _NO_TIME

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Each row, behind those that it pushes out and those whose time is over."""
        store = self._store
        first = stop = store.stop
        if len(batch):
            ids = key_ids([batch.columns[each] for each in self._keys], self._strings)
            columns = (*batch.columns, Column(AttributeType.LONG, ids))
            first = store.append(EventBatch(store.schema, batch.timestamps, columns))
            self._offset += stop - first  # rows may have moved
            self._numbers = grown(self._numbers, len(self._strings))
        return self._run(first, clock.now_ms, batch.chunk_numbers(), clock.ticks_ms)

    def fire(self, now_ms: int) -> EventBatch | None:
        """The rows that are due leave."""
        if not len(self._timers) or self._timers[0] > now_ms:
            return None
        store = self._store
        at_ms = now_ms if self._playback else max(int(self._timers[0]), self._clock_ms)
        self._clock_ms = max(self._clock_ms, at_ms)
        self._timers = self._timers[1:]
        emission = Emission(self._held)
        rows, start = _let_due_leave(
            store.timestamps, store.column(len(self._schema)), self._numbers, self._offset, store.start, store.stop,
            at_ms - self._length_ms, at_ms, emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        self._held -= rows
        return self._put_out(emission, rows, start) if rows else None

    def next_timer_ms(self) -> int | None:
        """When the next row is due."""
        return int(self._timers[0]) if len(self._timers) else None

    def _run(self, first: int, now_ms: Longs, chunks: Longs, ticks_ms: Longs) -> EventBatch:
        store, count = self._store, len(now_ms)
        pending = len(self._timers)
        timers = _NO_ROWS
        if self._length_ms >= 0:
            timers = np.concatenate((self._timers, np.empty(count, dtype=np.int64)))
        else:
            ticks_ms = NO_TICKS
        emission = Emission(self._held + 2 * count)
        rows, start, self._held, fired, pending, self._record_ms, self._clock_ms = _slide(
            store.timestamps, store.column(len(self._schema)), self._numbers, self._offset, store.start, first,
            self._held, timers, pending, self._record_ms, self._clock_ms, now_ms, chunks, ticks_ms,
            self._most, self._length_ms, self._first, self._playback,
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        self._timers = timers[fired:pending]
        return self._put_out(emission, rows, start)

    def _put_out(self, emission: Emission, rows: int, start: int) -> EventBatch:
        """The rows; then those that left are dropped, and garbage, if it is most of the store."""
        store = self._store
        kinds = emission.kinds[:rows]
        out = EventBatch(
            schema=self._schema,
            timestamps=emission.timestamps[:rows],
            columns=store.take(emission.positions[:rows])[:-1],
            kinds=kinds if kinds.any() else None,
            chunks=emission.chunks[:rows],
        )
        before = store.start
        stop = store.stop
        store.drop(start - before)
        if not len(store):
            self._offset += stop  # positions begin at 0 again
        elif len(store) > 2 * self._held + _GARBAGE_MIN:
            positions = self._positions()
            number = self._offset + stop
            store.keep(positions)
            self._numbers[store.column(len(self._schema))[: self._held]] = number + np.arange(self._held)
            self._offset = number
        return out

    def _positions(self) -> Longs:
        """The rows held, oldest first."""
        store = self._store
        ids = store.column(len(self._schema))[store.start : store.stop]
        places: Longs = np.arange(store.start, store.stop)
        return places.compress(self._numbers.take(ids) == places + self._offset)

    def content(self) -> EventBatch:
        """The rows held."""
        held = self._store.gathered(self._positions())
        return EventBatch(self._schema, held.timestamps, held.columns[:-1])

    def snapshot(self) -> OperatorState:
        """The rows held with their keys, timers."""
        store = RowStore(self._store.schema)
        store.append(self._store.gathered(self._positions()))
        return {
            "rows": store.snapshot(),
            "timers": self._timers.copy(),
            "clock_ms": int(self._clock_ms),
            "record_ms": int(self._record_ms),
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        store = self._store
        store.restore(state["rows"])
        self._held, self._offset = len(store), 1
        self._numbers = grown(np.zeros(16, dtype=np.int64), len(self._strings))
        ids = store.column(len(self._schema))[: self._held]
        self._numbers[ids] = np.arange(1, self._held + 1)
        self._timers = np.array(state["timers"])
        self._clock_ms, self._record_ms = state["clock_ms"], state["record_ms"]


@kernel
def _let_due_leave(
    timestamps: ReadInt64,
    keys: ReadInt64,
    numbers: WriteInt64,
    offset: int,
    start: int,
    stop: int,
    latest_ms: int,
    at_ms: int,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int]:
    """Let the rows up to ``latest_ms`` leave, as what a timer puts out: rows put out, the oldest one that stays."""
    out = 0
    while start < stop:
        if numbers[keys[start]] == start + offset:
            if timestamps[start] > latest_ms:
                break
            numbers[keys[start]] = 0
            out_positions[out] = start
            out_kinds[out] = EXPIRED
            out_timestamps[out] = at_ms
            out_chunks[out] = FIRED_CHUNK
            out += 1
        start += 1
    return out, start


@inlined
def _let_leave(
    timestamps: ReadInt64,
    keys: ReadInt64,
    numbers: WriteInt64,
    offset: int,
    start: int,
    stop: int,
    latest_ms: int,
    at_ms: int,
    chunk: int,
    out: int,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int]:
    """As ``_let_due_leave``, as ``chunk``, behind ``out`` rows."""
    while start < stop:
        if numbers[keys[start]] == start + offset:
            if timestamps[start] > latest_ms:
                break
            numbers[keys[start]] = 0
            out_positions[out] = start
            out_kinds[out] = EXPIRED
            out_timestamps[out] = at_ms
            out_chunks[out] = chunk
            out += 1
        start += 1
    return out, start


@inlined
def _fire(
    timestamps: ReadInt64,
    keys: ReadInt64,
    numbers: WriteInt64,
    offset: int,
    start: int,
    stop: int,
    held: int,
    timers: WriteInt64,
    fired: int,
    pending: int,
    clock_ms: int,
    by_ms: int,
    length_ms: int,
    playback: bool,
    number: int,
    number_max: int,
    out: int,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int]:
    """Let the timers due by ``by_ms`` fire, each a chunk numbered above ``number``."""
    while fired < pending and timers[fired] <= by_ms:
        at = by_ms if playback else max(timers[fired], clock_ms)
        clock_ms = max(clock_ms, at)
        fired += 1
        before = out
        out, start = _let_leave(
            timestamps, keys, numbers, offset, start, stop, at - length_ms, at, min(number + 1, number_max),
            out, out_positions, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
        held -= out - before
        if out > before:
            number = min(number + 1, number_max)
    return out, start, held, fired, clock_ms


@kernel
def _slide(
    timestamps: ReadInt64, keys: ReadInt64, numbers: WriteInt64, offset: int, start: int, first: int, held: int,
    timers: WriteInt64, pending: int, record_ms: int, clock_ms: int, now_ms: ReadInt64, chunks: ReadInt64,
    ticks_ms: ReadInt64, most: int, length_ms: int, keeps_first: bool, playback: bool, out_positions: WriteInt64,
    out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int, int, int]:  # fmt: skip
    """Rows put out, the oldest row that may be held, how many are; timers fired and set, highest timestamp, clock.

    ``most`` and ``length_ms`` below 0: no bound. The first ``pending`` timers are set; there is room for
    one more a row.
    """
    out = 0
    fired = 0
    last = -CHUNK_STRIDE
    tick = 0
    for index in range(len(now_ms) + 1):
        position = first + index
        chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
        now = now_ms[index] if index < len(now_ms) else _NO_TIME
        is_first = index < len(now_ms) and chunk & _WITHIN_STRIDE == 0 and (index == 0 or chunk != chunks[index - 1])
        while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
            if fired < pending and timers[fired] <= ticks_ms[tick]:
                out, start, held, fired, clock_ms = _fire(
                    timestamps, keys, numbers, offset, start, position, held, timers, fired, pending, clock_ms,
                    ticks_ms[tick], length_ms, playback, max((tick - 1) * CHUNK_STRIDE, last), tick * CHUNK_STRIDE - 1,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            tick += 1
        if is_first and fired < pending and timers[fired] <= now:
            out, start, held, fired, clock_ms = _fire(
                timestamps, keys, numbers, offset, start, position, held, timers, fired, pending, clock_ms, now,
                length_ms, playback, max(chunk - CHUNK_STRIDE, last), chunk - 1,
                out, out_positions, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        if index == len(now_ms):
            break
        clock_ms = max(clock_ms, now)
        last = max(chunk, last)
        key = keys[position]
        if keeps_first and numbers[key] != 0:
            continue
        if length_ms >= 0:
            while start < position and numbers[keys[start]] != start + offset:
                start += 1
            if start < position and timestamps[start] + length_ms <= now:
                before = out
                out, start = _let_leave(
                    timestamps, keys, numbers, offset, start, position, now - length_ms, now, last,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
                held -= out - before
            if timestamps[position] > record_ms:
                record_ms = timestamps[position]
                timers[pending] = record_ms + length_ms
                pending += 1
        leaving = -1
        if numbers[key] != 0:
            leaving = numbers[key] - offset
        elif most >= 0 and held >= most:
            leaving = position  # of no keys at all the row itself
            while start < position and leaving == position:
                if numbers[keys[start]] == start + offset:
                    leaving = start
                    numbers[keys[start]] = 0
                start += 1
        if leaving >= 0:
            out_positions[out] = leaving
            out_kinds[out] = EXPIRED
            out_timestamps[out] = now
            out_chunks[out] = last
            out += 1
            if leaving != position:
                held -= 1
        if most != 0:
            numbers[key] = position + offset
            held += 1
        out_positions[out] = position
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[position]
        out_chunks[out] = last
        out += 1
    return out, start, held, fired, pending, record_ms, clock_ms
