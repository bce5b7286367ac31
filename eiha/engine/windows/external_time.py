"""``externalTime(timestamp, t)``: the rows whose own ``timestamp`` attribute lies in the latest t milliseconds.

Only rows move this window: no timer, no clock. Rows leave in the order of arrival, in the chunk of the row that pushes
them out and just before it, and carry that row's external time as their timestamp.
"""

from __future__ import annotations

import numpy as np

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.due_rows import count_due
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


class ExternalTimeWindow(Untimed):
    """Holds the rows of the latest ``length_ms`` by the long attribute ``attribute``.

    A row without an external time is refused: it neither enters nor moves the window. ``refused`` counts them.
    """

    __slots__ = ("_attribute", "_length_ms", "_schema", "_store", "refused")

    def __init__(self, schema: Schema, attribute: int, length_ms: int) -> None:
        self._schema = schema
        self._attribute = attribute
        self._length_ms = length_ms
        self._store = RowStore(schema)
        self.refused = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:  # noqa: ARG002
        """Current rows, each preceded by the rows that it pushes out."""
        valid = batch.columns[self._attribute].valid
        if valid is not None:
            self.refused += int(len(valid) - valid.sum())
            batch = batch.take(np.flatnonzero(valid))
        if not len(batch):
            return batch
        store = self._store
        first = store.append(batch)
        times = store.column(self._attribute)
        latest_ms = int(batch.columns[self._attribute].values.max()) - self._length_ms
        emission = Emission(len(batch) + count_due(times, store.start, store.stop, latest_ms))
        rows, start = _slide(
            times,
            store.timestamps,
            store.start,
            first,
            batch.chunk_numbers(),
            self._length_ms,
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
        return {"rows": self._store.snapshot(), "refused": self.refused}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self.refused = state["refused"]


@kernel
def _slide(
    times: ReadInt64,
    timestamps: ReadInt64,
    start: int,
    first: int,
    chunks: ReadInt64,
    length_ms: int,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int]:
    """Rows put out, and the position of the oldest row that stays; rows from ``first`` on are new."""
    out = 0
    for index in range(len(chunks)):
        position = first + index
        while start < position and times[start] + length_ms <= times[position]:
            out_positions[out] = start
            out_kinds[out] = EXPIRED
            out_timestamps[out] = times[position]
            out_chunks[out] = chunks[index]
            out += 1
            start += 1
        out_positions[out] = position
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[position]
        out_chunks[out] = chunks[index]
        out += 1
    return out, start
