"""``length(n)``: the latest n rows. A new row pushes out the oldest, which leaves just before it in the same chunk."""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


class LengthWindow(Untimed):
    """Holds the latest ``length`` rows; an expired row carries the time at which it left.

    With a length of 0 or less, each row leaves, with its own timestamp, just before it comes.
    """

    __slots__ = ("_length", "_schema", "_store")

    def __init__(self, schema: Schema, length: int) -> None:
        self._schema = schema
        self._length = max(length, 0)
        self._store = RowStore(schema)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Current rows, each preceded by the row it pushes out."""
        store = self._store
        first = store.append(batch)
        emission = Emission(2 * len(batch))
        rows, start = _slide(
            store.timestamps,
            store.start,
            first,
            clock.now_ms,
            batch.chunk_numbers(),
            self._length,
            emission.positions,
            emission.kinds,
            emission.timestamps,
            emission.chunks,
        )
        out = emission.batch(rows, self._schema, store)
        store.drop(start - store.start)
        return out

    def content(self) -> EventBatch:
        """The rows held, oldest first."""
        return self._store.rows(self._store.start, self._store.stop)

    def snapshot(self) -> OperatorState:
        """The rows held."""
        return {"rows": self._store.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])


@kernel
def _slide(
    timestamps: ReadInt64,
    start: int,
    first: int,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length: int,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int]:
    """Rows put out, and the position of the oldest row that stays."""
    out = 0
    for index in range(len(now_ms)):
        position = first + index
        if position - start >= length:
            out_positions[out] = start
            out_kinds[out] = EXPIRED
            out_timestamps[out] = timestamps[start] if length == 0 else now_ms[index]
            out_chunks[out] = chunks[index]
            out += 1
            start += 1
        out_positions[out] = position
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[position]
        out_chunks[out] = chunks[index]
        out += 1
    return out, start
