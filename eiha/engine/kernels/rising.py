"""Whether times rise: rows in order of their times need no clock of their own."""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, kernel


@kernel
def never_falls(times_ms: ReadInt64, least_ms: int) -> bool:
    """Whether no time is below the one before it, nor the first below ``least_ms``."""
    falls = 0
    for row in range(1, len(times_ms)):
        falls += 1 if times_ms[row] < times_ms[row - 1] else 0  # no early end: so the loop takes several rows at once
    return falls == 0 and (len(times_ms) == 0 or times_ms[0] >= least_ms)
