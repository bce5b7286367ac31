"""Ids of a plan's string table to codes of a dictionary that holds only what a batch needs."""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadInt32, WriteInt32, WriteInt64, kernel


@kernel
def local_codes(
    ids: ReadInt32,
    valid: ReadBool,
    stamps: WriteInt64,
    codes: WriteInt32,
    stamp: int,
    out: WriteInt32,
    dictionary: WriteInt32,
) -> int:
    """Write a code for each row (0 under nulls) and the ids by code, in order of first use; their number.

    ``stamps`` and ``codes`` have an entry an id and are kept between calls, ``stamp`` is new in each.
    """
    count = 0
    for row in range(len(ids)):
        if not valid[row]:
            out[row] = 0
            continue
        number = ids[row]
        if stamps[number] != stamp:
            stamps[number] = stamp
            codes[number] = count
            dictionary[count] = number
            count += 1
        out[row] = codes[number]
    return count
