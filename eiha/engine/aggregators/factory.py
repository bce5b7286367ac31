"""From a plan's aggregate to the aggregator that runs it."""

from __future__ import annotations

from typing import Final

from eiha.engine.aggregators.aggregator import Aggregator
from eiha.engine.aggregators.distinct import DistinctCount
from eiha.engine.aggregators.extremes import ExtremeInWindow, ExtremeSoFar
from eiha.engine.aggregators.sums import Count, Deviation, DoubleSum, LongSum, Truth
from eiha.errors import UnsupportedConstruct
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.nodes import Aggregate

_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})

NULL_AVERSE: Final = frozenset({"and", "or"})
"""Aggregators that fail on a null."""


def make_aggregator(aggregate: Aggregate, strings: StringTable, *, expires: bool) -> Aggregator:
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
            return DistinctCount(type_, strings)
        case "min" | "max":
            is_max = aggregate.name == "max"
            if expires:
                return ExtremeInWindow(type_, is_max=is_max)
            return ExtremeSoFar(type_, is_max=is_max)
        case "minForever" | "maxForever":
            return ExtremeSoFar(type_, is_max=aggregate.name == "maxForever")
        case "and" | "or":
            return Truth(every=aggregate.name == "and")
        case _:
            raise UnsupportedConstruct(
                f"aggregator.{aggregate.name}", line=aggregate.span.line, column=aggregate.span.column
            )
