"""The columns that an expression reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from eiha.plan.expressions import (
    AggregateRef,
    Arithmetic,
    AttributeRef,
    Call,
    Compare,
    EventIsNull,
    Expression,
    InTable,
    IsNull,
    Literal,
    Logic,
    Not,
    OutputRef,
)


def attribute_refs(expression: Expression) -> Iterator[AttributeRef]:
    """Every reference to an input column, in order of the text; within ``in`` those to the table's row, too."""
    match expression:
        case AttributeRef():
            yield expression
        case Literal() | EventIsNull() | AggregateRef() | OutputRef():
            pass
        case Arithmetic(_, left, right) | Compare(_, left, right) | Logic(_, left, right):
            yield from attribute_refs(left)
            yield from attribute_refs(right)
        case Not(operand) | IsNull(operand):
            yield from attribute_refs(operand)
        case Call(_, arguments):
            for argument in arguments:
                yield from attribute_refs(argument)
        case InTable(condition):
            yield from attribute_refs(condition)
        case _:
            assert_never(expression)


def tables_read(expression: Expression) -> Iterator[str]:
    """The tables that an expression asks with ``in``, in order of the text."""
    match expression:
        case AttributeRef() | Literal() | EventIsNull() | AggregateRef() | OutputRef():
            pass
        case Arithmetic(_, left, right) | Compare(_, left, right) | Logic(_, left, right):
            yield from tables_read(left)
            yield from tables_read(right)
        case Not(operand) | IsNull(operand):
            yield from tables_read(operand)
        case Call(_, arguments):
            for argument in arguments:
                yield from tables_read(argument)
        case InTable(condition, table):
            yield table
            yield from tables_read(condition)
        case _:
            assert_never(expression)
