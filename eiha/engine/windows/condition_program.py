"""From the condition of an expression window to the program that ``condition_kernels`` runs.

What reads one row alone (the row that comes or leaves, the first one or the last one) is an *operand*: it is computed
as a column when rows come. Instructions are left for what compares rows and aggregates with one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.compile_expression import compile_column, may_fail
from eiha.engine.expressions.numeric import compared_as
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.windows import condition_kernels as kernels
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import (
    Arithmetic,
    ArithmeticOp,
    AttributeRef,
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
from eiha.plan.rewrites.map_expressions import map_expression
from eiha.plan.window_expressions import AGGREGATES, FIRST, LAST, ROW, ROW_TIME

Longs = npt.NDArray[np.int64]

_ROWS: Final = (ROW, FIRST, LAST)
_FRACTIONS: Final = frozenset({AttributeType.FLOAT, AttributeType.DOUBLE})
_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})
_PLAIN_CALLS: Final = frozenset({"coalesce", "default", "ifThenElse", "maximum", "minimum"})
"""Functions of nothing but their arguments; so are those of ``_PLAIN_NAMESPACES``."""
_PLAIN_NAMESPACES: Final = ("str:", "regex:", "math:sqrt", "math:abs", "math:floor", "math:ceil", "math:round")
_STAMPS: Final = -1
"""Place, among the columns of rows, of their timestamps."""

_WHOLE_OPERATIONS: Final = {
    ArithmeticOp.ADD: kernels.ADD_WHOLE,
    ArithmeticOp.SUBTRACT: kernels.SUBTRACT_WHOLE,
    ArithmeticOp.MULTIPLY: kernels.MULTIPLY_WHOLE,
}
_OPERATIONS: Final = {
    ArithmeticOp.ADD: kernels.ADD,
    ArithmeticOp.SUBTRACT: kernels.SUBTRACT,
    ArithmeticOp.MULTIPLY: kernels.MULTIPLY,
    ArithmeticOp.DIVIDE: kernels.DIVIDE,
}
_COMPARISONS: Final = {
    CompareOp.EQUAL: (kernels.EQUAL_WHOLE, kernels.EQUAL),
    CompareOp.NOT_EQUAL: (kernels.NOT_EQUAL_WHOLE, kernels.NOT_EQUAL),
    CompareOp.LESS: (kernels.LESS_WHOLE, kernels.LESS),
    CompareOp.LESS_EQUAL: (kernels.LESS_EQUAL_WHOLE, kernels.LESS_EQUAL),
}
_SWAPPED: Final = {CompareOp.GREATER: CompareOp.LESS, CompareOp.GREATER_EQUAL: CompareOp.LESS_EQUAL}


@dataclass(frozen=True, slots=True)
class ConditionProgram:
    """``code`` leaves what the condition says in the register ``result``; ``wholes``, ``fractions`` and ``nulls`` are
    the registers to begin with, those of aggregates in front. ``operands`` compute what is read of each row;
    ``aggregates`` says of each its kind and its operand.
    """

    code: Longs
    result: int
    wholes: Longs
    fractions: npt.NDArray[np.float64]
    nulls: npt.NDArray[np.bool_]
    operands: tuple[Callable[[Rows], Column], ...]
    aggregates: Longs


def condition_program(
    arguments: Sequence[Expression], strings: StringTable, beside: Sequence[Expression] = ()
) -> ConditionProgram | None:
    """The program for a condition and what it aggregates; None: something of it is evaluated row by row.

    Args:
        arguments: as ``plan.window_expressions`` gives them.
        strings: of the plan.
        beside: what else is read of each row, of the type bool: the first operands.
    """
    compiler = _Compiler(strings)
    try:
        for expression in beside:
            compiler.operand(expression)
        for number, call in enumerate(arguments[1:]):
            assert isinstance(call, Call)
            compiler.aggregate(number, call)
        result = compiler.compile(arguments[0])
    except _NotCompiled:
        return None
    return compiler.program(result)


class _NotCompiled(Exception):
    """Something needs the condition to be looked at row by row."""


class _Compiler:
    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self._code: list[int] = []
        self._types: list[AttributeType] = []  # of the registers
        self._constants: dict[int, bool | int | float] = {}
        self._operands: list[Callable[[Rows], Column]] = []
        self._known: dict[Expression, int] = {}
        self._aggregates: list[int] = []

    def program(self, result: int) -> ConditionProgram:
        count = len(self._types)
        wholes, fractions = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.float64)
        for register, value in self._constants.items():
            if self._types[register] in _FRACTIONS:
                fractions[register] = value
            else:
                wholes[register] = value
        return ConditionProgram(
            np.array(self._code, dtype=np.int64),
            result,
            wholes,
            fractions,
            np.zeros(count, dtype=np.bool_),
            tuple(self._operands),
            np.array(self._aggregates, dtype=np.int64),
        )

    def operand(self, expression: Expression) -> int:
        """The number of the operand that is ``expression``, which reads the row alone."""
        if expression not in self._known:
            if not isinstance(expression, Literal) and _row_read(expression) is None:
                raise _NotCompiled
            self._known[expression] = len(self._operands)
            self._operands.append(compile_column(_as_row(expression), Scope(self._strings, attribute=_column)))
        return self._known[expression]

    def aggregate(self, number: int, call: Call) -> None:
        """Give an aggregate its register, ``number``."""
        assert number == len(self._types)
        self._types.append(call.type)
        if call.function == "count":
            self._aggregates += [kernels.COUNT, 0, 0, 0]
            return
        argument = call.arguments[0]
        if not argument.type.is_numeric or _row_read(argument) != ROW:
            raise _NotCompiled
        whole, fraction = {
            "sum": (kernels.SUM_WHOLE, kernels.SUM),
            "avg": (kernels.MEAN_WHOLE, kernels.MEAN),
            "min": (kernels.LEAST_WHOLE, kernels.LEAST),
            "max": (kernels.GREATEST_WHOLE, kernels.GREATEST),
        }[call.function]
        kind = whole if argument.type in _WHOLE else fraction
        self._aggregates += [kind, self.operand(argument), 0, 0]

    def compile(self, expression: Expression) -> int:
        """The register with the value of ``expression``."""
        if isinstance(expression, Literal):
            return self._constant(expression)
        read = _row_read(expression)
        if read is not None:
            operation = kernels.LOAD_FRACTION if expression.type in _FRACTIONS else kernels.LOAD_WHOLE
            return self._emit(operation, expression.type, read, self.operand(_as_row(expression)))
        match expression:
            case AttributeRef(source=source, event_index=number) if source == AGGREGATES:
                return number
            case Not(operand):
                inner = self.compile(operand)
                return self._emit(kernels.NOT, AttributeType.BOOL, inner, inner)
            case IsNull(operand):
                inner = self.compile(operand)
                return self._emit(kernels.IS_NULL, AttributeType.BOOL, inner, inner)
            case Logic(op, left, right):
                operation = kernels.AND if op is LogicOp.AND else kernels.OR
                return self._emit(operation, AttributeType.BOOL, self.compile(left), self.compile(right))
            case Compare():
                return self._compare(expression)
            case Arithmetic():
                return self._arithmetic(expression)
            case _:
                raise _NotCompiled

    def _constant(self, literal: Literal) -> int:
        value: bool | int | float
        if literal.type is AttributeType.STRING:
            value = self._strings.intern(str(literal.value))
        else:
            value = literal.type.dtype.type(literal.value).item()
        self._types.append(literal.type)
        self._constants[len(self._types) - 1] = value
        return len(self._types) - 1

    def _emit(self, operation: int, type_: AttributeType, a: int, b: int) -> int:
        self._types.append(type_)
        self._code += [operation, len(self._types) - 1, a, b]
        return len(self._types) - 1

    def _compare(self, expression: Compare) -> int:
        op, left, right = expression.op, expression.left, expression.right
        if AttributeType.OBJECT in (left.type, right.type):
            raise _NotCompiled
        type_ = compared_as(op, left.type, right.type) or left.type
        a, b = self._as(self.compile(left), type_), self._as(self.compile(right), type_)
        if op in _SWAPPED:
            op, a, b = _SWAPPED[op], b, a
        whole, fraction = _COMPARISONS[op]
        return self._emit(fraction if type_ in _FRACTIONS else whole, AttributeType.BOOL, a, b)

    def _arithmetic(self, expression: Arithmetic) -> int:
        type_ = expression.type
        operation = (_OPERATIONS if type_ in _FRACTIONS else _WHOLE_OPERATIONS).get(expression.op)
        if operation is None or may_fail(expression):
            raise _NotCompiled
        a, b = (self._as(self.compile(each), type_) for each in (expression.left, expression.right))
        found = self._emit(operation, type_, a, b)
        if type_ is AttributeType.INT:
            return self._emit(kernels.TO_INT, type_, found, found)
        return self._emit(kernels.ROUND, type_, found, found) if type_ is AttributeType.FLOAT else found

    def _as(self, register: int, type_: AttributeType) -> int:
        """The register with that value as one of ``type_``, which is no narrower."""
        given = self._types[register]
        if given is type_ or type_ not in _FRACTIONS:
            return register
        if given in _FRACTIONS:
            return register if type_ is AttributeType.DOUBLE else self._emit(kernels.ROUND, type_, register, register)
        operation = kernels.TO_FRACTION if type_ is AttributeType.DOUBLE else kernels.TO_FLOAT
        return self._emit(operation, type_, register, register)


def _column(reference: AttributeRef) -> Callable[[Rows], Column]:
    if reference.attribute == _STAMPS:
        return lambda rows: Column(AttributeType.LONG, rows.timestamps)
    return lambda rows: rows.columns[0][reference.attribute]


def _row_read(expression: Expression) -> int | None:
    """The one row whose columns and time ``expression`` reads; None: it reads several, none, or something beside."""
    found: set[int] = set()
    is_plain = not may_fail(expression) and expression.type is not AttributeType.OBJECT

    def look(node: Expression) -> Expression:
        nonlocal is_plain
        match node:
            case AttributeRef(source=source):
                found.add(source - ROW_TIME if source >= ROW_TIME else source)
            case Call(function=function, script=script):
                is_plain = is_plain and script is None
                is_plain = is_plain and (function in _PLAIN_CALLS or function.startswith(_PLAIN_NAMESPACES))
            case Literal() | Arithmetic() | Compare() | Logic() | Not() | IsNull():
                pass
            case _:
                is_plain = False
        return node

    map_expression(expression, look)
    return found.pop() if is_plain and len(found) == 1 and found <= set(_ROWS) else None


def _as_row(expression: Expression) -> Expression:
    """``expression`` as it reads the row itself, whichever of the three it reads."""

    def change(node: Expression) -> Expression:
        if not isinstance(node, AttributeRef):
            return node
        is_time = node.source >= ROW_TIME
        return replace(node, source=ROW, attribute=_STAMPS if is_time else node.attribute)

    return map_expression(expression, change)
