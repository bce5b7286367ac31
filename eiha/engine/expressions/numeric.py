"""Arithmetic and comparison of columns as Java and Siddhi do them. Whoever evaluates has NumPy's warnings off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from eiha.engine.expressions.values import both_valid, result
from eiha.engine.faults import EngineFault
from eiha.events.column import Column, Mask, Values
from eiha.events.schema import AttributeType
from eiha.plan.expressions import ArithmeticOp, CompareOp

_RANKS: Final = {AttributeType.INT: 0, AttributeType.LONG: 1, AttributeType.FLOAT: 2, AttributeType.DOUBLE: 3}
_FLOATING: Final = frozenset({AttributeType.FLOAT, AttributeType.DOUBLE})


def arithmetic(op: ArithmeticOp, type_: AttributeType) -> Callable[[Column, Column], Column]:
    """``left op right`` with result type ``type_``; null operands and zero divisors give null.

    Operands are brought to ``type_`` first (as Java's ``Number.intValue()`` and its like), so a float result is
    rounded to 32 bits at each step. The function raises ``EngineFault`` for a value that is not a number.
    """
    divides = op in (ArithmeticOp.DIVIDE, ArithmeticOp.MODULO)
    apply = truncated_quotient if op is ArithmeticOp.DIVIDE and type_ not in _FLOATING else OPERATIONS[op]

    def run(left: Column, right: Column) -> Column:
        valid = both_valid(left.valid, right.valid)
        a = as_number(left, type_, valid)
        b = as_number(right, type_, valid)
        if divides:
            nonzero = b != 0
            if not nonzero.all():
                valid = both_valid(valid, nonzero)
                b = np.where(nonzero, b, np.ones(1, dtype=b.dtype))
        return result(type_, apply(a, b), valid)

    return run


def as_number(column: Column, type_: AttributeType, valid: Mask | None) -> Values:
    """The values as ``type_``: Java's narrowing for numbers, a check for each object that is ``valid``.

    Raises:
        EngineFault: a string, a bool, or an object that is not a number, in a row that counts.
    """
    if column.type is type_:
        return column.values
    if column.type is AttributeType.OBJECT:
        return _numbers_of_objects(column, type_, valid)
    if not column.type.is_numeric:
        if len(column) if valid is None else valid.any():
            raise EngineFault(f"a {column.type.value} cannot be taken as a number")
        return np.zeros(len(column), dtype=type_.dtype)
    return narrowed(column.values, column.type, type_)


def narrowed(values: Values, source: AttributeType, target: AttributeType) -> Values:
    """Java's conversion between number types: floating to whole saturates (NaN is 0), long to int takes low bits."""
    if source not in _FLOATING or target in _FLOATING:
        converted: Values = values.astype(target.dtype)
        return converted
    wide = values.astype(np.float64)
    low, high = (-(2.0**31), 2.0**31) if target is AttributeType.INT else (-(2.0**63), 2.0**63)
    limits = np.iinfo(target.dtype)
    inside = (wide > low) & (wide < high)
    whole = np.where(inside, wide, 0.0).astype(target.dtype)
    whole[wide >= high] = limits.max
    whole[wide <= low] = limits.min
    return whole


def _numbers_of_objects(column: Column, type_: AttributeType, valid: Mask | None) -> Values:
    values = np.zeros(len(column), dtype=type_.dtype)
    counts = np.broadcast_to(True if valid is None else valid, len(column)).tolist()
    for row, (value, is_valid) in enumerate(zip(column.values.tolist(), counts, strict=True)):
        if not is_valid:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise EngineFault(f"{value!r} is not a number")
        source = AttributeType.LONG if isinstance(value, int) else AttributeType.DOUBLE
        values[row] = narrowed(np.array([value], dtype=source.dtype), source, type_)[0]
    return values


def truncated_quotient(a: Values, b: Values) -> Values:
    """Java's quotient of whole numbers; ``b`` has no zero."""
    # the remainder has the sign of the left side, so this floor division is exact: Java truncates
    quotient: Values = (a - np.fmod(a, b)) // b
    return quotient


OPERATIONS: Final[dict[ArithmeticOp, Callable[[Any, Any], Any]]] = {
    ArithmeticOp.ADD: np.add,
    ArithmeticOp.SUBTRACT: np.subtract,
    ArithmeticOp.MULTIPLY: np.multiply,
    ArithmeticOp.DIVIDE: np.divide,
    ArithmeticOp.MODULO: np.fmod,
}

COMPARISONS: Final[dict[CompareOp, Callable[[Any, Any], Any]]] = {
    CompareOp.EQUAL: np.equal,
    CompareOp.NOT_EQUAL: np.not_equal,
    CompareOp.LESS: np.less,
    CompareOp.LESS_EQUAL: np.less_equal,
    CompareOp.GREATER: np.greater,
    CompareOp.GREATER_EQUAL: np.greater_equal,
}


def comparison_type(left: AttributeType, right: AttributeType) -> AttributeType:
    """The type in which two numbers are compared: the higher one of int, long, float, double."""
    return left if _RANKS[left] >= _RANKS[right] else right


def compared_as(op: CompareOp, left: AttributeType, right: AttributeType) -> AttributeType | None:
    """The type to which both sides are brought before they are compared; None: they are compared as they are."""
    if not (left.is_numeric and right.is_numeric) or left is right:
        return None
    if op is CompareOp.NOT_EQUAL and {left, right} == {AttributeType.LONG, AttributeType.FLOAT}:
        return AttributeType.DOUBLE  # as recorded: this pair alone is not compared as floats
    return comparison_type(left, right)


def comparison(op: CompareOp, left: AttributeType, right: AttributeType) -> Callable[[Column, Column], Column]:
    """``left op right``, never null: a null makes it false, but ``!=`` true (for null and null, too)."""
    compare = COMPARISONS[op]
    null_gives = op is CompareOp.NOT_EQUAL
    type_ = compared_as(op, left, right)

    def run(a: Column, b: Column) -> Column:
        if type_ is None:
            values = compare(a.values, b.values)
        else:
            values = compare(as_number(a, type_, None), as_number(b, type_, None))
        valid: Mask | None = both_valid(a.valid, b.valid)
        if valid is not None:
            values = (values | ~valid) if null_gives else (values & valid)
        return Column(AttributeType.BOOL, values)

    return run
