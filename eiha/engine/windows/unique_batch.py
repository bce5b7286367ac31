"""``unique:lengthBatch``, ``timeBatch``, ``timeLengthBatch`` and ``first`` kinds: batches with one row for each key.

Of several rows with one key a batch has the latest (the ``first`` kinds: the first). It goes out when so many keys are
there, or when the period is over (with both: at what comes first; then nothing is taken until the period is over): the
batch before it as expired rows, a reset, its rows in the order of a Java hash map of their keys. All carry that time.
"""

from __future__ import annotations

from dataclasses import dataclass

from eiha.engine.operator import OperatorState
from eiha.engine.windows.counted_keys import key_ids
from eiha.engine.windows.java_hash_table import hash_map_order, hash_map_table, spread_hash, spread_value_hash
from eiha.engine.windows.rowwise import Output, RowwiseWindow
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


class UniqueBatchWindow(RowwiseWindow):
    """Holds the batch that was put out last and the rows of the one that is filling."""

    __slots__ = ("_batches", "_current", "_end_ms", "_is_over", "_key", "_most", "_put_out", "_strings")

    collapses = True

    def __init__(
        self, schema: Schema, key: int, batches: UniqueBatches, strings: StringTable, *, playback: bool
    ) -> None:
        super().__init__(schema, playback=playback)
        self._key = key
        self._batches = batches
        self._strings = strings
        self._current: dict[int, int] = {}
        self._put_out: list[int] = []
        self._end_ms: int | None = None
        self._is_over = False  # the batch of this period went out because it was full
        self._most = 0

    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """The batches that fill, or that of the period that ends."""
        is_due = False
        length_ms = self._batches.length_ms
        if length_ms is not None:
            if self._end_ms is None:
                self._end_ms = self._first_end(now_ms, length_ms)
            if now_ms >= self._end_ms:
                self._end_ms += length_ms
                if self._is_over:
                    self._is_over = False
                    return
                is_due = True
        if self._is_over:
            return
        for place, key in enumerate(key_ids([batch.columns[self._key]], self._strings).tolist()):
            if not (self._batches.first and key in self._current):
                self._current[key] = first + place
            if len(self._current) == self._batches.keys:
                self._send(now_ms, out)
                if length_ms is not None:
                    self._is_over = True
                    return
        if is_due:
            self._send(now_ms, out)

    def turn(self, at_ms: int, now_ms: int, out: Output) -> None:
        """The period ends."""
        length_ms = self._batches.length_ms
        assert length_ms is not None
        assert self._end_ms is not None
        self._end_ms += length_ms
        if self._is_over:
            self._is_over = False
        else:
            self._send(at_ms, out)
        if not self._current and not self._put_out and self._end_ms <= now_ms:  # periods without rows are skipped
            self._end_ms += ((now_ms - self._end_ms) // length_ms + 1) * length_ms

    def next_timer_ms(self) -> int | None:
        """The end of the period."""
        return self._end_ms

    def positions(self) -> list[int]:
        """The rows of both batches."""
        return [*self._put_out, *self._current.values()]

    def found(self) -> list[int]:
        """The batch that was put out last; for the kinds by length the one that is filling."""
        return self._put_out if self._batches.length_ms is not None else list(self._current.values())

    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""
        self._put_out = [places[position] for position in self._put_out]
        self._current = {key: places[position] for key, position in self._current.items()}

    def state(self, places: dict[int, int]) -> OperatorState:
        """Both batches, and where the period stands."""
        return {
            "put_out": [places[position] for position in self._put_out],
            "current": [[key, places[position]] for key, position in self._current.items()],
            "end_ms": self._end_ms,
            "is_over": self._is_over,
            "most": self._most,
        }

    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""
        self._put_out = list(state["put_out"])
        self._current = dict(state["current"])
        self._end_ms = state["end_ms"]
        self._is_over = state["is_over"]
        self._most = state["most"]

    def _first_end(self, now_ms: int, length_ms: int) -> int:
        start_ms = self._batches.start_ms
        if start_ms is None:
            return now_ms + length_ms
        since = now_ms - start_ms
        return now_ms + length_ms - (since % length_ms if since >= 0 else -(-since % length_ms))

    def _send(self, now_ms: int, out: Output) -> None:
        """Put out the batch before, a reset and the batch."""
        out.next_chunk()
        for position in self._put_out:
            out.expired(position, now_ms)
        self._most = max(self._most, len(self._current))
        rows = list(self._current.values())
        texts = self._strings.texts_of(self._current)
        type_ = self._schema.attributes[self._key].type
        hashes = [spread_hash(text) if self._batches.first else spread_value_hash(type_, text) for text in texts]
        rows = [rows[place] for place in hash_map_order(hashes, hash_map_table(self._most))]
        if rows:
            out.reset(rows[0], now_ms)
        for position in rows:
            out.current(position, now_ms)
        self._put_out, self._current = rows, {}
