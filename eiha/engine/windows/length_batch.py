"""``lengthBatch(n[, stream.current.event])``: rows come out n at a time.

A full batch is one chunk: the batch before it as expired rows, a reset, its own rows. With the flag, current rows go
out at once, each as a chunk; the first one of a new batch follows the expired rows and the reset.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema


class LengthBatchWindow(Untimed):
    """Holds the batch that was put out last (if ``wants_expired``) and the rows of the next one.

    Expired rows carry the time at which they left. With a length of 0, each row is a batch that leaves at once.
    """

    __slots__ = ("_expired", "_length", "_schema", "_store", "_streams", "_wants_expired")

    def __init__(self, schema: Schema, length: int, *, streams_current: bool, wants_expired: bool) -> None:
        self._schema = schema
        self._length = length
        self._streams = streams_current
        self._wants_expired = wants_expired
        self._store = RowStore(schema)
        self._expired = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """A chunk for each batch that fills, or for each row with the flag."""
        store = self._store
        first = store.append(batch)
        emission = Emission(self._capacity(len(batch)))
        run = _put_out_at_once if self._streams else _put_out_when_full
        rows, start, self._expired = run(
            store.timestamps,
            store.start,
            first,
            self._expired,
            clock.now_ms,
            batch.chunk_numbers(),
            self._length,
            self._wants_expired,
            emission.positions,
            emission.kinds,
            emission.timestamps,
            emission.chunks,
        )
        out = emission.batch(rows, self._schema, store, collapses=True)
        store.drop(start - store.start)
        return out

    def content(self) -> EventBatch:
        """The rows put out last; with the flag those of the batch that runs."""
        first = self._store.start
        return self._store.rows(first, self._store.stop if self._streams else first + self._expired)

    def snapshot(self) -> OperatorState:
        """The rows held, and how many of them were put out."""
        return {"rows": self._store.snapshot(), "expired": self._expired}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._expired = state["expired"]

    def _capacity(self, rows: int) -> int:
        """Room for what ``rows`` more rows can put out: each held row twice at most, one reset a batch."""
        if self._length <= 0:
            return 3 * rows
        if self._streams:
            return 3 * rows + self._length
        batches = (len(self._store) - self._expired) // self._length
        return batches * (2 * self._length + 1) + (self._expired if batches else 0)


@inlined
def _chunk_after(chunk: int, last: int) -> int:
    """The number of a further chunk that ``chunk`` causes, ``last`` being the one before it."""
    if chunk > last:
        return chunk
    return min(last + 1, chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1)


@kernel
def _put_out_when_full(
    timestamps: ReadInt64,
    start: int,
    first: int,
    expired: int,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length: int,
    wants_expired: bool,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """Rows put out, the position of the oldest row that stays, and how many of those that stay were put out."""
    out = 0
    last = -1
    for index in range(len(now_ms)):
        stop = first + index + 1
        if stop - start - expired < length:
            continue
        number = _chunk_after(chunks[index], last)
        last = number
        current = start + expired
        begin = out
        if length > 0:
            for position in range(start, current):
                out_positions[out] = position
                out_kinds[out] = EXPIRED
                out_timestamps[out] = now_ms[index]
                out += 1
            out_positions[out] = current
            out_kinds[out] = RESET
            out_timestamps[out] = now_ms[index]
            out += 1
        for position in range(current, stop):
            out_positions[out] = position
            out_kinds[out] = CURRENT
            out_timestamps[out] = timestamps[position]
            out += 1
        if length <= 0:
            for kind in (EXPIRED, RESET):
                if kind == EXPIRED and not wants_expired:
                    continue
                out_positions[out] = current
                out_kinds[out] = kind
                out_timestamps[out] = now_ms[index]
                out += 1
        for row in range(begin, out):
            out_chunks[row] = number
        start = current if wants_expired and length > 0 else stop
        expired = stop - start
    return out, start, expired


@kernel
def _put_out_at_once(
    timestamps: ReadInt64,
    start: int,
    first: int,
    expired: int,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length: int,
    wants_expired: bool,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """As above; here all rows of the batch that is filling were put out, so ``expired`` counts all rows held."""
    out = 0
    last = -1
    for index in range(len(now_ms)):
        stop = first + index
        number = _chunk_after(chunks[index], last)
        last = number
        if stop - start >= length and stop > start:
            if wants_expired:
                for position in range(start, stop):
                    out_positions[out] = position
                    out_kinds[out] = EXPIRED
                    out_timestamps[out] = now_ms[index]
                    out_chunks[out] = number
                    out += 1
            out_positions[out] = start
            out_kinds[out] = RESET
            out_timestamps[out] = now_ms[index]
            out_chunks[out] = number
            out += 1
            start = stop
        out_positions[out] = stop
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[stop]
        out_chunks[out] = number
        out += 1
    expired = first + len(now_ms) - start
    return out, start, expired
