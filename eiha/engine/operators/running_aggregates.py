"""The aggregates of one place (select, having, a filter): each aggregator takes the rows that reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.aggregator import Aggregator, Touched
from eiha.engine.aggregators.factory import make_aggregator
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.expressions.compile_expression import aggregate_indices, compile_column, compile_condition
from eiha.engine.expressions.rows import Rows, Scope
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Expression
from eiha.plan.nodes import Aggregate

_Guard = Callable[[Rows], npt.NDArray[np.bool_] | bool]


class RunningAggregates:
    """Aggregators in the order of the text: an argument or a guard reads the values of those before.

    Args:
        aggregates: as bound.
        scope: strings and names.
        expires: whether rows can leave, so that ``min`` and ``max`` must remember what is in.
    """

    __slots__ = ("_aggregators", "_arguments", "_before", "_guards", "_types")

    def __init__(self, aggregates: Sequence[Aggregate], scope: Scope, *, expires: bool) -> None:
        self._types = [each.type for each in aggregates]
        self._aggregators: list[Aggregator] = [make_aggregator(each, scope, expires=expires) for each in aggregates]
        self._arguments = [
            None if each.argument is None else compile_column(each.argument, scope) for each in aggregates
        ]
        self._guards: list[_Guard | None] = [
            None if each.guard is None else compile_condition(each.guard, scope) for each in aggregates
        ]
        self._before = [bool(_read(each.expressions)) for each in aggregates]

    def __len__(self) -> int:
        return len(self._aggregators)

    def update(self, rows: Rows, touched: Touched) -> tuple[Column, ...]:
        """The value of each aggregate after each row."""
        values: list[Column] = []
        for number in range(len(self._aggregators)):
            values.append(self.update_one(number, rows, touched, values))
        return tuple(values)

    def update_one(self, number: int, rows: Rows, touched: Touched, before: Sequence[Column]) -> Column:
        """The value of one aggregate after each row; ``before``: the values of those it may refer to."""
        if self._before[number]:
            rows = replace(rows, aggregates=tuple(before))
        guard, argument = self._guards[number], self._arguments[number]
        if guard is None:
            return self._aggregators[number].update(touched, None if argument is None else argument(rows))
        passes = guard(rows)
        reached = np.arange(len(touched)) if passes is True else np.flatnonzero(passes)
        if len(reached) == len(touched):
            return self._aggregators[number].update(touched, None if argument is None else argument(rows))
        if not len(reached):
            return missing(self._types[number], len(touched))
        taken = rows.take(reached)
        found = self._aggregators[number].update(touched.take(reached), None if argument is None else argument(taken))
        return scattered(found, reached, len(touched))

    def forget(self, index: GroupIndex, epoch: int) -> None:
        """Forget, here and in ``index``, the groups that are as they began in all aggregates: nobody can tell."""
        kept = np.zeros(index.count, dtype=np.bool_)
        for aggregator in self._aggregators:
            in_use = aggregator.in_use(epoch)
            kept[: len(in_use)] |= in_use
        if 2 * int(np.count_nonzero(kept)) < len(kept):
            self.keep(index.keep(kept))

    def keep(self, groups: npt.NDArray[np.int64]) -> None:
        """Forget all groups but these (rising), which are numbered anew from 0."""
        for aggregator in self._aggregators:
            aggregator.keep(groups)

    def snapshot(self) -> list[dict[str, Any]]:
        """The state of each aggregator."""
        return [aggregator.snapshot() for aggregator in self._aggregators]

    def restore(self, parts: Sequence[dict[str, Any]]) -> None:
        """Take over what ``snapshot`` gave."""
        for aggregator, part in zip(self._aggregators, parts, strict=True):
            aggregator.restore(part)


def _read(expressions: Iterable[Expression]) -> tuple[int, ...]:
    return tuple(index for each in expressions for index in aggregate_indices(each))


def with_what_they_read(indices: Iterable[int], aggregates: Sequence[Aggregate]) -> tuple[int, ...]:
    """``indices`` and, before each, the aggregates that it refers to, directly or not; rising."""
    found: set[int] = set()
    waiting = list(indices)
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting += _read(aggregates[index].expressions)
    return tuple(sorted(found))


def scattered(column: Column, places: npt.NDArray[np.int64], count: int) -> Column:
    """``count`` rows with those of ``column`` at ``places``; null elsewhere."""
    values = missing(column.type, count).values
    values[places] = column.values
    valid = np.zeros(count, dtype=np.bool_)
    valid[places] = column.mask()
    return Column(column.type, values, valid)


def missing(type_: AttributeType, count: int) -> Column:
    """Nothing but nulls."""
    values = np.full(count, None, np.object_) if type_ is AttributeType.OBJECT else np.zeros(count, type_.dtype)
    return Column(type_, values, np.zeros(count, dtype=np.bool_))
