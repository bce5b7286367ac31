"""The columns that an expression reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

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

_DRAWING: Final = frozenset({"UUID", "math:rand"})


def parts(expression: Expression) -> Iterator[Expression]:
    """The expression and all within it, in order of the text."""
    yield expression
    match expression:
        case AttributeRef() | Literal() | EventIsNull() | AggregateRef() | OutputRef():
            pass
        case Arithmetic(_, left, right) | Compare(_, left, right) | Logic(_, left, right):
            yield from parts(left)
            yield from parts(right)
        case Not(operand) | IsNull(operand):
            yield from parts(operand)
        case Call(_, arguments):
            for argument in arguments:
                yield from parts(argument)
        case InTable(condition):
            yield from parts(condition)
        case _:
            assert_never(expression)


def attribute_refs(expression: Expression) -> Iterator[AttributeRef]:
    """Every reference to an input column, in order of the text; within ``in`` those to the table's row, too."""
    return (part for part in parts(expression) if isinstance(part, AttributeRef))


def tables_read(expression: Expression) -> Iterator[str]:
    """The tables that an expression asks with ``in``, in order of the text."""
    return (part.table for part in parts(expression) if isinstance(part, InTable))


def draws_on_entry(expression: Expression) -> bool:
    """Whether it reads a count that goes on with each row that is evaluated, so that trying it is seen."""
    return any(isinstance(part, Call) and part.function in _DRAWING for part in parts(expression))
