"""Compiled expressions against an oracle that takes one row at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.expressions.compile_expression import compile_column, compile_condition, may_fail
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.faults import EngineFault
from eiha.events.column import make_column
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

INT, LONG, FLOAT, DOUBLE = AttributeType.INT, AttributeType.LONG, AttributeType.FLOAT, AttributeType.DOUBLE
BOOL, STRING, OBJECT = AttributeType.BOOL, AttributeType.STRING, AttributeType.OBJECT
NUMBERS = (INT, LONG, FLOAT, DOUBLE)
TYPES = (*NUMBERS, BOOL)
RANK = {type_: rank for rank, type_ in enumerate(NUMBERS)}
SPECIAL: dict[AttributeType, list[Any]] = {
    INT: [0, 1, -1, 7, -7, 2**31 - 1, -(2**31), 16777217],
    LONG: [0, 1, -1, 3, 2**63 - 1, -(2**63), 2**53 + 1, 16777217],
    FLOAT: [0.0, -0.0, 1.5, -2.5, 0.1, 3.4e38, float("inf"), float("nan"), 16777216.0],
    DOUBLE: [0.0, -0.0, 1.5, -2.5, 0.1, 1e300, float("-inf"), float("nan"), 16777217.0],
    BOOL: [True, False],
}


def attribute(type_: AttributeType) -> AttributeRef:
    return AttributeRef(0, TYPES.index(type_), type_.value, type_)


def leaf(type_: AttributeType) -> st.SearchStrategy[Expression]:
    literals = st.sampled_from(SPECIAL[type_]).map(lambda value: Literal(value, type_))
    return st.one_of(st.just(attribute(type_)), literals)


@pytest.fixture(autouse=True, scope="module")
def _quiet_arithmetic() -> Iterator[None]:
    """Whoever evaluates has NumPy's warnings off, as the runtime has."""
    with np.errstate(all="ignore"):
        yield


@st.composite
def numeric(draw: st.DrawFn, depth: int = 3) -> Expression:
    if depth == 0 or draw(st.booleans()):
        return draw(leaf(draw(st.sampled_from(NUMBERS))))
    left, right = draw(numeric(depth - 1)), draw(numeric(depth - 1))
    type_ = left.type if RANK[left.type] >= RANK[right.type] else right.type
    return Arithmetic(draw(st.sampled_from(ArithmeticOp)), left, right, type_)


@st.composite
def truth(draw: st.DrawFn, depth: int = 3) -> Expression:
    kind = draw(st.integers(0, 4)) if depth else 0
    match kind:
        case 0:
            return draw(leaf(BOOL))
        case 1:
            return Compare(draw(st.sampled_from(CompareOp)), draw(numeric(1)), draw(numeric(1)))
        case 2:
            return Logic(draw(st.sampled_from(LogicOp)), draw(truth(depth - 1)), draw(truth(depth - 1)))
        case 3:
            return Not(draw(truth(depth - 1)))
        case _:
            return IsNull(attribute(draw(st.sampled_from(TYPES))))


Row = dict[AttributeType, Any]
rows_strategy = st.lists(
    st.fixed_dictionaries({type_: st.one_of(st.none(), st.sampled_from(SPECIAL[type_])) for type_ in TYPES}),
    min_size=1,
    max_size=8,
)


def rows_of(rows: list[Row]) -> Rows:
    columns = []
    for type_ in TYPES:
        values = np.array([0 if row[type_] is None else row[type_] for row in rows], dtype=type_.dtype)
        columns.append(make_column(type_, values, np.array([row[type_] is not None for row in rows])))
    stamps = np.arange(len(rows), dtype=np.int64)
    return Rows(len(rows), (tuple(columns),), stamps, stamps)


def as_type(value: Any, type_: AttributeType) -> Any:
    if type_ in (INT, LONG):
        return int(value)
    return np.float32(value) if type_ is FLOAT else np.float64(value)


def oracle(expression: Expression, row: Row) -> Any:
    match expression:
        case Literal(value, type_):
            return as_type(value, type_) if type_ in NUMBERS else value
        case AttributeRef():
            value = row[expression.type]
            return value if value is None or expression.type is BOOL else as_type(value, expression.type)
        case Arithmetic(op, left, right, type_):
            return oracle_arithmetic(op, oracle(left, row), oracle(right, row), type_)
        case Compare(op, left, right):
            return oracle_compare(op, oracle(left, row), oracle(right, row), {left.type, right.type})
        case Logic(op, left, right):
            a, b = oracle(left, row) is True, oracle(right, row) is True
            return (a and b) if op is LogicOp.AND else (a or b)
        case Not(operand):
            return oracle(operand, row) is not True
        case IsNull(operand):
            return oracle(operand, row) is None
        case _:
            raise AssertionError(expression)


def oracle_arithmetic(op: ArithmeticOp, a: Any, b: Any, type_: AttributeType) -> Any:
    if a is None or b is None:
        return None
    a, b = as_type(a, type_), as_type(b, type_)
    if op in (ArithmeticOp.DIVIDE, ArithmeticOp.MODULO) and b == 0:
        return None
    if type_ in (INT, LONG):
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if b else 0
        exact = {"+": a + b, "-": a - b, "*": a * b, "/": quotient, "%": a - quotient * b}[op.value]
        bits = 32 if type_ is INT else 64
        return (exact + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
    with np.errstate(all="ignore"):
        match op:
            case ArithmeticOp.ADD:
                return a + b
            case ArithmeticOp.SUBTRACT:
                return a - b
            case ArithmeticOp.MULTIPLY:
                return a * b
            case ArithmeticOp.DIVIDE:
                return a / b
            case _:
                return np.fmod(a, b)


def oracle_compare(op: CompareOp, a: Any, b: Any, types: set[AttributeType]) -> bool:
    if a is None or b is None:
        return op is CompareOp.NOT_EQUAL
    if DOUBLE in types or (op is CompareOp.NOT_EQUAL and types == {LONG, FLOAT}):
        a, b = np.float64(a), np.float64(b)
    elif FLOAT in types:
        a, b = np.float32(a), np.float32(b)
    return bool({"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op.value])


def equal(ours: Any, theirs: Any) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(theirs, float | np.floating) and math.isnan(theirs):
        return math.isnan(ours)
    return bool(ours == theirs)


@given(numeric(), rows_strategy)
def test_arithmetic_is_that_of_one_row_at_a_time_in_java(expression: Expression, rows: list[Row]) -> None:
    column = compile_column(expression, Scope(StringTable()))(rows_of(rows))
    values, present = column.values.tolist(), column.mask().tolist()
    ours = [value if ok else None for value, ok in zip(values, present, strict=True)]
    assert all(equal(mine, oracle(expression, row)) for mine, row in zip(ours, rows, strict=True)), (ours, rows)


@given(truth(), rows_strategy)
def test_conditions_are_those_of_one_row_at_a_time(expression: Expression, rows: list[Row]) -> None:
    passes = compile_condition(expression, Scope(StringTable()))(rows_of(rows))
    ours = np.broadcast_to(passes, len(rows)).tolist()
    assert ours == [oracle(expression, row) is True for row in rows]


@given(truth(), numeric(2), numeric(2), rows_strategy)
def test_if_then_else_picks_row_by_row(condition: Expression, a: Expression, b: Expression, rows: list[Row]) -> None:
    then = Arithmetic(ArithmeticOp.ADD, a, Literal(0.0, DOUBLE), DOUBLE)
    otherwise = Arithmetic(ArithmeticOp.ADD, b, Literal(0.0, DOUBLE), DOUBLE)
    call = Call("ifThenElse", (condition, then, otherwise), DOUBLE)
    column = compile_column(call, Scope(StringTable()))(rows_of(rows))
    for row, value, ok in zip(rows, column.values.tolist(), column.mask().tolist(), strict=True):
        chosen = then if oracle(condition, row) is True else otherwise
        assert equal(value if ok else None, oracle(chosen, row))


@pytest.mark.parametrize("type_", [INT, LONG])
@pytest.mark.parametrize(("left", "right"), [(-7, 2), (7, -2), (-7, -2), (7, 2), (-1, 7), (-(2**31), -1), (5, 0)])
def test_whole_division_truncates_and_the_remainder_has_the_sign_of_the_left(
    type_: AttributeType, left: int, right: int
) -> None:
    row: Row = dict.fromkeys(TYPES) | {type_: left}
    for op in (ArithmeticOp.DIVIDE, ArithmeticOp.MODULO):
        expression = Arithmetic(op, attribute(type_), Literal(right, type_), type_)
        column = compile_column(expression, Scope(StringTable()))(rows_of([row]))
        ours = column.values.tolist()[0] if column.mask()[0] else None
        assert ours == oracle(expression, row)


def object_rows(values: list[Any]) -> Rows:
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    column = make_column(OBJECT, array, np.array([value is not None for value in values]))
    stamps = np.arange(len(values), dtype=np.int64)
    return Rows(len(values), ((column,),), stamps, stamps)


OBJECT_PLUS_ONE = Arithmetic(ArithmeticOp.ADD, AttributeRef(0, 0, "o", OBJECT), Literal(1, INT), INT)


def test_arithmetic_of_objects_works_for_numbers_and_narrows_them() -> None:
    column = compile_column(OBJECT_PLUS_ONE, Scope(StringTable()))(object_rows([5, 2.75, None]))
    assert column.values.tolist() == [6, 3, 0]
    assert column.mask().tolist() == [True, True, False]


def test_arithmetic_of_an_object_that_is_no_number_is_a_fault() -> None:
    assert may_fail(OBJECT_PLUS_ONE)
    with pytest.raises(EngineFault, match="not a number"):
        compile_column(OBJECT_PLUS_ONE, Scope(StringTable()))(object_rows([5, "x"]))


def test_a_branch_that_is_not_needed_is_not_evaluated() -> None:
    reference = AttributeRef(0, 0, "o", OBJECT)
    is_number = Call("instanceOfInteger", (reference,), BOOL)
    call = Call("ifThenElse", (is_number, OBJECT_PLUS_ONE, Literal(-1, INT)), INT)
    column = compile_column(call, Scope(StringTable()))(object_rows([5, "x", 7]))
    assert column.values.tolist() == [6, -1, 8]


def test_the_right_side_of_and_is_not_evaluated_where_the_left_decides() -> None:
    reference = AttributeRef(0, 0, "o", OBJECT)
    is_number = Call("instanceOfInteger", (reference,), BOOL)
    big = Compare(CompareOp.GREATER, OBJECT_PLUS_ONE, Literal(6, INT))
    passes = compile_condition(Logic(LogicOp.AND, is_number, big), Scope(StringTable()))(object_rows([5, "x", 7]))
    assert np.broadcast_to(passes, 3).tolist() == [False, False, True]


def test_strings_convert_once_per_distinct_value_and_bad_text_is_null() -> None:
    strings = StringTable()
    ids = strings.intern_all(["12", "x", "12", "2147483648", "-3"])
    stamps = np.arange(5, dtype=np.int64)
    rows = Rows(5, ((make_column(STRING, ids, None),),), stamps, stamps)
    call = Call("convert", (AttributeRef(0, 0, "s", STRING), Literal("int", STRING)), INT)
    column = compile_column(call, Scope(strings))(rows)
    assert column.values.tolist() == [12, 0, 12, 0, -3]
    assert column.mask().tolist() == [True, False, True, False, True]


def test_uuids_derive_from_plan_sequence_and_ordinal() -> None:
    def texts(sequence: int) -> list[str]:
        strings = StringTable()
        scope = Scope(strings)
        scope.identity.begin("p", sequence)
        column = compile_column(Call("UUID", (), STRING), scope)(object_rows([1, 2]))
        return [strings.text(number) for number in column.values.tolist()]

    assert texts(1) == texts(1)
    assert len({*texts(1), *texts(2)}) == 4
