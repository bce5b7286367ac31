"""sum, avg and count over the windows of all instances, without making rows of those that leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import (
    ReadBool,
    ReadFloat64,
    ReadInt64,
    WriteBool,
    WriteFloat64,
    WriteInt64,
    kernel,
)
from eiha.engine.operator import OperatorState
from eiha.engine.partitions.slot_rows import Slid, SlotColumn, Slots
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.nodes import Aggregate

_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moves:
    """What a batch does to the windows of all instances.

    ``groups`` and ``held_groups``: the group of each row, and of each row held, by slot. ``are_instances``: each
    instance is one group, and ``held_groups`` is not there. ``group_count`` bounds groups, ``room`` slots.
    """

    slid: Slid
    groups: Numbers
    held_groups: Numbers
    are_instances: bool
    group_count: int
    room: int

    def __len__(self) -> int:
        return len(self.groups)


class SlidingAggregate(Protocol):
    """One aggregate over all instances."""

    def update(self, moves: Moves, argument: Column | None) -> Column:
        """The value after each row."""

    def keep(self, groups: Numbers) -> None:
        """Forget all groups but these (rising), which are numbered anew from 0."""

    def snapshot(self, slots: Slots) -> OperatorState:
        """The accumulators, and the values of the rows held, at ``slots``."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


def make_sliding(aggregate: Aggregate) -> SlidingAggregate:
    """The form of ``aggregate``, which is one of ``sliding_queries.SUMS``."""
    if aggregate.name == "count":
        return SlidingCount()
    assert aggregate.argument is not None
    if aggregate.name == "sum" and aggregate.argument.type in _WHOLE:
        return SlidingLongSum()
    return SlidingDoubleSum(mean=aggregate.name == "avg")


class SlidingCount:
    """``count``: nulls count, too."""

    __slots__ = ("_counts", "_groups")

    def __init__(self) -> None:
        self._groups = 0
        self._counts: Numbers = np.zeros(16, dtype=np.int64)

    def update(self, moves: Moves, argument: Column | None) -> Column:  # noqa: ARG002 - nulls count, too
        """See ``SlidingAggregate``."""
        self._groups = moves.group_count
        self._counts = grown(self._counts, moves.group_count)
        out = np.empty(len(moves), dtype=np.int64)
        slide_counts(
            moves.groups,
            moves.held_groups,
            moves.are_instances,
            moves.slid.left,
            moves.slid.ends,
            self._counts,
            out,
        )
        return Column(AttributeType.LONG, out)

    def keep(self, groups: Numbers) -> None:
        """See ``SlidingAggregate``."""
        self._counts = self._counts.take(groups)
        self._groups = len(groups)

    def snapshot(self, slots: Slots) -> OperatorState:  # noqa: ARG002 - it holds no values
        """See ``SlidingAggregate``."""
        return {"counts": self._counts[: self._groups]}

    def restore(self, state: OperatorState) -> None:
        """See ``SlidingAggregate``."""
        self._counts = np.array(state["counts"])
        self._groups = len(self._counts)


class SlidingLongSum:
    """``sum`` of int and long."""

    __slots__ = ("_counts", "_groups", "_held", "_sums")

    def __init__(self) -> None:
        self._groups = 0
        self._sums: Numbers = np.zeros(16, dtype=np.int64)
        self._counts: Numbers = np.zeros(16, dtype=np.int64)
        self._held = SlotColumn(np.int64)

    def update(self, moves: Moves, argument: Column | None) -> Column:
        """See ``SlidingAggregate``."""
        assert argument is not None
        self._groups = moves.group_count
        self._sums = grown(self._sums, moves.group_count)
        self._counts = grown(self._counts, moves.group_count)
        self._held.reserve(moves.room)
        out = np.empty(len(moves), dtype=np.int64)
        valid = np.empty(len(moves), dtype=np.bool_)
        nulls = slide_longs(
            moves.groups,
            moves.held_groups,
            moves.are_instances,
            moves.slid.slots,
            moves.slid.left,
            moves.slid.ends,
            argument.values.astype(np.int64, copy=False),
            argument.mask(),
            self._held.values,
            self._held.valid,
            self._sums,
            self._counts,
            out,
            valid,
        )
        return Column(AttributeType.LONG, out, valid if nulls else None)

    def keep(self, groups: Numbers) -> None:
        """See ``SlidingAggregate``."""
        self._sums, self._counts = self._sums.take(groups), self._counts.take(groups)
        self._groups = len(groups)

    def snapshot(self, slots: Slots) -> OperatorState:
        """See ``SlidingAggregate``."""
        return {
            "sums": self._sums[: self._groups],
            "counts": self._counts[: self._groups],
            "held": self._held.snapshot(slots),
        }

    def restore(self, state: OperatorState) -> None:
        """See ``SlidingAggregate``."""
        self._sums, self._counts = np.array(state["sums"]), np.array(state["counts"])
        self._groups = len(self._sums)
        self._held.restore(state["held"])


class SlidingDoubleSum:
    """``sum`` of float and double, ``avg`` of all numbers."""

    __slots__ = ("_counts", "_groups", "_held", "_mean", "_sums")

    def __init__(self, *, mean: bool) -> None:
        self._mean = mean
        self._groups = 0
        self._sums: npt.NDArray[np.float64] = np.zeros(16, dtype=np.float64)
        self._counts: Numbers = np.zeros(16, dtype=np.int64)
        self._held = SlotColumn(np.float64)

    def update(self, moves: Moves, argument: Column | None) -> Column:
        """See ``SlidingAggregate``."""
        assert argument is not None
        self._groups = moves.group_count
        self._sums = grown(self._sums, moves.group_count)
        self._counts = grown(self._counts, moves.group_count)
        self._held.reserve(moves.room)
        out = np.empty(len(moves), dtype=np.float64)
        valid = np.empty(len(moves), dtype=np.bool_)
        nulls = slide_doubles(
            moves.groups,
            moves.held_groups,
            moves.are_instances,
            moves.slid.slots,
            moves.slid.left,
            moves.slid.ends,
            argument.values.astype(np.float64, copy=False),
            argument.mask(),
            self._held.values,
            self._held.valid,
            self._sums,
            self._counts,
            self._mean,
            out,
            valid,
        )
        return Column(AttributeType.DOUBLE, out, valid if nulls else None)

    def keep(self, groups: Numbers) -> None:
        """See ``SlidingAggregate``."""
        self._sums, self._counts = self._sums.take(groups), self._counts.take(groups)
        self._groups = len(groups)

    def snapshot(self, slots: Slots) -> OperatorState:
        """See ``SlidingAggregate``."""
        return {
            "sums": self._sums[: self._groups],
            "counts": self._counts[: self._groups],
            "held": self._held.snapshot(slots),
        }

    def restore(self, state: OperatorState) -> None:
        """See ``SlidingAggregate``."""
        self._sums, self._counts = np.array(state["sums"]), np.array(state["counts"])
        self._groups = len(self._sums)
        self._held.restore(state["held"])


@kernel
def slide_counts(
    groups: ReadInt64,
    held_groups: ReadInt64,
    are_instances: bool,
    left: ReadInt64,
    ends: ReadInt64,
    counts: WriteInt64,
    out: WriteInt64,
) -> None:
    """How many rows each group holds after each row."""
    place = 0
    for row in range(len(groups)):
        group = groups[row]
        while place < ends[row]:
            was = group if are_instances else held_groups[left[place]]
            counts[was] -= 1
            place += 1
        counts[group] += 1
        out[row] = counts[group]


@kernel
def slide_longs(
    groups: ReadInt64,
    held_groups: ReadInt64,
    are_instances: bool,
    slots: ReadInt64,
    left: ReadInt64,
    ends: ReadInt64,
    values: ReadInt64,
    valid: ReadBool,
    held: WriteInt64,
    held_valid: WriteBool,
    sums: WriteInt64,
    counts: WriteInt64,
    out: WriteInt64,
    out_valid: WriteBool,
) -> int:
    """Sums of longs, which wrap, after each row; how many are null."""
    nulls = 0
    place = 0
    for row in range(len(groups)):
        group = groups[row]
        while place < ends[row]:
            gone = left[place]
            if held_valid[gone]:
                was = group if are_instances else held_groups[gone]
                sums[was] -= held[gone]
                counts[was] -= 1
            place += 1
        slot = slots[row]
        held[slot] = values[row]
        held_valid[slot] = valid[row]
        if valid[row]:
            sums[group] += values[row]
            counts[group] += 1
        out[row] = sums[group]
        out_valid[row] = counts[group] != 0
        if counts[group] == 0:
            nulls += 1
    return nulls


@kernel
def slide_doubles(
    groups: ReadInt64,
    held_groups: ReadInt64,
    are_instances: bool,
    slots: ReadInt64,
    left: ReadInt64,
    ends: ReadInt64,
    values: ReadFloat64,
    valid: ReadBool,
    held: WriteFloat64,
    held_valid: WriteBool,
    sums: WriteFloat64,
    counts: WriteInt64,
    is_mean: bool,
    out: WriteFloat64,
    out_valid: WriteBool,
) -> int:
    """Sums of doubles, kept by taking away and adding, or their means, after each row; how many are null."""
    nulls = 0
    place = 0
    for row in range(len(groups)):
        group = groups[row]
        while place < ends[row]:
            gone = left[place]
            if held_valid[gone]:
                was = group if are_instances else held_groups[gone]
                sums[was] -= held[gone]
                counts[was] -= 1
            place += 1
        slot = slots[row]
        held[slot] = values[row]
        held_valid[slot] = valid[row]
        if valid[row]:
            sums[group] += values[row]
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
