"""``#name(arguments)``: stages that add columns, or only look at rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import both_valid, result
from eiha.engine.functions import json_functions, list_functions, map_functions, str_functions
from eiha.engine.operator import Operator, RowClock
from eiha.engine.operators.expand_rows import ExpandRows
from eiha.engine.operators.stateless import Stateless, rows_of
from eiha.errors import UnsupportedConstruct
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.nodes import StreamFunction
from eiha.plan.registry import REGISTRY

_DEGREES_PER_TURN = 180.0

_PROCESSORS = {
    **str_functions.PROCESSORS,
    **json_functions.PROCESSORS,
    **map_functions.PROCESSORS,
    **list_functions.PROCESSORS,
}


def stream_function_may_fail(function: StreamFunction) -> bool:
    """Whether some row could raise ``EngineFault``: foreign code may."""
    return function.name in REGISTRY.processors


def make_stream_function(function: StreamFunction, scope: Scope) -> Operator | None:
    """The stage; None for one that changes nothing (``#log`` writes no log here: the core only states facts).

    Raises:
        UnsupportedConstruct: the engine has no such function.
    """
    match function.name:
        case "log":
            return None
        case "pol2Cart":
            return PolarToCartesian(function, scope)
        case name if name in _PROCESSORS:
            return ExpandRows(function, _PROCESSORS[name], scope)
        case name if name in REGISTRY.processors:
            made = REGISTRY.processors[name].function
            return ExpandRows(function, made, scope, foreign=f"stream processor {name!r}")
        case _:
            raise UnsupportedConstruct(
                f"streamFunction.{function.name}", line=function.span.line, column=function.span.column
            )


class PolarToCartesian(Stateless):
    """``#pol2Cart(theta, rho[, z])``: adds ``x`` and ``y`` (and ``z``); ``theta`` in degrees."""

    __slots__ = ("_arguments", "_schema")

    def __init__(self, function: StreamFunction, scope: Scope) -> None:
        self._schema = function.schema
        self._arguments: list[Callable[[Rows], Column]] = [compile_column(each, scope) for each in function.arguments]

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows with two or three more columns; null where an argument is."""
        rows = rows_of(batch, clock)
        theta, rho, *rest = [argument(rows) for argument in self._arguments]
        angle = theta.values / _DEGREES_PER_TURN * np.pi
        valid = both_valid(theta.valid, rho.valid)
        added = (
            result(AttributeType.DOUBLE, rho.values * np.cos(angle), valid),
            result(AttributeType.DOUBLE, rho.values * np.sin(angle), valid),
            *rest,
        )
        return replace(batch, schema=self._schema, columns=(*batch.columns, *added))
