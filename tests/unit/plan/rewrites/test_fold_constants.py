import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.bind import bind
from eiha.plan.expressions import Expression, Literal
from eiha.plan.rewrites.fold_constants import fold_constants
from eiha.siddhiql.parser import parse


def folded(expression: str) -> Expression:
    text = f"define stream S (i int, b bool, o object); from S select {expression} as x insert into Out"
    return fold_constants(bind(parse(text), text)).queries[0].selector.projections[0].expression


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("2147483647 + 1", -2147483648),
        ("-2147483648 / -1", -2147483648),
        ("9223372036854775807L + 1", -9223372036854775808),
        ("46341 * 46341", -2147479015),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("-7.5 % 2", -1.5),
        ("1 / 2.0", 0.5),
        ("16777217 + 0f", 16777216.0),
        ("0.1f + 0.2f", 0.30000001192092896),
        ("1e308 * 10", math.inf),
        ("0.1f == 0.1", False),
        ("16777217 == 16777216f", True),
        ("'a' == 'a'", True),
        ("1 < 2", True),
        ("2 <= 1L", False),
        ("true and not false", True),
        ("false and b", False),
        ("true or cast(o, 'bool')", True),
        ("ifThenElse(1 > 2, 'a', 'b')", "b"),
    ],
)
def test_constants_are_evaluated_in_javas_arithmetic(expression: str, value: object) -> None:
    result = folded(expression)
    assert isinstance(result, Literal)
    assert result.value == value
    assert type(result.value) is type(value)


@pytest.mark.parametrize(
    "expression",
    [
        "1 / 0",
        "1.5 / 0",
        "1.5 % 0",
        "1 + 'a'",
        "true and b",
        "b and false",
        "cast(o, 'bool') and false",
        "i + 1 - 1",
        "convert('1', 'int')",
        "UUID()",
    ],
)
def test_what_may_be_null_fail_or_differ_by_row_stays(expression: str) -> None:
    assert not isinstance(folded(expression), Literal)


def test_folding_keeps_the_type() -> None:
    assert folded("1 + 1L").type is AttributeType.LONG
    assert folded("1f + 1").type is AttributeType.FLOAT


numbers = st.one_of(
    st.sampled_from(
        ["0", "1", "-1", "2147483647", "-2147483648", "0L", "9223372036854775807L", "0.0", "-0.5f", "1e38f"]
    ),
    st.integers(-(2**31), 2**31 - 1).map(str),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: f"{value}L"),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda value: f"{value!r}f"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner)


arithmetic = st.recursive(numbers, compound, max_leaves=6)
conditions = st.builds("{} {} {}".format, arithmetic, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), arithmetic)


def evaluated(expression: Expression) -> object:
    with np.errstate(all="ignore"):
        column = compile_column(expression, Scope(StringTable()))(Rows(1, (), np.zeros(1), np.zeros(1)))
    return None if column.valid is not None and not column.valid[0] else column.values[0].item()


@settings(max_examples=300)
@given(arithmetic | conditions)
def test_folding_gives_what_the_engine_gives(expression: str) -> None:
    text = f"define stream S (i int); from S select {expression} as x insert into Out"
    plan = bind(parse(text), text)
    unfolded = evaluated(plan.queries[0].selector.projections[0].expression)
    after = evaluated(folded(expression))
    assert after == unfolded or (after != after and unfolded != unfolded), (unfolded, after)
