"""Writing values to given places, in order: of several for one place the last one stays."""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadInt64, ReadNumber, WriteBool, WriteNumber, kernel


@kernel
def scatter_numbers(values: ReadNumber, places: ReadInt64, into: WriteNumber) -> int:
    """``into[places[i]] = values[i]`` for each i, leaving out negative places; how many were written."""
    count = 0
    for index in range(len(places)):
        place = places[index]
        if place >= 0:
            into[place] = values[index]
            count += 1
    return count


@kernel
def scatter_bools(values: ReadBool, places: ReadInt64, into: WriteBool) -> int:
    """As ``scatter_numbers``."""
    count = 0
    for index in range(len(places)):
        place = places[index]
        if place >= 0:
            into[place] = values[index]
            count += 1
    return count
