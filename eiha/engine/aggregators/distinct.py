"""distinctCount: how many different values are in; null is a value."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.aggregators.growth import FORGET_MIN, next_look
from eiha.engine.aggregators.key_index import LongIndex, ValueIndex
from eiha.engine.aggregators.sums import ArrayState
from eiha.engine.kernels.aggregates import count_distinct
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, Mask
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

_LOW_HALF: Final = (1 << 32) - 1


class DistinctCount:
    """Counts by (group, value); the counts are of type ``result``, int or long."""

    __slots__ = ("_groups", "_look_at", "_numbers", "_pairs", "_result", "_values")

    def __init__(self, type_: AttributeType, strings: StringTable, result: AttributeType) -> None:
        self._result = result
        self._values = ValueIndex(type_, strings)
        self._pairs = LongIndex()
        self._numbers = ArrayState(counts=np.int64)
        self._groups = ArrayState(distinct=np.int64)
        self._look_at = FORGET_MIN

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
        if self._pairs.count >= self._look_at and len(touched):
            self._forget_pairs(int(touched.epochs[0]))
        pairs = self._pairs.find((touched.groups << 32) | self._values.find(argument))
        by_pair = self._numbers.reserve(self._pairs.count)
        by_group = self._groups.reserve(touched.group_count)
        out = np.empty(len(touched), np.int64)
        count_distinct(
            touched.groups,
            pairs,
            touched.kinds,
            touched.epochs,
            by_pair["counts"],
            by_pair["seen"],
            by_group["distinct"],
            by_group["seen"],
            out,
        )
        return Column(self._result, out.astype(self._result.dtype, copy=False))

    def in_use(self, epoch: int) -> Mask:
        """See ``Aggregator``: a value is in (or, of those that none came for, was taken away)."""
        found = self._groups.in_use(epoch)
        groups = self._pairs.keys() >> 32
        found[groups[self._numbers.in_use(epoch)]] = True
        return found

    def keep(self, groups: npt.NDArray[np.int64]) -> None:
        """See ``Aggregator``."""
        numbers = np.full(max(self._groups.count, int(groups[-1]) + 1 if len(groups) else 0), -1, dtype=np.int64)
        numbers[groups] = np.arange(len(groups))
        self._keep_pairs(numbers.take(self._pairs.keys() >> 32) >= 0, numbers)
        self._groups.keep(groups)

    def _forget_pairs(self, epoch: int) -> None:
        """Forget what is not in any more."""
        self._keep_pairs(self._numbers.in_use(epoch), np.arange(self._groups.count))
        self._look_at = next_look(self._pairs.count)

    def _keep_pairs(self, kept: Mask, numbers: npt.NDArray[np.int64]) -> None:
        """Keep some pairs, with new ``numbers`` of groups by the old ones, and the values in them."""
        keys = self._pairs.keys()[kept]
        values = keys & _LOW_HALF
        wanted = np.zeros(self._values.count, dtype=np.bool_)
        wanted[values] = True
        self._pairs.restore((numbers.take(keys >> 32) << 32) | self._values.keep(wanted).take(values))
        self._numbers.keep(np.flatnonzero(kept))

    def snapshot(self) -> OperatorState:
        """Values, pairs and their counts."""
        return {
            "values": self._values.snapshot(),
            "pairs": self._pairs.keys(),
            "numbers": self._numbers.snapshot(),
            "groups": self._groups.snapshot(),
            "look_at": self._look_at,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._values.restore(state["values"])
        self._pairs.restore(state["pairs"])
        self._numbers.restore(state["numbers"])
        self._groups.restore(state["groups"])
        self._look_at = state["look_at"]
