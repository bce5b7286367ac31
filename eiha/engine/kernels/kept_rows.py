"""The rows that a condition keeps: positions and chunk numbers in one pass without a branch, which a coin toss of a
condition would mislead every other time."""

from __future__ import annotations

from eiha.engine.jit import ReadBool, WriteInt64, kernel


@kernel
def kept_rows(passes: ReadBool, stride: int, rows: WriteInt64, chunks: WriteInt64) -> int:
    """Write the positions at which ``passes`` is true, and these times ``stride``; how many there are."""
    count = 0
    for row in range(len(passes)):
        rows[count] = row
        chunks[count] = row * stride
        count += passes[row]
    return count
