"""Result types of operators: what Siddhi's expression compiler accepts and what comes out."""

from __future__ import annotations

from typing import Final

from eiha.events.schema import AttributeType
from eiha.plan.expressions import CompareOp

_WIDEST_FIRST: Final = (AttributeType.DOUBLE, AttributeType.FLOAT, AttributeType.LONG, AttributeType.INT)


def arithmetic_type(left: AttributeType, right: AttributeType) -> AttributeType | None:
    """Double if either side is, else float, else long, else int; None if neither side is a number.

    A number beside a string, bool or object is accepted here, as by Siddhi, and may fail when a row comes.
    """
    for type_ in _WIDEST_FIRST:
        if type_ in (left, right):
            return type_
    return None


def comparison_problem(op: CompareOp, left: AttributeType, right: AttributeType) -> str | None:
    """Why ``left op right`` is not valid, or None if it is.

    Numbers compare with numbers; strings with strings and bools with bools, but only by ``==`` and ``!=``; objects
    with nothing.
    """
    if left.is_numeric and right.is_numeric:
        return None
    for type_ in (left, right):
        if type_ is AttributeType.OBJECT:
            return "an object cannot be compared; convert or cast it first"
    if left is not right:
        return f"{left.value} cannot be compared with {right.value}; convert one of them"
    if op in (CompareOp.EQUAL, CompareOp.NOT_EQUAL):
        return None
    return f"{left.value} has no order: only == and != are valid, not {op.value}"
