"""min, max, minForever, maxForever."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.aggregators.growth import grown
from eiha.engine.aggregators.sums import ArrayState
from eiha.engine.kernels.aggregates import extreme_so_far, extreme_until_it_leaves
from eiha.engine.kernels.extremes import extreme_in_window, slide_extremes
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, Mask, make_column
from eiha.events.schema import AttributeType

Longs = npt.NDArray[np.int64]

_ALL_VALID: Final = np.ones(1, dtype=np.bool_)


class ExtremeSoFar(ArrayState):
    """Least or greatest of all rows since the last reset, also of those that expire: ``minForever``, ``maxForever``."""

    __slots__ = ("_is_max", "_type")

    def __init__(self, type_: AttributeType, *, is_max: bool) -> None:
        super().__init__(best=type_.dtype.type, known=np.bool_)
        self._type = type_
        self._is_max = is_max

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
        state = self.reserve(touched.group_count)
        out = np.zeros(len(touched), self._type.dtype)
        valid = np.empty(len(touched), np.bool_)
        extreme_so_far(
            touched.groups,
            argument.values,
            argument.mask(),
            touched.epochs,
            self._is_max,
            state["best"],
            state["known"],
            state["seen"],
            out,
            valid,
        )
        return make_column(self._type, out, valid)


class ExtremeUntilItLeaves(ExtremeSoFar):
    """``min`` and ``max`` of queries without a window of their own.

    As recorded, where such a query reads a named window and puts out current rows, the others are not remembered: when
    the least one leaves, the next ones to come are the least.
    """

    __slots__ = ()

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
        state = self.reserve(touched.group_count)
        out = np.zeros(len(touched), self._type.dtype)
        valid = np.empty(len(touched), np.bool_)
        extreme_until_it_leaves(
            touched.groups,
            touched.kinds,
            argument.values,
            argument.mask(),
            touched.epochs,
            self._is_max,
            state["best"],
            state["known"],
            state["seen"],
            out,
            valid,
        )
        return make_column(self._type, out, valid)


class ExtremeInWindow:
    """Least or greatest of what is in a window."""

    __slots__ = ("_groups", "_is_max", "_next", "_pool", "_previous", "_type", "_values")

    def __init__(self, type_: AttributeType, *, is_max: bool) -> None:
        self._type = type_
        self._is_max = is_max
        self._groups = ArrayState(heads=np.int64, tails=np.int64)
        self._values = np.zeros(0, type_.dtype)
        self._next = np.zeros(0, np.int64)
        self._previous = np.zeros(0, np.int64)
        self._pool = np.array([-1, 0], np.int64)

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
        state = self._room_for(touched.group_count, len(touched))
        out = np.zeros(len(touched), self._type.dtype)
        valid = np.empty(len(touched), np.bool_)
        extreme_in_window(
            touched.groups,
            touched.kinds,
            argument.values,
            argument.mask(),
            touched.epochs,
            self._is_max,
            self._values,
            self._next,
            self._previous,
            state["heads"],
            state["tails"],
            state["seen"],
            self._pool,
            out,
            valid,
        )
        return make_column(self._type, out, valid)

    def slide(self, column: Column, groups: Longs, group_count: int, start: int, first: int, oldest: Longs) -> Column:
        """The value after each new row of a sliding window, see ``kernels.sliding``; rows lie at positions."""
        state = self._room_for(group_count, len(oldest))
        state["seen"][:group_count] = 0
        out = np.zeros(len(oldest), self._type.dtype)
        valid = np.empty(len(oldest), np.bool_)
        mask, has_nulls = (_ALL_VALID, False) if column.valid is None else (column.valid, True)
        nulls = slide_extremes(
            groups, column.values, mask, has_nulls, start, first, oldest, self._is_max, self._values, self._next,
            self._previous, state["heads"], state["tails"], self._pool, out, valid,
        )  # fmt: skip
        return Column(self._type, out, valid if nulls else None)

    def _room_for(self, group_count: int, rows: int) -> dict[str, npt.NDArray[Any]]:
        """The arrays by group, with room for a node for each of ``rows`` more."""
        before = len(self._groups.reserve(0)["seen"])
        state = self._groups.reserve(group_count)
        if len(state["seen"]) > before:
            state["heads"][before:] = -1
            state["tails"][before:] = -1
        room = int(self._pool[1]) + rows
        self._values = grown(self._values, room)
        self._next = grown(self._next, room)
        self._previous = grown(self._previous, room)
        return state

    def in_use(self, epoch: int) -> Mask:
        """See ``Aggregator``: a value is in."""
        state = self._groups.reserve(0)
        used = self._groups.count
        found: Mask = state["heads"][:used] != -1
        found &= state["seen"][:used] == epoch
        return found

    def keep(self, groups: npt.NDArray[np.int64]) -> None:
        """See ``Aggregator``; what a reset left in groups that go is given back to the pool."""
        heads = self._groups.reserve(0)["heads"][: self._groups.count].copy()
        heads[groups[: np.searchsorted(groups, len(heads))]] = -1
        for head in heads[heads != -1].tolist():
            node = head
            while node != -1:
                following = int(self._next[node])
                self._next[node] = self._pool[0]
                self._pool[0] = node
                node = following
        self._groups.keep(groups)
        self._no_nodes_behind(self._groups.count)

    def _no_nodes_behind(self, used: int) -> None:
        arrays = self._groups.reserve(0)
        arrays["heads"][used:] = -1
        arrays["tails"][used:] = -1

    def snapshot(self) -> OperatorState:
        """Heads and tails by group, the pool of nodes."""
        used = int(self._pool[1])
        return {
            "groups": self._groups.snapshot(),
            "values": self._values[:used],
            "next": self._next[:used],
            "previous": self._previous[:used],
            "pool": self._pool.copy(),
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._groups.restore(state["groups"])
        self._no_nodes_behind(len(state["groups"]["seen"]))
        self._values = np.array(state["values"])
        self._next = np.array(state["next"])
        self._previous = np.array(state["previous"])
        self._pool = np.array(state["pool"])
