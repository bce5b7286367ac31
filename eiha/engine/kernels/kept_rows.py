"""The rows that a condition keeps: their positions without a branch, which a coin toss of a condition would mislead
every other time, and then what stands there. Positions are narrow: they stay in the nearest cache."""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadInt32, ReadNumber, WriteInt32, WriteInt64, WriteNumber, kernel


@kernel
def kept_rows(passes: ReadBool, stride: int, rows: WriteInt32, chunks: WriteInt64) -> int:
    """Write the positions at which ``passes`` is true, and these times ``stride``; how many there are.

    Both arrays are as long as ``passes``; what is behind the positions found has no meaning.
    """
    count = 0
    for row in range(len(passes)):
        rows[count] = row
        count += passes[row]
    for place in range(count):
        chunks[place] = rows[place] * stride
    return count


@kernel
def gather(values: ReadNumber, rows: ReadInt32, out: WriteNumber) -> None:
    """``out``, as long as ``rows``, becomes ``values`` at them."""
    for place in range(len(rows)):
        out[place] = values[rows[place]]
