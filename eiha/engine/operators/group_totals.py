"""Plain aggregates by place, added up as rows come: ``sum avg count min max``."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.kernels.tumbling_groups import add_doubles, add_longs, count_rows, keep_extremes, means
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.plan.nodes import Aggregate

Longs = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]

_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})
_NO_MASK: Final = np.ones(1, dtype=np.bool_)


class GroupTotal:
    """One aggregate. ``values``: sums, or the least or greatest so far; what is not used of the rest stays as it is."""

    __slots__ = ("_argument", "_counts", "_is_final", "_known", "_name", "_type", "_values")

    def __init__(self, aggregate: Aggregate, scope: Scope) -> None:
        self._name = aggregate.name
        self._type = aggregate.type
        argument = None if aggregate.name == "count" else aggregate.argument
        self._argument = None if argument is None else compile_column(argument, scope)
        self._clear()

    def _clear(self) -> None:
        self._values: npt.NDArray[Any] = np.zeros(0, dtype=self._type.dtype)
        self._counts: Longs = np.zeros(0, dtype=np.int64)
        self._known: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._is_final: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    @property
    def _is_extreme(self) -> bool:
        return self._name in ("min", "max")

    def add(self, rows: Rows, places: Places, first: int, stop: int) -> None:
        """Add ``rows`` at their ``places``; those from ``first`` to ``stop`` are new."""
        if self._is_extreme:
            self._values, self._known = grown(self._values, stop), grown(self._known, stop)
            self._is_final = grown(self._is_final, stop)
            self._known[first:stop] = self._is_final[first:stop] = False
            self._values[first:stop] = 0
        else:
            self._counts = grown(self._counts, stop)
            self._counts[first:stop] = 0
        if self._argument is None:
            count_rows(places, self._counts)
            return
        argument = self._argument(rows)
        valid, has_nulls = (_NO_MASK, False) if argument.valid is None else (argument.valid, True)
        if self._is_extreme:
            is_max = self._name == "max"
            keep_extremes(places, argument.values, valid, has_nulls, is_max, self._values, self._known, self._is_final)
            return
        self._values = grown(self._values, stop)
        self._values[first:stop] = 0
        add = add_longs if self._type is AttributeType.LONG else add_doubles
        add(places, argument.values, valid, has_nulls, self._values, self._counts)

    def leave(self, count: int, stop: int) -> Column:
        """The values at the first ``count`` of ``stop`` places; those behind come to the places from 0 on."""
        left = self._left(count)
        if stop > count:
            for held in (self._values, self._counts, self._known, self._is_final):
                if len(held):
                    held[: stop - count] = held[count:stop]
        return left

    def _left(self, count: int) -> Column:
        if self._argument is None:
            return Column(AttributeType.LONG, self._counts[:count].copy())
        if self._is_extreme:
            return make_column(self._type, self._values[:count].copy(), self._known[:count].copy())
        counts = self._counts[:count]
        valid = None if counts.all() else counts != 0
        if self._name == "avg":
            values = np.empty(count, dtype=np.float64)
            means(self._values, self._counts, values)
            return Column(AttributeType.DOUBLE, values, valid)
        return Column(self._type, self._values[:count].copy(), valid)

    def snapshot(self, count: int) -> OperatorState:
        """What the first ``count`` places hold."""
        return {
            "values": self._values[:count],
            "counts": self._counts[:count],
            "known": self._known[:count],
            "is_final": self._is_final[:count],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._values, self._counts = np.array(state["values"]), np.array(state["counts"])
        self._known, self._is_final = np.array(state["known"]), np.array(state["is_final"])
