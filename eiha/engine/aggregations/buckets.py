"""Buckets of time: where one begins and ends, in UTC, and which rows go on filling the bucket that their group is in.

Granularities are those of ``plan.granularities.Granularity``, as ints. All times are ms since 1970, also before it.
"""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadInt64, WriteInt64, inlined, kernel

_DAY_MS: Final = 86_400_000
_DAY: Final = 3
_MONTH: Final = 4

NO_BUCKET: Final = -1
"""Start and end of the bucket of a group that is in none: no time lies between, and no bucket begins there."""


@inlined
def _width(granularity: int) -> int:
    """Length of the buckets whose length is fixed."""
    if granularity == 0:
        return 1_000
    if granularity == 1:
        return 60_000
    if granularity == 2:
        return 3_600_000
    return _DAY_MS


@inlined
def _month_start(months: int) -> int:
    """First ms of the month that lies ``months`` after January of the year 0 (proleptic Gregorian calendar)."""
    # years begin in March here, so that the leap day is the last one of a year
    shifted = months - 2
    year = shifted // 12
    month = shifted - year * 12
    era = year // 400
    year_of_era = year - era * 400
    day_of_era = 365 * year_of_era + year_of_era // 4 - year_of_era // 100 + (153 * month + 2) // 5
    return (era * 146_097 + day_of_era - 719_468) * _DAY_MS


@inlined
def _month_of(time_ms: int) -> int:
    """Months from January of the year 0 to the month of ``time_ms``."""
    day = time_ms // _DAY_MS + 719_468
    era = day // 146_097
    day_of_era = day - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    return (era * 400 + year_of_era) * 12 + month + 2


@inlined
def _bucket_start(time_ms: int, granularity: int) -> int:
    if granularity <= _DAY:
        width = _width(granularity)
        return time_ms // width * width
    month = _month_of(time_ms)
    return _month_start(month if granularity == _MONTH else month // 12 * 12)


@inlined
def _bucket_end(start_ms: int, granularity: int) -> int:
    """The end of the bucket that begins at ``start_ms``."""
    if granularity <= _DAY:
        return start_ms + _width(granularity)
    return _month_start(_month_of(start_ms) + (1 if granularity == _MONTH else 12))


@kernel
def bucket_starts(times: ReadInt64, granularity: int, out: WriteInt64) -> None:
    """Where the bucket of each time begins."""
    for row in range(len(times)):
        out[row] = _bucket_start(times[row], granularity)


@kernel
def follow(
    groups: ReadInt64,
    times: ReadInt64,
    arrivals: ReadInt64,
    granularity: int,
    by_arrival: bool,
    group_count: int,
    starts: WriteInt64,
    ends: WriteInt64,
    since: WriteInt64,
    slots: WriteInt64,
    out: WriteInt64,
    closed_slots: WriteInt64,
    closed_groups: WriteInt64,
    closed_starts: WriteInt64,
    closed_since: WriteInt64,
    moved: WriteInt64,
    counts: WriteInt64,
) -> None:
    """Say for each row which slot it adds to: that of its group, as long as the group stays in one bucket.

    Each group is in one bucket (``starts``, ``ends``), which it fills while the clock is in one bucket, too (that
    begins at ``since``), and it fills one slot (``slots``; its own number before the call). A row elsewhere closes the
    bucket and begins another, in a new slot from ``group_count`` on; its group is then among ``moved``. Closed buckets
    are listed in order. ``by_arrival``: times are arrivals, here and in all calls before. ``counts``: how many closed,
    how many moved.
    """
    closed = 0
    moves = 0
    fresh = group_count
    clock_start = 0
    clock_end = 0
    for row in range(len(groups)):
        group = groups[row]
        time_ms = times[row]
        arrival_ms = arrivals[row]
        if arrival_ms < clock_start or arrival_ms >= clock_end:
            clock_start = _bucket_start(arrival_ms, granularity)
            clock_end = _bucket_end(clock_start, granularity)
        if since[group] == clock_start and (by_arrival or starts[group] <= time_ms < ends[group]):
            out[row] = slots[group]
            continue
        if starts[group] != ends[group]:
            closed_slots[closed] = slots[group]
            closed_groups[closed] = group
            closed_starts[closed] = starts[group]
            closed_since[closed] = since[group]
            closed += 1
            if slots[group] == group:
                moved[moves] = group
                moves += 1
            slots[group] = fresh
            fresh += 1
        start = clock_start if by_arrival else _bucket_start(time_ms, granularity)
        starts[group] = start
        ends[group] = clock_end if by_arrival else _bucket_end(start, granularity)
        since[group] = clock_start
        out[row] = slots[group]
    counts[0] = closed
    counts[1] = moves


@inlined
def _place(group: int, start_ms: int, mask: int) -> int:
    """Where the search for a cell begins; products of two 31-bit numbers never overflow 63 bits."""
    folded = ((start_ms >> 3) ^ (start_ms >> 34)) & 0x7FFFFFFF
    mixed = ((folded * 0x5BD1E995) >> 13) & 0x7FFFFFFF
    return (((mixed ^ (group & 0x7FFFFFFF)) * 0x5BD1E995) >> 13) & mask


@kernel
def find_or_add_cells(
    groups: ReadInt64,
    starts: ReadInt64,
    table: WriteInt64,
    cell_groups: WriteInt64,
    cell_starts: WriteInt64,
    count: int,
    out: WriteInt64,
) -> int:
    """Write the number of each (group, bucket) into ``out``, new ones for those never seen; their count after that.

    ``table`` (length a power of two, more than half empty afterwards) holds number + 1, 0 where empty.
    """
    mask = len(table) - 1
    for row in range(len(groups)):
        group = groups[row]
        start = starts[row]
        slot = _place(group, start, mask)
        while True:
            entry = table[slot]
            if entry == 0:
                cell_groups[count] = group
                cell_starts[count] = start
                count += 1
                table[slot] = count
                out[row] = count - 1
                break
            if cell_starts[entry - 1] == start and cell_groups[entry - 1] == group:
                out[row] = entry - 1
                break
            slot = (slot + 1) & mask
    return count


@kernel
def rebuild_cells(cell_groups: ReadInt64, cell_starts: ReadInt64, count: int, table: WriteInt64) -> None:
    """Fill an empty ``table`` with the first ``count`` cells, which are all different."""
    mask = len(table) - 1
    for number in range(count):
        slot = _place(cell_groups[number], cell_starts[number], mask)
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = number + 1
