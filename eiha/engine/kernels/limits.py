"""``limit`` and ``offset``: which rows of each chunk stay."""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, kernel


@kernel
def rows_within(chunks: ReadInt64, kinds: ReadUInt8, offset: int, limit: int, rows: WriteInt64) -> int:
    """Write the rows that stay; how many.

    The first ``offset`` rows of a chunk go; of those behind ``limit`` more the current ones.
    """
    count = 0
    place = 0
    for row in range(len(chunks)):
        place = 0 if row > 0 and chunks[row] != chunks[row - 1] else place
        if place >= offset and (place < offset + limit or kinds[row] != 0):
            rows[count] = row
            count += 1
        place += 1
    return count
