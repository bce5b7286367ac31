"""Aggregates over batches of which only the last row of each group is put out: added up where the rows are read.

Rows lie one after the other, the batches too: ``ends[b]`` is the row behind batch b. Each group of a batch has a
*place*, given in the order in which groups first appear; ``places`` has the place of each row. Results are by place.
"""

from __future__ import annotations

from eiha.engine.jit import (
    ReadBool,
    ReadFloat64,
    ReadInt64,
    ReadNumber,
    ReadUInt8,
    WriteBool,
    WriteFloat64,
    WriteInt64,
    WriteNumber,
    kernel,
)


@kernel
def whole_batches(
    kinds: ReadUInt8,
    begins: ReadInt64,
    span_ends: ReadInt64,
    span_chunks: ReadInt64,
    ends: WriteInt64,
    chunks: WriteInt64,
) -> tuple[int, int, bool]:
    """Of spans those of current rows: ``ends`` counted from the first row, and chunks.

    How many there are, the first row, and whether each begins where the one before ends.
    """
    count = 0
    rows = 0
    first = 0
    behind = 0
    is_row = True
    for span in range(len(kinds)):
        if kinds[span] != 0:
            continue
        if count == 0:
            first = begins[span]
        elif begins[span] != behind:
            is_row = False
        behind = span_ends[span]
        rows += behind - begins[span]
        ends[count] = rows
        chunks[count] = span_chunks[span]
        count += 1
    return count, first, is_row


@kernel
def last_of_batches(
    ends: ReadInt64,
    chunks: ReadInt64,
    groups: ReadInt64,
    stamps: WriteInt64,
    known: WriteInt64,
    stamp: int,
    places: WriteInt64,
    rows: WriteInt64,
    out_chunks: WriteInt64,
) -> int:
    """The last row of each group and batch, and its batch's chunk, by place; how many places there are.

    ``stamps`` and ``known`` have an entry a group and are kept between calls; ``stamp`` and as many numbers behind it
    as there are batches were never used. Without ``groups`` all rows of a batch are one group.
    """
    out = 0
    row = 0
    for batch in range(len(ends)):
        if len(groups) == 0:
            rows[out] = ends[batch] - 1
            out_chunks[out] = chunks[batch]
            while row < ends[batch]:
                places[row] = out
                row += 1
            out += 1
            continue
        while row < ends[batch]:
            group = groups[row]
            if stamps[group] != stamp:
                stamps[group] = stamp
                known[group] = out
                out_chunks[out] = chunks[batch]
                out += 1
            place = known[group]
            places[row] = place
            rows[place] = row
            row += 1
        stamp += 1
    return out


@kernel
def count_at(places: ReadInt64, counts: WriteInt64) -> None:
    """How many rows; nulls count."""
    for row in range(len(places)):
        counts[places[row]] += 1


@kernel
def add_longs_at(
    places: ReadInt64, values: ReadInt64, valid: ReadBool, has_nulls: bool, sums: WriteInt64, counts: WriteInt64
) -> None:
    """Sums of longs, which wrap, and how many there are."""
    for row in range(len(places)):
        if not has_nulls or valid[row]:
            place = places[row]
            sums[place] += values[row]
            counts[place] += 1


@kernel
def add_doubles_at(
    places: ReadInt64, values: ReadFloat64, valid: ReadBool, has_nulls: bool, sums: WriteFloat64, counts: WriteInt64
) -> None:
    """Sums of doubles, in the order of the rows, and how many there are."""
    for row in range(len(places)):
        if not has_nulls or valid[row]:
            place = places[row]
            sums[place] += values[row]
            counts[place] += 1


@kernel
def extremes_at(
    places: ReadInt64,
    values: ReadNumber,
    valid: ReadBool,
    has_nulls: bool,
    is_max: bool,
    best: WriteNumber,
    known: WriteBool,
    is_final: WriteBool,
) -> None:
    """Least or greatest. As in the deque of a sliding window, nothing gets past a value that is no number."""
    for row in range(len(places)):
        if has_nulls and not valid[row]:
            continue
        value = values[row]
        place = places[row]
        if not known[place]:
            known[place] = True
            best[place] = value
        elif not is_final[place] and (best[place] < value if is_max else best[place] > value):
            best[place] = value
        if value != value:
            is_final[place] = True
