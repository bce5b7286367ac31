"""Arrays that batch after batch needs alike: one clock reading for every row, the numbers of rows from outside."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]

_ROWS_MIN: Final = 1024
_ROWS_KEPT: Final = 1 << 16
"""Longer arrays of row numbers are made when they are asked for."""


class _Latest:
    """The array made last: readings change at most once a millisecond, batches come more often."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made: tuple[int, Longs] = (0, np.zeros(0, dtype=np.int64))


_latest: Final = _Latest()


def repeated(value: int, rows: int) -> Longs:
    """``value``, int64[rows]; not to be written to, and shared with others who asked for the same."""
    known, array = _latest.made  # one read: threads take turns
    if known != value or len(array) < rows:
        array = np.full(max(rows, _ROWS_MIN), value, dtype=np.int64)
        array.flags.writeable = False
        _latest.made = (value, array)
    return array[:rows]


def is_repeated(array: Longs) -> bool:
    """Whether ``array`` was made by ``repeated``, and not long ago: then any part of it is as good as any other."""
    return array.base is _latest.made[1]


def taken(array: Longs, indices: Longs | npt.NDArray[np.int32]) -> Longs:
    """``array`` at ``indices``; nothing is gathered where it holds one number over and over."""
    if is_repeated(array) and len(indices) <= len(array):
        return array[: len(indices)]
    return array.take(indices)


class _Numbers:
    """The row numbers made last."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made: Longs = np.zeros(0, dtype=np.int64)


_numbers: Final = _Numbers()


def row_numbers(rows: int) -> Longs:
    """0, 1, 2, ..., int64[rows]; not to be written to, and shared with others who asked."""
    array = _numbers.made  # one read: threads take turns
    if len(array) < rows:
        array = np.arange(max(rows, _ROWS_MIN), dtype=np.int64)
        array.flags.writeable = False
        if len(array) <= _ROWS_KEPT:
            _numbers.made = array
    return array[:rows]


def is_row_numbers(array: Longs, rows: int) -> bool:
    """Whether ``array`` is ``row_numbers(rows)``, made not long ago: each of so many rows once, in order."""
    is_part = array.base is _numbers.made and len(array) == rows
    return is_part and (not rows or bool(array[0] == 0 and array[-1] == rows - 1))


class _Rising:
    """The multiples made last, and of what."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made: tuple[int, Longs] = (0, np.zeros(0, dtype=np.int64))


_rising: Final = _Rising()


def multiples(stride: int, rows: int) -> Longs:
    """0, ``stride``, 2 * ``stride``, ..., int64[rows]; not to be written to, and shared with others who asked."""
    known, array = _rising.made  # one read: threads take turns
    if known != stride or len(array) < rows:
        array = np.arange(max(rows, _ROWS_MIN), dtype=np.int64) * stride
        array.flags.writeable = False
        if len(array) <= _ROWS_KEPT:
            _rising.made = (stride, array)
    return array[:rows]
