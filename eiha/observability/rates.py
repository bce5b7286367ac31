"""How fast something grows, over the last seconds."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_S: Final = 10.0


class Rate:
    """Growth per second of a number that only grows, seen through regular samples."""

    __slots__ = ("_samples", "_window_s")

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._window_s = window_s

    def sample(self, now_s: float, total: float) -> None:
        """Note the number as it is now. ``now_s`` must not go back."""
        self._samples.append((now_s, total))
        while len(self._samples) > 2 and now_s - self._samples[1][0] >= self._window_s:
            self._samples.popleft()

    def per_second(self) -> float:
        """The average over the window; 0 before there are two samples."""
        if len(self._samples) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0
