"""What belongs to each row's string, by its id or code: a table in place of a search."""

from __future__ import annotations

from eiha.engine.jit import ReadInt32, ReadInt64, WriteInt32, WriteInt64, kernel


@kernel
def places_of_codes(codes: ReadInt32, firsts: ReadInt64, found: WriteInt64) -> int:
    """Write ``firsts`` of each code, less one; how many of them are not known, and -1."""
    unknown = 0
    for row in range(len(found)):
        place = firsts[codes[row]] - 1
        found[row] = place
        unknown += place < 0
    return unknown


@kernel
def ids_of_codes(codes: ReadInt32, ids: ReadInt32, found: WriteInt32) -> None:
    """Write the id that ``ids`` has for each code, all of which are places in it.

    NumPy's ``take`` would make wide numbers of the codes first, and look at each whether it is a place.
    """
    for row in range(len(found)):
        found[row] = ids[codes[row]]
