from typing import Any

import pytest

from eiha.errors import PlanSyntaxError
from eiha.events.schema import AttributeType
from eiha.siddhiql.expression_tree import (
    AttributeReference,
    BinaryOperation,
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
from eiha.siddhiql.parser import parse
from eiha.siddhiql.query_tree import Query


def parsed(text: str) -> Expression:
    query = parse(f"define stream S (a int);\nfrom S select {text} as x insert into Out").elements[0]
    assert isinstance(query, Query)
    assert query.selection is not None
    return query.selection.attributes[0].expression


def shape(node: Any) -> Any:
    """Names and operators only: ``a + b * c`` is ``('+', 'a', ('*', 'b', 'c'))``."""
    match node:
        case BinaryOperation(operator, left, right):
            return (operator.value, shape(left), shape(right))
        case NotOperation(operand):
            return ("not", shape(operand))
        case NullCheck(operand):
            return ("is null", shape(operand))
        case InTable(operand, table):
            return ("in", shape(operand), table)
        case AttributeReference(name):
            return name
        case FunctionCall(name, arguments):
            return (name, *(shape(argument) for argument in arguments))
        case Literal(value):
            return value
        case _:
            raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c", ("+", "a", ("*", "b", "c"))),
        ("a - b - c", ("-", ("-", "a", "b"), "c")),
        ("a < b == c", ("==", ("<", "a", "b"), "c")),
        ("a == b < c", ("==", "a", ("<", "b", "c"))),
        ("a or b and c", ("or", "a", ("and", "b", "c"))),
        ("a and b in T or c", ("or", ("and", "a", ("in", "b", "T")), "c")),
        ("a == b in T", ("in", ("==", "a", "b"), "T")),
        ("not a == b", ("==", ("not", "a"), "b")),
        ("not not a", ("not", ("not", "a"))),
        ("not a is null", ("not", ("is null", "a"))),
        ("a + b is null", ("+", "a", ("is null", "b"))),
        ("f(a) is null", ("is null", ("f", "a"))),
        ("(a + b) * c", ("*", ("+", "a", "b"), "c")),
        ("a -1", ("-", "a", 1)),
        ("a - -1", ("-", "a", -1)),
    ],
)
def test_operators_bind_as_in_siddhi(text: str, expected: Any) -> None:
    assert shape(parsed(text)) == expected


@pytest.mark.parametrize(
    "text", ["-a", "(a + b) is null", "a b", "a +", "f(a", "1 sec 2 min", "a[1]", "e1[last + 1].x"]
)
def test_what_siddhi_refuses_is_refused(text: str) -> None:
    with pytest.raises(PlanSyntaxError):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "value", "type_"),
    [
        ("2147483647", 2147483647, AttributeType.INT),
        ("-2147483648", -2147483648, AttributeType.INT),
        ("9223372036854775807L", 9223372036854775807, AttributeType.LONG),
        ("+3", 3, AttributeType.INT),
        ("0.1f", 0.10000000149011612, AttributeType.FLOAT),
        ("1e39f", float("inf"), AttributeType.FLOAT),
        ("3d", 3.0, AttributeType.DOUBLE),
        ("TRUE", True, AttributeType.BOOL),
    ],
)
def test_constants_have_their_value_and_type(text: str, value: Any, type_: AttributeType) -> None:
    assert parsed(text) == Literal(value, type_)


@pytest.mark.parametrize("text", ["2147483648", "-2147483649", "9223372036854775808L", "1" * 5000, "9" * 25 + " sec"])
def test_constants_that_do_not_fit_their_type_are_refused(text: str) -> None:
    with pytest.raises(PlanSyntaxError, match="does not fit"):
        parsed(text)


def test_a_time_is_summed_in_milliseconds() -> None:
    literal = parsed("1 year 2 month 3 week 4 day 5 hour 6 min 7 sec 8 millisec")
    assert isinstance(literal, TimeLiteral)
    days = 365 + 2 * 30 + 3 * 7 + 4
    assert literal.milliseconds == days * 86_400_000 + 5 * 3_600_000 + 6 * 60_000 + 7_008


def test_units_of_time_must_go_from_large_to_small() -> None:
    for text in ("5 sec 1 min", "5 sec 5 sec"):
        with pytest.raises(PlanSyntaxError, match="from large to small"):
            parsed(text)


def test_captured_events_are_read_by_index_and_from_the_last() -> None:
    assert parsed("e1[2].x") == AttributeReference("x", StreamReference("e1", EventIndex(2, False)))
    assert parsed("e1[last].x") == AttributeReference("x", StreamReference("e1", EventIndex(0, True)))
    assert parsed("e1[last - 3].x") == AttributeReference("x", StreamReference("e1", EventIndex(3, True)))
    assert parsed("e1[0] is null") == NullCheck(StreamReference("e1", EventIndex(0, False)))


def test_deep_nesting_and_endless_chains_are_refused_and_not_a_stack_overflow() -> None:
    for text in ("(" * 5000 + "a" + ")" * 5000, "not " * 5000 + "a", "f(" * 5000, "a" + " + a" * 5000):
        with pytest.raises(PlanSyntaxError, match="split it into several queries"):
            parsed(text)
    parsed("a" + " + a" * 200)
    parsed("(" * 50 + "a + 1" + ")" * 50)


def test_keywords_serve_as_names() -> None:
    assert shape(parsed("min(`from` + output)")) == ("min", ("+", "from", "output"))
