"""``unique:lengthBatch``, ``timeBatch``, ``timeLengthBatch`` and ``first`` kinds: batches with one row for each key.

Of several rows with one key a batch has the latest (the ``first`` kinds: the first). It goes out when so many keys are
there, or when the period is over (with both: at what comes first; then nothing is taken until the period is over): the
batch before it as expired rows, a reset, its rows in the order of a Java hash map of their keys. All carry that time.
"""

from __future__ import annotations

from dataclasses import dataclass

from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.windows.unique_batch_kernels import END, NO_END, run_unique_batches, turn_unique_batch
from eiha.engine.windows.unique_rows import UniqueRows
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable


@dataclass(frozen=True, slots=True)
class UniqueBatches:
    """When a batch goes out: with so many ``keys``, after so many ``length_ms`` (counted from ``start_ms``, or the
    first row), or both. ``first``: whether a key's first row stays, instead of its latest.
    """

    keys: int | None = None
    length_ms: int | None = None
    start_ms: int | None = None
    first: bool = False


class UniqueBatchWindow:
    """Holds the batch that was put out last and the rows of the one that is filling."""

    __slots__ = ("_batches", "_held", "_length_ms", "_playback")

    def __init__(
        self, schema: Schema, key: int, batches: UniqueBatches, strings: StringTable, *, playback: bool
    ) -> None:
        self._batches = batches
        self._length_ms = -1 if batches.length_ms is None else batches.length_ms
        self._playback = playback
        self._held = UniqueRows(schema, key, strings, by_text=batches.first)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The batches that fill, and those of the periods that end."""
        held, batches = self._held, self._batches
        first, keys, hashes = held.add(batch)
        emission = held.emission(len(batch))
        rows = run_unique_batches(
            held.ids, held.rows, held.place_of, held.sent, hashes, held.order, held.counters,
            -1 if batches.keys is None else batches.keys, self._length_ms,
            NO_END if batches.start_ms is None else batches.start_ms, batches.first, self._playback, first, keys,
            clock.now_ms, batch.chunk_numbers(), clock.ticks_ms,
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        return held.put_out(emission, rows)

    def fire(self, now_ms: int) -> EventBatch | None:
        """The batch of the period that ends."""
        end_ms = self.next_timer_ms()
        if end_ms is None or end_ms > now_ms:
            return None
        held = self._held
        emission = held.emission(0)
        rows = turn_unique_batch(
            held.ids, held.rows, held.place_of, held.sent, held.hashes(held.ids[:0]), held.order, held.counters,
            self._length_ms, self._playback, now_ms, FIRED_CHUNK,
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        out = held.put_out(emission, rows)
        return out if rows else None

    def next_timer_ms(self) -> int | None:
        """The end of the period."""
        end_ms = int(self._held.counters[END])
        return None if end_ms == NO_END else end_ms

    def content(self) -> EventBatch:
        """The batch that was put out last; for the kinds by length the one that is filling."""
        return self._held.content(filling=self._batches.length_ms is None)

    def snapshot(self) -> OperatorState:
        """Both batches, and where the period stands."""
        return self._held.snapshot()

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._held.restore(state)
