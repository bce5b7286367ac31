"""Virtual time: a heap of timed actions. Nothing in a simulation waits, sleeps or reads a clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final

MS: Final = 1000
"""Microseconds in a millisecond: simulated instants are whole microseconds."""

ACTIONS_MAX: Final = 20_000_000
"""Actions after which a run is taken to be stuck in a loop that does not advance time."""

Action = Callable[..., None]


class Scheduler:
    """Runs actions in order of their time; those of one instant in the order in which they were planned."""

    __slots__ = ("_actions_run", "_heap", "_planned", "now_us")

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, Action, tuple[Any, ...]]] = []
        self._planned = 0
        self._actions_run = 0

    @property
    def actions_run(self) -> int:
        """How many actions have been run."""
        return self._actions_run

    def at(self, time_us: int, action: Action, *arguments: Any) -> None:
        """Plan ``action(*arguments)`` for ``time_us``, or for now if that has passed."""
        self._planned += 1
        heapq.heappush(self._heap, (max(time_us, self.now_us), self._planned, action, arguments))

    def after(self, delay_us: int, action: Action, *arguments: Any) -> None:
        """Plan ``action(*arguments)`` for ``delay_us`` from now."""
        assert delay_us >= 0
        self._planned += 1
        heapq.heappush(self._heap, (self.now_us + delay_us, self._planned, action, arguments))

    def run_until(self, end_us: int, done: Callable[[], bool] | None = None) -> bool:
        """Run what is due through ``end_us``; stops early, and says True, as soon as ``done()`` holds."""
        heap = self._heap
        while heap and heap[0][0] <= end_us:
            self.now_us, _, action, arguments = heapq.heappop(heap)
            action(*arguments)
            self._actions_run += 1
            assert self._actions_run < ACTIONS_MAX, "the simulation runs in circles without advancing time"
            if done is not None and done():
                return True
        self.now_us = max(self.now_us, end_us)
        return False
