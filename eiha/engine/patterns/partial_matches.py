"""Partial matches as arrays: slots that hold what was captured, and for each step a queue of slots that wait for it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import OperatorState

_CAPACITY_MIN: Final = 64
LATEST: Final = 2**62
"""Above every timestamp; with ``EARLIEST`` the empty range."""
EARLIEST: Final = -(2**62)


class PartialMatches:
    """``capacity`` slots for a chain of ``steps`` steps whose tests need ``terms`` values of captured events.

    A slot is free or in exactly one queue. All arrays are flat, row by row:

    * ``events`` int64[capacity * steps]: positions of the captured events in the stores of their steps
    * ``first_ms`` int64[capacity]: timestamp of the first captured event
    * ``terms``, ``terms_valid`` int64, uint8[capacity * terms]: values of captured terms
    * ``queues`` int64[steps * 2 * capacity], ``lengths`` int64[steps]: slots that wait for a step, oldest first;
      twice the room, since a slot may be appended to a queue while its old place is still being scanned
    * ``free`` int64[capacity], its first ``free_count`` entries
    * ``visible`` int64[steps]: how long the queues were when the row being processed came
    * ``oldest_ms``, ``newest_ms``: bounds of ``first_ms`` over all slots that hold an event
    """

    __slots__ = (
        "capacity",
        "events",
        "first_ms",
        "free",
        "free_count",
        "lengths",
        "newest_ms",
        "oldest_ms",
        "queues",
        "steps",
        "terms",
        "terms_count",
        "terms_valid",
        "visible",
    )

    def __init__(self, steps: int, terms: int) -> None:
        self.steps = steps
        self.terms_count = terms
        self._clear()
        self._wait_for_the_first_step()

    def _clear(self) -> None:
        self.capacity = 0
        self.free_count = 0
        self.events = np.zeros(0, dtype=np.int64)
        self.first_ms = np.zeros(0, dtype=np.int64)
        self.terms = np.zeros(0, dtype=np.int64)
        self.terms_valid = np.zeros(0, dtype=np.uint8)
        self.queues = np.zeros(0, dtype=np.int64)
        self.free = np.zeros(0, dtype=np.int64)
        self.lengths = np.zeros(self.steps, dtype=np.int64)
        self.visible = np.zeros(self.steps, dtype=np.int64)
        self.oldest_ms = LATEST
        self.newest_ms = EARLIEST
        self._resize(_CAPACITY_MIN)

    def __len__(self) -> int:
        return int(self.lengths.sum())

    def waiting(self, step: int) -> npt.NDArray[np.int64]:
        """The slots that wait for ``step``, oldest first."""
        begin = step * 2 * self.capacity
        return self.queues[begin : begin + int(self.lengths[step])]

    def captured(self, slots: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
        """The positions of the events that ``slots`` captured at ``step``."""
        return self.events.take(slots * self.steps + step)

    def grow(self) -> None:
        """Twice the slots; what they hold and the queues stay."""
        self._resize(2 * self.capacity)

    def snapshot(self) -> OperatorState:
        """For each step the matches that wait for it, in order."""
        queues: list[Any] = []
        for step in range(self.steps):
            slots = self.waiting(step)
            each = np.arange(self.terms_count)
            queues.append(
                {
                    "events": np.concatenate([self.captured(slots, earlier) for earlier in range(step)] or [slots[:0]]),
                    "first_ms": self.first_ms.take(slots),
                    "terms": self.terms.take(np.add.outer(slots * self.terms_count, each)).ravel(),
                    "terms_valid": self.terms_valid.take(np.add.outer(slots * self.terms_count, each)).ravel(),
                }
            )
        return {"queues": queues, "oldest_ms": self.oldest_ms, "newest_ms": self.newest_ms}

    def restore(self, state: OperatorState) -> None:
        """Take over the matches of a snapshot."""
        self._clear()
        total = sum(len(queue["first_ms"]) for queue in state["queues"])
        while self.capacity <= total:
            self.grow()
        used = 0
        for step, queue in enumerate(state["queues"]):
            slots = np.arange(used, used + len(queue["first_ms"]))
            used += len(slots)
            for earlier in range(step):
                begin = earlier * len(slots)
                self.events[slots * self.steps + earlier] = queue["events"][begin : begin + len(slots)]
            self.first_ms[slots] = queue["first_ms"]
            begin = int(slots[0]) * self.terms_count if len(slots) else 0
            self.terms[begin : begin + len(queue["terms"])] = queue["terms"]
            self.terms_valid[begin : begin + len(queue["terms_valid"])] = queue["terms_valid"]
            self.queues[step * 2 * self.capacity : step * 2 * self.capacity + len(slots)] = slots
            self.lengths[step] = len(slots)
        self.free_count = self.capacity - used
        self.free[: self.free_count] = np.arange(self.capacity - 1, used - 1, -1)
        self.oldest_ms, self.newest_ms = state["oldest_ms"], state["newest_ms"]

    def _wait_for_the_first_step(self) -> None:
        self.free_count -= 1
        self.queues[0] = self.free[self.free_count]
        self.lengths[0] = 1

    def _resize(self, capacity: int) -> None:
        before = self.capacity
        queues = np.zeros(self.steps * 2 * capacity, dtype=np.int64)
        for step in range(self.steps):
            queues[step * 2 * capacity : step * 2 * capacity + 2 * before] = self.queues[
                step * 2 * before : (step + 1) * 2 * before
            ]
        self.queues = queues
        self.events = _extended(self.events, capacity * self.steps)
        self.first_ms = _extended(self.first_ms, capacity)
        self.terms = _extended(self.terms, capacity * self.terms_count)
        self.terms_valid = _extended(self.terms_valid, capacity * self.terms_count)
        free = np.zeros(capacity, dtype=np.int64)
        fresh = np.arange(capacity - 1, before - 1, -1)
        free[: len(fresh)] = fresh
        free[len(fresh) : len(fresh) + self.free_count] = self.free[: self.free_count]
        self.free = free
        self.free_count += capacity - before
        self.capacity = capacity


def _extended(values: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    longer = np.zeros(size, dtype=values.dtype)
    longer[: len(values)] = values
    return longer
