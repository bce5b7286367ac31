"""One granularity: the bucket that each group is in, and the buckets that groups have left.

Rows add to the bucket that their group is in, by group number alone. When a group goes on to another bucket (a later
one, or an earlier one, for a row that comes late), or when it goes on after the clock entered another bucket, the one
it leaves is put down and added to the next coarser level, where it is a row like any other. So an event costs one
addition, a bucket that closes one copy a level. What a level shows is what it put down, and what it and the finer
levels still have open.

The state depends on the rows of each group, on the clock at each row and on the moments of purges, on nothing else: not
on how rows are cut into batches, not on who reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.buckets import NO_BUCKET, bucket_starts, follow
from eiha.engine.aggregations.cells import CellLayout, Cells, Fields
from eiha.engine.aggregations.stored_cells import StoredCells
from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState
from eiha.plan.granularities import Granularity

Longs = npt.NDArray[np.int64]

_BOUNDS = ("starts", "ends", "since")

_SCRATCH_ROWS: Final = 16_384
"""Room for so many rows is kept from call to call: batches are rarely longer, and it takes 768 kB a level."""


@dataclass(frozen=True, slots=True)
class LevelRows:
    """Rows for a level: events, or what a finer level closed. ``arrivals``: the clock when they came."""

    groups: Longs
    times: Longs
    arrivals: Longs
    fields: Fields
    are_events: bool = False


class Level:
    """The buckets of one granularity.

    Args:
        granularity: of the buckets.
        layout: of the cells.
        coarser: the next level, which gets what is closed here; None: this is the coarsest.
        by_arrival: the time of every row is when it came.
    """

    __slots__ = (
        "_bounds",
        "_by_arrival",
        "_coarser",
        "_group_count",
        "_open",
        "_scratch",
        "_slots",
        "_stored",
        "granularity",
    )

    def __init__(
        self, granularity: Granularity, layout: CellLayout, coarser: Level | None, *, by_arrival: bool = False
    ) -> None:
        self.granularity = granularity
        self._by_arrival = by_arrival
        self._coarser = coarser
        self._open = Cells(layout)
        self._stored = StoredCells(layout)
        self._group_count = 0
        self._bounds: dict[str, Longs] = {name: np.zeros(0, np.int64) for name in _BOUNDS}
        self._slots: Longs = np.zeros(0, np.int64)
        self._scratch = _scratch(0)  # what is in it does not outlive a call of ``add``

    def add(self, rows: LevelRows, group_count: int) -> None:
        """Add rows, in order, each to the bucket of its time. All groups are below ``group_count``."""
        count = len(rows.groups)
        self._reserve(group_count)
        out, closed_slots, closed_groups, closed_starts, closed_since, moved = self._scratch_for(count)
        out = out[:count]
        counts = np.zeros(2, np.int64)
        follow(
            rows.groups,
            rows.times,
            rows.arrivals,
            int(self.granularity),
            self._by_arrival,
            group_count,
            self._bounds["starts"],
            self._bounds["ends"],
            self._bounds["since"],
            self._slots,
            out,
            closed_slots,
            closed_groups,
            closed_starts,
            closed_since,
            moved,
            counts,
        )
        closed, moves = int(counts[0]), int(counts[1])
        self._open.reserve(group_count + closed)
        self._open.add(out, rows.fields, are_events=rows.are_events)
        if closed:
            fields = self._open.take(closed_slots[:closed])
            left = LevelRows(closed_groups[:closed], closed_starts[:closed], closed_since[:closed], fields)
            self._leave(left, group_count)
            moved = moved[:moves]
            self._open.copy(self._slots.take(moved), moved)
            self._slots[moved] = moved
            self._open.clear(group_count, group_count + closed)

    def _scratch_for(self, rows: int) -> tuple[Longs, ...]:
        """Six arrays for at least so many rows; new pages cost more than the loop that fills them."""
        if rows > _SCRATCH_ROWS:
            return _scratch(rows)
        if rows > len(self._scratch[0]):
            self._scratch = _scratch(min(2 * rows, _SCRATCH_ROWS))
        return self._scratch

    def close(self, before_ms: int, granularity: Granularity, group_count: int) -> None:
        """Let groups leave buckets that lie in a bucket of ``granularity`` that begins before ``before_ms``."""
        groups = self._in_buckets()
        groups = groups.compress(starts_at(self._bounds["starts"].take(groups), granularity) < before_ms)
        if not len(groups):
            return
        starts, since = self._bounds["starts"].take(groups), self._bounds["since"].take(groups)
        self._leave(LevelRows(groups, starts, since, self._open.take(groups)), group_count)
        self._open.clear_at(groups)
        for bounds in self._bounds.values():
            bounds[groups] = NO_BUCKET

    def drop_before(self, cutoff_ms: int) -> None:
        """Forget what was stored of buckets that begin before ``cutoff_ms``; groups must have left such buckets."""
        self._stored.drop_before(cutoff_ms)

    def stored_between(self, start_ms: int, end_ms: int) -> tuple[Longs, Longs, Fields]:
        """Groups, starts and cells of the buckets that were left and begin in this span, end exclusive."""
        return self._stored.between(start_ms, end_ms)

    def opened(self) -> LevelRows:
        """The buckets that groups are in; ``times`` are their starts."""
        groups = self._in_buckets()
        starts, since = self._bounds["starts"].take(groups), self._bounds["since"].take(groups)
        return LevelRows(groups, starts, since, self._open.take(groups))

    def groups_in_use(self) -> Longs:
        """Groups that have a bucket here, in any order, with repetitions."""
        return np.concatenate([self._in_buckets(), self._stored.groups()])

    def renumber_groups(self, numbers: Longs, group_count: int) -> None:
        """Let group g be called ``numbers[g]``; all that are in use are then below ``group_count``."""
        groups = self._in_buckets()
        bounds = {name: array.take(groups) for name, array in self._bounds.items()}
        fields = self._open.take(groups)
        self._stored.renumber_groups(numbers)
        self._load(group_count, numbers.take(groups), bounds, fields)

    def snapshot(self) -> OperatorState:
        """Buckets that groups are in and buckets they left."""
        groups = self._in_buckets()
        return {
            "groups": groups,
            "bounds": {name: array.take(groups) for name, array in self._bounds.items()},
            "fields": self._open.take(groups),
            "stored": self._stored.snapshot(),
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        groups = np.array(state["groups"], np.int64)
        group_count = int(groups[-1]) + 1 if len(groups) else 0
        self._load(group_count, groups, state["bounds"], state["fields"])
        self._stored.restore(state["stored"])

    def _leave(self, rows: LevelRows, group_count: int) -> None:
        self._stored.add(rows.groups, rows.times, rows.fields)
        if self._coarser is not None:
            self._coarser.add(rows, group_count)

    def _in_buckets(self) -> Longs:
        """The groups that are in a bucket, rising."""
        count = self._group_count
        return np.flatnonzero(self._bounds["starts"][:count] != self._bounds["ends"][:count])

    def _reserve(self, group_count: int) -> None:
        if group_count <= self._group_count:
            return
        self._group_count = group_count
        if group_count > len(self._slots):
            self._bounds = {name: grown(array, group_count, NO_BUCKET) for name, array in self._bounds.items()}
            self._slots = np.arange(len(self._bounds["starts"]), dtype=np.int64)

    def _load(self, group_count: int, groups: Longs, bounds: dict[str, Longs], fields: Fields) -> None:
        self._group_count = 0
        self._bounds = {name: np.zeros(0, np.int64) for name in _BOUNDS}
        self._slots = np.zeros(0, np.int64)
        self._reserve(group_count)
        self._open.restore([np.zeros(0, field.dtype) for field in fields])
        self._open.reserve(group_count)
        if not len(groups):
            return
        for name, array in self._bounds.items():
            array[groups] = bounds[name]
        for field, values in zip(self._open.fields, fields, strict=True):
            field[groups] = values


def _scratch(rows: int) -> tuple[Longs, ...]:
    return tuple(np.empty(rows, np.int64) for _ in range(6))


def starts_at(times: Longs, granularity: Granularity) -> Longs:
    """Where the buckets of ``granularity`` begin in which these times lie."""
    starts = np.empty(len(times), np.int64)
    bucket_starts(np.ascontiguousarray(times), int(granularity), starts)
    return starts
