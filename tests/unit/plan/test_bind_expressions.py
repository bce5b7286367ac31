"""Functions, aggregators and operators as a plan's author meets them: one expression in a plan each."""

import pytest

from eiha.errors import PlanSemanticError, UnsupportedConstruct
from eiha.plan.aggregates import AGGREGATES
from eiha.plan.bind import bind
from eiha.plan.expressions import IsNull, Literal
from eiha.plan.functions import FUNCTIONS
from eiha.plan.nodes import Plan
from eiha.siddhiql.parser import parse

STREAM = "define stream S (i int, l long, f float, d double, s string, b bool, o object);\n"


def plan_of(expression: str) -> Plan:
    text = f"{STREAM}from S select {expression} as x insert into Out"
    return bind(parse(text), text)


def type_of(expression: str) -> str:
    return plan_of(expression).stream("Out").schema.attributes[0].type.value


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("i + l", "long"),
        ("i * f", "float"),
        ("f / d", "double"),
        ("i + s", "int"),
        ("1 sec", "long"),
        ("i > 1", "bool"),
        ("s is null", "bool"),
        ("cast(o, 'int')", "int"),
        ("convert(i, 'String')", "string"),
        ("convert(o, 'string')", "string"),
        ("coalesce(s, 'x')", "string"),
        ("ifThenElse(b, f, f)", "float"),
        ("default(d, 1.5)", "double"),
        ("maximum(l, 5L, l)", "long"),
        ("minimum(f)", "float"),
        ("currentTimeMillis()", "long"),
        ("eventTimestamp()", "long"),
        ("UUID()", "string"),
        ("createSet(s)", "object"),
        ("sizeOfSet(o)", "int"),
        ("instanceOfFloat(s)", "bool"),
        ("sum(i)", "long"),
        ("sum(l)", "long"),
        ("sum(f)", "double"),
        ("avg(i)", "double"),
        ("count()", "long"),
        ("count(o)", "long"),
        ("min(f)", "float"),
        ("max(i)", "int"),
        ("stdDev(l)", "double"),
        ("distinctCount(s)", "long"),
        ("max(i) + 1L", "long"),
        ("minForever(f)", "float"),
        ("maxForever(i)", "int"),
        ("and(b)", "bool"),
        ("or(b)", "bool"),
    ],
)
def test_expressions_have_siddhis_types(expression: str, type_: str) -> None:
    assert type_of(expression) == type_


@pytest.mark.parametrize(
    "expression",
    [
        "x1",
        "T.i",
        "s + s",
        "b + b",
        "o + o",
        "i < l < f",
        "not i",
        "i and b",
        "s > s",
        "i == s",
        "o == o",
        "twice(i)",
        "str:concat(s, i)",
        "SUM(i)",
        "cast(i)",
        "cast(i, s)",
        "convert(i, 'integer')",
        "convert(i, 'object')",
        "convert(o, 'int')",
        "coalesce(i, l)",
        "coalesce()",
        "ifThenElse(i, 1, 2)",
        "ifThenElse(b, 1, 1.5)",
        "ifThenElse(b, 1)",
        "default(i, i)",
        "default(i, 1L)",
        "maximum(i, l)",
        "maximum(s, s)",
        "currentTimeMillis(i)",
        "eventTimestamp(i)",
        "UUID(i)",
        "createSet(o)",
        "sizeOfSet(s)",
        "instanceOfInteger(i, i)",
        "sum(s)",
        "sum()",
        "sum(i, l)",
        "avg(b)",
        "count(i, l)",
        "count(*)",
        "distinctCount(b)",
        "and(i)",
        "unionSet(i)",
        "maxForever(i, l)",
    ],
)
def test_what_siddhi_refuses_is_refused_at_its_place(expression: str) -> None:
    with pytest.raises(PlanSemanticError) as caught:
        plan_of(expression)
    assert not isinstance(caught.value, UnsupportedConstruct)
    assert caught.value.line == 2
    assert "^" in caught.value.excerpt


def test_an_unknown_function_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(PlanSemanticError, match="did you mean 'coalesce'"):
        plan_of("coalesc(i, i)")


def test_arguments_that_do_not_fit_are_answered_with_the_valid_form() -> None:
    with pytest.raises(PlanSemanticError, match=r"valid: ifThenElse\(<bool>, <any>, <any>\)"):
        plan_of("ifThenElse(b, 1)")


def test_every_signature_is_listed_under_its_own_name() -> None:
    for table in (FUNCTIONS, AGGREGATES):
        assert all(signature.name == name for name, signature in table.items())


def test_time_literals_become_longs_in_milliseconds() -> None:
    projection = plan_of("2 min 1 sec").queries[0].selector.projections[0]
    assert isinstance(projection.expression, Literal)
    assert projection.expression.value == 121_000


def test_is_null_of_a_name_is_about_the_attribute() -> None:
    assert isinstance(plan_of("i is null").queries[0].selector.projections[0].expression, IsNull)
