"""``sort(n, attribute[, order], ...)``: the first n rows by some attributes.

A new row comes out at once; if it makes the window overfull, the last row by that order leaves, just behind it in the
same chunk. Of equal rows the one that came last is the last; nulls stand behind all values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.sort_keys import SortAttribute, SortKeys
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable

_GARBAGE_MIN: Final = 256


class SortWindow(Untimed):
    """Holds the first ``length`` rows by ``attributes``; an expired row carries the time at which it left.

    The rows held are a heap with the last one on top, so a row costs the logarithm of the length. Rows that left stay
    in the store until they are half of it.
    """

    __slots__ = ("_heap", "_keys", "_length", "_order", "_overflowed", "_schema", "_size", "_store")

    def __init__(self, schema: Schema, length: int, attributes: Sequence[SortAttribute], strings: StringTable) -> None:
        self._schema = schema
        self._length = max(length, 0)
        types = [schema.attributes[attribute.position].type for attribute in attributes]
        self._order = SortKeys(attributes, types, strings)
        self._store = RowStore(schema)
        self._keys: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._heap: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._size = 0
        self._overflowed = False

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Current rows, each followed by the row that it pushes out."""
        store = self._store
        first = store.append(batch)
        self._add_keys(batch, first)
        self._make_room(len(batch))
        emission = Emission(2 * len(batch))
        rows, size = _keep_first(
            self._keys,
            self._order.width,
            self._heap,
            self._size,
            self._length,
            first,
            store.timestamps,
            clock.now_ms,
            batch.chunk_numbers(),
            emission.positions,
            emission.kinds,
            emission.timestamps,
            emission.chunks,
        )
        self._overflowed = self._overflowed or rows > len(batch)
        self._size = size
        out = emission.batch(rows, self._schema, store)
        if store.stop > 2 * size + _GARBAGE_MIN:
            self._drop_garbage()
        return out

    def content(self) -> EventBatch:
        """The rows held in their order; as they came, as long as none had to leave."""
        held = self._held()
        if self._overflowed:
            keys = self._keys.reshape(-1, self._order.width)[held]
            held = held.take(np.lexsort((held, *keys.T[::-1])))
        return self._store.gathered(held)

    def snapshot(self) -> OperatorState:
        """The rows held, as they came."""
        store = RowStore(self._schema)
        store.append(self._store.gathered(self._held()))
        return {"rows": store.snapshot(), "overflowed": self._overflowed}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._overflowed = state["overflowed"]
        self._size = 0
        self._heap = np.empty(0, dtype=np.int64)
        self._add_keys(self._store.rows(0, self._store.stop), 0)
        self._pile_up(np.arange(self._store.stop, dtype=np.int64))

    def _held(self) -> npt.NDArray[np.int64]:
        return np.sort(self._heap[: self._size])

    def _make_room(self, rows: int) -> None:
        capacity = min(self._length, self._size + rows)
        if capacity > len(self._heap):
            larger = np.zeros(min(self._length, 2 * capacity), dtype=np.int64)
            larger[: self._size] = self._heap[: self._size]
            self._heap = larger

    def _add_keys(self, batch: EventBatch, first: int) -> None:
        """Keys stand at the positions of their rows."""
        before = self._order.renumberings
        added = self._order.of(batch.columns)
        if self._order.renumberings != before:
            first, added = 0, self._order.of(self._store.rows(0, self._store.stop).columns)
        start, stop = first * self._order.width, first * self._order.width + len(added)
        if stop > len(self._keys):
            larger = np.zeros(2 * stop, dtype=np.int64)
            larger[:start] = self._keys[:start]
            self._keys = larger
        self._keys[start:stop] = added

    def _drop_garbage(self) -> None:
        held = self._held()
        self._store.keep(held)
        rows = self._store.rows(0, self._store.stop)
        self._order.forget_all_but(rows.columns)
        self._keys = np.empty(0, dtype=np.int64)
        self._size = 0
        self._add_keys(rows, 0)
        self._pile_up(np.arange(len(held), dtype=np.int64))

    def _pile_up(self, positions: npt.NDArray[np.int64]) -> None:
        """A list with the last row first is a heap."""
        keys = self._keys[: len(positions) * self._order.width].reshape(-1, self._order.width)
        self._make_room(len(positions))
        self._size = len(positions)
        self._heap[: self._size] = np.lexsort((positions, *keys.T[::-1]))[::-1]


@inlined
def _is_behind(keys: ReadInt64, width: int, left: int, right: int) -> bool:
    """Whether the row at ``left`` stands behind that at ``right``; of equal ones that which came later."""
    for place in range(width):
        difference = keys[left * width + place] != keys[right * width + place]
        if difference:
            return bool(keys[left * width + place] > keys[right * width + place])
    return left > right


@inlined
def _push(keys: ReadInt64, width: int, heap: WriteInt64, size: int, position: int) -> None:
    """Add ``position`` to a heap of ``size``."""
    hole = size
    while hole > 0:
        parent = (hole - 1) // 2
        if not _is_behind(keys, width, position, heap[parent]):
            break
        heap[hole] = heap[parent]
        hole = parent
    heap[hole] = position


@inlined
def _replace_top(keys: ReadInt64, width: int, heap: WriteInt64, size: int, position: int) -> None:
    """Put ``position`` in the place of the last row."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and _is_behind(keys, width, heap[child + 1], heap[child]):
            child += 1
        if not _is_behind(keys, width, heap[child], position):
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = position


@kernel
def _keep_first(
    keys: ReadInt64,
    width: int,
    heap: WriteInt64,
    size: int,
    length: int,
    first: int,
    timestamps: ReadInt64,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int]:
    """Rows put out, and how many are held."""
    out = 0
    for index in range(len(now_ms)):
        position = first + index
        out_positions[out] = position
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[position]
        out_chunks[out] = chunks[index]
        out += 1
        if size < length:
            _push(keys, width, heap, size, position)
            size += 1
            continue
        leaving = position
        if length > 0 and not _is_behind(keys, width, position, heap[0]):
            leaving = heap[0]
            _replace_top(keys, width, heap, size, position)
        out_positions[out] = leaving
        out_kinds[out] = EXPIRED
        out_timestamps[out] = now_ms[index]
        out_chunks[out] = chunks[index]
        out += 1
    return out, size
