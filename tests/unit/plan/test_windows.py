"""Windows are bound with their arguments, or refused with what would have been valid."""

from __future__ import annotations

import pytest

from eiha.errors import PlanError, PlanSemanticError, UnsupportedConstruct
from eiha.plan.compilation import compile_plan
from eiha.plan.expressions import Compare, Literal
from eiha.plan.nodes import StreamInput, Window

STREAM = "define stream S (k string, v int, ts long, d double, b bool);\n"


def window(text: str) -> Window:
    plan = compile_plan(f"{STREAM}from S{text} select k insert into O;", name="windows")
    source = plan.queries[0].input
    assert isinstance(source, StreamInput)
    bound = source.handlers[0]
    assert isinstance(bound, Window)
    return bound


@pytest.mark.parametrize(
    "text",
    [
        "#window.externalTimeBatch(ts, 1 sec)",
        "#window.externalTimeBatch(ts, 1 sec, 0, 3 sec, true)",
        "#window.externalTimeBatch(ts, 1 sec, ts)",
        "#window.session(5 sec)",
        "#window.session(5 sec, k, 1 sec)",
        "#window.sort(3, v)",
        "#window.sort(3, v, 'DESC', k)",
        "#window.sort(3, v, 'desc', k, 'asc', d)",
        "#window.frequent(3)",
        "#window.lossyFrequent(0.1)",
        "#window.lossyFrequent(0.1, 0.01, k)",
        "#window.cron('0 0 9 ? * MON-FRI')",
        "#window.hopping(10 sec, 2 sec)",
        "#window.unique:length(k, 3)",
        "#window.unique:ever(k, v)",
        "#window.unique:timeLengthBatch(k, 1 sec, 0, 10)",
        "#window.unique:externalTimeBatch(k, ts, 1 sec, 0, 3 sec, true)",
        "#window.expressionBatch('b', b)",
        "#unique:deduplicate(k, 1 sec)",
        "#reorder:kslack(ts, 1000L, 5000L, true)",
    ],
)
def test_a_window_is_bound(text: str) -> None:
    assert window(text).name == text.removeprefix("#window.").removeprefix("#").partition("(")[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#window.externalTimeBatch(v, 1 sec)", "the timestamp cannot be int"),
        ("#window.externalTimeBatch(ts, 0)", "the time must be above 0, not 0"),
        ("#window.externalTimeBatch(ts, 1 sec, v)", "the start time cannot be int, if it is an attribute"),
        ("#window.session(5)", "the session gap cannot be int"),
        ("#window.session(5 sec, k, 6 sec)", "the allowed latency must not be above the session gap, 5000 ms"),
        ("#window.sort(3)", "it does not take 1 arguments"),
        ("#window.sort(3, b)", "the attribute to sort by cannot be bool"),
        ("#window.sort(3, v, 'up')", "the order must be 'asc' or 'desc', not 'up'"),
        ("#window.sort(3, v, 'asc', 'asc')", "an order follows an attribute"),
        ("#window.sort(3, v, d)", "the order must be a constant"),
        ("#window.frequent(2, 'k')", "the attribute must be an attribute"),
        ("#window.lossyFrequent(1, 0.1)", "the support threshold cannot be int"),
        ("#window.cron('* * * * * *')", "exactly one of day of month and day of week must be '?'"),
        ("#window.batch(-1)", "the length must not be below 0"),
        ("#window.hopping(10 sec, 0)", "the hop must be above 0"),
        ("#window.unique:lenght(k, 3)", "there is no window 'unique:lenght'; did you mean 'unique:length'?"),
        ("#window.unique:deduplicate(k, 3)", "there is no window 'unique:deduplicate'"),
        ("#window.expression('v')", "the expression of a window must be bool, not int"),
        ("#window.expression('count() <')", "window expression: in 'count() <': "),
        ("#window.expression('nosuch > 2')", "'S' has no attribute 'nosuch'"),
        ("#reorder:kslack(v)", "the timestamp cannot be int"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(text: str, problem: str) -> None:
    with pytest.raises(PlanSemanticError) as caught:
        window(text)
    assert problem in caught.value.message
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("#window.expression(k)", "window.expression.dynamic"),
        ("#window.expression('stdDev(v) < 2.0')", "window.expression.stdDev"),
        ("#reorder:akslack(ts, v)", "streamProcessor.reorder:akslack"),
    ],
)
def test_what_does_not_run_is_named(text: str, construct: str) -> None:
    with pytest.raises(UnsupportedConstruct) as caught:
        window(text)
    assert caught.value.construct == construct


def test_the_condition_of_an_expression_window_follows_its_arguments() -> None:
    bound = window("#window.expressionBatch('count() < 3 and last.v > first.v')")
    text, includes, streams, condition, count = bound.arguments
    assert [each.value for each in (text, includes, streams) if isinstance(each, Literal)][1:] == [False, False]
    assert condition.type.value == "bool"
    assert count.type.value == "long"


def test_a_constant_condition_is_folded() -> None:
    condition = window("#window.expression('1 < 2')").arguments[1]
    assert isinstance(condition, Literal | Compare)


def test_errors_name_the_place_in_the_plan() -> None:
    with pytest.raises(PlanError, match=r"line 2, column 14"):
        window("#window.session(5)")
