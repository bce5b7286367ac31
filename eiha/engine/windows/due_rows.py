"""How many of the rows that a window by time holds are due to leave."""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, kernel


@kernel
def count_due(times: ReadInt64, start: int, stop: int, latest_ms: int) -> int:
    """How many rows at the front are not younger than ``latest_ms``."""
    position = start
    while position < stop and times[position] <= latest_ms:
        position += 1
    return position - start
