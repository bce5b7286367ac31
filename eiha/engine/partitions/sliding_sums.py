"""sum, avg and count over the latest rows of each instance, without making rows of those that leave."""

from __future__ import annotations

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
from eiha.engine.partitions.slot_rows import SlotColumn, Slots
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.nodes import Aggregate

_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})

SLIDING_AGGREGATES: Final = frozenset({"sum", "avg", "count"})
"""Aggregators that have a form here."""

Numbers = npt.NDArray[np.int64]


class Moves:
    """What a batch does to a window: each row comes into ``slots``, behind the one at ``left`` that leaves, if any.

    ``groups`` and ``left_groups`` are the groups of both, ``group_count`` bounds them, ``room`` bounds slots.
    """

    __slots__ = ("group_count", "groups", "left", "left_groups", "room", "slots")

    def __init__(
        self, slots: Slots, left: Slots, groups: Numbers, left_groups: Numbers, group_count: int, room: int
    ) -> None:
        self.slots = slots
        self.left = left
        self.groups = groups
        self.left_groups = left_groups
        self.group_count = group_count
        self.room = room


class SlidingAggregate(Protocol):
    """One aggregate over all instances."""

    def update(self, moves: Moves, argument: Column | None) -> Column:
        """The value after each row."""

    def snapshot(self, slots: Slots) -> OperatorState:
        """The accumulators, and the values of the rows held, at ``slots``."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


def make_sliding(aggregate: Aggregate) -> SlidingAggregate:
    """The form of ``aggregate``, which is one of ``SLIDING_AGGREGATES``."""
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
        out = np.empty(len(moves.slots), dtype=np.int64)
        slide_counts(moves.groups, moves.left_groups, moves.left, self._counts, out)
        return Column(AttributeType.LONG, out)

    def snapshot(self, slots: Slots) -> OperatorState:  # noqa: ARG002 - it holds no values
        """See ``SlidingAggregate``."""
        return {"counts": self._counts[: self._groups].copy()}

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
        out = np.empty(len(moves.slots), dtype=np.int64)
        valid = np.empty(len(moves.slots), dtype=np.bool_)
        nulls = slide_longs(
            moves.groups,
            moves.left_groups,
            moves.slots,
            moves.left,
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

    def snapshot(self, slots: Slots) -> OperatorState:
        """See ``SlidingAggregate``."""
        return {
            "sums": self._sums[: self._groups].copy(),
            "counts": self._counts[: self._groups].copy(),
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
        out = np.empty(len(moves.slots), dtype=np.float64)
        valid = np.empty(len(moves.slots), dtype=np.bool_)
        nulls = slide_doubles(
            moves.groups,
            moves.left_groups,
            moves.slots,
            moves.left,
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

    def snapshot(self, slots: Slots) -> OperatorState:
        """See ``SlidingAggregate``."""
        return {
            "sums": self._sums[: self._groups].copy(),
            "counts": self._counts[: self._groups].copy(),
            "held": self._held.snapshot(slots),
        }

    def restore(self, state: OperatorState) -> None:
        """See ``SlidingAggregate``."""
        self._sums, self._counts = np.array(state["sums"]), np.array(state["counts"])
        self._groups = len(self._sums)
        self._held.restore(state["held"])


@kernel
def slide_counts(
    groups: ReadInt64, left_groups: ReadInt64, left: ReadInt64, counts: WriteInt64, out: WriteInt64
) -> None:
    """How many rows each group holds after each row."""
    for row in range(len(groups)):
        if left[row] >= 0:
            counts[left_groups[row]] -= 1
        group = groups[row]
        counts[group] += 1
        out[row] = counts[group]


@kernel
def slide_longs(
    groups: ReadInt64,
    left_groups: ReadInt64,
    slots: ReadInt64,
    left: ReadInt64,
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
    for row in range(len(groups)):
        gone = left[row]
        if gone >= 0 and held_valid[gone]:
            sums[left_groups[row]] -= held[gone]
            counts[left_groups[row]] -= 1
        group = groups[row]
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
    left_groups: ReadInt64,
    slots: ReadInt64,
    left: ReadInt64,
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
    for row in range(len(groups)):
        gone = left[row]
        if gone >= 0 and held_valid[gone]:
            sums[left_groups[row]] -= held[gone]
            counts[left_groups[row]] -= 1
        group = groups[row]
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
