"""Which row of a chunk stands for its group: the last one, at the place of the first."""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, WriteInt64, kernel


@kernel
def last_of_groups(
    chunks: ReadInt64, groups: ReadInt64, stamps: WriteInt64, places: WriteInt64, stamp: int, rows: WriteInt64
) -> int:
    """Write the chosen rows; their number.

    ``stamps`` and ``places`` have an entry a group and are kept between calls; ``stamp`` is above all stamps used
    before, and ``stamp`` + number of rows may be used up.
    """
    out = 0
    for row in range(len(groups)):
        if row > 0 and chunks[row] != chunks[row - 1]:
            stamp += 1
        group = groups[row]
        if stamps[group] != stamp:
            stamps[group] = stamp
            places[group] = out
            out += 1
        rows[places[group]] = row
    return out
