"""``#reorder:kslack(timestamp[, timeout[, max k[, discard]]])``: rows in order of their own time, as far as one can.

Rows wait until one comes that is ``k`` ms later than they are; k is the greatest lateness seen so far, up to ``max k``.
With a timeout, all that waits goes out each time it is over. With ``discard``, rows from before what went out last are
dropped. (K-slack; Babu, Srivastava, Widom 2004.)
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadBool, ReadInt64, WriteInt64, inlined, kernel
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema

Longs = npt.NDArray[np.int64]

_NO_TIME: Final = -(2**62)
_BEHIND_ALL: Final = 2**62
_LATEST: Final = 2**63 - 1
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not
_GARBAGE_MIN: Final = 256
_ALL_VALID: Final = np.ones(1, dtype=np.bool_)


class KSlack:
    """Holds the rows that wait. A row without a time is refused.

    ``_heap``: their positions, the earliest first; of equal times the row that came first.

    Args:
        schema: of the rows.
        attribute: position of the rows' own time.
        playback: whether event time drives the plan; what timers do does not depend on it.
        timeout_ms: how often all rows go out; None: never.
        most_ms: bound of k; None: there is none.
        discards: whether rows that come too late are dropped.
    """

    __slots__ = (
        "_attribute", "_discards", "_earliest_ms", "_greatest_ms", "_heap", "_most_ms", "_next_ms", "_schema",
        "_sent_ms", "_slack_ms", "_store", "_timeout_ms", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema,
        attribute: int,
        *,
        playback: bool,  # noqa: ARG002 - as other windows
        timeout_ms: int | None = None,
        most_ms: int | None = None,
        discards: bool = False,
    ) -> None:
        self._schema = schema
        self._attribute = attribute
        self._timeout_ms = 0 if timeout_ms is None else timeout_ms
        self._most_ms = -1 if most_ms is None else most_ms
        self._discards = discards
        self._store = RowStore(schema)
        self._heap: Longs = np.zeros(16, dtype=np.int64)
        self._waiting = 0
        self._slack_ms = 0
        self._greatest_ms = 0
        self._sent_ms = -1
        self._earliest_ms = _BEHIND_ALL  # of the rows since the latest one
        self._next_ms = _NO_TIME

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that waited long enough when a later one comes, or till a timeout."""
        store, count = self._store, len(batch)
        first = stop = store.stop
        if count:
            first = store.append(batch)
            self._heap[: self._waiting] -= stop - first  # rows may have moved
        self._heap = grown(self._heap, self._waiting + count)
        valid = store.valid(self._attribute)
        positions, chunks = np.empty((2, self._waiting + count), dtype=np.int64)
        rows, self._waiting, *state = _reorder(
            store.column(self._attribute), _ALL_VALID if valid is None else valid, valid is not None, first,
            self._heap, self._waiting, self._slack_ms, self._greatest_ms, self._sent_ms, self._earliest_ms,
            self._next_ms, clock.now_ms, batch.chunk_numbers(), clock.ticks_ms, self._timeout_ms, self._most_ms,
            self._discards, positions, chunks,
        )  # fmt: skip
        self._slack_ms, self._greatest_ms, self._sent_ms, self._earliest_ms, self._next_ms = state
        return self._put_out(positions[:rows], chunks[:rows])

    def fire(self, now_ms: int) -> EventBatch | None:
        """The timeout: all rows go out."""
        if self._next_ms == _NO_TIME or self._next_ms > now_ms:
            return None
        self._earliest_ms = _BEHIND_ALL
        self._next_ms = _next_timeout(self._next_ms, self._timeout_ms, now_ms)
        positions, chunks = np.empty((2, self._waiting), dtype=np.int64)
        times = self._store.column(self._attribute)
        rows, self._waiting, self._sent_ms = _send_all(
            times, self._heap, self._waiting, self._sent_ms, positions, chunks
        )  # fmt: skip
        return self._put_out(positions, chunks) if rows else None

    def _put_out(self, positions: Longs, chunks: Longs) -> EventBatch:
        """The rows; then those that went out are dropped, if they are most of the store."""
        store = self._store
        out = EventBatch(
            self._schema, store.timestamps.take(positions), store.take(positions), None, chunks.copy()
        )  # fmt: skip
        if len(store) > 2 * self._waiting + _GARBAGE_MIN:
            held = self._positions()
            self._heap[: self._waiting] = np.searchsorted(held, self._heap[: self._waiting])
            store.keep(held)
        return out

    def _positions(self) -> Longs:
        """The rows that wait, as they came."""
        return np.sort(self._heap[: self._waiting])

    def next_timer_ms(self) -> int | None:
        """The next timeout."""
        return None if self._next_ms == _NO_TIME else int(self._next_ms)

    def content(self) -> EventBatch:
        """Nothing: this is no window."""
        return self._store.rows(self._store.start, self._store.start)

    def snapshot(self) -> OperatorState:
        """The rows that wait, as they came, and what is known of lateness."""
        store = RowStore(self._schema)
        store.append(self._store.gathered(self._positions()))
        return {
            "rows": store.snapshot(),
            "slack_ms": int(self._slack_ms),
            "greatest_ms": int(self._greatest_ms),
            "sent_ms": int(self._sent_ms),
            "earliest_ms": int(self._earliest_ms),
            "next_ms": int(self._next_ms),
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        store = self._store
        store.restore(state["rows"])
        self._waiting = len(store)
        self._heap = grown(np.zeros(16, dtype=np.int64), self._waiting)
        times = store.column(self._attribute)[: self._waiting]
        self._heap[: self._waiting] = np.argsort(times, kind="stable")  # what is sorted is a heap
        self._slack_ms, self._greatest_ms = state["slack_ms"], state["greatest_ms"]
        self._sent_ms, self._earliest_ms = state["sent_ms"], state["earliest_ms"]
        self._next_ms = state["next_ms"]


@inlined
def _next_timeout(next_ms: int, timeout_ms: int, now_ms: int) -> int:
    """The timeout after the one at ``next_ms``: nothing waits until the next row comes."""
    next_ms += timeout_ms
    if next_ms <= now_ms:
        next_ms += ((now_ms - next_ms) // timeout_ms + 1) * timeout_ms
    return next_ms


@inlined
def _send(
    times: ReadInt64,
    heap: WriteInt64,
    waiting: int,
    sent_ms: int,
    latest_ms: int,
    chunk: int,
    out: int,
    out_positions: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """Put out the rows up to ``latest_ms``: rows put out so far, rows that wait, time of the last one that does not."""
    while waiting > 0 and times[heap[0]] <= latest_ms:
        sent_ms = times[heap[0]]
        out_positions[out] = heap[0]
        out_chunks[out] = chunk
        out += 1
        waiting -= 1
        moved = heap[waiting]
        time_ms = times[moved]
        place = 0
        while True:
            child = 2 * place + 1
            if child >= waiting:
                break
            if child + 1 < waiting:
                left, right = times[heap[child]], times[heap[child + 1]]
                if right < left or (right == left and heap[child + 1] < heap[child]):
                    child += 1
            below = times[heap[child]]
            if below > time_ms or (below == time_ms and heap[child] > moved):
                break
            heap[place] = heap[child]
            place = child
        heap[place] = moved
    return out, waiting, sent_ms


@kernel
def _send_all(
    times: ReadInt64,
    heap: WriteInt64,
    waiting: int,
    sent_ms: int,
    out_positions: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """As ``_send``, as what a timer puts out."""
    return _send(times, heap, waiting, sent_ms, _LATEST, FIRED_CHUNK, 0, out_positions, out_chunks)


@kernel
def _reorder(
    times: ReadInt64, valid: ReadBool, has_nulls: bool, first: int, heap: WriteInt64, waiting: int, slack_ms: int,
    greatest_ms: int, sent_ms: int, earliest_ms: int, next_ms: int, now_ms: ReadInt64, chunks: ReadInt64,
    ticks_ms: ReadInt64, timeout_ms: int, most_ms: int, discards: bool, out_positions: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int, int, int, int]:  # fmt: skip
    """Rows put out, rows that wait; k, greatest time, time of the last row put out, earliest since, next timeout.

    ``timeout_ms`` 0, ``most_ms`` below 0: there is none.
    """
    out = 0
    last = -CHUNK_STRIDE
    tick = 0
    for index in range(len(now_ms) + 1):
        position = first + index
        chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
        while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
            if next_ms != _NO_TIME and next_ms <= ticks_ms[tick]:
                number = min(max((tick - 1) * CHUNK_STRIDE, last) + 1, tick * CHUNK_STRIDE - 1)
                out, waiting, sent_ms = _send(
                    times, heap, waiting, sent_ms, _LATEST, number, out, out_positions, out_chunks
                )  # fmt: skip
                earliest_ms = _BEHIND_ALL
                next_ms = _next_timeout(next_ms, timeout_ms, ticks_ms[tick])
            tick += 1
        if index == len(now_ms):
            break
        now = now_ms[index]
        is_first = chunk & _WITHIN_STRIDE == 0 and (index == 0 or chunk != chunks[index - 1])
        if is_first and next_ms != _NO_TIME and next_ms <= now:
            number = min(max(chunk - CHUNK_STRIDE, last) + 1, chunk - 1)
            out, waiting, sent_ms = _send(
                times, heap, waiting, sent_ms, _LATEST, number, out, out_positions, out_chunks
            )  # fmt: skip
            earliest_ms = _BEHIND_ALL
            next_ms = _next_timeout(next_ms, timeout_ms, now)
        last = max(chunk, last)
        if timeout_ms > 0 and next_ms == _NO_TIME:
            next_ms = now + timeout_ms
        if has_nulls and not valid[position]:
            continue
        time_ms = times[position]
        if discards and time_ms < sent_ms:
            continue
        earliest_ms = min(earliest_ms, time_ms)
        place = waiting
        waiting += 1
        while place > 0:
            parent = (place - 1) >> 1
            if times[heap[parent]] <= time_ms:
                break
            heap[place] = heap[parent]
            place = parent
        heap[place] = position
        if time_ms > greatest_ms:
            greatest_ms = time_ms
            lateness = time_ms - earliest_ms
            if lateness > slack_ms:
                slack_ms = lateness if most_ms < 0 else min(lateness, most_ms)
            earliest_ms = _BEHIND_ALL
            if waiting == 1 and slack_ms == 0:  # written out here: a call would cost more than the row
                out_positions[out] = position
                out_chunks[out] = last
                out += 1
                waiting = 0
                sent_ms = time_ms
            elif times[heap[0]] <= time_ms - slack_ms:
                out, waiting, sent_ms = _send(
                    times, heap, waiting, sent_ms, time_ms - slack_ms, last, out, out_positions, out_chunks
                )  # fmt: skip
    return out, waiting, slack_ms, greatest_ms, sent_ms, earliest_ms, next_ms
