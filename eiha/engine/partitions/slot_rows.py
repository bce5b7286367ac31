"""Rows of many instances in one place: each row has a slot, each instance a chain of slots from its oldest row on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadInt64, WriteInt64, inlined, kernel
from eiha.engine.operator import OperatorState

Slots = npt.NDArray[np.int64]

NO_LIMIT: Final = 2**62
"""More rows than any instance holds."""


@dataclass(frozen=True, slots=True)
class Slid:
    """What a batch does to chains: each row comes into its slot, behind those that leave before it.

    ``left``: slots pushed out, in order; ``ends``: how many of them by each row, those before it included.
    """

    slots: Slots
    left: Slots
    ends: Slots


class SlotChains:
    """Slots and the chains that they form. Slots of rows that left are used again, so memory follows what is held.

    ``following``: by slot, the next one of its chain. ``heads``, ``tails``, ``counts``: by instance.
    """

    __slots__ = ("_free", "_free_count", "_used", "counts", "following", "heads", "instances", "tails")

    def __init__(self) -> None:
        self.instances = 0
        self.heads: Slots = np.zeros(16, dtype=np.int64)
        self.tails: Slots = np.zeros(16, dtype=np.int64)
        self.counts: Slots = np.zeros(16, dtype=np.int64)
        self.following: Slots = np.zeros(64, dtype=np.int64)
        self._used = 0  # slots from this on were never given out
        self._free: Slots = np.zeros(64, dtype=np.int64)
        self._free_count = 0

    @property
    def room(self) -> int:
        """How many slots there are; arrays by slot need as many entries."""
        return len(self.following)

    def reserve(self, instances: int) -> None:
        """Make room for ``instances``."""
        if instances > self.instances:
            self.instances = instances
            self.heads = grown(self.heads, instances)
            self.tails = grown(self.tails, instances)
            self.counts = grown(self.counts, instances)

    def claim(self, rows: int) -> Slots:
        """Slots for ``rows`` new rows; none of them is that of a row held."""
        again = min(rows, self._free_count)
        self._free_count -= again
        old = self._free[self._free_count : self._free_count + again]
        if again == rows:
            return old.copy()
        fresh = np.arange(self._used, self._used + rows - again, dtype=np.int64)
        self._used += rows - again
        self.following = grown(self.following, self._used)
        return np.concatenate([old, fresh])

    def release(self, slots: Slots) -> None:
        """Let the slots of rows that left be used again."""
        self._free = grown(self._free, self._free_count + len(slots))
        self._free[self._free_count : self._free_count + len(slots)] = slots
        self._free_count += len(slots)

    def slide(self, keys: Slots, length: int) -> Slid:
        """Add a row to the chain of each of ``keys``, which drops its oldest if it then has more than ``length``.

        The slots pushed out stay as they are until they are released.
        """
        return self.slide_claimed(keys, self.claim(len(keys)), length)

    def slide_claimed(self, keys: Slots, slots: Slots, length: int) -> Slid:
        """The same for rows in claimed ``slots``."""
        left = np.empty(len(keys), dtype=np.int64)
        ends = np.empty(len(keys), dtype=np.int64)
        count = slide_chains(keys, slots, length, self.heads, self.tails, self.counts, self.following, left, ends)
        return Slid(slots, left[:count], ends)

    def slide_by_time(
        self, keys: Slots, slots: Slots, times: Slots, now_ms: Slots, length_ms: int, rows_max: int = NO_LIMIT
    ) -> Slid:
        """The same for rows in claimed ``slots``: what came ``length_ms`` or more before a row leaves its chain.

        ``times``: by slot. A row waits for those of its chain that came before it. Where ``rows_max`` (1 or more) are
        left then, one more makes room.
        """
        left = np.empty(self._used - self._free_count, dtype=np.int64)  # all that are held, the new ones included
        ends = np.empty(len(keys), dtype=np.int64)
        count = slide_chains_by_time(
            keys, slots, times, now_ms, length_ms, rows_max,
            self.heads, self.tails, self.counts, self.following, left, ends,
        )  # fmt: skip
        return Slid(slots, left[:count], ends)

    def forget(self, instances: Slots) -> None:
        """Let the chains of ``instances`` go, with all of their rows."""
        known = instances[instances < self.instances]
        counts = self.counts.take(known)
        slots = np.empty(int(counts.sum()), dtype=np.int64)
        walk_chains(self.heads.take(known), counts, self.following, slots)
        self.counts[known] = 0
        self.release(slots)

    def in_order(self) -> Slots:
        """The slots of all rows held, instance by instance, oldest first."""
        counts = self.counts[: self.instances]
        slots = np.empty(int(counts.sum()), dtype=np.int64)
        walk_chains(self.heads, counts, self.following, slots)
        return slots

    def snapshot(self) -> OperatorState:
        """How many rows each instance holds; rows are told in the order of ``in_order``."""
        return {"counts": self.counts[: self.instances]}

    def restore(self, state: OperatorState) -> None:
        """Chains of the same lengths; their rows have the slots 0, 1, ... in order."""
        counts = np.array(state["counts"])
        fresh = SlotChains()
        fresh.reserve(len(counts))
        fresh.counts[: len(counts)] = counts
        ends = np.cumsum(counts)
        fresh.heads[: len(counts)] = ends - counts
        fresh.tails[: len(counts)] = np.maximum(ends - 1, 0)
        rows = int(counts.sum())
        fresh._used = rows
        fresh.following = grown(fresh.following, rows)
        fresh.following[:rows] = np.arange(1, rows + 1)
        for name in SlotChains.__slots__:
            setattr(self, name, getattr(fresh, name))


class SlotColumn:
    """Values by slot, and which of them are null."""

    __slots__ = ("valid", "values")

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.values: npt.NDArray[Any] = np.zeros(0, dtype=dtype)
        self.valid: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    def reserve(self, room: int) -> None:
        """Make room for ``room`` slots."""
        self.values = grown(self.values, room)
        self.valid = grown(self.valid, room)

    def snapshot(self, slots: Slots) -> OperatorState:
        """The values at ``slots``."""
        values = self.values.take(slots)
        is_object = values.dtype == np.object_
        return {"values": values.tolist() if is_object else values, "valid": self.valid.take(slots)}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave, at the slots 0, 1, ..."""
        valid = np.array(state["valid"], dtype=np.bool_)
        values = np.empty(len(valid), dtype=self.values.dtype)
        values[:] = state["values"]
        self.values, self.valid = values, valid


@inlined
def append_to_chain(key: int, slot: int, heads: Slots, tails: Slots, counts: Slots, following: Slots) -> None:
    """Make ``slot`` the last one of the chain of ``key``."""
    if counts[key] == 0:
        heads[key] = slot
    else:
        following[tails[key]] = slot
    tails[key] = slot
    counts[key] += 1


@kernel
def slide_chains(
    keys: ReadInt64,
    slots: ReadInt64,
    length: int,
    heads: WriteInt64,
    tails: WriteInt64,
    counts: WriteInt64,
    following: WriteInt64,
    left: WriteInt64,
    ends: WriteInt64,
) -> int:
    """Append each slot to the chain of its key, which then drops its head if it is longer than ``length`` (1 or more).

    How many heads were dropped.
    """
    dropped = 0
    for row in range(len(keys)):
        key = keys[row]
        if counts[key] == length:
            head = heads[key]
            left[dropped] = head
            dropped += 1
            heads[key] = following[head]
            counts[key] -= 1
        ends[row] = dropped
        append_to_chain(key, slots[row], heads, tails, counts, following)
    return dropped


@kernel
def slide_chains_by_time(
    keys: ReadInt64,
    slots: ReadInt64,
    times: ReadInt64,
    now_ms: ReadInt64,
    length_ms: int,
    rows_max: int,
    heads: WriteInt64,
    tails: WriteInt64,
    counts: WriteInt64,
    following: WriteInt64,
    left: WriteInt64,
    ends: WriteInt64,
) -> int:
    """Append each slot to the chain of its key, behind what is due to leave by then, and one row more where there are
    ``rows_max`` left. How many heads were dropped.
    """
    dropped = 0
    for row in range(len(keys)):
        key = keys[row]
        is_full = False
        while counts[key] > 0 and not is_full:
            head = heads[key]
            if times[head] + length_ms > now_ms[row]:
                is_full = counts[key] >= rows_max
                if not is_full:
                    break
            left[dropped] = head
            dropped += 1
            heads[key] = following[head]
            counts[key] -= 1
        ends[row] = dropped
        append_to_chain(key, slots[row], heads, tails, counts, following)
    return dropped


@kernel
def walk_chains(heads: ReadInt64, counts: ReadInt64, following: ReadInt64, out: WriteInt64) -> int:
    """Write the slots of all chains, one chain after the other."""
    place = 0
    for key in range(len(counts)):
        slot = heads[key]
        for _ in range(counts[key]):
            out[place] = slot
            place += 1
            slot = following[slot]
    return place
