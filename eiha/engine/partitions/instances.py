"""The instances of a partition: texts of keys to dense numbers, given in order of first sight."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState
from eiha.plan.nodes import Purge

Numbers = npt.NDArray[np.int64]


class Instances:
    """Knows an instance by the id of its key's text. Numbers are never given twice: a key that was forgotten and
    comes again is a new instance. Each has a slot while it exists; memory follows how many there are at once.

    With a ``purge``, an instance is forgotten at the first of the moments ``last row + n * interval`` that is more
    than the idle period behind its last row; without, never.
    """

    __slots__ = ("_by_text", "_dues", "_free", "_numbers", "_purge", "_slots", "_texts", "_used_ms", "count")

    def __init__(self, purge: Purge | None) -> None:
        self._purge = purge
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self._slots = 0  # how many there are, the free ones included
        self._free: list[int] = []
        self._by_text: Numbers = np.zeros(64, dtype=np.int64)  # slot + 1 by id of text, 0: no instance
        self._numbers: Numbers = np.zeros(16, dtype=np.int64)
        self._texts: Numbers = np.zeros(16, dtype=np.int64)  # id of text by slot, -1: free
        self._used_ms: Numbers = np.zeros(16, dtype=np.int64)
        self._dues: list[tuple[int, int, int]] = []  # a heap: when, number, slot

    def find(self, texts: npt.NDArray[np.integer], now_ms: Numbers) -> tuple[Numbers, Numbers]:
        """The number of each text (by its id), and the numbers of the instances that are new."""
        if not len(texts):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._by_text = grown(self._by_text, int(texts.max()) + 1)
        slots = self._by_text.take(texts)
        unknown = np.flatnonzero(slots == 0)
        fresh = self._add(texts.take(unknown)) if len(unknown) else np.zeros(0, dtype=np.int64)
        if len(unknown):
            slots = self._by_text.take(texts)
        slots -= 1
        if self._purge is not None:
            self._used_ms[slots] = now_ms  # never decreasing, so the last row of an instance counts
            for slot in fresh.tolist():
                heapq.heappush(self._dues, (self._due_ms(slot), int(self._numbers[slot]), slot))
        return self._numbers.take(slots), self._numbers.take(fresh)

    def _add(self, texts: npt.NDArray[np.integer]) -> Numbers:
        different, first = np.unique(texts, return_index=True)
        in_order = different.take(np.argsort(first))
        again = [self._free.pop() for _ in range(min(len(in_order), len(self._free)))]
        more = np.arange(self._slots, self._slots + len(in_order) - len(again))
        fresh = np.concatenate([np.array(again, dtype=np.int64), more])
        self._reserve(self._slots + len(more))
        self._numbers[fresh] = self.count + np.arange(len(fresh))
        self.count += len(fresh)
        self._texts[fresh] = in_order
        self._by_text[in_order] = fresh + 1
        return fresh

    def _reserve(self, slots: int) -> None:
        self._slots = slots
        self._numbers = grown(self._numbers, slots)
        self._texts = grown(self._texts, slots)
        self._used_ms = grown(self._used_ms, slots)

    def _used_slots(self) -> Numbers:
        """Those of all instances that exist, in order of their numbers."""
        slots = np.flatnonzero(self._texts[: self._slots] >= 0)
        return slots.take(np.argsort(self._numbers.take(slots)))

    def living(self) -> Numbers:
        """The numbers of all instances that exist, in order."""
        return self._numbers.take(self._used_slots())

    def next_purge_ms(self) -> int | None:
        """When the next instance is forgotten unless a row comes for it."""
        while self._dues:
            due_ms, number, slot = self._dues[0]
            actual_ms = self._due_ms(slot)
            if actual_ms == due_ms:
                return due_ms
            heapq.heapreplace(self._dues, (actual_ms, number, slot))
        return None

    def purge(self, now_ms: int) -> list[int]:
        """Forget instances that were idle for too long by ``now_ms``; their numbers."""
        gone: list[int] = []
        while (due_ms := self.next_purge_ms()) is not None and due_ms <= now_ms:
            _, number, slot = heapq.heappop(self._dues)
            self._by_text[self._texts[slot]] = 0
            self._texts[slot] = -1
            self._free.append(slot)
            gone.append(number)
        return gone

    def _due_ms(self, slot: int) -> int:
        assert self._purge is not None
        interval_ms, idle_ms = self._purge.interval_ms, self._purge.idle_ms
        return int(self._used_ms[slot]) + interval_ms * (idle_ms // interval_ms + 1)

    def snapshot(self) -> OperatorState:
        """Number, text and last use of those that exist."""
        # as long as no instance was forgotten, slots are in order: views cost nothing
        is_whole = self._slots == self.count and not self._free
        slots = slice(0, self._slots) if is_whole else self._used_slots()
        return {
            "count": self.count,
            "numbers": self._numbers[slots],
            "texts": self._texts[slots],
            "used_ms": self._used_ms[slots],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._clear()
        self.count = state["count"]
        numbers, texts = np.array(state["numbers"]), np.array(state["texts"])
        used = len(texts)
        self._reserve(used)
        self._numbers[:used] = numbers
        self._texts[:used] = texts
        self._used_ms[:used] = state["used_ms"]
        if used:
            self._by_text = grown(self._by_text, int(texts.max()) + 1)
            self._by_text[texts] = np.arange(1, used + 1)
        if self._purge is not None:
            self._dues = [(self._due_ms(slot), number, slot) for slot, number in enumerate(numbers.tolist())]
            heapq.heapify(self._dues)
