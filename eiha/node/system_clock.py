"""The only place that reads clocks for the core."""

from __future__ import annotations

import time
from typing import Final

from eiha.kernel.ids import MonotonicMs, Now, WallMs

_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine is suspended, so that a woken node sees how long it was away (CLOCK_MONOTONIC stands)."""


def read_clocks() -> Now:
    """What the clocks say now."""
    return Now(MonotonicMs(time.clock_gettime_ns(_CLOCK) // 1_000_000), WallMs(time.time_ns() // 1_000_000))
