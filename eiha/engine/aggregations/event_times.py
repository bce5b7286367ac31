"""When a row happened, for an aggregation: when it came, or what ``aggregate by`` reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import Expression
from eiha.plan.within import NoTime, moment_ms

Longs = npt.NDArray[np.int64]
Times = Callable[[Rows], tuple[Longs, npt.NDArray[np.bool_] | None, str]]
"""Times, which rows have one (None: all), and why the first row without one has none."""


def compile_times(by: Expression | None, scope: Scope) -> Times:
    """From rows to their times."""
    if by is None:
        return lambda rows: (rows.now_ms, None, "")
    column = compile_column(by, scope)
    if by.type is AttributeType.LONG:
        return lambda rows: _of_longs(column(rows))
    return lambda rows: _of_texts(column(rows), scope.strings)


def _of_longs(column: Column) -> tuple[Longs, npt.NDArray[np.bool_] | None, str]:
    return column.values, column.valid, "its time is null"


def _of_texts(column: Column, strings: StringTable) -> tuple[Longs, npt.NDArray[np.bool_], str]:
    """Each distinct text is read once."""
    ids, places = np.unique(column.values, return_inverse=True)
    times = np.zeros(len(ids), np.int64)
    is_time = np.ones(len(ids), np.bool_)
    problem = "its time is null"
    held = np.zeros(len(ids), np.bool_)
    held[places[column.mask()]] = True  # under a null lies the id of some other string
    for place in np.flatnonzero(held):
        try:
            times[place] = moment_ms(strings.text(int(ids[place])))
        except NoTime as reason:
            is_time[place] = False
            problem = str(reason)
    return times.take(places), is_time.take(places) & column.mask(), problem
