"""Loops that add rows to cells: each row to the cell that ``slots`` names. A row may itself sum up many others.

``known``: whether the row (the cell) holds any value that is not null.
"""

from __future__ import annotations

from eiha.engine.jit import (
    ReadBool,
    ReadFloat64,
    ReadInt64,
    ReadNumber,
    WriteBool,
    WriteFloat64,
    WriteInt64,
    WriteNumber,
    kernel,
)


@kernel
def add_events(
    slots: ReadInt64,
    values: ReadFloat64,
    known: ReadBool,
    counts: WriteInt64,
    cells: WriteFloat64,
    cells_known: WriteBool,
) -> None:
    """``add_ones`` and ``add_double_sums`` in one pass: what most aggregations keep."""
    for row in range(len(slots)):
        slot = slots[row]
        counts[slot] += 1
        if known[row]:
            cells[slot] += values[row]
            cells_known[slot] = True


@kernel
def add_counts(slots: ReadInt64, counts: ReadInt64, cells: WriteInt64) -> None:
    """How many events."""
    for row in range(len(slots)):
        cells[slots[row]] += counts[row]


@kernel
def add_ones(slots: ReadInt64, cells: WriteInt64) -> None:
    """Each row is one event."""
    for row in range(len(slots)):
        cells[slots[row]] += 1


@kernel
def add_long_sums(
    slots: ReadInt64, values: ReadInt64, known: ReadBool, cells: WriteInt64, cells_known: WriteBool
) -> None:
    """Sums of longs, which wrap."""
    for row in range(len(slots)):
        if known[row]:
            cells[slots[row]] += values[row]
            cells_known[slots[row]] = True


@kernel
def add_double_sums(
    slots: ReadInt64, values: ReadFloat64, known: ReadBool, cells: WriteFloat64, cells_known: WriteBool
) -> None:
    """Sums of doubles."""
    for row in range(len(slots)):
        if known[row]:
            cells[slots[row]] += values[row]
            cells_known[slots[row]] = True


@kernel
def keep_extremes(
    slots: ReadInt64,
    values: ReadNumber,
    known: ReadBool,
    is_max: bool,
    cells: WriteNumber,
    cells_known: WriteBool,
) -> None:
    """The least or greatest; of equal ones the first, and NaN only if it was first."""
    for row in range(len(slots)):
        if known[row]:
            slot = slots[row]
            value = values[row]
            if not cells_known[slot] or (value > cells[slot] if is_max else value < cells[slot]):
                cells[slot] = value
                cells_known[slot] = True


@kernel
def choose_latest(
    slots: ReadInt64,
    stamps: ReadInt64,
    used: ReadBool,
    cells: WriteInt64,
    cells_used: WriteBool,
    rows_of: WriteInt64,
    touched: WriteInt64,
) -> int:
    """Find for each cell the row with the greatest stamp, the last of equal ones; the number of cells it changes.

    ``rows_of`` (-1 in all entries before, and the caller's to clear after) gets the row by cell, ``touched`` the cells.
    """
    count = 0
    for row in range(len(slots)):
        slot = slots[row]
        if used[row] and (not cells_used[slot] or stamps[row] >= cells[slot]):
            cells[slot] = stamps[row]
            cells_used[slot] = True
            if rows_of[slot] < 0:
                touched[count] = slot
                count += 1
            rows_of[slot] = row
    return count
