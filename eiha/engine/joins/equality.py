"""What the condition of a join says: values of the two sides that must be equal, and what else must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.compile_expression import may_fail
from eiha.events.column import Column, Mask
from eiha.events.schema import AttributeType
from eiha.plan.attribute_refs import attribute_refs
from eiha.plan.expressions import AttributeRef, Compare, CompareOp, Expression, Literal, Logic, LogicOp

Longs = npt.NDArray[np.int64]

_WHOLE_NUMBERS: Final = (AttributeType.INT, AttributeType.LONG)
_FLOATING: Final = (AttributeType.FLOAT, AttributeType.DOUBLE)
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Equality:
    """``keys[i]`` over the rows of side 0 must equal ``keys[i]`` over those of side 1, and ``rest`` must be true.

    ``keys``: for each side, attributes in pairs. With several of them words may agree by chance: then they are part of
    ``rest``, too.
    """

    keys: tuple[tuple[AttributeRef, ...], tuple[AttributeRef, ...]]
    rest: Expression | None

    @property
    def is_keyed(self) -> bool:
        """Whether there is anything that must be equal."""
        return bool(self.keys[0])


def equality_of(condition: Expression | None) -> Equality:
    """What ``condition`` says; None: nothing."""
    if condition is None or (isinstance(condition, Literal) and condition.value is True):
        return Equality(((), ()), None)
    if may_fail(condition):
        # a pair that another part of the condition rules out must not be evaluated, nor one left out that fails
        return Equality(((), ()), condition)
    pairs: list[tuple[AttributeRef, AttributeRef]] = []
    equal: list[Expression] = []
    rest: list[Expression] = []
    for each in _conjuncts(condition):
        pair = _pair(each)
        if pair is None:
            rest.append(each)
        else:
            pairs.append(pair)
            equal.append(each)
    if len(pairs) > 1:
        rest = [*equal, *rest]
    keys = (tuple(left for left, _ in pairs), tuple(right for _, right in pairs))
    return Equality(keys, _all_of(rest))


def words_of(columns: Sequence[Column]) -> tuple[Longs, Mask | None]:
    """A word of 64 bits for the key of each row, and which rows can equal any (none is null or NaN); None: all.

    Equal keys have equal words; for a single column, unequal ones have unequal words.
    """
    words = _bits(columns[0])
    linkable = _linkable(columns[0])
    for column in columns[1:]:
        mixed = (words.view(np.uint64) ^ (words.view(np.uint64) >> np.uint64(29))) * _FACTOR
        words = (mixed ^ _bits(column).view(np.uint64)).view(np.int64)
        own = _linkable(column)
        linkable = own if linkable is None else linkable if own is None else linkable & own
    return words, linkable


def _conjuncts(condition: Expression) -> Iterator[Expression]:
    if isinstance(condition, Logic) and condition.op is LogicOp.AND:
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def _all_of(conditions: Sequence[Expression]) -> Expression | None:
    whole: Expression | None = None
    for each in conditions:
        whole = each if whole is None else Logic(LogicOp.AND, whole, each)
    return whole


def _pair(condition: Expression) -> tuple[AttributeRef, AttributeRef] | None:
    """Left and right of ``left.x == right.y``, if equal words tell that they are equal."""
    if not isinstance(condition, Compare) or condition.op is not CompareOp.EQUAL:
        return None
    first, second = condition.left, condition.right
    if not isinstance(first, AttributeRef) or not isinstance(second, AttributeRef):
        return None
    if first.source == second.source or any(each.event_index for each in attribute_refs(condition)):
        return None
    is_alike = first.type is second.type or (first.type in _WHOLE_NUMBERS and second.type in _WHOLE_NUMBERS)
    if not is_alike or first.type is AttributeType.OBJECT:
        return None
    return (first, second) if first.source == 0 else (second, first)


def _bits(column: Column) -> Longs:
    if column.type in _FLOATING:
        # adding zero makes -0.0 a plain zero
        doubles: npt.NDArray[np.float64] = column.values.astype(np.float64) + 0.0
        return doubles.view(np.int64)
    return column.values.astype(np.int64)


def _linkable(column: Column) -> Mask | None:
    if column.type not in _FLOATING:
        return column.valid
    numbers: Mask = ~np.isnan(column.values)
    return numbers if column.valid is None else numbers & column.valid
