"""``output snapshot every t`` over a window: the rows that are in it, with the aggregates as they are now.

What is in is followed by what the select puts out: a current row comes in, an expired one takes out the oldest row
that is equal to it in all columns but aggregates, a reset takes out all.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.operators.selected import Selected
from eiha.engine.rate_limits.held_rows import rows_restored, rows_snapshot
from eiha.engine.rate_limits.periods import PeriodicLimiter
from eiha.engine.rate_limits.row_numbers import RowNumbers
from eiha.engine.rate_limits.snapshots import first_stamped
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.column import Indices
from eiha.events.schema import Schema
from eiha.events.strings import StringTable

Numbers = npt.NDArray[np.int64]

_NOBODY: Final = -1
_CLUTTER_MIN: Final = 256
_CALLS_KEPT: Final = 8
"""Rows of so many calls are held, in or out, before it is looked which ones are: looking costs more than a row."""


class WindowSnapshot(PeriodicLimiter):
    """Holds the rows that are in, and for each group the row that has its aggregates.

    With group by and aggregates the first row of each group stands for it, else all rows show. Rows that left, and
    numbers of rows nobody holds, are cleared away when they outnumber the others: memory follows what is in.

    Args:
        every_ms, start_ms: see ``PeriodicLimiter``.
        schema: of the rows.
        aggregates: positions of the columns with aggregates; there are others.
        grouped: there is a group by.
        strings: the plan's string table.
    """

    __slots__ = (
        "_aggregates",
        "_alive",
        "_compared",
        "_first",
        "_grouped",
        "_groups",
        "_heads",
        "_latest",
        "_nexts",
        "_numbers",
        "_schema",
        "_store",
        "_strings",
        "_tails",
        "_taken_resets",
    )

    repeats = True

    def __init__(
        self,
        every_ms: int,
        start_ms: int,
        schema: Schema,
        aggregates: tuple[int, ...],
        *,
        grouped: bool,
        strings: StringTable,
    ) -> None:
        super().__init__(every_ms, start_ms)
        self._schema = schema
        self._strings = strings
        self._aggregates = aggregates
        self._compared = tuple(index for index in range(len(schema)) if index not in aggregates)
        self._grouped = grouped
        self._taken_resets = 0
        self._clear()

    def _clear(self) -> None:
        self._store = RowStore(self._schema)
        self._numbers = RowNumbers(self._schema, self._compared, self._strings)
        self._first = 0  # rows before are out
        self._alive: npt.NDArray[np.uint8] = np.zeros(1, dtype=np.uint8)
        self._groups: Numbers = np.zeros(1, dtype=np.int64)
        self._nexts: Numbers = np.zeros(1, dtype=np.int64)  # of a row, the next equal one
        self._heads: Numbers = np.full(1, _NOBODY, dtype=np.int64)  # of equal rows, the oldest that is in
        self._tails: Numbers = np.full(1, _NOBODY, dtype=np.int64)  # ... and the youngest
        self._latest: Numbers = np.full(1, _NOBODY, dtype=np.int64)  # of a group, the row with its aggregates

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:
        """See ``PeriodicLimiter``."""
        self._taken_resets = 0
        return super().process(selected, clock)

    def _ends_period(self, selected: Selected, first: int) -> int | None:
        return first_stamped(selected, first, self._due_ms)

    def _take_in(self, selected: Selected, first: int, stop: int) -> None:
        rows, groups = selected.rows, selected.groups
        places = self._resets_until(selected, stop) - first
        if first == stop and not len(places):
            return
        if stop - first < len(rows):
            rows = rows.take(np.arange(first, stop))
        if not self._grouped or groups is None:
            groups = np.zeros(stop - first, dtype=np.int64)
        else:
            groups = groups[first:stop]
        self._follow(rows, groups, places, selected.group_count)
        room = _CLUTTER_MIN + _CALLS_KEPT * (stop - first)
        if len(self._store) > room and len(self._store) > room + 2 * self._count_alive():
            self._clear_away()

    def _resets_until(self, selected: Selected, stop: int) -> Numbers:
        """The places of the resets before row ``stop`` that were not taken in yet."""
        resets, rows = selected.resets, selected.rows
        if not len(resets.places):
            return resets.places
        comes_before = resets.places < stop
        if stop == len(rows):
            comes_before[:] = True
        else:  # a reset that ends the chunk before
            comes_before |= (resets.places == stop) & (resets.chunks < rows.chunk_numbers()[stop])
        last = int(np.count_nonzero(comes_before))
        places = resets.places[self._taken_resets : last]
        self._taken_resets = last
        return places

    def _follow(self, rows: EventBatch, groups: Numbers, resets: Numbers, group_count: int) -> None:
        position = self._store.append(rows)
        numbers = self._numbers.find(rows)
        self._alive = grown(self._alive, self._store.stop)
        self._groups = grown(self._groups, self._store.stop)
        self._nexts = grown(self._nexts, self._store.stop)
        self._heads = grown(self._heads, self._numbers.count, _NOBODY)
        self._tails = grown(self._tails, self._numbers.count, _NOBODY)
        self._latest = grown(self._latest, group_count, _NOBODY)
        self._groups[position : self._store.stop] = groups
        self._first = _follow(
            rows.kind_array(),
            numbers,
            groups,
            resets,
            position,
            self._first,
            self._alive,
            self._heads,
            self._tails,
            self._nexts,
            self._latest,
        )

    def _positions(self) -> Indices:
        return self._first + np.flatnonzero(self._alive[self._first : self._store.stop])

    def _count_alive(self) -> int:
        return int(np.count_nonzero(self._alive[self._first : self._store.stop]))

    def _put_out(self) -> EventBatch | None:
        positions = self._positions()
        columns = list(self._store.take(positions))
        groups = self._groups.take(positions)
        if self._aggregates:
            if self._grouped:
                _, firsts = np.unique(groups, return_index=True)
                firsts.sort()
                positions, groups = positions.take(firsts), groups.take(firsts)
                columns = list(self._store.take(positions))
            current = self._store.take(self._latest.take(groups))
            for index in self._aggregates:
                columns[index] = current[index]
        return EventBatch(self._schema, self._store.timestamps.take(positions), tuple(columns))

    def _clear_away(self) -> None:
        self._restore(self._state())

    def _state(self) -> OperatorState:
        positions = self._positions()
        groups = self._groups.take(positions)
        return {
            "rows": rows_snapshot(self._gathered(positions), self._schema),
            "groups": groups,
            "latest": rows_snapshot(self._gathered(self._latest.take(groups)), self._schema)
            if self._aggregates
            else None,
        }

    def _gathered(self, positions: Indices) -> EventBatch:
        return EventBatch(self._schema, self._store.timestamps.take(positions), self._store.take(positions))

    def _restore(self, state: OperatorState) -> None:
        self._clear()
        groups: Numbers = state["groups"]
        group_count = int(groups.max()) + 1 if len(groups) else 1
        self._follow(rows_restored(state["rows"], self._schema), groups, _NO_RESETS, group_count)
        if state["latest"] is None:
            return
        position = self._store.append(rows_restored(state["latest"], self._schema))
        self._latest[groups] = np.arange(position, self._store.stop)
        self._alive = grown(self._alive, self._store.stop)
        self._groups = grown(self._groups, self._store.stop)
        self._nexts = grown(self._nexts, self._store.stop)


_NO_RESETS: Final[Numbers] = np.empty(0, dtype=np.int64)


@kernel
def _follow(
    kinds: ReadUInt8,
    numbers: ReadInt64,
    groups: ReadInt64,
    resets: ReadInt64,
    position: int,
    first: int,
    alive: WriteUInt8,
    heads: WriteInt64,
    tails: WriteInt64,
    nexts: WriteInt64,
    latest: WriteInt64,
) -> int:
    """Let rows in and out, from ``position`` of the store on; from which row on there may be rows that are in."""
    reset = 0
    for row in range(len(kinds) + 1):
        while reset < len(resets) and resets[reset] <= row:
            first = position + row
            reset += 1
        if row == len(kinds):
            break
        number = numbers[row]
        head = heads[number]
        if head < first:
            head = -1
        alive[position + row] = 0
        if kinds[row] == 0:
            alive[position + row] = 1
            nexts[position + row] = -1
            if head < 0:
                heads[number] = position + row
            else:
                nexts[tails[number]] = position + row
            tails[number] = position + row
            latest[groups[row]] = position + row
        elif head >= 0:
            alive[head] = 0
            heads[number] = nexts[head]
            latest[groups[row]] = position + row
    return first
