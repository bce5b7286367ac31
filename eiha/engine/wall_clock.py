"""The wall clock as a plan sees it: by the log times of entries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class WallClock:
    """What the clock on the wall reads: in playback beside the clock of events. Periods and triggers go by it."""

    now_ms: int = 0

    def reach(self, now_ms: int) -> None:
        """Move on to ``now_ms``, never back."""
        self.now_ms = max(self.now_ms, now_ms)
