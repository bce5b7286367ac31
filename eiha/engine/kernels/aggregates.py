"""Running aggregates: one loop each over rows that add to, or take from, the accumulator of their group.

Common arguments, one entry a row: ``groups`` (dense numbers), ``kinds`` (``Kind``: current adds, expired takes away),
``valid`` (False: a null, passed over), ``epochs`` (raised by each reset; an accumulator whose ``seen`` is older is
empty). Results are those after the row. ``counts`` tells when a result is null.
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
def add_longs(
    groups: ReadInt64,
    kinds: ReadUInt8,
    values: ReadInt64,
    valid: ReadBool,
    epochs: ReadInt64,
    sums: WriteInt64,
    counts: WriteInt64,
    seen: WriteInt64,
    out: WriteInt64,
    out_counts: WriteInt64,
) -> None:
    """Sums of longs, which wrap."""
    for row in range(len(groups)):
        group = groups[row]
        if seen[group] != epochs[row]:
            seen[group] = epochs[row]
            sums[group] = 0
            counts[group] = 0
        if valid[row]:
            if kinds[row] == 0:
                sums[group] += values[row]
                counts[group] += 1
            else:
                sums[group] -= values[row]
                counts[group] -= 1
        out[row] = sums[group]
        out_counts[row] = counts[group]


@kernel
def add_doubles(
    groups: ReadInt64,
    kinds: ReadUInt8,
    values: ReadFloat64,
    valid: ReadBool,
    epochs: ReadInt64,
    sums: WriteFloat64,
    counts: WriteInt64,
    seen: WriteInt64,
    is_mean: bool,
    out: WriteFloat64,
    out_valid: WriteBool,
) -> int:
    """Sums of doubles, kept by adding and subtracting as Siddhi does, or their means; how many rows have none."""
    nulls = 0
    for row in range(len(groups)):
        group = groups[row]
        if seen[group] != epochs[row]:
            seen[group] = epochs[row]
            sums[group] = 0.0
            counts[group] = 0
        if valid[row]:
            if kinds[row] == 0:
                sums[group] += values[row]
                counts[group] += 1
            else:
                sums[group] -= values[row]
                counts[group] -= 1
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
def count_rows(
    groups: ReadInt64, kinds: ReadUInt8, epochs: ReadInt64, counts: WriteInt64, seen: WriteInt64, out: WriteInt64
) -> None:
    """How many rows are in; nulls count."""
    for row in range(len(groups)):
        group = groups[row]
        if seen[group] != epochs[row]:
            seen[group] = epochs[row]
            counts[group] = 0
        if kinds[row] == 0:
            counts[group] += 1
        else:
            counts[group] -= 1
        out[row] = counts[group]


@kernel
def deviate(
    groups: ReadInt64,
    kinds: ReadUInt8,
    values: ReadFloat64,
    valid: ReadBool,
    epochs: ReadInt64,
    sums: WriteFloat64,
    means: WriteFloat64,
    squares: WriteFloat64,
    counts: WriteInt64,
    seen: WriteInt64,
    out: WriteFloat64,
    out_counts: WriteInt64,
) -> None:
    """Sums of squared deviations by Welford's method, taken back the same way (as Siddhi's stdDev)."""
    for row in range(len(groups)):
        group = groups[row]
        if seen[group] != epochs[row]:
            seen[group] = epochs[row]
            sums[group] = 0.0
            means[group] = 0.0
            squares[group] = 0.0
            counts[group] = 0
        if valid[row]:
            value = values[row]
            before = means[group]
            if kinds[row] == 0:
                counts[group] += 1
                if counts[group] == 0:  # joins may let rows leave that never came in
                    sums[group] = 0.0
                    means[group] = 0.0
                    squares[group] = 0.0
                elif counts[group] == 1:
                    sums[group] = value
                    means[group] = value
                    squares[group] = 0.0
                else:
                    sums[group] += value
                    means[group] = sums[group] / counts[group]
                    squares[group] += (value - before) * (value - means[group])
            else:
                counts[group] -= 1
                if counts[group] == 0:
                    sums[group] = 0.0
                    means[group] = 0.0
                    squares[group] = 0.0
                else:
                    sums[group] -= value
                    means[group] = sums[group] / counts[group]
                    squares[group] -= (value - before) * (value - means[group])
        out[row] = squares[group]
        out_counts[row] = counts[group]


@kernel
def count_distinct(
    groups: ReadInt64,
    pairs: ReadInt64,
    kinds: ReadUInt8,
    epochs: ReadInt64,
    pair_counts: WriteInt64,
    pair_seen: WriteInt64,
    distinct: WriteInt64,
    seen: WriteInt64,
    out: WriteInt64,
) -> None:
    """How many different values are in. ``pairs`` numbers (group, value)."""
    for row in range(len(groups)):
        group = groups[row]
        pair = pairs[row]
        epoch = epochs[row]
        if seen[group] != epoch:
            seen[group] = epoch
            distinct[group] = 0
        if pair_seen[pair] != epoch:
            pair_seen[pair] = epoch
            pair_counts[pair] = 0
        if kinds[row] == 0:
            if pair_counts[pair] == 0:
                distinct[group] += 1
            pair_counts[pair] += 1
        elif pair_counts[pair] > 0:
            pair_counts[pair] -= 1
            if pair_counts[pair] == 0:
                distinct[group] -= 1
        out[row] = distinct[group]


@kernel
def extreme_so_far(
    groups: ReadInt64,
    values: ReadNumber,
    valid: ReadBool,
    epochs: ReadInt64,
    is_max: bool,
    best: WriteNumber,
    known: WriteBool,
    seen: WriteInt64,
    out: WriteNumber,
    out_valid: WriteBool,
) -> None:
    """Least or greatest of all rows since the last reset; nothing is taken away."""
    for row in range(len(groups)):
        group = groups[row]
        if seen[group] != epochs[row]:
            seen[group] = epochs[row]
            known[group] = False
        if valid[row]:
            value = values[row]
            if not known[group]:
                best[group] = value
                known[group] = True
            elif is_max:
                if value > best[group]:
                    best[group] = value
            elif value < best[group]:
                best[group] = value
        if known[group]:
            out[row] = best[group]
        out_valid[row] = known[group]


@kernel
def extreme_until_it_leaves(
    groups: ReadInt64,
    kinds: ReadUInt8,
    values: ReadNumber,
    valid: ReadBool,
    epochs: ReadInt64,
    is_max: bool,
    best: WriteNumber,
    known: WriteBool,
    seen: WriteInt64,
    out: WriteNumber,
    out_valid: WriteBool,
) -> None:
    """Least or greatest of the current rows since the last reset, or since a row left that was equal to it."""
    for row in range(len(groups)):
        group = groups[row]
        if seen[group] != epochs[row]:
            seen[group] = epochs[row]
            known[group] = False
        if valid[row]:
            value = values[row]
            if kinds[row] != 0:
                if known[group] and value == best[group]:
                    known[group] = False
            elif not known[group]:
                best[group] = value
                known[group] = True
            elif is_max:
                if value > best[group]:
                    best[group] = value
            elif value < best[group]:
                best[group] = value
        if known[group]:
            out[row] = best[group]
        out_valid[row] = known[group]
