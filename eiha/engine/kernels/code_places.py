"""The places of rows by the string id of their key: a table in place of a search."""

from __future__ import annotations

from eiha.engine.jit import ReadInt32, ReadInt64, WriteInt64, kernel


@kernel
def places_of_codes(codes: ReadInt32, firsts: ReadInt64, found: WriteInt64) -> int:
    """Write ``firsts`` of each code, less one; how many of them are not known, and -1."""
    unknown = 0
    for row in range(len(found)):
        place = firsts[codes[row]] - 1
        found[row] = place
        unknown += place < 0
    return unknown
