"""One row a group, the latest, in the order in which the groups came."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.operator import OperatorState
from eiha.engine.operators.selected import Selected
from eiha.engine.rate_limits.held_rows import rows_restored, rows_snapshot
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Schema

Numbers = npt.NDArray[np.int64]

_ONE_GROUP: Final[Numbers] = np.zeros(1, dtype=np.int64)


class GroupRows:
    """Arrays by group number. They grow with the highest number and never shrink, as the groups of the select."""

    __slots__ = (
        "_columns", "_count", "_kinds", "_order", "_places", "_present", "_schema", "_stamp", "_stamps", "_timestamps",
        "_valid",
    )  # fmt: skip

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._columns: list[npt.NDArray[Any]] = [np.zeros(1, dtype=each.type.dtype) for each in schema.attributes]
        self._valid: list[npt.NDArray[np.bool_]] = [np.zeros(1, dtype=np.bool_) for _ in schema.attributes]
        self._timestamps: Numbers = np.zeros(1, dtype=np.int64)
        self._kinds: npt.NDArray[np.uint8] = np.zeros(1, dtype=np.uint8)
        self._present: npt.NDArray[np.uint8] = np.zeros(1, dtype=np.uint8)
        self._order: Numbers = np.zeros(1, dtype=np.int64)
        self._count = 0
        # scratch: what is in it does not outlive a call
        self._stamps: Numbers = np.zeros(1, dtype=np.int64)
        self._places: Numbers = np.zeros(1, dtype=np.int64)
        self._stamp = 0

    def __len__(self) -> int:
        return self._count

    @property
    def groups(self) -> Numbers:
        """The groups that have a row, in order."""
        return self._order[: self._count]

    def put(self, batch: EventBatch, groups: Numbers, group_count: int, first: int = 0) -> None:
        """The rows of ``batch`` from ``first`` on, one for each of ``groups``, replace those that these had."""
        if group_count > len(self._present):
            self._grow(group_count)
        found, rows = np.empty(len(groups), dtype=np.int64), np.empty(len(groups), dtype=np.int64)
        self._stamp += 1
        count = _latest(groups, first, self._stamps, self._places, self._stamp, found, rows)
        found, rows = found[:count], rows[:count]
        for values, valid, column in zip(self._columns, self._valid, batch.columns, strict=True):
            values[found] = column.values.take(rows)
            valid[found] = True if column.valid is None else column.valid.take(rows)
        self._timestamps[found] = batch.timestamps.take(rows)
        self._kinds[found] = 0 if batch.kinds is None else batch.kinds.take(rows)
        self._count = _note(found, self._present, self._order, self._count)

    def take_in(self, selected: Selected, first: int, stop: int) -> None:
        """``put`` rows ``first`` to ``stop`` of a select; without group by all are one group."""
        if first == stop:
            return
        rows, groups = selected.rows, selected.groups
        if groups is None:
            self.put(rows, _ONE_GROUP, 1, stop - 1)
        else:
            self.put(rows, groups[first:stop], selected.group_count, first)

    def rows(self) -> EventBatch:
        """The rows, in the order of their groups; without chunk numbers."""
        order = self.groups
        columns = []
        for attribute, values, valid in zip(self._schema.attributes, self._columns, self._valid, strict=True):
            mask = valid.take(order)
            columns.append(Column(attribute.type, values.take(order), None if mask.all() else mask))
        kinds = self._kinds.take(order)
        return EventBatch(self._schema, self._timestamps.take(order), tuple(columns), kinds if kinds.any() else None)

    def clear(self) -> None:
        """Forget all rows."""
        self._present[self.groups] = 0
        self._count = 0

    def keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Forget groups, by place in the order, for which ``kept`` is false."""
        groups = self.groups
        self._present[groups[~kept]] = 0
        left = groups[kept]
        self._order[: len(left)] = left
        self._count = len(left)

    def snapshot(self) -> OperatorState:
        """Groups and rows."""
        return {"groups": self.groups.copy(), **rows_snapshot(self.rows(), self._schema)}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self.clear()
        groups: Numbers = state["groups"]
        if len(groups):
            self.put(rows_restored(state, self._schema), groups, int(groups.max()) + 1)

    def _grow(self, groups: int) -> None:
        self._columns = [grown(each, groups) for each in self._columns]
        self._valid = [grown(each, groups) for each in self._valid]
        self._timestamps = grown(self._timestamps, groups)
        self._kinds = grown(self._kinds, groups)
        self._present = grown(self._present, groups)
        self._order = grown(self._order, groups)
        self._stamps = grown(self._stamps, groups)
        self._places = grown(self._places, groups)


@kernel
def _latest(
    groups: ReadInt64,
    first: int,
    stamps: WriteInt64,
    places: WriteInt64,
    stamp: int,
    out_groups: WriteInt64,
    out_rows: WriteInt64,
) -> int:
    """Each group once, in order of appearance, and its last row, rows counted from ``first``; how many there are.

    ``stamps`` and ``places`` have an entry a group; ``stamp`` was never used.
    """
    count = 0
    for row in range(len(groups)):
        group = groups[row]
        if stamps[group] != stamp:
            stamps[group] = stamp
            places[group] = count
            out_groups[count] = group
            count += 1
        out_rows[places[group]] = first + row
    return count


@kernel
def _note(groups: ReadInt64, present: WriteUInt8, order: WriteInt64, count: int) -> int:
    """Append groups that were not there to the order; how many there are."""
    for row in range(len(groups)):
        group = groups[row]
        if present[group] == 0:
            present[group] = 1
            order[count] = group
            count += 1
    return count
