"""Conditions over one match and one event, as closures over Python values.

For few candidates this is many times faster than arrays of one row. Only what gives the same result as the columns
is compiled; for anything else there is None, and the columns are asked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from eiha.engine.patterns.references import Read, Reader
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import (
    Arithmetic,
    ArithmeticOp,
    AttributeRef,
    Call,
    Compare,
    CompareOp,
    EventIsNull,
    Expression,
    IsNull,
    Literal,
    Logic,
    LogicOp,
    Not,
)

_COMPARISONS: Final[dict[CompareOp, Callable[[Any, Any], bool]]] = {
    CompareOp.EQUAL: operator.eq,
    CompareOp.NOT_EQUAL: operator.ne,
    CompareOp.LESS: operator.lt,
    CompareOp.LESS_EQUAL: operator.le,
    CompareOp.GREATER: operator.gt,
    CompareOp.GREATER_EQUAL: operator.ge,
}
_OPERATIONS: Final[dict[ArithmeticOp, Callable[[Any, Any], Any]]] = {
    ArithmeticOp.ADD: operator.add,
    ArithmeticOp.SUBTRACT: operator.sub,
    ArithmeticOp.MULTIPLY: operator.mul,
}
_BITS: Final = {AttributeType.INT: 32, AttributeType.LONG: 64}
_WHOLE: Final = (AttributeType.INT, AttributeType.LONG)


def scalar_expression(expression: Expression, own: int, reader: Reader, strings: StringTable) -> Read | None:
    """The function for ``expression`` in the condition of step ``own``; None: there is none that is exact."""
    compiled = _ScalarCompiler(own, reader, strings)
    try:
        return compiled.compile(expression)
    except _NotScalar:
        return None


class _NotScalar(Exception):
    """The expression needs columns."""


class _ScalarCompiler:
    def __init__(self, own: int, reader: Reader, strings: StringTable) -> None:
        self._own = own
        self._reader = reader
        self._strings = strings

    def compile(self, expression: Expression) -> Read:
        match expression:
            case Literal(value, type_):
                constant: Any = self._strings.intern(str(value)) if type_ is AttributeType.STRING else value
                if type_ is AttributeType.FLOAT:
                    constant = float(np.float32(value))
                return lambda _match, _event: constant
            case AttributeRef():
                return self._reader.value(expression, self._own)
            case EventIsNull(source, index):
                event = self._reader.event(source, index, self._own)
                return lambda match, arriving: event(match, arriving) is None
            case IsNull(operand):
                inner = self.compile(operand)
                return lambda match, event: inner(match, event) is None
            case Not(operand):
                negated = self.compile(operand)
                return lambda match, event: not negated(match, event)
            case Logic():
                return self._logic(expression)
            case Compare():
                return self._compare(expression)
            case Arithmetic():
                return self._arithmetic(expression)
            case Call("ifThenElse"):
                return self._if_then_else(expression)
            case _:
                raise _NotScalar

    def _logic(self, expression: Logic) -> Read:
        left, right = self.compile(expression.left), self.compile(expression.right)
        if expression.op is LogicOp.AND:
            return lambda match, event: bool(left(match, event) and right(match, event))
        return lambda match, event: bool(left(match, event) or right(match, event))

    def _compare(self, expression: Compare) -> Read:
        compare = _COMPARISONS[expression.op]
        at_null = expression.op is CompareOp.NOT_EQUAL
        left, right = (self._operand(each, expression) for each in (expression.left, expression.right))

        def run(match: Any, event: Any) -> bool:
            first, second = left(match, event), right(match, event)
            if first is None or second is None:
                return at_null
            return compare(first, second)

        return run

    def _operand(self, operand: Expression, expression: Compare) -> Read:
        """One side of a comparison, as a value of the common type."""
        types = (expression.left.type, expression.right.type)
        if AttributeType.OBJECT in types:
            raise _NotScalar
        value = self.compile(operand)
        if operand.type not in _WHOLE or all(type_ in _WHOLE for type_ in types):
            return value
        if AttributeType.DOUBLE in types:
            return _converted(value, float)
        return _converted(value, lambda number: float(np.float32(number)))

    def _arithmetic(self, expression: Arithmetic) -> Read:
        operation = _OPERATIONS.get(expression.op)
        left, right = self.compile(expression.left), self.compile(expression.right)
        if operation is None or not (expression.left.type.is_numeric and expression.right.type.is_numeric):
            raise _NotScalar
        if expression.type is AttributeType.DOUBLE:
            left, right = _converted(left, float), _converted(right, float)
            return _of_both(operation, left, right)
        bits = _BITS.get(expression.type)
        if bits is None:
            raise _NotScalar
        half, mask = 1 << (bits - 1), (1 << bits) - 1
        return _of_both(lambda first, second: ((operation(first, second) + half) & mask) - half, left, right)

    def _if_then_else(self, call: Call) -> Read:
        condition, then, otherwise = (self.compile(argument) for argument in call.arguments)
        return lambda match, event: then(match, event) if condition(match, event) else otherwise(match, event)


def _converted(value: Read, convert: Callable[[Any], Any]) -> Read:
    def run(match: Any, event: Any) -> Any:
        found = value(match, event)
        return None if found is None else convert(found)

    return run


def _of_both(operation: Callable[[Any, Any], Any], left: Read, right: Read) -> Read:
    def run(match: Any, event: Any) -> Any:
        first, second = left(match, event), right(match, event)
        return None if first is None or second is None else operation(first, second)

    return run
