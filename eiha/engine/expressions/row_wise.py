"""Functions of plain Python values as functions of columns: called once per distinct combination of arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.boxes import boxed, unboxed
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, Value, column_of, constant_of
from eiha.engine.faults import EngineFault
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Call

Evaluate = Callable[[Rows], Value]
Build = Callable[[Call, Sequence[Evaluate], Scope], Evaluate]
PlainFunction = Callable[..., Any]

_Numbers = npt.NDArray[np.int64]


def row_wise(
    function: PlainFunction, *, takes_nulls: bool = False, reads_clock: bool = False, foreign: str | None = None
) -> Build:
    """The array form of ``function``, which gets the arguments' values and gives one of the call's type, None for null.

    Args:
        function: depends on its arguments only.
        takes_nulls: it is called where an argument is null (as None); else the result is null there.
        reads_clock: its first argument is the plan's clock in ms.
        foreign: the name under which whatever it raises becomes an ``EngineFault``; None: our own, which never fails.
    """

    def build(call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
        strings = scope.strings

        def results(columns: list[Column]) -> Column:
            lists = [boxed(column, strings) for column in columns]
            count = len(columns[0])
            found = [_called(function, row, takes_nulls, foreign) for row in zip(*lists, strict=True)]
            assert len(found) == count
            return unboxed(call.type, found, strings, foreign or call.function)

        def run(rows: Rows) -> Value:
            values: list[Value] = [argument(rows) for argument in arguments]
            if reads_clock:
                values.insert(0, Column(AttributeType.LONG, rows.now_ms))
            if not values:
                return constant_of(unboxed(call.type, [_called(function, (), True, foreign)], strings, call.function))
            if all(isinstance(value, Constant) for value in values):
                return constant_of(results([column_of(value, 1) for value in values]))
            if rows.count < 2:
                return results([column_of(value, rows.count) for value in values])
            places, inverse = _distinct([value for value in values if isinstance(value, Column)])
            if places is None:
                return results([column_of(value, rows.count) for value in values])
            picked = [
                value.take(places) if isinstance(value, Column) else column_of(value, len(places)) for value in values
            ]
            return results(picked).take(inverse)

        return run

    return build


def _called(function: PlainFunction, row: tuple[Any, ...], takes_nulls: bool, foreign: str | None) -> Any:
    if not takes_nulls and None in row:
        return None
    if foreign is None:
        return function(*row)
    try:
        return function(*row)
    except Exception as cause:  # a plan's own code may raise anything
        raise EngineFault(f"{foreign} failed: {cause!r}") from cause


def _distinct(columns: list[Column]) -> tuple[_Numbers | None, _Numbers]:
    """First rows of the distinct combinations, in order of their codes, and for each row which it is.

    None: there are objects among them, which are not compared.
    """
    nothing = np.empty(0, dtype=np.int64)
    if any(column.type is AttributeType.OBJECT for column in columns):
        return None, nothing
    codes: _Numbers | None = None
    for column in columns:
        if column.type in (AttributeType.FLOAT, AttributeType.DOUBLE):
            bits = column.values.view(np.int32 if column.type is AttributeType.FLOAT else np.int64)
        else:
            bits = column.values
        inverse = np.unique(bits, return_inverse=True)[1].reshape(-1).astype(np.int64)
        if column.valid is not None:
            inverse = np.where(column.valid, inverse + 1, 0)
        codes = inverse if codes is None else codes * (int(inverse.max()) + 1) + inverse
        if len(columns) > 1:
            codes = np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int64)
    assert codes is not None
    _, first, back = np.unique(codes, return_index=True, return_inverse=True)
    return first.astype(np.int64), back.reshape(-1).astype(np.int64)
