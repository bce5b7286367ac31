"""Conditions as programs against the same conditions looked at row by row, in Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.windows.compiled_expression import (
    CompiledExpressionBatchWindow,
    CompiledExpressionWindow,
    compiled_expression,
)
from eiha.engine.windows.expression import ExpressionBatchWindow, ExpressionWindow
from eiha.events.strings import StringTable
from eiha.plan.expressions import Expression
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import StreamScope
from eiha.plan.window_expressions import with_condition
from eiha.siddhiql.span import NO_SPAN
from tests.unit.engine.windows.row_by_row import SCHEMA, Call, as_rows, cut, run_operator
from tests.unit.engine.windows.test_window_laws import constant, few_names, names

CONDITIONS = (
    "count() < 3",
    "not (sum(stamp) >= 5000)",
    "eventTimestamp(last) - eventTimestamp(first) < 20",
    "max(stamp) - min(stamp) < 30 and first.name != name",
    "avg(price) / count() > 0.3 or price is null",
    "name == 'name7' or count() <= 2",
    "max(price) > min(price) or count() < 2",
    "avg(stamp) > first.stamp - 5",
    "stamp * 2 - first.stamp < last.stamp + 10",
    "avg(price) is null or sum(price * 2.0) < 7",
    "str:length(first.name) > 4 and count() < 5",
    "min(price) <= first.price and ifThenElse(price > 1.0, stamp, 5L) > 3 and count() * count() < 20",
)
NOT_COMPILED = ("(stamp + first.stamp) % 7 > 2", "currentTimeMillis() >= stamp", "sum(last.price) < 3.0")
REFUSALS = Refusals("")

Compiled = CompiledExpressionWindow | CompiledExpressionBatchWindow


def bound(name: str, *given: int | str | bool) -> tuple[Expression, ...]:
    return with_condition(
        name, [constant(each) for each in given], NO_SPAN, StreamScope("S", SCHEMA, REFUSALS), REFUSALS
    )


def compiled(name: str, arguments: tuple[Expression, ...], strings: StringTable) -> Compiled:
    window = compiled_expression(name, SCHEMA, arguments, strings)
    assert window is not None
    return window


@pytest.mark.parametrize("condition", CONDITIONS)
@given(calls=few_names(), flags=st.none() | st.tuples(st.booleans(), st.booleans()))
@settings(deadline=None, max_examples=8)
def test_a_program_says_what_the_condition_says(
    condition: str, calls: list[Call], flags: tuple[bool, bool] | None
) -> None:
    strings = names()
    oracle: ExpressionWindow | ExpressionBatchWindow
    if flags is None:
        name, arguments = "expression", bound("expression", condition)
        oracle = ExpressionWindow(SCHEMA, arguments[1:], strings, playback=True)
    else:
        name, arguments = "expressionBatch", bound("expressionBatch", condition, *flags)
        oracle = ExpressionBatchWindow(SCHEMA, arguments, strings, playback=True)
    with np.errstate(all="ignore"):
        window = compiled(name, arguments, strings)
        expected = run_operator(oracle, calls)
        assert run_operator(window, calls) == expected
        assert as_rows(window.content(), None) == as_rows(oracle.content(), None)

        def fresh() -> Compiled:
            return compiled(name, arguments, strings)

        assert run_operator(fresh(), cut(calls), fresh) == expected
        with jit.interpreted():
            assert run_operator(fresh(), calls) == expected


@pytest.mark.parametrize("condition", NOT_COMPILED)
def test_what_has_no_program_is_looked_at_row_by_row(condition: str) -> None:
    arguments = bound("expression", condition)
    assert compiled_expression("expression", SCHEMA, arguments, names()) is None


@pytest.mark.parametrize("condition", ["max(stamp) - min(stamp) < 700", "sum(stamp) >= 0 and count() < 900"])
def test_a_window_of_many_rows_slides_through_its_buffers(condition: str) -> None:
    strings = names()
    arguments = bound("expression", condition)
    window = compiled("expression", arguments, strings)
    oracle = ExpressionWindow(SCHEMA, arguments[1:], strings, playback=True)
    calls = [
        Call(1_000 + now, [[(now, (1, 0.5, now + now * 7919 % 64))] for now in range(now, now + 37)])
        for now in range(0, 5_000, 37)
    ]
    assert run_operator(window, calls) == run_operator(oracle, calls)
    assert len(window.content()) > 300
