"""Which rows of a batch are not resets, and how many resets came before each of them."""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadUInt8, WriteInt64, kernel
from eiha.events.batch import Kind

_RESET: Final = int(Kind.RESET)


@kernel
def rows_between_resets(kinds: ReadUInt8, epoch: int, rows: WriteInt64, epochs: WriteInt64) -> tuple[int, int]:
    """Write the rows that are no resets, and to each ``epoch`` plus the resets before it; how many, the last epoch."""
    count = 0
    for row in range(len(kinds)):
        rows[count] = row
        epochs[count] = epoch
        is_reset = kinds[row] == _RESET
        epoch += 1 if is_reset else 0
        count += 0 if is_reset else 1
    return count, epoch
