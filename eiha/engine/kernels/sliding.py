"""Aggregates over a sliding window of which only current rows are put out: rows that leave are taken away in place.

The rows lie in buffers by position; for each new row ``oldest[row]`` says from which position on rows are still in when
it comes. ``groups`` and ``values`` are read at positions, results are one a new row.
"""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadFloat64, ReadInt64, WriteBool, WriteFloat64, WriteInt64, kernel


@kernel
def oldest_by_length(start: int, first: int, length: int, oldest: WriteInt64) -> int:
    """The latest ``length`` rows, the new one among them, are in; the oldest position that stays in the end."""
    for row in range(len(oldest)):
        start = max(start, first + row + 1 - length)
        oldest[row] = start
    return start


@kernel
def oldest_by_time(
    times: ReadInt64, start: int, first: int, now_ms: ReadInt64, length_ms: int, oldest: WriteInt64
) -> int:
    """Rows leave in order of arrival once ``times + length_ms`` is reached; the oldest position that stays."""
    for row in range(len(oldest)):
        now = now_ms[row]
        while start < first + row and times[start] + length_ms <= now:
            start += 1
        oldest[row] = start
    return start


@kernel
def oldest_by_chunk(chunks: ReadInt64, first: int, oldest: WriteInt64) -> int:
    """The rows of a chunk are in together, until the next one comes; the oldest position that stays."""
    start = first
    for row in range(len(oldest)):
        if row > 0 and chunks[row] != chunks[row - 1]:
            start = first + row
        oldest[row] = start
    return start


@kernel
def oldest_by_time_and_length(
    times: ReadInt64, start: int, first: int, now_ms: ReadInt64, length_ms: int, rows_max: int, oldest: WriteInt64
) -> int:
    """As ``oldest_by_time``; where the oldest is not due and ``rows_max`` are in, it makes room for the new row."""
    for row in range(len(oldest)):
        now = now_ms[row]
        while start < first + row and times[start] + length_ms <= now:
            start += 1
        if first + row - start >= rows_max:
            start += 1
        oldest[row] = start
    return start


@kernel
def slide_longs(
    groups: ReadInt64,
    values: ReadInt64,
    valid: ReadBool,
    has_nulls: bool,
    start: int,
    first: int,
    oldest: ReadInt64,
    sums: WriteInt64,
    counts: WriteInt64,
    out: WriteInt64,
    out_valid: WriteBool,
) -> int:
    """Sums of longs, which wrap; how many rows have none."""
    nulls = 0
    for row in range(len(oldest)):
        while start < oldest[row]:
            if not has_nulls or valid[start]:
                group = groups[start]
                sums[group] -= values[start]
                counts[group] -= 1
            start += 1
        position = first + row
        group = groups[position]
        if not has_nulls or valid[position]:
            sums[group] += values[position]
            counts[group] += 1
        out[row] = sums[group] if counts[group] != 0 else 0
        out_valid[row] = counts[group] != 0
        nulls += counts[group] == 0
    return nulls


@kernel
def slide_doubles(
    groups: ReadInt64,
    values: ReadFloat64,
    valid: ReadBool,
    has_nulls: bool,
    start: int,
    first: int,
    oldest: ReadInt64,
    sums: WriteFloat64,
    counts: WriteInt64,
    is_mean: bool,
    out: WriteFloat64,
    out_valid: WriteBool,
) -> int:
    """Sums of doubles, kept by adding and subtracting as Siddhi does, or their means; how many rows have none."""
    nulls = 0
    for row in range(len(oldest)):
        while start < oldest[row]:
            if not has_nulls or valid[start]:
                group = groups[start]
                sums[group] -= values[start]
                counts[group] -= 1
            start += 1
        position = first + row
        group = groups[position]
        if not has_nulls or valid[position]:
            sums[group] += values[position]
            counts[group] += 1
        count = counts[group]
        out_valid[row] = count != 0
        if count == 0:
            out[row] = 0.0
            nulls += 1
        elif is_mean:
            out[row] = sums[group] / count
        else:
            out[row] = sums[group]
    return nulls


@kernel
def slide_counts(
    groups: ReadInt64, start: int, first: int, oldest: ReadInt64, counts: WriteInt64, out: WriteInt64
) -> None:
    """How many rows are in; nulls count."""
    for row in range(len(oldest)):
        while start < oldest[row]:
            counts[groups[start]] -= 1
            start += 1
        group = groups[first + row]
        counts[group] += 1
        out[row] = counts[group]


@kernel
def slide_deviations(
    groups: ReadInt64, values: ReadFloat64, valid: ReadBool, has_nulls: bool, start: int, first: int,
    oldest: ReadInt64, sums: WriteFloat64, means: WriteFloat64, squares: WriteFloat64, counts: WriteInt64,
    out: WriteFloat64, out_counts: WriteInt64,
) -> None:  # fmt: skip
    """Sums of squared deviations, and of how many values, by Welford's method, taken back the same way."""
    for row in range(len(oldest)):
        while start < oldest[row]:
            if not has_nulls or valid[start]:
                group = groups[start]
                value = values[start]
                before = means[group]
                counts[group] -= 1
                if counts[group] == 0:
                    sums[group] = 0.0
                    means[group] = 0.0
                    squares[group] = 0.0
                else:
                    sums[group] -= value
                    means[group] = sums[group] / counts[group]
                    squares[group] -= (value - before) * (value - means[group])
            start += 1
        position = first + row
        group = groups[position]
        if not has_nulls or valid[position]:
            value = values[position]
            before = means[group]
            counts[group] += 1
            if counts[group] == 1:
                sums[group] = value
                means[group] = value
                squares[group] = 0.0
            else:
                sums[group] += value
                means[group] = sums[group] / counts[group]
                squares[group] += (value - before) * (value - means[group])
        out[row] = squares[group]
        out_counts[row] = counts[group]


@kernel
def slide_distinct(
    groups: ReadInt64, pairs: ReadInt64, start: int, first: int, oldest: ReadInt64, counts: WriteInt64,
    distinct: WriteInt64, out: WriteInt64,
) -> None:  # fmt: skip
    """How many different values are in. ``pairs`` numbers (group, value), ``counts`` how often each is in."""
    for row in range(len(oldest)):
        while start < oldest[row]:
            pair = pairs[start]
            counts[pair] -= 1
            if counts[pair] == 0:
                distinct[groups[start]] -= 1
            start += 1
        position = first + row
        group = groups[position]
        pair = pairs[position]
        if counts[pair] == 0:
            distinct[group] += 1
        counts[pair] += 1
        out[row] = distinct[group]
