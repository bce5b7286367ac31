"""Windows without a row-by-row twin: alike in both modes, whole and in pieces, carried from one to another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.windows.factory import make_window
from eiha.engine.windows.findable import FindableWindow
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.nodes import Window
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import StreamScope
from eiha.plan.window_expressions import EXPRESSION_WINDOWS, with_condition
from eiha.plan.windows import check_arguments
from eiha.siddhiql.span import NO_SPAN
from tests.unit.engine.windows.row_by_row import SCHEMA, Call, as_rows, cut, run_operator, scripts

NAME = AttributeRef(0, 0, "name", AttributeType.STRING)
PRICE = AttributeRef(0, 1, "price", AttributeType.DOUBLE)
STAMP = AttributeRef(0, 2, "stamp", AttributeType.LONG)


def constant(value: int | float | str | bool) -> Literal:
    match value:
        case bool():
            return Literal(value, AttributeType.BOOL)
        case int():
            return Literal(value, AttributeType.INT)
        case float():
            return Literal(value, AttributeType.DOUBLE)
        case _:
            return Literal(value, AttributeType.STRING)


def time(milliseconds: int) -> Literal:
    return Literal(milliseconds, AttributeType.LONG)


CASES: dict[str, tuple[str, tuple[Expression, ...]]] = {
    "sort by one": ("sort", (constant(3), STAMP)),
    "sort by two": ("sort", (constant(4), PRICE, constant("desc"), NAME, constant("asc"))),
    "sort nothing": ("sort", (constant(0), NAME)),
    "frequent rows": ("frequent", (constant(3),)),
    "frequent names": ("frequent", (constant(2), NAME)),
    "lossyFrequent": ("lossyFrequent", (constant(0.3), constant(0.2), NAME)),
    "session": ("session", (time(10),)),
    "session by name": ("session", (time(12), NAME)),
    "session with latency": ("session", (time(12), NAME, time(5))),
    "externalTimeBatch": ("externalTimeBatch", (STAMP, constant(10))),
    "externalTimeBatch from 3": ("externalTimeBatch", (STAMP, constant(30), constant(3))),
    "externalTimeBatch from a row": ("externalTimeBatch", (STAMP, constant(30), STAMP)),
    "externalTimeBatch with timeout": ("externalTimeBatch", (STAMP, constant(30), constant(0), constant(12))),
    "externalTimeBatch that replaces": (
        "externalTimeBatch",
        (STAMP, constant(20), constant(0), constant(15), constant(True)),
    ),
    "expression of a count": ("expression", (constant("count() <= 3"),)),
    "expression of a sum": ("expression", (constant("not (sum(price) >= 3.0)"),)),
    "expression of times": ("expression", (constant("eventTimestamp(last) - eventTimestamp(first) < 20"),)),
    "expression of an extreme": ("expression", (constant("max(stamp) - min(stamp) < 30 and first.name != name"),)),
    "expression of a quotient": ("expression", (constant("avg(price) / count() > 0.3 or price is null"),)),
    "expression row by row": ("expression", (constant("(stamp + first.stamp) % 7 > 2 and sum(price) < 3.0"),)),
    "expressionBatch": ("expressionBatch", (constant("count() <= 3"),)),
    "expressionBatch row by row": ("expressionBatch", (constant("(stamp + first.stamp) % 7 > 2 or max(price) > 1.0"),)),
    "expressionBatch that includes": ("expressionBatch", (constant("last.name == first.name"), constant(True))),
    "expressionBatch that streams": ("expressionBatch", (constant("count() < 3"), constant(False), constant(True))),
    "expressionBatch of both": ("expressionBatch", (constant("count() < 3"), constant(True), constant(True))),
    "reorder:kslack": ("reorder:kslack", (STAMP,)),
    "reorder:kslack with all": ("reorder:kslack", (STAMP, time(25), time(20), constant(True))),
    "unique:deduplicate": ("unique:deduplicate", (NAME, constant(20))),
    "hopping": ("hopping", (constant(30), constant(11))),
    "unique:first": ("unique:first", (NAME,)),
    "unique:ever": ("unique:ever", (NAME, PRICE)),
    "unique:length": ("unique:length", (NAME, constant(3))),
    "unique:length 0": ("unique:length", (NAME, constant(0))),
    "unique:time": ("unique:time", (NAME, constant(30))),
    "unique:lengthBatch": ("unique:lengthBatch", (NAME, constant(3))),
    "unique:firstLengthBatch": ("unique:firstLengthBatch", (NAME, constant(2))),
    "unique:timeBatch": ("unique:timeBatch", (PRICE, constant(20))),
    "unique:firstTimeBatch": ("unique:firstTimeBatch", (NAME, constant(20), constant(3))),
    "unique:timeLengthBatch": ("unique:timeLengthBatch", (NAME, constant(30), constant(3))),
    "unique:externalTimeBatch": (
        "unique:externalTimeBatch",
        (NAME, STAMP, constant(30), constant(0), constant(12), constant(True)),
    ),
    "unique:externalTimeBatch without timeout": ("unique:externalTimeBatch", (NAME, STAMP, constant(30))),
    "cron": ("cron", (constant("*/1 * * * * ?"),)),
}


REFUSALS = Refusals("")


def names() -> StringTable:
    return StringTable(f"name{number * 7 % 100}" for number in range(100))


def make(case: str, playback: bool, strings: StringTable) -> FindableWindow:
    name, arguments = CASES[case]
    check_arguments(name, arguments)
    if name in EXPRESSION_WINDOWS:
        arguments = with_condition(name, arguments, NO_SPAN, StreamScope("S", SCHEMA, REFUSALS), REFUSALS)
    return make_window(Window(name, arguments), SCHEMA, playback, strings=strings)


@st.composite
def few_names(draw: st.DrawFn) -> list[Call]:
    """Scripts whose rows have one of few names, so that some are equal; sometimes none."""
    calls = draw(scripts(caused=False))
    for call in calls:
        call.chunks = [
            [(ts, (draw(st.sampled_from([None, 1, 2, 3, 4, 5])), price, stamp)) for ts, (_, price, stamp) in chunk]
            for chunk in call.chunks
        ]
    return calls


@pytest.mark.parametrize("case", CASES)
@given(calls=few_names(), playback=st.booleans())
@settings(deadline=None, max_examples=15)
def test_neither_cuts_nor_a_carried_state_nor_the_mode_change_what_comes_out(
    case: str, playback: bool, calls: list[Call]
) -> None:
    window = make(case, playback, names())
    whole = run_operator(window, calls)
    pieces, strings = cut(calls), names()
    assert run_operator(make(case, playback, names()), pieces) == whole
    assert run_operator(make(case, playback, strings), pieces, lambda: make(case, playback, strings)) == whole
    with jit.interpreted():
        interpreted = make(case, playback, names())
        assert run_operator(interpreted, calls) == whole
        assert as_rows(interpreted.content(), None) == as_rows(window.content(), None)


@pytest.mark.parametrize("case", CASES)
@given(calls=few_names())
@settings(deadline=None, max_examples=10)
def test_a_state_taken_over_is_the_state(case: str, calls: list[Call]) -> None:
    strings = names()
    window, other = make(case, True, strings), make(case, True, strings)
    run_operator(window, calls)
    other.restore(window.snapshot())
    assert repr(other.snapshot()) == repr(window.snapshot())
    assert as_rows(other.content(), None) == as_rows(window.content(), None)
