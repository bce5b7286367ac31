import math

import pytest
from eiha.events.schema import AttributeType
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
