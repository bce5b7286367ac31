"""``output snapshot every t`` where nothing but the latest rows counts: queries without window, and pure aggregates."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState
from eiha.engine.operators.selected import Selected
from eiha.engine.rate_limits.group_rows import GroupRows
from eiha.engine.rate_limits.periods import PeriodicLimiter
from eiha.events.batch import EventBatch, Kind
from eiha.events.schema import Schema

Numbers = npt.NDArray[np.int64]

_CURRENT: Final = int(Kind.CURRENT)


class LastRowSnapshot(PeriodicLimiter):
    """The last row, or the last one of each group, again and again.

    Args:
        every_ms, start_ms: see ``PeriodicLimiter``.
        schema: of the rows.
        grouped: there is a group by.
        windowed: rows can leave; then every column is an aggregate, and a group shows as long as more of its rows have
            come than left. Without group by nothing shows after a row has left, until the next one comes.
    """

    __slots__ = ("_balance", "_grouped", "_rows", "_windowed")

    repeats = True

    def __init__(self, every_ms: int, start_ms: int, schema: Schema, *, grouped: bool, windowed: bool) -> None:
        super().__init__(every_ms, start_ms)
        self._rows = GroupRows(schema)
        self._grouped = grouped
        self._windowed = windowed
        self._balance: Numbers = np.zeros(1, dtype=np.int64)  # rows that came less those that left, by group

    def _ends_period(self, selected: Selected, first: int) -> int | None:
        return first_stamped(selected, first, self._due_ms)

    def _take_in(self, selected: Selected, first: int, stop: int) -> None:
        self._rows.take_in(selected, first, stop)
        if not self._windowed or first == stop:
            return
        is_current = selected.rows.kind_array()[first:stop] == _CURRENT
        if selected.groups is not None:
            self._balance = grown(self._balance, selected.group_count)
            np.add.at(self._balance, selected.groups[first:stop], np.where(is_current, 1, -1))
        elif not is_current[-1]:
            self._rows.clear()

    def _put_out(self) -> EventBatch | None:
        if self._is_balanced():
            groups = self._rows.groups
            stays = self._balance.take(groups) > 0
            self._balance[groups[~stays]] = 0
            self._rows.keep(stays)
        return self._rows.rows()

    def _is_balanced(self) -> bool:
        return self._windowed and self._grouped

    def _state(self) -> OperatorState:
        balance = self._balance.take(self._rows.groups) if self._is_balanced() else None
        return {"rows": self._rows.snapshot(), "balance": balance}

    def _restore(self, state: OperatorState) -> None:
        self._rows.restore(state["rows"])
        if not self._is_balanced():
            return
        groups = self._rows.groups
        self._balance = grown(np.zeros(1, dtype=np.int64), int(groups.max()) + 1 if len(groups) else 1)
        self._balance[groups] = state["balance"]


def first_stamped(selected: Selected, first: int, due_ms: int) -> int | None:
    """The first row from ``first`` on whose timestamp is ``due_ms`` or later."""
    over = np.flatnonzero(selected.rows.timestamps[first:] >= due_ms)
    return first + int(over[0]) if len(over) else None
