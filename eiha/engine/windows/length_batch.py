"""``lengthBatch(n[, stream.current.event])``: rows come out n at a time.

A full batch is one chunk: the batch before it as expired rows, a reset, its own rows. With the flag, current rows go
out at once, each as a chunk; the first one of a new batch follows the expired rows and the reset.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.kernels.spans import chunk_after, put_span
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET
from eiha.engine.windows.row_count import RowCount
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.turns import OWN_TIME, Turns
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


class LengthBatchWindow(Untimed):
    """Holds the batch that was put out last (if ``wants_expired``) and the rows of the next one.

    Expired rows carry the time at which they left. With a length of 0, each row is a batch that leaves at once.
    """

    __slots__ = ("_expired", "_length", "_schema", "_streams", "_tells_resets", "_turns", "_wants_expired", "store")

    def __init__(
        self,
        schema: Schema,
        length: int,
        *,
        streams_current: bool,
        wants_expired: bool,
        tells_resets: bool = True,
        counts_only: bool = False,
    ) -> None:
        self._schema = schema
        self._length = length
        self._streams = streams_current
        self._wants_expired = wants_expired
        self._tells_resets = tells_resets
        self.store = RowCount() if counts_only else RowStore(schema)
        self._turns = Turns(0)
        self._expired = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """A chunk for each batch that fills, or for each row with the flag."""
        return self.turn(batch, clock).batch(self._schema, self.store, resets=self._tells_resets)

    def accepted(self, batch: EventBatch, clock: RowClock) -> tuple[EventBatch, RowClock]:
        """All rows."""
        return batch, clock

    def turn(self, batch: EventBatch, clock: RowClock) -> Turns:
        """See ``TurningWindow``."""
        store = self.store
        first = store.append(batch)
        turns = self._turns = self._turns.with_room(self._capacity(len(batch)))
        run = _put_out_at_once if self._streams else _put_out_when_full
        turns.count, turns.stays, self._expired = run(
            store.start, first, self._expired, clock.now_ms, batch.chunk_numbers(), self._length, self._wants_expired,
            turns.begins, turns.ends, turns.kinds, turns.timestamps, turns.chunks,
        )  # fmt: skip
        return turns

    def fire_turn(self, now_ms: int) -> Turns | None:  # noqa: ARG002
        """Nothing: there are no timers."""
        return None

    def content(self) -> EventBatch:
        """The rows put out last; with the flag those of the batch that runs."""
        first = self.store.start
        return self.store.rows(first, self.store.stop if self._streams else first + self._expired)

    def snapshot(self) -> OperatorState:
        """The rows held, and how many of them were put out."""
        return {"rows": self.store.snapshot(), "expired": self._expired}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self.store.restore(state["rows"])
        self._expired = state["expired"]

    def _capacity(self, rows: int) -> int:
        """Room for the spans that ``rows`` more rows can put out: three for each batch that fills, or begins."""
        if self._length <= 0 or self._streams:
            return 3 * rows
        return 3 * ((len(self.store) - self._expired) // self._length)


@kernel
def _put_out_when_full(
    start: int,
    first: int,
    expired: int,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length: int,
    wants_expired: bool,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """Spans put out, the position of the oldest row that stays, and how many of those that stay were put out."""
    out = 0
    last = -1
    index = max(start + expired + length - first - 1, 0)  # the row with which the batch is full
    while index < len(now_ms):
        stop = first + index + 1
        current = start + expired
        number = chunk_after(chunks[index], last)
        last = number
        if length > 0:
            if start < current:
                out = put_span(
                    start, current, EXPIRED, now_ms[index], number,
                    out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            out = put_span(
                current, current + 1, RESET, now_ms[index], number,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        out = put_span(
            current, stop, CURRENT, OWN_TIME, number,
            out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
        if length <= 0:
            if wants_expired:
                out = put_span(
                    current, stop, EXPIRED, now_ms[index], number,
                    out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            out = put_span(
                current, stop, RESET, now_ms[index], number,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        start = current if wants_expired and length > 0 else stop
        expired = stop - start
        index += max(length, 1)
    return out, start, expired


@kernel
def _put_out_at_once(
    start: int,
    first: int,
    expired: int,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    length: int,
    wants_expired: bool,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:
    """As above; here all rows of the batch that is filling were put out, so ``expired`` counts all rows held."""
    out = 0
    last = -1
    for index in range(len(now_ms)):
        stop = first + index
        number = chunk_after(chunks[index], last)
        last = number
        if stop - start >= length and stop > start:
            if wants_expired:
                out = put_span(
                    start, stop, EXPIRED, now_ms[index], number,
                    out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            out = put_span(
                start, start + 1, RESET, now_ms[index], number,
                out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
            start = stop
        out_begins[out] = stop  # written out here: a call for each row would cost more than the row
        out_ends[out] = stop + 1
        out_kinds[out] = CURRENT
        out_timestamps[out] = OWN_TIME
        out_chunks[out] = number
        out += 1
    expired = first + len(now_ms) - start
    return out, start, expired
