"""Expressions: operator precedence, function calls, references, constants.

From tight to loose: ``is null``, ``not``, ``* / %``, ``+ -``, ``> >= < <=``, ``== !=``, ``in``, ``and``, ``or``.
There is no unary minus but on constants.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from eiha.events.schema import AttributeType
from eiha.siddhiql.cursor import Cursor
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
    TimePart,
    TimeUnit,
)
from eiha.siddhiql.tokens import UNITS, Token, TokenKind

_BINDING: Final[dict[str, int]] = {
    "or": 1, "and": 2, "in": 3, "==": 4, "!=": 4, ">": 5, ">=": 5, "<": 5, "<=": 5, "+": 6, "-": 6, "*": 7, "/": 7,
    "%": 7,
}  # fmt: skip
"""Binding power of binary operators, all of them left-associative."""

NOT_BINDING: Final = 8
"""``not`` binds tighter than every binary operator."""

_NUMBER_KINDS: Final = (TokenKind.INT, TokenKind.LONG, TokenKind.FLOAT, TokenKind.DOUBLE)
_RANKS: Final = {unit: rank for rank, unit in enumerate(TimeUnit)}


def expression(cursor: Cursor, binding: int = 0) -> Expression:
    """An expression whose operators bind tighter than ``binding``."""
    start = cursor.token
    left = _prefixed(cursor)
    while True:
        operator = _operator(cursor)
        if operator is None or _BINDING[operator] <= binding:
            return left
        cursor.advance()
        cursor.count_operator()
        if operator == "in":
            table = cursor.name("the name of a table")
            left = InTable(left, table.value, cursor.span_from(start))
        else:
            right = expression(cursor, _BINDING[operator])
            left = BinaryOperation(BinaryOperator(operator), left, right, cursor.span_from(start))


def whole_expression(cursor: Cursor) -> Expression:
    """An expression that stands alone: its operators are counted against the bound."""
    cursor.start_expression()
    return expression(cursor)


def _operator(cursor: Cursor) -> str | None:
    token = cursor.token
    if token.kind in (TokenKind.SYMBOL, TokenKind.KEYWORD) and token.value in _BINDING:
        return token.value
    cursor.note_operator()
    return None


def _prefixed(cursor: Cursor) -> Expression:
    start = cursor.token
    if cursor.keyword_follows("not", 0):
        return cursor.first_of(lambda: _negation(cursor, start), lambda: _primary(cursor))
    return _primary(cursor)


def _negation(cursor: Cursor, start: Token) -> Expression:
    cursor.keyword("not")
    cursor.count_operator()
    cursor.enter()
    operand = expression(cursor, NOT_BINDING)
    cursor.leave()
    return NotOperation(operand, cursor.span_from(start))


def _primary(cursor: Cursor) -> Expression:
    if cursor.take_symbol("("):
        cursor.enter()
        inner = expression(cursor)
        cursor.symbol(")")
        cursor.leave()
        return inner
    literal = constant(cursor)
    if literal is not None:
        return literal
    start = cursor.token
    operand = _call_or_reference(cursor)
    if cursor.keyword_follows("is", 0) and cursor.keyword_follows("null"):
        cursor.advance()
        cursor.advance()
        return NullCheck(operand, cursor.span_from(start))
    cursor.at_keyword("is")
    if isinstance(operand, StreamReference):
        cursor.fail("'.'")
    return operand


# --- references and calls


def _call_or_reference(cursor: Cursor) -> FunctionCall | AttributeReference | StreamReference:
    if cursor.at_name() and (
        cursor.symbol_follows("(")
        or (cursor.symbol_follows(":") and cursor.peek(2).kind in (TokenKind.NAME, TokenKind.KEYWORD))
    ):
        return function_call(cursor)
    start = cursor.token
    is_inner = cursor.take_symbol("#") is not None
    is_fault = not is_inner and cursor.take_symbol("!") is not None
    first = cursor.name("an expression")
    index = _event_index(cursor)
    stream = StreamReference(first.value, index, is_inner, is_fault, cursor.span_from(start))
    nested = None
    if cursor.at_symbol("#") and cursor.peek(1).kind in (TokenKind.NAME, TokenKind.KEYWORD):
        nested_start = cursor.advance()
        second = cursor.name()
        nested_index = _event_index(cursor)
        nested = StreamReference(second.value, nested_index, is_inner=True, span=cursor.span_from(nested_start))
        if not cursor.at_symbol("."):
            cursor.fail()
    if cursor.take_symbol("."):
        attribute = cursor.name("the name of an attribute")
        return AttributeReference(attribute.value, stream, nested, cursor.span_from(start))
    if index is None and not is_inner and not is_fault:
        return AttributeReference(first.value, span=cursor.span_from(start))
    return stream


def attribute_reference(cursor: Cursor) -> AttributeReference:
    """An attribute where no other expression may stand (group by, order by, set)."""
    reference = _call_or_reference(cursor)
    if not isinstance(reference, AttributeReference):
        cursor.fail("an attribute")
    return reference


def _event_index(cursor: Cursor) -> EventIndex | None:
    if not cursor.at_symbol("["):
        return None
    start = cursor.advance()
    if number := cursor.take_kind(TokenKind.INT):
        index = int_value(cursor, number)
        cursor.symbol("]")
        return EventIndex(index, False, cursor.span_from(start))
    cursor.keyword("last")
    back = 0
    if cursor.take_symbol("-"):
        back = int_value(cursor, cursor.kind(TokenKind.INT))
    cursor.symbol("]")
    return EventIndex(back, True, cursor.span_from(start))


def function_call(cursor: Cursor) -> FunctionCall:
    """``[namespace:]name(...)``."""
    start = cursor.token
    name = cursor.name("a function")
    namespace = None
    if cursor.take_symbol(":"):
        namespace, name = name.value, cursor.word("the name of a function")
    cursor.symbol("(")
    cursor.enter()
    arguments: list[Expression] = []
    is_star = False
    if not cursor.at_symbol(")"):
        if cursor.take_symbol("*"):
            is_star = True
        else:
            arguments.append(expression(cursor))
            while cursor.take_symbol(","):
                arguments.append(expression(cursor))
    cursor.symbol(")")
    cursor.leave()
    return FunctionCall(name.value, tuple(arguments), namespace, is_star, cursor.span_from(start))


# --- constants


def constant(cursor: Cursor) -> Literal | TimeLiteral | None:
    """A constant, if one is next."""
    token = cursor.token
    if token.kind is TokenKind.KEYWORD and token.value in ("true", "false"):
        cursor.advance()
        return Literal(token.value == "true", AttributeType.BOOL, token.span)
    if token.kind is TokenKind.STRING:
        cursor.advance()
        return Literal(token.value, AttributeType.STRING, token.span)
    if token.kind is TokenKind.INT and _unit(cursor.peek(1)) is not None:
        return time_literal(cursor)
    if token.kind in _NUMBER_KINDS:
        cursor.advance()
        return _number(cursor, token, negative=False)
    is_sign = token.kind is TokenKind.SYMBOL and token.text in "+-"
    if is_sign and cursor.peek(1).kind in _NUMBER_KINDS:
        cursor.advance()
        return _number(cursor, cursor.advance(), negative=token.text == "-", sign=token)
    return None


def _number(cursor: Cursor, token: Token, *, negative: bool, sign: Token | None = None) -> Literal:
    span = cursor.span_from(sign or token)
    if token.kind is TokenKind.INT:
        value = _bounded(cursor, token, "-" * negative + token.text, 31, "int; write an L behind it to make it a long")
        return Literal(value, AttributeType.INT, span)
    if token.kind is TokenKind.LONG:
        value = _bounded(cursor, token, "-" * negative + token.text[:-1], 63, "long")
        return Literal(value, AttributeType.LONG, span)
    number = float(token.text.rstrip("fFdD")) * (-1 if negative else 1)
    if token.kind is TokenKind.FLOAT:
        return Literal(_to_float32(number), AttributeType.FLOAT, span)
    return Literal(number, AttributeType.DOUBLE, span)


def _to_float32(number: float) -> float:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
    return rounded


def _bounded(cursor: Cursor, token: Token, digits: str, bits: int, type_name: str) -> int:
    bound = 1 << bits
    # longer than any 64-bit number: not even converted, Python refuses thousands of digits
    value = int(digits) if len(digits.lstrip("-").lstrip("0")) <= 20 else bound
    if not -bound <= value < bound:
        cursor.refuse(token.span, f"{token.text} does not fit into {type_name}")
    return value


def int_value(cursor: Cursor, token: Token) -> int:
    """The value of an INT token, which must fit into 31 bits."""
    return _bounded(cursor, token, token.text, 31, "int")


def _unit(token: Token) -> TimeUnit | None:
    return UNITS.get(token.value) if token.kind is TokenKind.KEYWORD else None


def time_literal(cursor: Cursor) -> TimeLiteral:
    """``1 hour 30 min``: units from large to small, each once."""
    start = cursor.token
    parts: list[TimePart] = []
    rank = -1
    while True:
        number = cursor.token
        unit = _unit(cursor.peek(1)) if number.kind is TokenKind.INT else None
        if unit is None:
            break
        if _RANKS[unit] <= rank:
            units = ", ".join(unit.value for unit in TimeUnit)
            cursor.refuse(cursor.peek(1).span, f"units of time go from large to small, each once ({units})")
        rank = _RANKS[unit]
        cursor.advance()
        cursor.advance()
        amount = _bounded(cursor, number, number.text, 63, "long")
        parts.append(TimePart(amount, unit, cursor.span_from(number)))
    if not parts:
        if cursor.take_kind(TokenKind.INT):
            cursor.fail("a unit of time (sec, min, hour, ...)")
        cursor.fail("a time (e.g. 5 sec)")
    literal = TimeLiteral(tuple(parts), cursor.span_from(start))
    if literal.milliseconds >= 1 << 63:
        cursor.refuse(literal.span, "this time does not fit into a long")
    return literal
