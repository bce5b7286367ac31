"""One granularity: the bucket that each group is in, and the buckets that groups have left.

Rows add to the bucket that their group is in, by group number alone. When a group goes on to another bucket (a later
one, or an earlier one, for a row that comes late), the one it leaves is stored and added to the next coarser level,
where it is a row like any other. So an event costs one addition, a bucket that closes one look-up a level. What a level
shows is what it stored, and what it and the finer levels still have open.

The state depends on the order of the rows of each group and on the moments of purges, on nothing else: not on how rows
are cut into batches, not on who reads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.buckets import NO_BUCKET, bucket_starts, follow
from eiha.engine.aggregations.cells import CellLayout, Cells, Fields
from eiha.engine.aggregations.stored_cells import StoredCells
from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState
from eiha.plan.granularities import Granularity

Longs = npt.NDArray[np.int64]


class Level:
    """The buckets of one granularity.

    Args:
        granularity: of the buckets.
        layout: of the cells.
        coarser: the next level, which gets what is closed here; None: this is the coarsest.
    """

    __slots__ = ("_coarser", "_ends", "_group_count", "_open", "_slots", "_starts", "_stored", "granularity")

    def __init__(self, granularity: Granularity, layout: CellLayout, coarser: Level | None) -> None:
        self.granularity = granularity
        self._coarser = coarser
        self._open = Cells(layout)
        self._stored = StoredCells(layout)
        self._group_count = 0
        self._starts: Longs = np.zeros(0, np.int64)
        self._ends: Longs = np.zeros(0, np.int64)
        self._slots: Longs = np.zeros(0, np.int64)

    def add(self, groups: Longs, times: Longs, rows: Fields, group_count: int, *, are_events: bool = False) -> None:
        """Add rows, in order, each to the bucket of its time. All groups are below ``group_count``."""
        count = len(groups)
        self._reserve(group_count)
        out, closed_slots, closed_groups, closed_starts, moved = (np.empty(count, np.int64) for _ in range(5))
        counts = np.zeros(2, np.int64)
        follow(
            groups,
            times,
            int(self.granularity),
            group_count,
            self._starts,
            self._ends,
            self._slots,
            out,
            closed_slots,
            closed_groups,
            closed_starts,
            moved,
            counts,
        )
        closed, moves = int(counts[0]), int(counts[1])
        self._open.reserve(group_count + closed)
        self._open.add(out, rows, are_events=are_events)
        if closed:
            left = self._open.take(closed_slots[:closed])
            self._leave(closed_groups[:closed], closed_starts[:closed], left, group_count)
            moved = moved[:moves]
            self._open.copy(self._slots.take(moved), moved)
            self._slots[moved] = moved
            self._open.clear(group_count, group_count + closed)

    def close(self, before_ms: int, granularity: Granularity, group_count: int) -> None:
        """Let groups leave buckets that lie in a bucket of ``granularity`` that begins before ``before_ms``."""
        groups, starts = self._in_buckets()
        outer = _starts_at(starts, granularity)
        kept = np.flatnonzero(outer < before_ms)
        if not len(kept):
            return
        groups = groups.take(kept)
        self._leave(groups, starts.take(kept), self._open.take(groups), group_count)
        self._open.clear_at(groups)
        self._starts[groups] = NO_BUCKET
        self._ends[groups] = NO_BUCKET

    def drop_before(self, cutoff_ms: int) -> None:
        """Forget what was stored of buckets that begin before ``cutoff_ms``; groups must have left such buckets."""
        self._stored.drop_before(cutoff_ms)

    def stored_between(self, start_ms: int, end_ms: int) -> tuple[Longs, Longs, Fields]:
        """Groups, starts and cells of the buckets that were left and begin in this span, end exclusive."""
        return self._stored.between(start_ms, end_ms)

    def open_between(self, granularity: Granularity, start_ms: int, end_ms: int) -> tuple[Longs, Longs, Fields]:
        """The same for buckets that groups are in; span and starts are those of buckets of ``granularity``."""
        groups, starts = self._in_buckets()
        outer = _starts_at(starts, granularity)
        chosen = np.flatnonzero((outer >= start_ms) & (outer < end_ms))
        groups = groups.take(chosen)
        return groups, outer.take(chosen), self._open.take(groups)

    def groups_in_use(self) -> Longs:
        """Groups that have a bucket here, in any order, with repetitions."""
        return np.concatenate([self._in_buckets()[0], self._stored.groups()])

    def renumber_groups(self, numbers: Longs, group_count: int) -> None:
        """Let group g be called ``numbers[g]``; all that are in use are then below ``group_count``."""
        groups, starts = self._in_buckets()
        ends = self._ends.take(groups)
        fields = self._open.take(groups)
        self._stored.renumber_groups(numbers)
        fresh = numbers.take(groups)
        self._load(group_count, fresh, starts, ends, fields)

    def snapshot(self) -> OperatorState:
        """Buckets that groups are in and buckets they left."""
        groups, starts = self._in_buckets()
        return {
            "groups": groups,
            "starts": starts,
            "ends": self._ends.take(groups),
            "fields": self._open.take(groups),
            "stored": self._stored.snapshot(),
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        groups = np.array(state["groups"], np.int64)
        group_count = int(groups[-1]) + 1 if len(groups) else 0
        self._load(group_count, groups, state["starts"], state["ends"], state["fields"])
        self._stored.restore(state["stored"])

    def _leave(self, groups: Longs, starts: Longs, rows: Fields, group_count: int) -> None:
        self._stored.add(groups, starts, rows)
        if self._coarser is not None:
            self._coarser.add(groups, starts, rows, group_count)

    def _in_buckets(self) -> tuple[Longs, Longs]:
        """The groups that are in a bucket, rising, and its start."""
        starts, ends = self._starts[: self._group_count], self._ends[: self._group_count]
        groups = np.flatnonzero(starts != ends)
        return groups, starts.take(groups)

    def _reserve(self, group_count: int) -> None:
        if group_count <= self._group_count:
            return
        self._group_count = group_count
        if group_count > len(self._starts):
            self._starts = grown(self._starts, group_count, NO_BUCKET)
            self._ends = grown(self._ends, group_count, NO_BUCKET)
            self._slots = np.arange(len(self._starts), dtype=np.int64)

    def _load(self, group_count: int, groups: Longs, starts: Longs, ends: Longs, fields: Fields) -> None:
        self._group_count = 0
        self._starts = self._ends = np.zeros(0, np.int64)
        self._reserve(group_count)
        self._starts[groups] = starts
        self._ends[groups] = ends
        self._open.restore([np.zeros(0, field.dtype) for field in fields])
        self._open.reserve(group_count)
        for field, values in zip(self._open.fields, fields, strict=True):
            field[groups] = values


def _starts_at(starts: Longs, granularity: Granularity) -> Longs:
    outer = np.empty(len(starts), np.int64)
    bucket_starts(np.ascontiguousarray(starts), int(granularity), outer)
    return outer
