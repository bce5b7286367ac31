"""Operators over constants become constants, in Java's arithmetic.

What would be null (division by zero) stays as it is, since there is no null literal. ``and`` and ``or`` are cut
short only where the left side decides: the right side would not have been evaluated, so its failure is not lost.
"""

from __future__ import annotations

import math
import struct
from typing import assert_never

from eiha.events.schema import AttributeType
from eiha.plan.expressions import (
    Arithmetic,
    ArithmeticOp,
    Call,
    Compare,
    CompareOp,
    Expression,
    IsNull,
    Literal,
    Logic,
    LogicOp,
    Not,
)
from eiha.plan.nodes import Plan
from eiha.plan.rewrites.map_expressions import map_plan

Number = int | float


def fold_constants(plan: Plan) -> Plan:
    """``plan`` with constant parts of its expressions evaluated."""
    return map_plan(plan, fold)


def fold(node: Expression) -> Expression:
    """``node``, whose operands are folded already, as a constant if it is one."""
    match node:
        case Arithmetic(op, Literal() as left, Literal() as right, type_):
            value = _arithmetic(op, left, right, type_)
            return node if value is None else Literal(value, type_, node.span)
        case Compare(op, Literal() as left, Literal() as right):
            return Literal(_compare(op, left, right), AttributeType.BOOL, node.span)
        case Logic(LogicOp.AND, Literal(False)) | Logic(LogicOp.OR, Literal(True)):
            return Literal(node.op is LogicOp.OR, AttributeType.BOOL, node.span)
        case Logic(right=Literal(value), left=Literal()):
            # the left side did not decide, so the right one does
            return Literal(bool(value), AttributeType.BOOL, node.span)
        case Not(Literal(value)):
            return Literal(not value, AttributeType.BOOL, node.span)
        case IsNull(Literal()):
            return Literal(False, AttributeType.BOOL, node.span)
        case Call("ifThenElse", (Literal(condition), then, otherwise)):
            return then if condition else otherwise
        case _:
            return node


def _arithmetic(op: ArithmeticOp, left: Literal, right: Literal, type_: AttributeType) -> Number | None:
    """The value, or None where there is none (null, or operands that are no numbers)."""
    first, second = left.value, right.value
    if not (left.type.is_numeric and right.type.is_numeric):
        return None
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    match type_:
        case AttributeType.INT | AttributeType.LONG:
            whole = _whole(op, int(first), int(second))
            return None if whole is None else _wrapped(whole, 32 if type_ is AttributeType.INT else 64)
        case AttributeType.FLOAT:
            value = _fraction(op, _float32(first), _float32(second))
            return None if value is None else _float32(value)
        case _:
            return _fraction(op, float(first), float(second))


def _whole(op: ArithmeticOp, left: int, right: int) -> int | None:
    match op:
        case ArithmeticOp.ADD:
            return left + right
        case ArithmeticOp.SUBTRACT:
            return left - right
        case ArithmeticOp.MULTIPLY:
            return left * right
        case ArithmeticOp.DIVIDE | ArithmeticOp.MODULO:
            if right == 0:
                return None
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            return quotient if op is ArithmeticOp.DIVIDE else left - quotient * right
        case _:
            assert_never(op)


def _fraction(op: ArithmeticOp, left: float, right: float) -> float | None:
    match op:
        case ArithmeticOp.ADD:
            return left + right
        case ArithmeticOp.SUBTRACT:
            return left - right
        case ArithmeticOp.MULTIPLY:
            return left * right
        case ArithmeticOp.DIVIDE:
            return None if right == 0 else left / right
        case ArithmeticOp.MODULO:
            if right == 0:
                return None
            return math.nan if math.isinf(left) else math.fmod(left, right)
        case _:
            assert_never(op)


def _wrapped(value: int, bits: int) -> int:
    """Two's complement of ``bits`` bits, as Java's int and long."""
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half


def _float32(value: Number) -> float:
    """Rounded to 32 bits; beyond the largest float, an infinity."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", float(value)))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


def _compare(op: CompareOp, left: Literal, right: Literal) -> bool:
    first, second = left.value, right.value
    if not isinstance(first, str) and not isinstance(second, str):
        types = {left.type, right.type}
        if AttributeType.DOUBLE in types:
            first, second = float(first), float(second)
        elif AttributeType.FLOAT in types:
            # int and long are compared with float as floats
            first, second = _float32(first), _float32(second)
    match op:
        case CompareOp.EQUAL:
            return first == second
        case CompareOp.NOT_EQUAL:
            return first != second
        case _:
            assert not isinstance(first, str)
            assert not isinstance(second, str)
            return _ordered(op, first, second)


def _ordered(op: CompareOp, first: Number, second: Number) -> bool:
    match op:
        case CompareOp.LESS:
            return first < second
        case CompareOp.LESS_EQUAL:
            return first <= second
        case CompareOp.GREATER:
            return first > second
        case _:
            return first >= second
