"""``batch([n])``: each chunk is a batch; with n, chunks of more rows are cut into batches of n rows.

A chunk puts out the rows of the chunk before as expired ones, a reset (but for the very first batch) and its own rows.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.kernels.spans import put_span
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET
from eiha.engine.windows.row_count import RowCount
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.turns import OWN_TIME, Turns
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema


class BatchWindow(Untimed):
    """Holds the chunk that came last, for its expired rows or its reset; ``length`` 0 or less does not cut.

    Expired rows carry the time at which they left.
    """

    __slots__ = ("_begun", "_latest", "_length", "_schema", "_tells_resets", "_turns", "_wants_expired", "store")

    def __init__(
        self, schema: Schema, length: int, *, wants_expired: bool, tells_resets: bool = True, counts_only: bool = False
    ) -> None:
        self._schema = schema
        self._length = length
        self._wants_expired = wants_expired
        self._tells_resets = tells_resets
        self.store = RowCount() if counts_only else RowStore(schema)
        self._turns = Turns(0)
        self._begun = False
        self._latest = 0  # rows held before those of the latest batch

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """A chunk for each chunk, or for each ``length`` rows of it."""
        return self.turn(batch, clock).batch(self._schema, self.store, resets=self._tells_resets)

    def accepted(self, batch: EventBatch, clock: RowClock) -> tuple[EventBatch, RowClock]:
        """All rows."""
        return batch, clock

    def turn(self, batch: EventBatch, clock: RowClock) -> Turns:
        """See ``TurningWindow``."""
        store = self.store
        first = store.append(batch)
        turns = self._turns = self._turns.with_room(3 * len(batch))
        turns.count, turns.stays, latest = _turn(
            store.start, first, store.start + self._latest, clock.now_ms, batch.chunk_numbers(),
            self._length, self._begun, self._wants_expired,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip
        self._begun = self._begun or len(batch) > 0
        self._latest = latest - turns.stays
        return turns

    def fire_turn(self, now_ms: int) -> Turns | None:  # noqa: ARG002
        """Nothing: there are no timers."""
        return None

    def content(self) -> EventBatch:
        """The rows held, oldest first; none if nobody wants to see them leave."""
        return self.store.rows(self.store.start if self._wants_expired else self.store.stop, self.store.stop)

    def snapshot(self) -> OperatorState:
        """The rows held."""
        return {"rows": self.store.snapshot(), "begun": self._begun, "latest": self._latest}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self.store.restore(state["rows"])
        self._begun = state["begun"]
        self._latest = state["latest"]


@kernel
def _turn(
    start: int,
    first: int,
    latest: int,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length: int,
    begun: bool,
    wants_expired: bool,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """Spans put out, the position of the oldest row that stays, and that of the first row of the latest batch.

    ``begun``: there was a batch before, whose first row lies at ``latest``: the reset has its values. All batches into
    which a chunk is cut leave with the next chunk.
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
        if start < chunk_first and wants_expired:
            out = put_span(
                start, chunk_first, EXPIRED, now_ms[begin], number,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        start = chunk_first
        if begun:
            out = put_span(
                latest, latest + 1, RESET, OWN_TIME, number,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        begun = True
        latest = first + begin
        out_begins[out] = first + begin  # written out here: where each row is a chunk, a call would cost more
        out_ends[out] = first + index
        out_kinds[out] = CURRENT
        out_timestamps[out] = OWN_TIME
        out_chunks[out] = number
        out += 1
    return out, start if wants_expired else latest, latest
