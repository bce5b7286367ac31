"""From a plan's aggregate to the aggregator that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from eiha.engine.aggregators.aggregator import Aggregator
from eiha.engine.aggregators.collections import First, Last, UnionSet
from eiha.engine.aggregators.distinct import DistinctCount
from eiha.engine.aggregators.extremes import ExtremeInWindow, ExtremeSoFar, ExtremeUntilItLeaves
from eiha.engine.aggregators.row_wise import RowState, RowWise
from eiha.engine.aggregators.sums import Count, Deviation, DoubleSum, LongSum, Truth
from eiha.engine.expressions.rows import Scope
from eiha.engine.functions import json_functions, list_functions, map_functions, math_functions, str_functions
from eiha.errors import UnsupportedConstruct
from eiha.events.schema import AttributeType
from eiha.plan.expressions import ARGUMENTS, Call, Compare, IsNull, Logic, Not
from eiha.plan.nodes import Aggregate
from eiha.plan.registry import REGISTRY

_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})

_ROW_WISE: Final[dict[str, Callable[[], RowState]]] = {
    "unionSet": UnionSet,
    "first": First,
    "last": Last,
    **str_functions.AGGREGATORS,
    **math_functions.AGGREGATORS,
    **json_functions.AGGREGATORS,
    **map_functions.AGGREGATORS,
    **list_functions.AGGREGATORS,
}

_NULL_AVERSE: Final = frozenset({"and", "or"})
_NEVER_NULL: Final = (Compare, Logic, Not, IsNull)
"""What is true or false of any row."""


def aggregator_may_fail(aggregate: Aggregate) -> bool:
    """Whether some row could raise ``EngineFault``: ``and`` and ``or`` fail on a null, ``unionSet`` on no set."""
    argument = aggregate.argument
    if aggregate.name == "unionSet":
        return not (isinstance(argument, Call) and argument.function == "createSet")
    if aggregate.name in _NULL_AVERSE:
        return not isinstance(argument, _NEVER_NULL)
    return aggregate.name in REGISTRY.aggregators


def _has_several(aggregate: Aggregate) -> bool:
    return isinstance(aggregate.argument, Call) and aggregate.argument.function == ARGUMENTS


def make_aggregator(aggregate: Aggregate, scope: Scope, *, expires: bool) -> Aggregator:
    """``expires``: whether rows can leave (the query has a window).

    Raises:
        UnsupportedConstruct: the engine has no such aggregator.
    """
    type_ = aggregate.argument.type if aggregate.argument is not None else AttributeType.LONG
    match aggregate.name:
        case "sum":
            return LongSum() if type_ in _WHOLE else DoubleSum(mean=False)
        case "avg":
            return DoubleSum(mean=True)
        case "count":
            return Count()
        case "stdDev":
            return Deviation()
        case "distinctCount":
            return DistinctCount(type_, scope.strings, aggregate.type)
        case "min" | "max":
            is_max = aggregate.name == "max"
            if expires:
                return ExtremeInWindow(type_, is_max=is_max)
            return ExtremeUntilItLeaves(type_, is_max=is_max)
        case "minForever" | "maxForever":
            return ExtremeSoFar(type_, is_max=aggregate.name == "maxForever")
        case "and" | "or":
            return Truth(every=aggregate.name == "and")
        case name if name in _ROW_WISE:
            several, is_union = _has_several(aggregate), name == "unionSet"
            return RowWise(_ROW_WISE[name], aggregate.type, scope.strings, has_several=several, gives_plain=is_union)
        case name if name in REGISTRY.aggregators:
            made = REGISTRY.aggregators[name].make
            return RowWise(made, aggregate.type, scope.strings, has_several=_has_several(aggregate), foreign=name)
        case _:
            raise UnsupportedConstruct(
                f"aggregator.{aggregate.name}", line=aggregate.span.line, column=aggregate.span.column
            )
