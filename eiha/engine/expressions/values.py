"""What an expression gives: a column, or one constant for all rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eiha.events.column import Column, Mask, Values, make_column
from eiha.events.schema import AttributeType


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value in every row: a NumPy scalar of the type's dtype (string: its id), None for null.

    ``single`` is the constant as a column of one row.
    """

    type: AttributeType
    value: Any
    single: Column = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "single", _column_of_constant(self, 1))


Value = Column | Constant


def column_of(value: Value, rows: int) -> Column:
    """``value`` as a column of ``rows`` rows."""
    if isinstance(value, Column):
        return value
    return value.single if rows == 1 else _column_of_constant(value, rows)


def _column_of_constant(value: Constant, rows: int) -> Column:
    type_ = value.type
    if value.value is None:
        values = np.full(rows, None, dtype=np.object_) if type_ is AttributeType.OBJECT else np.zeros(rows, type_.dtype)
        return Column(type_, values, np.zeros(rows, dtype=np.bool_) if rows else None)
    if type_ is AttributeType.OBJECT:
        values = np.empty(rows, dtype=np.object_)
        values[:] = [value.value] * rows
        return Column(type_, values)
    return Column(type_, np.full(rows, value.value, dtype=type_.dtype))


def constant_of(column: Column) -> Constant:
    """The constant that a column of one row stands for."""
    assert len(column) == 1
    if column.valid is not None and not column.valid[0]:
        return Constant(column.type, None)
    return Constant(column.type, column.values[0])


def both_valid(left: Mask | None, right: Mask | None) -> Mask | None:
    """Rows in which neither side is null; None: all."""
    if left is None:
        return right
    if right is None:
        return left
    both: Mask = left & right
    return both


def lifted(operation: Callable[[Column, Column], Column], left: Value, right: Value) -> Value:
    """``operation`` over two values; two constants give a constant, one is broadcast as a column of one row.

    ``operation`` must let NumPy broadcast: a side of one row stands for all rows.
    """
    if isinstance(left, Constant):
        if isinstance(right, Constant):
            return constant_of(operation(column_of(left, 1), column_of(right, 1)))
        if left.value is None:
            left = column_of(left, len(right))
    if isinstance(right, Constant) and right.value is None:
        assert isinstance(left, Column)
        right = column_of(right, len(left))
    return operation(column_of(left, 1), column_of(right, 1))


def lifted_one(operation: Callable[[Column], Column], operand: Value) -> Value:
    """``operation`` over one value; a constant gives a constant."""
    if isinstance(operand, Constant):
        return constant_of(operation(column_of(operand, 1)))
    return operation(operand)


def result(type_: AttributeType, values: Values, valid: Mask | None) -> Column:
    """A computed column in canonical form."""
    if valid is None:
        return Column(type_, values if values.dtype is type_.dtype else values.astype(type_.dtype, copy=False))
    if len(valid) != len(values):
        valid = np.broadcast_to(valid, values.shape)
    return make_column(type_, values, valid)
