"""distinctCount: how many different values are in; null is a value."""

from __future__ import annotations

import numpy as np

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.aggregators.key_index import LongIndex, ValueIndex
from eiha.engine.aggregators.sums import ArrayState
from eiha.engine.kernels.aggregates import count_distinct
from eiha.engine.operator import OperatorState
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable


class DistinctCount:
    """Counts by (group, value)."""

    __slots__ = ("_groups", "_numbers", "_pairs", "_values")

    def __init__(self, type_: AttributeType, strings: StringTable) -> None:
        self._values = ValueIndex(type_, strings)
        self._pairs = LongIndex()
        self._numbers = ArrayState(counts=np.int64)
        self._groups = ArrayState(distinct=np.int64)

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
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
        return Column(AttributeType.LONG, out)

    def snapshot(self) -> OperatorState:
        """Values, pairs and their counts."""
        return {
            "values": self._values.snapshot(),
            "pairs": self._pairs.keys(),
            "numbers": self._numbers.snapshot(),
            "groups": self._groups.snapshot(),
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._values.restore(state["values"])
        self._pairs.restore(state["pairs"])
        self._numbers.restore(state["numbers"])
        self._groups.restore(state["groups"])
