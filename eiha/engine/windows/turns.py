"""What batch windows decide: spans of rows that go out together, before any row is written.

A batch that turns is a few spans (the rows before as expired ones, the reset, its rows), however many rows are in it;
so a period costs the loop that finds its end nothing but these. ``Turns.batch`` writes the rows out where somebody
wants to see them; ``operators.tumbling_aggregates`` adds them up where they lie.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import Operator, RowClock
from eiha.engine.windows.emission import Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema

OWN_TIME: Final = -(2**62)
"""Timestamp of a span whose rows keep their own ones."""


class Turns:
    """Room for ``capacity`` spans: positions of the first row and behind the last one, kind, timestamp, chunk number.

    A kernel fills the arrays from the front. ``count``: how many it wrote; ``stays``: the oldest row that the window
    holds on, those before are dropped when the spans were read. A window may use the same ones again in its next call.
    """

    __slots__ = ("begins", "chunks", "count", "ends", "kinds", "stays", "timestamps")

    def __init__(self, capacity: int) -> None:
        self.begins: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.ends: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.kinds: npt.NDArray[np.uint8] = np.empty(capacity, dtype=np.uint8)
        self.timestamps: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.chunks: npt.NDArray[np.int64] = np.empty(capacity, dtype=np.int64)
        self.count = 0
        self.stays = 0

    def with_room(self, capacity: int) -> Turns:
        """These, if they have room for ``capacity`` spans, or others."""
        return self if capacity <= len(self.begins) else Turns(capacity)

    def batch(self, schema: Schema, store: RowStore) -> EventBatch:
        """The rows of the spans, as they are in ``store``, which then forgets those that do not stay."""
        count = self.count
        assert count <= len(self.begins)
        rows = int((self.ends[:count] - self.begins[:count]).sum())
        emission = Emission(rows)
        _write_rows(
            self.begins[:count], self.ends[:count], self.kinds[:count], self.timestamps[:count], self.chunks[:count],
            store.timestamps, emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        out = emission.batch(rows, schema, store, collapses=True)
        store.drop(self.stays - store.start)
        return out


class TurningWindow(Operator, Protocol):
    """A batch window that can be asked for spans instead of rows."""

    @property
    def store(self) -> RowStore:
        """Where the rows of the spans lie."""

    def turn(self, batch: EventBatch, clock: RowClock) -> Turns:
        """As ``process``, which writes these out; the caller drops what does not stay."""

    def fire_turn(self, now_ms: int) -> Turns | None:
        """As ``fire``."""


class CountingWindow(TurningWindow, Protocol):
    """A batch window that can do with a ``RowCount`` for a store: each row goes out once, and nobody sees it leave."""

    def accepted(self, batch: EventBatch, clock: RowClock) -> tuple[EventBatch, RowClock]:
        """The rows that the window does not refuse: given to ``turn``, all of them enter."""


@kernel
def _write_rows(
    begins: ReadInt64,
    ends: ReadInt64,
    kinds: ReadUInt8,
    times: ReadInt64,
    numbers: ReadInt64,
    timestamps: ReadInt64,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> None:
    out = 0
    for span in range(len(begins)):
        own = times[span] == OWN_TIME
        for position in range(begins[span], ends[span]):
            out_positions[out] = position
            out_kinds[out] = kinds[span]
            out_timestamps[out] = timestamps[position] if own else times[span]
            out_chunks[out] = numbers[span]
            out += 1
