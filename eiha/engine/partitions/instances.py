"""The instances of a partition: texts of keys to slots, and which of them were idle for too long."""

from __future__ import annotations

import heapq
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadInt64, WriteInt64, kernel
from eiha.engine.operator import OperatorState
from eiha.plan.nodes import Purge

Numbers = npt.NDArray[np.int64]

_NOBODY: Final = -1
"""The text of a slot that no instance has."""
_LOW_HALF: Final = (1 << 32) - 1
_NEVER_MS: Final = -(2**62)
_NONE: Final[Numbers] = np.empty(0, dtype=np.int64)


class Instances:
    """Knows an instance by the id of its key's text. Each has a slot while it exists, that of one that is gone if there
    is any; its *age* tells how many came before it, ever, so no two have the same.

    With a ``purge`` an instance is forgotten when no row came for ``Purge.span_ms``: a key that comes again is a new
    one, in another slot. That holds whether somebody called ``purge`` by then or not; slots are free only when that was
    done, so what others keep by slot can be thrown away before.
    """

    __slots__ = (
        "_ages", "_by_text", "_dues", "_free", "_latest_ms", "_purge", "_replaced", "_slots", "_span_ms", "_texts",
        "_used_ms", "count",
    )  # fmt: skip

    def __init__(self, purge: Purge | None) -> None:
        self._purge = purge
        self._span_ms = 0 if purge is None else purge.span_ms
        self._clear()

    def _clear(self) -> None:
        self.count = 0  # how many there were, ever
        self._slots = 0  # how many there are, the free ones included
        self._free: Numbers = _NONE
        self._replaced: list[int] = []  # slots whose key came again behind its time; not free yet
        self._latest_ms = _NEVER_MS
        self._by_text: Numbers = np.zeros(64, dtype=np.int64)  # slot + 1 by id of text, 0: no instance
        self._ages: Numbers = np.zeros(16, dtype=np.int64)
        self._texts: Numbers = np.zeros(16, dtype=np.int64)
        self._used_ms: Numbers = np.zeros(16, dtype=np.int64)
        self._dues: list[tuple[int, int, int]] = []  # a heap: when, age, slot; may hold old ones

    @property
    def forgets(self) -> bool:
        """Whether instances are forgotten."""
        return self._purge is not None

    @property
    def slots(self) -> int:
        """A bound for the slots."""
        return self._slots

    def find(self, texts: npt.NDArray[np.integer], now_ms: Numbers) -> tuple[Numbers, Numbers]:
        """The slot of each text (by its id), and the slots of the instances that are new, in order.

        ``now_ms`` never falls, also from call to call.
        """
        if not len(texts):
            return _NONE, _NONE
        self._by_text = grown(self._by_text, int(texts.max()) + 1)
        if self._purge is not None:
            return self._find_in_time(texts.astype(np.int64, copy=False), now_ms)
        slots = self._by_text.take(texts)
        unknown = np.flatnonzero(slots == 0)
        fresh = self._add(texts.take(unknown)) if len(unknown) else _NONE
        if len(unknown):
            slots = self._by_text.take(texts)
        slots -= 1
        return slots, fresh

    def _add(self, texts: npt.NDArray[np.integer]) -> Numbers:
        different, first = np.unique(texts, return_index=True)
        in_order = different.take(np.argsort(first))
        fresh = np.arange(self._slots, self._slots + len(in_order))
        self._reserve(self._slots + len(in_order))
        self._slots = self.count = self._slots + len(in_order)
        self._ages[fresh] = fresh
        self._texts[fresh] = in_order
        self._by_text[in_order] = fresh + 1
        return fresh

    def _reserve(self, slots: int) -> None:
        self._ages = grown(self._ages, slots)
        self._texts = grown(self._texts, slots)
        self._used_ms = grown(self._used_ms, slots)

    def _find_in_time(self, texts: Numbers, now_ms: Numbers) -> tuple[Numbers, Numbers]:
        self._reserve(self._slots + len(texts))
        slots, fresh, replaced = (np.empty(len(texts), dtype=np.int64) for _ in range(3))
        new, old = find_or_replace(
            texts, now_ms, self._span_ms, self._by_text, self._texts, self._used_ms, self._ages, self._free,
            self._slots, self.count, slots, fresh, replaced,
        )  # fmt: skip
        again = min(new, len(self._free))
        self._free = self._free[: len(self._free) - again]
        self._slots += new - again
        self.count += new
        fresh = fresh[:new]
        self._replaced += replaced[:old].tolist()
        self._latest_ms = max(self._latest_ms, int(now_ms[-1]))
        for slot in fresh.tolist():
            heapq.heappush(self._dues, (int(self._used_ms[slot]) + self._span_ms, int(self._ages[slot]), slot))
        return slots, fresh

    def ages(self, slots: Numbers) -> Numbers:
        """The ages of the instances in ``slots``."""
        return self._ages.take(slots)

    def tags(self, slots: Numbers) -> Numbers:
        """Numbers that are equal for rows of one instance, and no others, ever; their lower half is the slot."""
        return slots | self._ages.take(slots) << 32 if self.forgets else slots

    @staticmethod
    def slots_of(tags: Numbers) -> Numbers:
        """The slots in ``tags``."""
        return tags & _LOW_HALF

    def living(self, now_ms: int | None = None) -> Numbers:
        """The slots of all instances that exist (by ``now_ms``), the oldest first."""
        exists = self._texts[: self._slots] != _NOBODY
        if self._purge is not None and now_ms is not None:
            exists &= self._used_ms[: self._slots] + self._span_ms > now_ms
        slots = np.flatnonzero(exists)
        return slots.take(np.argsort(self._ages.take(slots)))

    def ages_kept(self) -> Numbers:
        """The ages of all instances for which others may keep something."""
        is_kept = np.ones(self._slots, dtype=np.bool_)
        is_kept[self._free] = False
        return self._ages[: self._slots][is_kept]

    def next_purge_ms(self) -> int | None:
        """When the next instance is forgotten unless a row comes for it."""
        while self._dues:
            due_ms, age, slot = self._dues[0]
            actual_ms = int(self._used_ms[slot]) + self._span_ms
            if self._ages[slot] != age or self._texts[slot] == _NOBODY:
                heapq.heappop(self._dues)
            elif actual_ms == due_ms:
                return due_ms
            else:
                heapq.heapreplace(self._dues, (actual_ms, age, slot))
        return None

    def purge(self, now_ms: int) -> list[int]:
        """Forget what was idle for too long by ``now_ms``; the slots, which are free from now on."""
        gone, self._replaced = self._replaced, []
        while (due_ms := self.next_purge_ms()) is not None and due_ms <= now_ms:
            slot = heapq.heappop(self._dues)[2]
            self._by_text[self._texts[slot]] = 0
            self._texts[slot] = _NOBODY
            gone.append(slot)
        if gone:
            self._free = np.concatenate([self._free, np.array(gone, dtype=np.int64)])
        return gone

    def purge_seen(self) -> list[int]:
        """``purge`` by the time of the rows that were found last: all that they caused is done."""
        return self.purge(self._latest_ms)

    def snapshot(self) -> OperatorState:
        """By slot age, text and last use; which slots are free, and which will be. The arrays are views."""
        return {
            "count": self.count,
            "ages": self._ages[: self._slots],
            "texts": self._texts[: self._slots],
            "used_ms": self._used_ms[: self._slots],
            "free": self._free,
            "replaced": np.array(self._replaced, dtype=np.int64),
            "latest_ms": self._latest_ms,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._clear()
        self.count = state["count"]
        self._slots = len(state["texts"])
        self._reserve(self._slots)
        self._ages[: self._slots] = state["ages"]
        self._texts[: self._slots] = state["texts"]
        self._used_ms[: self._slots] = state["used_ms"]
        self._free = np.array(state["free"], dtype=np.int64)
        self._replaced = state["replaced"].tolist()
        self._latest_ms = state["latest_ms"]
        used = np.flatnonzero(self._texts[: self._slots] != _NOBODY)
        texts = self._texts.take(used)
        if len(used):
            self._by_text = grown(self._by_text, int(texts.max()) + 1)
            self._by_text[texts] = used + 1
        if self._purge is not None:
            dues = (self._used_ms.take(used) + self._span_ms).tolist()
            self._dues = list(zip(dues, self._ages.take(used).tolist(), used.tolist(), strict=True))
            heapq.heapify(self._dues)


@kernel
def find_or_replace(
    texts: ReadInt64, now_ms: ReadInt64, span_ms: int, by_text: WriteInt64, texts_of: WriteInt64, used_ms: WriteInt64,
    ages: WriteInt64, free: ReadInt64, slots: int, count: int, out: WriteInt64, fresh: WriteInt64, replaced: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """The slot of each row's text, a new one where there is none or its time is over: from the end of ``free``, then
    from ``slots`` on. How many are new, and how many they replace.
    """
    new = 0
    old = 0
    left = len(free)
    for row in range(len(texts)):
        text = texts[row]
        slot = by_text[text] - 1
        if slot >= 0 and used_ms[slot] + span_ms <= now_ms[row]:
            texts_of[slot] = -1
            replaced[old] = slot
            old += 1
            slot = -1
        if slot < 0:
            if left > 0:
                left -= 1
                slot = free[left]
            else:
                slot = slots
                slots += 1
            ages[slot] = count + new
            texts_of[slot] = text
            by_text[text] = slot + 1
            fresh[new] = slot
            new += 1
        used_ms[slot] = now_ms[row]
        out[row] = slot
    return new, old
