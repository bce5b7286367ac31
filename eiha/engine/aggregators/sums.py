"""sum, avg, count, stdDev, and, or: accumulators of a few numbers a group."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.aggregators.growth import grown
from eiha.engine.faults import EngineFault
from eiha.engine.kernels.aggregates import add_doubles, add_longs, count_rows, deviate
from eiha.engine.kernels.sliding import slide_deviations
from eiha.engine.operator import OperatorState
from eiha.events.column import Column, Mask, make_column
from eiha.events.schema import AttributeType

Longs = npt.NDArray[np.int64]

_ALL_VALID: Final = np.ones(1, dtype=np.bool_)

NEVER = -1
"""``seen`` of an accumulator that no row has touched."""


class ArrayState:
    """Accumulators as named arrays with one entry a group; the base of the aggregators."""

    __slots__ = ("_arrays", "_groups")

    def __init__(self, **dtypes: type[np.generic]) -> None:
        self._groups = 0
        self._arrays: dict[str, npt.NDArray[Any]] = {name: np.zeros(0, dtype) for name, dtype in dtypes.items()}
        self._arrays["seen"] = np.zeros(0, np.int64)

    @property
    def count(self) -> int:
        """How many groups there is room for, all of them in use or as they begin."""
        return self._groups

    def reserve(self, groups: int) -> dict[str, npt.NDArray[Any]]:
        """The arrays, with room for ``groups``."""
        if groups > self._groups:
            self._groups = groups
            for name, array in self._arrays.items():
                self._arrays[name] = grown(array, groups, NEVER if name == "seen" else 0)
        return self._arrays

    def in_use(self, epoch: int) -> Mask:
        """See ``Aggregator``: something is not zero."""
        found: Mask = np.zeros(self._groups, dtype=np.bool_)
        for name, array in self._arrays.items():
            if name != "seen":
                found |= array[: self._groups] != 0
        found &= self._arrays["seen"][: self._groups] == epoch
        return found

    def keep(self, groups: npt.NDArray[np.int64]) -> None:
        """See ``Aggregator``."""
        groups = groups[: np.searchsorted(groups, self._groups)]
        self.restore({name: array.take(groups) for name, array in self._arrays.items()})

    def snapshot(self) -> OperatorState:
        """The arrays, as they are, cut to the groups in use."""
        return {name: array[: self._groups] for name, array in self._arrays.items()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._groups = len(state["seen"])
        for name in self._arrays:
            fresh = np.array(state[name])
            self._arrays[name] = grown(fresh, self._groups, NEVER if name == "seen" else 0)


class LongSum(ArrayState):
    """``sum`` of int and long: a long; null while nothing is in."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(sums=np.int64, counts=np.int64)

    def totals(self, touched: Touched, argument: Column) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Sum and number of values after each row."""
        state = self.reserve(touched.group_count)
        out = np.empty(len(touched), np.int64)
        counts = np.empty(len(touched), np.int64)
        add_longs(
            touched.groups,
            touched.kinds,
            argument.values.astype(np.int64, copy=False),
            argument.mask(),
            touched.epochs,
            state["sums"],
            state["counts"],
            state["seen"],
            out,
            counts,
        )
        return out, counts

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
        out, counts = self.totals(touched, argument)
        return make_column(AttributeType.LONG, out, counts != 0)


class Truth(LongSum):
    """``and``, ``or``: whether all, or any, of what is in is true; false while nothing is in."""

    __slots__ = ("_every",)

    def __init__(self, *, every: bool) -> None:
        super().__init__()
        self._every = every

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``; a null is a fault."""
        assert argument is not None
        if argument.valid is not None:
            raise EngineFault(f"{'and' if self._every else 'or'}() cannot take a null")
        trues, counts = self.totals(touched, argument)
        return Column(AttributeType.BOOL, (trues > 0) & (trues == counts) if self._every else trues > 0)


class DoubleSum(ArrayState):
    """``sum`` of float and double, and ``avg`` of all numbers: a double; null while nothing is in."""

    __slots__ = ("_mean",)

    def __init__(self, *, mean: bool) -> None:
        super().__init__(sums=np.float64, counts=np.int64)
        self._mean = mean

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
        state = self.reserve(touched.group_count)
        out = np.empty(len(touched), np.float64)
        valid = np.empty(len(touched), np.bool_)
        nulls = add_doubles(
            touched.groups,
            touched.kinds,
            argument.values.astype(np.float64, copy=False),
            argument.mask(),
            touched.epochs,
            state["sums"],
            state["counts"],
            state["seen"],
            self._mean,
            out,
            valid,
        )
        return Column(AttributeType.DOUBLE, out, valid if nulls else None)


class Count(ArrayState):
    """``count()`` and ``count(x)``: rows, those with a null included."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(counts=np.int64)

    def update(self, touched: Touched, argument: Column | None) -> Column:  # noqa: ARG002 - nulls count, too
        """See ``Aggregator``."""
        state = self.reserve(touched.group_count)
        out = np.empty(len(touched), np.int64)
        count_rows(touched.groups, touched.kinds, touched.epochs, state["counts"], state["seen"], out)
        return Column(AttributeType.LONG, out)


class Deviation(ArrayState):
    """``stdDev``: of the population; 0 for one value, null while nothing is in."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(sums=np.float64, means=np.float64, squares=np.float64, counts=np.int64)

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        assert argument is not None
        state = self.reserve(touched.group_count)
        out = np.empty(len(touched), np.float64)
        counts = np.empty(len(touched), np.int64)
        deviate(
            touched.groups,
            touched.kinds,
            argument.values.astype(np.float64, copy=False),
            argument.mask(),
            touched.epochs,
            state["sums"],
            state["means"],
            state["squares"],
            state["counts"],
            state["seen"],
            out,
            counts,
        )
        return self._roots(out, counts)

    def slide(self, column: Column, groups: Longs, group_count: int, start: int, first: int, oldest: Longs) -> Column:
        """The value after each new row of a sliding window, see ``kernels.sliding``; rows lie at positions."""
        state = self.reserve(group_count)
        state["seen"][:group_count] = 0
        out = np.empty(len(oldest), np.float64)
        counts = np.empty(len(oldest), np.int64)
        mask, has_nulls = (_ALL_VALID, False) if column.valid is None else (column.valid, True)
        slide_deviations(
            groups, column.values, mask, has_nulls, start, first, oldest, state["sums"], state["means"],
            state["squares"], state["counts"], out, counts,
        )  # fmt: skip
        return self._roots(out, counts)

    @staticmethod
    def _roots(squares: npt.NDArray[np.float64], counts: Longs) -> Column:
        """The deviations for sums of squares."""
        with np.errstate(all="ignore"):
            deviation = np.where(counts > 1, np.sqrt(squares / counts), 0.0)
        return make_column(AttributeType.DOUBLE, deviation, counts != 0)
