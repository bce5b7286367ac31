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
    comes again is a new instance.

    With a ``purge``, an instance is forgotten at the first of the moments ``last row + n * interval`` that is more
    than the idle period behind its last row; without, never.
    """

    __slots__ = ("_by_text", "_dues", "_purge", "_texts", "_used_ms", "count")

    def __init__(self, purge: Purge | None) -> None:
        self._purge = purge
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self._by_text: Numbers = np.zeros(64, dtype=np.int64)  # number + 1 by id of text, 0: no instance
        self._texts: Numbers = np.zeros(16, dtype=np.int64)  # id of text by number, -1: forgotten
        self._used_ms: Numbers = np.zeros(16, dtype=np.int64)
        self._dues: list[tuple[int, int]] = []

    def find(self, texts: npt.NDArray[np.integer], now_ms: Numbers) -> tuple[Numbers, Numbers]:
        """The number of each text (by its id), and the numbers of the instances that are new."""
        if not len(texts):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._by_text = grown(self._by_text, int(texts.max()) + 1)
        numbers = self._by_text.take(texts)
        unknown = np.flatnonzero(numbers == 0)
        fresh = self._add(texts.take(unknown)) if len(unknown) else np.zeros(0, dtype=np.int64)
        if len(unknown):
            numbers = self._by_text.take(texts)
        numbers -= 1
        if self._purge is not None:
            self._used_ms[numbers] = now_ms  # never decreasing, so the last row of an instance counts
            for number in fresh.tolist():
                heapq.heappush(self._dues, (self._due_ms(number), number))
        return numbers, fresh

    def _add(self, texts: npt.NDArray[np.integer]) -> Numbers:
        different, first = np.unique(texts, return_index=True)
        in_order = different.take(np.argsort(first))
        fresh = self.count + np.arange(len(in_order), dtype=np.int64)
        self.count += len(in_order)
        self._texts = grown(self._texts, self.count)
        self._used_ms = grown(self._used_ms, self.count)
        self._texts[fresh] = in_order
        self._by_text[in_order] = fresh + 1
        return fresh

    def living(self) -> Numbers:
        """The numbers of all instances that exist, in order."""
        return np.flatnonzero(self._texts[: self.count] >= 0)

    def next_purge_ms(self) -> int | None:
        """When the next instance is forgotten unless a row comes for it."""
        while self._dues:
            due_ms, number = self._dues[0]
            actual_ms = self._due_ms(number)
            if actual_ms == due_ms:
                return due_ms
            heapq.heapreplace(self._dues, (actual_ms, number))
        return None

    def purge(self, now_ms: int) -> list[int]:
        """Forget instances that were idle for too long by ``now_ms``; their numbers."""
        gone: list[int] = []
        while (due_ms := self.next_purge_ms()) is not None and due_ms <= now_ms:
            _, number = heapq.heappop(self._dues)
            self._by_text[self._texts[number]] = 0
            self._texts[number] = -1
            gone.append(number)
        return gone

    def _due_ms(self, number: int) -> int:
        assert self._purge is not None
        interval_ms, idle_ms = self._purge.interval_ms, self._purge.idle_ms
        return int(self._used_ms[number]) + interval_ms * (idle_ms // interval_ms + 1)

    def snapshot(self) -> OperatorState:
        """Number, text and last use of those that exist."""
        living = self.living()
        return {
            "count": self.count,
            "numbers": living,
            "texts": self._texts.take(living),
            "used_ms": self._used_ms.take(living),
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._clear()
        self.count = state["count"]
        numbers, texts = np.array(state["numbers"]), np.array(state["texts"])
        self._texts = grown(self._texts, self.count)
        self._texts[: self.count] = -1
        self._texts[numbers] = texts
        self._used_ms = grown(self._used_ms, self.count)
        self._used_ms[numbers] = state["used_ms"]
        if len(texts):
            self._by_text = grown(self._by_text, int(texts.max()) + 1)
            self._by_text[texts] = numbers + 1
        if self._purge is not None:
            self._dues = [(self._due_ms(number), number) for number in numbers.tolist()]
            heapq.heapify(self._dues)
