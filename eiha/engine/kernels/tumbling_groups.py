"""The groups of batches that rows leave together, without the rows: a *place* for each group of each batch.

Of the rows of a call, those up to ``ends[b]`` that no batch before has are in batch b; what is behind the last end is
in the batch that runs. Places are given in the order in which groups first appear, batch after batch. The groups of the
batch that runs keep theirs from call to call: as it is the first one of the next call, they are 0, 1, ... again.
"""

from __future__ import annotations

from eiha.engine.jit import (
    ReadBool,
    ReadFloat64,
    ReadInt32,
    ReadInt64,
    ReadNumber,
    ReadUInt8,
    WriteBool,
    WriteFloat64,
    WriteInt32,
    WriteInt64,
    WriteNumber,
    kernel,
)


@kernel
def ends_of_batches(
    kinds: ReadUInt8, span_ends: ReadInt64, span_chunks: ReadInt64, first: int, ends: WriteInt64, chunks: WriteInt64
) -> int:
    """Of spans those of current rows: how many there are, where they end, counted from row ``first``, their chunks."""
    count = 0
    for span in range(len(kinds)):
        if kinds[span] == 0:
            ends[count] = span_ends[span] - first
            chunks[count] = span_chunks[span]
            count += 1
    return count


@kernel
def place_rows(
    groups: ReadInt32,
    ends: ReadInt64,
    chunks: ReadInt64,
    count: int,
    first_id: int,
    held: int,
    known: WriteInt64,
    places: WriteInt32,
    rows: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int]:
    """The place of each row, the last row of each place; places gone with ``count`` batches, and all.

    ``held``: places of the batch that runs, which have the ids from ``first_id`` on; ``known`` has the id that each
    group was given last. Ids rise for ever, so an id below those of a batch says that the group is new there.
    ``rows`` is written where a row came.
    """
    base = first_id
    next_id = first_id + held
    row = 0
    for batch in range(count + 1):
        stop = ends[batch] if batch < count else len(groups)
        while row < stop:
            group = groups[row]
            given = known[group]
            is_new = given < base  # no branch: which groups are new cannot be foretold
            given = next_id if is_new else given
            known[group] = given
            next_id += 1 if is_new else 0
            places[row] = given - first_id
            rows[given - first_id] = row
            row += 1
        if batch < count:
            for place in range(base - first_id, next_id - first_id):
                out_chunks[place] = chunks[batch]
            base = next_id
    return base - first_id, next_id - first_id


@kernel
def place_rows_of_one_group(
    ends: ReadInt64,
    chunks: ReadInt64,
    count: int,
    held: int,
    places: WriteInt32,
    rows: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int]:
    """As ``place_rows``, where all rows of a batch are one group."""
    place = 0
    row = 0
    for batch in range(count + 1):
        stop = ends[batch] if batch < count else len(places)
        if row < stop:
            rows[place] = stop - 1
            held = 1
        while row < stop:
            places[row] = place
            row += 1
        if batch < count and held:
            out_chunks[place] = chunks[batch]
            place += 1
            held = 0
    return place, place + held


@kernel
def latest_of_held(places: ReadInt32, rows: ReadInt64, held: int, out_places: WriteInt64, out_rows: WriteInt64) -> int:
    """Of the first ``held`` places those to which a row of ``places`` came, and the last such row; their number.

    The room must be one longer than there are rows.
    """
    count = 0
    for row in range(len(places)):
        place = places[row]
        out_places[count] = place
        out_rows[count] = row
        count += 1 if place < held and rows[place] == row else 0
    return count


@kernel
def count_rows(places: ReadInt32, counts: WriteInt64) -> None:
    """Count the rows of each place; nulls count."""
    for row in range(len(places)):
        counts[places[row]] += 1


@kernel
def add_longs(
    places: ReadInt32, values: ReadNumber, valid: ReadBool, has_nulls: bool, sums: WriteInt64, counts: WriteInt64
) -> None:
    """Sums of ints and longs, which wrap, and how many there are."""
    for row in range(len(places)):
        if not has_nulls or valid[row]:
            place = places[row]
            sums[place] += int(values[row])
            counts[place] += 1


@kernel
def add_doubles(
    places: ReadInt32, values: ReadNumber, valid: ReadBool, has_nulls: bool, sums: WriteFloat64, counts: WriteInt64
) -> None:
    """Sums of any numbers as doubles, in the order of the rows, and how many there are."""
    for row in range(len(places)):
        if not has_nulls or valid[row]:
            place = places[row]
            sums[place] += float(values[row])
            counts[place] += 1


@kernel
def keep_extremes(
    places: ReadInt32,
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


@kernel
def means(sums: ReadFloat64, counts: ReadInt64, out: WriteFloat64) -> None:
    """Sums divided by counts; 0 where nothing was counted."""
    for place in range(len(out)):
        out[place] = sums[place] / counts[place] if counts[place] != 0 else 0.0
