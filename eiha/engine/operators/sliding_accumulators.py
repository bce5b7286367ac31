"""Aggregates over a sliding window that ``sliding_aggregates`` takes rows out of in place, beside sums.

Each holds something of every row in the window, as a column of a store; kernels read it at positions.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.extremes import ExtremeInWindow
from eiha.engine.aggregators.growth import FORGET_MIN, grown, next_look
from eiha.engine.aggregators.key_index import LongIndex, ValueIndex
from eiha.engine.aggregators.sums import Deviation
from eiha.engine.kernels.sliding import slide_distinct
from eiha.engine.operator import OperatorState
from eiha.engine.windows.row_store import RowStore
from eiha.events.column import Column, Mask
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_LOW_HALF: Final = (1 << 32) - 1
_NO_EPOCH: Final = 0
"""Nothing resets a sliding window."""


class SlidingAccumulator(Protocol):
    """``place`` of what is held among the columns of the store, None for ``count``; ``type`` of that column."""

    place: int | None
    type: AttributeType

    def hold(self, store: RowStore, argument: Column, groups: Longs) -> Column:
        """What is held of new rows; those in ``store`` are all that are in."""

    def slide(self, store: RowStore, groups: Longs, group_count: int, start: int, first: int, oldest: Longs) -> Column:
        """The value after each new row."""

    def in_use(self) -> Mask:
        """By group, whether it is not as it began; False behind the end."""

    def keep(self, store: RowStore, groups: Longs) -> None:
        """Keep these groups (rising), numbered anew from 0."""

    def snapshot(self) -> OperatorState:
        """What is to be saved beside the store."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


class SlidingValues:
    """``stdDev``, ``min`` and ``max``: the aggregator that takes rows from any window, fed with positions."""

    __slots__ = ("_aggregator", "place", "type")

    def __init__(self, place: int, type_: AttributeType, aggregator: Deviation | ExtremeInWindow) -> None:
        self.place: int | None = place
        self.type = type_
        self._aggregator = aggregator

    def hold(self, store: RowStore, argument: Column, groups: Longs) -> Column:  # noqa: ARG002 - the value it is
        """See ``SlidingAccumulator``."""
        return argument

    def slide(self, store: RowStore, groups: Longs, group_count: int, start: int, first: int, oldest: Longs) -> Column:
        """See ``SlidingAccumulator``."""
        assert self.place is not None
        column = Column(self.type, store.column(self.place), store.valid(self.place))
        return self._aggregator.slide(column, groups, group_count, start, first, oldest)

    def in_use(self) -> Mask:
        """See ``SlidingAccumulator``."""
        return self._aggregator.in_use(_NO_EPOCH)

    def keep(self, store: RowStore, groups: Longs) -> None:  # noqa: ARG002 - values stay
        """See ``SlidingAccumulator``."""
        self._aggregator.keep(groups)

    def snapshot(self) -> OperatorState:
        """The accumulators."""
        return self._aggregator.snapshot()

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._aggregator.restore(state)


class SlidingDistinct:
    """``distinctCount``: the store holds for each row the number of its group and value together."""

    __slots__ = ("_counts", "_distinct", "_groups", "_look_at", "_pairs", "_result", "_values", "place", "type")

    def __init__(self, place: int, argument: AttributeType, strings: StringTable, result: AttributeType) -> None:
        self.place: int | None = place
        self.type = AttributeType.LONG
        self._result = result
        self._values = ValueIndex(argument, strings)
        self._pairs = LongIndex()
        self._counts: Longs = np.zeros(0, dtype=np.int64)
        self._distinct: Longs = np.zeros(0, dtype=np.int64)
        self._groups = 0
        self._look_at = FORGET_MIN

    def hold(self, store: RowStore, argument: Column, groups: Longs) -> Column:
        """See ``SlidingAccumulator``; before, pairs that are not in any more are forgotten."""
        if self._pairs.count >= self._look_at:
            self._forget(store, np.arange(self._groups))
            self._look_at = next_look(self._pairs.count)
        return Column(AttributeType.LONG, self._pairs.find((groups << 32) | self._values.find(argument)))

    def slide(self, store: RowStore, groups: Longs, group_count: int, start: int, first: int, oldest: Longs) -> Column:
        """See ``SlidingAccumulator``."""
        assert self.place is not None
        self._groups = max(self._groups, group_count)
        self._counts = grown(self._counts, self._pairs.count)
        self._distinct = grown(self._distinct, self._groups)
        out = np.empty(len(oldest), dtype=np.int64)
        slide_distinct(groups, store.column(self.place), start, first, oldest, self._counts, self._distinct, out)
        return Column(self._result, out.astype(self._result.dtype, copy=False))

    def in_use(self) -> Mask:
        """See ``SlidingAccumulator``."""
        found: Mask = self._distinct != 0
        return found

    def keep(self, store: RowStore, groups: Longs) -> None:
        """See ``SlidingAccumulator``."""
        groups = groups[: np.searchsorted(groups, self._groups)]
        numbers = np.zeros(self._groups, dtype=np.int64)
        numbers[groups] = np.arange(len(groups))
        self._forget(store, numbers)
        self._distinct = self._distinct.take(groups)
        self._groups = len(groups)

    def _forget(self, store: RowStore, numbers: Longs) -> None:
        """Forget the pairs that no row held has; ``numbers`` are the groups' new ones by their old ones."""
        assert self.place is not None
        kept = self._counts[: self._pairs.count] != 0
        keys = self._pairs.keys()[kept]
        values = keys & _LOW_HALF
        wanted = np.zeros(self._values.count, dtype=np.bool_)
        wanted[values] = True
        self._pairs.restore((numbers.take(keys >> 32) << 32) | self._values.keep(wanted).take(values))
        held = store.column(self.place)[store.start : store.stop]
        store.replace(self.place, (np.cumsum(kept) - 1).take(held))
        self._counts = self._counts[: len(kept)][kept]

    def snapshot(self) -> OperatorState:
        """Values, pairs and how often each is in."""
        return {
            "values": self._values.snapshot(),
            "pairs": self._pairs.keys(),
            "counts": self._counts[: self._pairs.count],
            "distinct": self._distinct[: self._groups],
            "look_at": self._look_at,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._values.restore(state["values"])
        self._pairs.restore(state["pairs"])
        self._counts, self._distinct = np.array(state["counts"]), np.array(state["distinct"])
        self._groups = len(self._distinct)
        self._look_at = state["look_at"]
