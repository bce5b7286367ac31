"""Arithmetic and comparison of a column with a constant on the right: the constant is converted once, not per batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from eiha.engine.expressions.numeric import COMPARISONS, OPERATIONS, as_number, compared_as, truncated_quotient
from eiha.engine.expressions.values import Constant, result
from eiha.engine.kernels.whole_division import factor_and_shift, quotients, remainders
from eiha.events.column import Column, Values
from eiha.events.schema import AttributeType
from eiha.plan.expressions import ArithmeticOp, CompareOp

_WHOLE = (AttributeType.INT, AttributeType.LONG)


def arithmetic_by(op: ArithmeticOp, type_: AttributeType, constant: Constant) -> Callable[[Column], Column] | None:
    """``column op constant`` as ``numeric.arithmetic`` gives it; None where that has to look at each batch anew.

    Null and zero divisors are left to it, and whatever is not a number.
    """
    if constant.value is None or not constant.type.is_numeric:
        return None
    with np.errstate(all="ignore"):
        b = as_number(constant.single, type_, None)
    divides = op in (ArithmeticOp.DIVIDE, ArithmeticOp.MODULO)
    if divides and not b[0]:
        return None
    apply: Callable[[Any, Any], Any] = OPERATIONS[op]
    if type_ is AttributeType.INT and divides and b[0] > 0:
        apply = _divided(op, int(b[0]))
    elif type_ in _WHOLE and op is ArithmeticOp.DIVIDE:
        apply = truncated_quotient
    elif type_ in _WHOLE and op is ArithmeticOp.MODULO and b[0] > 0:
        apply = _remainder

    dtype = type_.dtype

    def run(column: Column) -> Column:
        values = apply(column.values if column.type is type_ else as_number(column, type_, column.valid), b)
        if column.valid is None and values.dtype is dtype:
            return Column(type_, values)
        return result(type_, values, column.valid)

    return run


def comparison_by(op: CompareOp, left: AttributeType, constant: Constant) -> Callable[[Column], Column] | None:
    """``column op constant`` as ``numeric.comparison`` gives it; None for a null."""
    if constant.value is None:
        return None
    compare = COMPARISONS[op]
    type_ = compared_as(op, left, constant.type)
    null_gives = op is CompareOp.NOT_EQUAL
    with np.errstate(all="ignore"):
        b = constant.single.values if type_ is None else as_number(constant.single, type_, None)

    def run(column: Column) -> Column:
        if type_ is None or column.type is type_:
            values = compare(column.values, b)
        else:
            values = compare(as_number(column, type_, None), b)
        if column.valid is not None:
            values = (values | ~column.valid) if null_gives else (values & column.valid)
        return Column(AttributeType.BOOL, values)

    return run


def _divided(op: ArithmeticOp, divisor: int) -> Callable[[Values, Values], Values]:
    factor, shift = factor_and_shift(divisor)

    def quotient(a: Values, _b: Values) -> Values:
        out = np.empty_like(a)
        quotients(a, factor, shift, out)
        return out

    def remainder(a: Values, _b: Values) -> Values:
        out = np.empty_like(a)
        remainders(a, divisor, factor, shift, out)
        return out

    return quotient if op is ArithmeticOp.DIVIDE else remainder


def _remainder(a: Values, b: Values) -> Values:
    """Java's remainder of whole numbers by one positive number: three passes cost a third of one ``fmod``."""
    if len(a) and a.min() < 0:
        signed: Values = np.fmod(a, b)
        return signed
    left = np.floor_divide(a, b)
    left *= b
    return np.subtract(a, left, out=left)
