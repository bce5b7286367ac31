"""``batch([n])``: each chunk is a batch; with n, chunks of more rows are cut into batches of n rows.

A chunk puts out the rows of the chunk before as expired ones, a reset (but for the very first batch) and its own rows.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema


class BatchWindow(Untimed):
    """Holds the chunk that came last, if ``wants_expired``; ``length`` 0 or less does not cut.

    Expired rows carry the time at which they left.
    """

    __slots__ = ("_begun", "_latest", "_length", "_schema", "_store", "_wants_expired")

    def __init__(self, schema: Schema, length: int, *, wants_expired: bool) -> None:
        self._schema = schema
        self._length = length
        self._wants_expired = wants_expired
        self._store = RowStore(schema)
        self._begun = False
        self._latest = 0  # rows held before those of the latest batch

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """A chunk for each chunk, or for each ``length`` rows of it."""
        store = self._store
        first = store.append(batch)
        emission = Emission(len(store) + 2 * len(batch))
        rows, start, latest = _turn(
            store.timestamps,
            store.start,
            first,
            store.start + self._latest,
            clock.now_ms,
            batch.chunk_numbers(),
            self._length,
            self._begun,
            self._wants_expired,
            emission.positions,
            emission.kinds,
            emission.timestamps,
            emission.chunks,
        )
        self._begun = self._begun or len(batch) > 0
        out = emission.batch(rows, self._schema, store, collapses=True)
        self._latest = latest - start if self._wants_expired else 0
        store.drop(start - store.start)
        return out

    def content(self) -> EventBatch:
        """The rows held, oldest first."""
        return self._store.rows(self._store.start, self._store.stop)

    def snapshot(self) -> OperatorState:
        """The rows held."""
        return {"rows": self._store.snapshot(), "begun": self._begun, "latest": self._latest}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._begun = state["begun"]
        self._latest = state["latest"]


@kernel
def _turn(
    timestamps: ReadInt64,
    start: int,
    first: int,
    latest: int,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length: int,
    begun: bool,
    wants_expired: bool,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """Rows put out, the position of the oldest row that stays, and that of the first row of the latest batch.

    ``begun``: there was a batch before, whose first row lies at ``latest`` if expired rows are wanted: the reset has
    its values, else those of the new batch. All batches into which a chunk is cut leave with the next chunk.
    """
    out = 0
    index = 0
    last = -1
    chunk_first = first
    while index < len(now_ms):
        chunk = chunks[index]
        begin = index
        if index == 0 or chunk != chunks[index - 1]:
            chunk_first = first + index
        while index < len(now_ms) and chunks[index] == chunk and (length <= 0 or index - begin < length):
            index += 1
        number = chunk if chunk > last else min(last + 1, chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1)
        last = number
        while start < chunk_first:
            out_positions[out] = start
            out_kinds[out] = EXPIRED
            out_timestamps[out] = now_ms[begin]
            out_chunks[out] = number
            start += 1
            out += 1 if wants_expired else 0
        if begun:
            reset = latest if wants_expired else first + begin
            out_positions[out] = reset
            out_kinds[out] = RESET
            out_timestamps[out] = timestamps[reset]
            out_chunks[out] = number
            out += 1
        begun = True
        latest = first + begin
        for position in range(first + begin, first + index):
            out_positions[out] = position
            out_kinds[out] = CURRENT
            out_timestamps[out] = timestamps[position]
            out_chunks[out] = number
            out += 1
    return out, start if wants_expired else first + len(now_ms), latest
