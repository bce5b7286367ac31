"""Typed expressions become functions from rows to values; done once, when a plan is deployed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never, cast

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.constant_operand import arithmetic_by, comparison_by
from eiha.engine.expressions.functions import function
from eiha.engine.expressions.functions import may_fail as function_may_fail
from eiha.engine.expressions.numeric import arithmetic, comparison
from eiha.engine.expressions.row_wise import Evaluate
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, Value, column_of, lifted, lifted_one
from eiha.engine.kernels.choose import choose
from eiha.events.column import Column, Mask, make_column
from eiha.events.schema import AttributeType
from eiha.plan.attribute_refs import parts
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
    LogicOp,
    Not,
    OutputRef,
)


def compile_expression(expression: Expression, scope: Scope) -> Evaluate:
    """The function that computes ``expression``. Its columns have as many rows as it is given, constants stay scalar.

    Raises:
        EngineFault: by the function, when a row holds what the operation cannot take.
        UnsupportedConstruct: a function that the engine does not have.
    """
    match expression:
        case Literal():
            return _literal(expression, scope)
        case AttributeRef():
            return scope.attribute(expression)
        case AggregateRef(index):
            return lambda rows: rows.aggregates[index]
        case OutputRef(attribute):
            return lambda rows: rows.outputs[attribute]
        case Arithmetic(op, left, right, type_):
            by = arithmetic_by(op, type_, _constant(right, scope)) if isinstance(right, Literal) else None
            if by is not None:
                return _unary(by, left, scope)
            return _binary(arithmetic(op, type_), left, right, scope)
        case Compare(op, left, right):
            if (
                isinstance(right, Literal)
                and (than := comparison_by(op, left.type, _constant(right, scope))) is not None
            ):
                return _unary(than, left, scope)
            return _binary(comparison(op, left.type, right.type), left, right, scope)
        case Logic():
            return _logic(expression, scope)
        case Not(operand):
            return _unary(_negated, operand, scope)
        case IsNull(operand):
            return _unary(_null, operand, scope)
        case EventIsNull():
            return scope.event_is_null(expression)
        case InTable():
            return scope.in_table(expression, scope)
        case Call("ifThenElse"):
            return _if_then_else(expression, scope)
        case Call():
            arguments = [compile_expression(argument, scope) for argument in expression.arguments]
            return function(expression, arguments, scope)
        case _:
            assert_never(expression)


def compile_column(expression: Expression, scope: Scope) -> Callable[[Rows], Column]:
    """As ``compile_expression``, constants spread over the rows."""
    evaluate = compile_expression(expression, scope)
    of_column = isinstance(expression, Arithmetic | Compare) and isinstance(expression.left, AttributeRef)
    if of_column or isinstance(expression, AttributeRef | AggregateRef | OutputRef):
        return cast("Callable[[Rows], Column]", evaluate)  # never a constant
    return lambda rows: column_of(evaluate(rows), rows.count)


def compile_condition(expression: Expression, scope: Scope) -> Callable[[Rows], npt.NDArray[np.bool_] | bool]:
    """Where ``expression`` is true (null counts as false): a mask, or one bool for all rows."""
    evaluate = compile_expression(expression, scope)

    def run(rows: Rows) -> npt.NDArray[np.bool_] | bool:
        value = evaluate(rows)
        if isinstance(value, Constant):
            return bool(value.value)
        return value.values if value.valid is None else value.values & value.valid

    return run


def may_fail(expression: Expression) -> bool:
    """Whether some row could raise ``EngineFault``, by types alone: such plans run one chunk at a time."""
    match expression:
        case Literal() | AttributeRef() | AggregateRef() | OutputRef() | EventIsNull():
            return False
        case Arithmetic(_, left, right):
            return not (left.type.is_numeric and right.type.is_numeric) or may_fail(left) or may_fail(right)
        case Compare(_, left, right) | Logic(_, left, right):
            return may_fail(left) or may_fail(right)
        case Not(operand) | IsNull(operand):
            return may_fail(operand)
        case Call():
            return function_may_fail(expression) or any(may_fail(argument) for argument in expression.arguments)
        case InTable(condition):
            return condition.type is not AttributeType.BOOL or may_fail(condition)
        case _:
            assert_never(expression)


def aggregate_indices(expression: Expression) -> tuple[int, ...]:
    """The aggregates that ``expression`` reads, each once, in order of the text."""
    return tuple(dict.fromkeys(part.index for part in parts(expression) if isinstance(part, AggregateRef)))


def _literal(literal: Literal, scope: Scope) -> Evaluate:
    constant = _constant(literal, scope)
    return lambda _rows: constant


def _constant(literal: Literal, scope: Scope) -> Constant:
    value: Any
    if literal.type is AttributeType.STRING:
        value = np.int32(scope.strings.intern(str(literal.value)))
    else:
        value = literal.type.dtype.type(literal.value)
    return Constant(literal.type, value)


def _binary(
    operation: Callable[[Column, Column], Column], left: Expression, right: Expression, scope: Scope
) -> Evaluate:
    first = compile_expression(left, scope)
    second = compile_expression(right, scope)
    return lambda rows: lifted(operation, first(rows), second(rows))


def _unary(operation: Callable[[Column], Column], operand: Expression, scope: Scope) -> Evaluate:
    if isinstance(operand, AttributeRef):
        column = scope.attribute(operand)
        return lambda rows: operation(column(rows))
    evaluate = compile_expression(operand, scope)
    return lambda rows: lifted_one(operation, evaluate(rows))


def _truth(column: Column) -> Mask:
    return column.values if column.valid is None else column.values & column.valid


def _negated(column: Column) -> Column:
    return Column(AttributeType.BOOL, ~_truth(column))


def _null(column: Column) -> Column:
    values = np.zeros(len(column), dtype=np.bool_) if column.valid is None else ~column.valid
    return Column(AttributeType.BOOL, values)


def _both(left: Column, right: Column) -> Column:
    return Column(AttributeType.BOOL, _truth(left) & _truth(right))


def _either(left: Column, right: Column) -> Column:
    return Column(AttributeType.BOOL, _truth(left) | _truth(right))


def _logic(expression: Logic, scope: Scope) -> Evaluate:
    if not may_fail(expression.right):
        operation = _both if expression.op is LogicOp.AND else _either
        return _binary(operation, expression.left, expression.right, scope)
    left = compile_column(expression.left, scope)
    right = compile_column(expression.right, scope)
    decided_by = expression.op is LogicOp.OR

    def run(rows: Rows) -> Value:
        values = _truth(left(rows)).copy()
        open_rows = np.flatnonzero(values != decided_by)
        if len(open_rows):
            values[open_rows] = _truth(right(rows.take(open_rows)))
        return Column(AttributeType.BOOL, values)

    return run


def _if_then_else(call: Call, scope: Scope) -> Evaluate:
    condition = compile_condition(call.arguments[0], scope)
    then = compile_column(call.arguments[1], scope)
    otherwise = compile_column(call.arguments[2], scope)
    lazy = may_fail(call.arguments[1]) or may_fail(call.arguments[2])

    def run(rows: Rows) -> Value:
        chosen = condition(rows)
        if isinstance(chosen, bool):
            return then(rows) if chosen else otherwise(rows)
        if lazy:
            return _scattered(rows, chosen, then, otherwise)
        return _chosen(chosen, then(rows), otherwise(rows))

    return run


def _chosen(condition: Mask, then: Column, otherwise: Column) -> Column:
    if then.type in (AttributeType.BOOL, AttributeType.OBJECT):
        values = np.where(condition, then.values, otherwise.values)
    else:
        values = np.empty(len(condition), dtype=then.values.dtype)
        choose(condition, then.values, otherwise.values, values)
    if then.valid is None and otherwise.valid is None:
        return Column(then.type, values)
    return make_column(then.type, values, np.where(condition, then.mask(), otherwise.mask()))


def _scattered(
    rows: Rows, condition: Mask, then: Callable[[Rows], Column], otherwise: Callable[[Rows], Column]
) -> Column:
    yes, no = np.flatnonzero(condition), np.flatnonzero(~condition)
    if not len(yes):
        return otherwise(rows)
    if not len(no):
        return then(rows)
    first, second = then(rows.take(yes)), otherwise(rows.take(no))
    values = np.empty(rows.count, dtype=first.values.dtype)
    valid = np.empty(rows.count, dtype=np.bool_)
    values[yes], values[no] = first.values, second.values
    valid[yes], valid[no] = first.mask(), second.mask()
    return make_column(first.type, values, valid)
