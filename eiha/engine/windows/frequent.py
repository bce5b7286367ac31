"""``frequent(n[, attribute])`` and ``lossyFrequent(support[, error[, attribute]])``: the rows of frequent values.

Both count keys (without an attribute: whole rows) and hold the latest row of each key that they count. ``frequent``
counts n keys (Misra and Gries): a further key makes all counts fall by one; keys at 0 leave, just before the new row,
which is dropped if none leaves. ``lossyFrequent`` (Manku and Motwani) counts all keys in buckets of ``1 / error``
rows; a row passes if its key makes up ``support - error`` of all rows, and at the end of a bucket rare keys leave,
behind the row. Keys that leave together do so in the order in which a Java hash table lists them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.counted_keys import CountedKeys, key_ids
from eiha.engine.windows.emission import CURRENT, EXPIRED, Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable

_GARBAGE_MIN: Final = 256
_ORDER_BITS: Final = 40
"""Bits for the place of a key within its bin: more keys than that leaves room for never come."""
_CALLS_KEPT: Final = 4
"""Rows of so many calls are held, replaced or not, before it is looked which ones are."""


class _CountingWindow(Untimed):
    """What both have in common: counted keys and the latest row of each."""

    __slots__ = ("_attributes", "_held", "_schema", "_store", "_strings", "_tells_expired")

    def __init__(
        self, schema: Schema, attributes: tuple[int, ...], strings: StringTable, *, tells_expired: bool
    ) -> None:
        self._schema = schema
        self._attributes = attributes or tuple(range(len(schema)))
        self._strings = strings
        self._store = RowStore(schema)
        self._held = CountedKeys(strings)
        self._tells_expired = tells_expired

    def content(self) -> EventBatch:
        """The latest row of each key, as a Java hash table lists the keys."""
        return self._store.gathered(self._held.positions.take(self._held.listed()))

    def snapshot(self) -> OperatorState:
        """The rows held, as they came, and the keys."""
        store = RowStore(self._schema)
        store.append(self._store.gathered(np.sort(self._held.positions[: self._held.size])))
        return {"rows": store.snapshot(), "keys": self._held.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._held.restore(state["keys"])

    def _drop_garbage(self, rows: int) -> None:
        """Forget rows that were replaced, if they are most of all that are held beside the latest ``rows``."""
        held = self._held
        if self._store.stop <= 2 * held.size + _GARBAGE_MIN + _CALLS_KEPT * rows:
            return
        positions = held.positions[: held.size]
        order = np.argsort(positions)
        self._store.keep(positions.take(order))
        positions[order] = np.arange(held.size)


class FrequentWindow(_CountingWindow):
    """Holds the latest rows of up to ``most`` keys. An expired row carries the time at which it left."""

    __slots__ = ("_most",)

    def __init__(
        self,
        schema: Schema,
        most: int,
        attributes: tuple[int, ...],
        strings: StringTable,
        *,
        tells_expired: bool = True,
    ) -> None:
        super().__init__(schema, attributes, strings, tells_expired=tells_expired)
        self._most = max(most, 0)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows of counted keys, each preceded by the rows of the keys that it drives out."""
        held, store = self._held, self._store
        first = store.append(batch)
        ids = key_ids([batch.columns[index] for index in self._attributes], self._strings)
        hashes = held.begin(ids, self._most)
        emission = Emission(held.size + 2 * len(batch) if self._tells_expired else len(batch))
        rows, held.size, held.table, held.came = _count(
            ids, hashes, self._most, self._tells_expired, held.size, held.table, held.came,
            held.keys, held.hashes, held.counts, held.positions, held.order, held.slots, held.work, held.ranks,
            first, store.timestamps, clock.now_ms, batch.chunk_numbers(),
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        out = emission.batch(rows, self._schema, store)
        self._drop_garbage(len(batch))
        return out


class LossyFrequentWindow(_CountingWindow):
    """Holds the latest row of each counted key. An expired row carries the time at which it left.

    The number of keys is bounded by ``1 / error * log(error * rows)``.
    """

    __slots__ = ("_error", "_support", "_total")

    def __init__(
        self,
        schema: Schema,
        support: float,
        error: float,
        attributes: tuple[int, ...],
        strings: StringTable,
        *,
        tells_expired: bool = True,
    ) -> None:
        super().__init__(schema, attributes, strings, tells_expired=tells_expired)
        self._support = support
        self._error = error
        self._total = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows of frequent keys; behind the last one of a bucket the rows of the keys that leave."""
        held, store = self._held, self._store
        first = store.append(batch)
        ids = key_ids([batch.columns[index] for index in self._attributes], self._strings)
        hashes = held.begin(ids, held.size + len(batch))
        emission = Emission(held.size + 2 * len(batch) if self._tells_expired else len(batch))
        width = np.ceil(1 / self._error) if self._error > 0 else np.inf
        rows, held.size, held.table, held.came = _count_lossy(
            ids, hashes, self._tells_expired, self._support - self._error, float(width), self._total,
            held.size, held.table, held.came, held.keys, held.hashes, held.counts, held.buckets, held.positions,
            held.order, held.slots, held.work, held.ranks,
            first, store.timestamps, clock.now_ms, batch.chunk_numbers(),
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        self._total += len(batch)
        out = emission.batch(rows, self._schema, store)
        self._drop_garbage(len(batch))
        return out

    def snapshot(self) -> OperatorState:
        """The rows held, the keys, and how many rows came."""
        return {**super().snapshot(), "total": self._total}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        super().restore(state)
        self._total = state["total"]


@inlined
def _sort_as_listed(
    slots: WriteInt64, ranks: WriteInt64, count: int, hashes: ReadInt64, order: ReadInt64, table: int
) -> None:
    """Bring the first ``count`` of ``slots`` into the order in which the table lists them; ``ranks`` is room for it."""
    for index in range(count):
        slot = slots[index]
        ranks[index] = ((hashes[slot] & (table - 1)) << _ORDER_BITS) + order[slot]
    gap = 1
    while gap < count // 9:
        gap = 3 * gap + 1
    while gap > 0:
        for index in range(gap, count):
            slot = slots[index]
            rank = ranks[index]
            place = index
            while place >= gap and ranks[place - gap] > rank:
                slots[place] = slots[place - gap]
                ranks[place] = ranks[place - gap]
                place -= gap
            slots[place] = slot
            ranks[place] = rank
        gap //= 3


@inlined
def _double(hashes: ReadInt64, order: WriteInt64, slots: WriteInt64, ranks: WriteInt64, size: int, table: int) -> int:
    """Deal each bin of the table out to two; the number of bins after that.

    The keys at the end of a bin that go to one half keep their order, those before them come before in reverse.
    """
    for slot in range(size):
        slots[slot] = slot
    _sort_as_listed(slots, ranks, size, hashes, order, table)
    begin = 0
    while begin < size:
        bin_number = hashes[slots[begin]] & (table - 1)
        end = begin
        while end < size and hashes[slots[end]] & (table - 1) == bin_number:
            end += 1
        run = end - 1
        while run > begin and (hashes[slots[run - 1]] & table) == (hashes[slots[end - 1]] & table):
            run -= 1
        for index in range(begin, end):
            order[slots[index]] = index - begin if index >= run else begin - index - 1
        begin = end
    return 2 * table


@inlined
def _forget(
    size: int,
    keys: WriteInt64,
    hashes: WriteInt64,
    counts: WriteInt64,
    buckets: WriteInt64,
    positions: WriteInt64,
    order: WriteInt64,
    slots: WriteInt64,
) -> int:
    """Close the gaps of the keys whose count is 0; how many are left."""
    left = 0
    for slot in range(size):
        if counts[slot] == 0:
            slots[keys[slot]] = -1
            continue
        if left < slot:
            keys[left] = keys[slot]
            hashes[left] = hashes[slot]
            counts[left] = counts[slot]
            buckets[left] = buckets[slot]
            positions[left] = positions[slot]
            order[left] = order[slot]
            slots[keys[left]] = left
        left += 1
    return left


@kernel
def _count(
    ids: ReadInt64,
    id_hashes: ReadInt64,
    most: int,
    tells_expired: bool,
    size: int,
    table: int,
    came: int,
    keys: WriteInt64,
    hashes: WriteInt64,
    counts: WriteInt64,
    positions: WriteInt64,
    order: WriteInt64,
    slots: WriteInt64,
    work: WriteInt64,
    ranks: WriteInt64,
    first: int,
    timestamps: ReadInt64,
    now_ms: ReadInt64,
    chunks: ReadInt64,
    out_positions: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int, int]:
    """Rows put out; keys held, bins of the table, keys that ever came."""
    out = 0
    for index in range(len(ids)):
        position = first + index
        key = ids[index]
        slot = slots[key]
        if slot >= 0:
            counts[slot] += 1
            positions[slot] = position
        else:
            if size >= most:
                gone = 0
                for each in range(size):
                    counts[each] -= 1
                    if counts[each] == 0:
                        work[gone] = each
                        gone += 1
                if gone == 0:
                    continue
                if tells_expired:
                    _sort_as_listed(work, ranks, gone, hashes, order, table)
                for place in range(gone if tells_expired else 0):
                    out_positions[out] = positions[work[place]]
                    out_kinds[out] = EXPIRED
                    out_timestamps[out] = now_ms[index]
                    out_chunks[out] = chunks[index]
                    out += 1
                size = _forget(size, keys, hashes, counts, counts, positions, order, slots)
            keys[size] = key
            hashes[size] = id_hashes[key]
            counts[size] = 1
            positions[size] = position
            order[size] = came
            slots[key] = size
            size += 1
            came += 1
            if 4 * size >= 3 * table:
                table = _double(hashes, order, work, ranks, size, table)
        out_positions[out] = position
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[position]
        out_chunks[out] = chunks[index]
        out += 1
    return out, size, table, came


@kernel
def _count_lossy(
    ids: ReadInt64, id_hashes: ReadInt64, tells_expired: bool, threshold: float, width: float, total: int, size: int,
    table: int, came: int, keys: WriteInt64, hashes: WriteInt64, counts: WriteInt64, buckets: WriteInt64,
    positions: WriteInt64, order: WriteInt64, slots: WriteInt64, work: WriteInt64, ranks: WriteInt64,
    first: int, timestamps: ReadInt64, now_ms: ReadInt64, chunks: ReadInt64,
    out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Rows put out; keys held, bins of the table, keys that ever came."""
    out = 0
    for index in range(len(ids)):
        position = first + index
        key = ids[index]
        total += 1
        bucket = int(np.ceil(total / width)) if total > 1 else 1
        slot = slots[key]
        if slot < 0:
            slot = size
            keys[size] = key
            hashes[size] = id_hashes[key]
            counts[size] = 0
            buckets[size] = bucket - 1
            order[size] = came
            slots[key] = size
            size += 1
            came += 1
            if 4 * size >= 3 * table:
                table = _double(hashes, order, work, ranks, size, table)
        counts[slot] += 1
        positions[slot] = position
        if counts[slot] >= threshold * total:
            out_positions[out] = position
            out_kinds[out] = CURRENT
            out_timestamps[out] = timestamps[position]
            out_chunks[out] = chunks[index]
            out += 1
        if total % width != 0:
            continue
        gone = 0
        for each in range(size):
            if counts[each] + buckets[each] <= bucket:
                work[gone] = each
                gone += 1
        if tells_expired:
            _sort_as_listed(work, ranks, gone, hashes, order, table)
        for place in range(gone):
            counts[work[place]] = 0
            if tells_expired:
                out_positions[out] = positions[work[place]]
                out_kinds[out] = EXPIRED
                out_timestamps[out] = now_ms[index]
                out_chunks[out] = chunks[index]
                out += 1
        size = _forget(size, keys, hashes, counts, buckets, positions, order, slots)
    return out, size, table, came
