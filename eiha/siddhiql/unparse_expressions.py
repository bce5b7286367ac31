"""Expressions to text, with the fewest parentheses that give the same tree back."""

from __future__ import annotations

import math
import re
from typing import Final, assert_never

from eiha.events.schema import AttributeType
from eiha.siddhiql.expression_tree import (
    AttributeReference,
    BinaryOperation,
    BinaryOperator,
    EventIndex,
    Expression,
    FunctionCall,
    InTable,
    Literal,
    NotOperation,
    NullCheck,
    StreamReference,
    TimeLiteral,
)
from eiha.siddhiql.tokens import KEYWORDS, UNITS

_PLAIN: Final = re.compile(r"[a-zA-Z_][a-zA-Z_0-9]*")

_BINDING: Final[dict[BinaryOperator, int]] = {
    BinaryOperator.OR: 1,
    BinaryOperator.AND: 2,
    BinaryOperator.EQUAL: 4,
    BinaryOperator.NOT_EQUAL: 4,
    BinaryOperator.GREATER: 5,
    BinaryOperator.GREATER_EQUAL: 5,
    BinaryOperator.LESS: 5,
    BinaryOperator.LESS_EQUAL: 5,
    BinaryOperator.ADD: 6,
    BinaryOperator.SUBTRACT: 6,
    BinaryOperator.MULTIPLY: 7,
    BinaryOperator.DIVIDE: 7,
    BinaryOperator.MODULO: 7,
}
_IN_BINDING: Final = 3
_NOT_BINDING: Final = 8
_ATOM_BINDING: Final = 9


def name(text: str) -> str:
    """A name, in backticks where it would otherwise be read as something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in KEYWORDS:
        return text
    return f"`{text}`"


def string(text: str) -> str:
    """A string constant in the simplest quotes that can hold it."""
    if '"' not in text and all(character >= " " for character in text):
        return f"'{text}'" if "'" not in text else f'"{text}"'
    return f'"""{text}"""'


def expression(node: Expression, binding: int = 0) -> str:
    """``node``, in parentheses if it binds no tighter than ``binding``."""
    text, own = _text(node)
    return f"({text})" if own <= binding else text


def _text(node: Expression) -> tuple[str, int]:
    match node:
        case Literal():
            return literal(node), _ATOM_BINDING
        case TimeLiteral():
            return time_literal(node), _ATOM_BINDING
        case AttributeReference():
            return attribute(node), _ATOM_BINDING
        case FunctionCall():
            return call(node), _ATOM_BINDING
        case NullCheck(operand):
            return f"{_null_operand(operand)} is null", _ATOM_BINDING
        case NotOperation(operand):
            return f"not {expression(operand, _NOT_BINDING - 1)}", _NOT_BINDING
        case InTable(operand, table):
            return f"{expression(operand, _IN_BINDING - 1)} in {name(table)}", _IN_BINDING
        case BinaryOperation(operator, left, right):
            own = _BINDING[operator]
            return f"{expression(left, own - 1)} {operator.value} {expression(right, own)}", own
        case _:
            assert_never(node)


def _null_operand(operand: StreamReference | AttributeReference | FunctionCall) -> str:
    match operand:
        case StreamReference():
            return stream(operand)
        case AttributeReference():
            return attribute(operand)
        case FunctionCall():
            return call(operand)
        case _:
            assert_never(operand)


def literal(node: Literal) -> str:
    """A constant with the suffix that gives its type back."""
    match node.type:
        case AttributeType.BOOL:
            return "true" if node.value else "false"
        case AttributeType.STRING:
            assert isinstance(node.value, str)
            return string(node.value)
        case AttributeType.LONG:
            return f"{node.value}L"
        case AttributeType.FLOAT:
            return _decimal(float(node.value)) + "f"
        case AttributeType.DOUBLE:
            return _decimal(float(node.value))
        case _:
            return str(node.value)


def _decimal(value: float) -> str:
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return repr(value)


def time_literal(node: TimeLiteral) -> str:
    """``1 hour 30 min``."""
    return " ".join(f"{part.amount} {part.unit.value}" for part in node.parts)


def attribute(node: AttributeReference) -> str:
    """``stream#inner.name``, as far as given."""
    before = "" if node.stream is None else stream(node.stream)
    if node.nested is not None:
        before += stream(node.nested)
    return f"{before}.{name(node.name)}" if before else name(node.name)


def stream(node: StreamReference) -> str:
    """``e1[last - 1]``, ``#inner``, ``!fault``."""
    sign = "#" if node.is_inner else "!" if node.is_fault else ""
    return sign + name(node.name) + ("" if node.index is None else _index(node.index))


def _index(node: EventIndex) -> str:
    if not node.from_last:
        return f"[{node.offset}]"
    return f"[last - {node.offset}]" if node.offset else "[last]"


def call(node: FunctionCall) -> str:
    """``namespace:name(arguments)``; ``min`` needs no backticks before a parenthesis."""
    space = "" if node.namespace is None else name(node.namespace) + ":"
    own = node.name if node.name.lower() in UNITS else name(node.name)
    arguments = "*" if node.is_star else ", ".join(expression(argument) for argument in node.arguments)
    return f"{space}{own}({arguments})"
