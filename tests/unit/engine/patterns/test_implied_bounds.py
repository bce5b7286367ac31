"""Bounds on the arriving event that follow from captured ones: never more than the condition says."""

from __future__ import annotations

import pytest

from eiha.engine.patterns.implied_bounds import implied_bounds
from eiha.plan.compilation import compile_plan
from eiha.plan.expressions import CompareOp, Literal
from eiha.plan.nodes import PatternInput

STREAM = "define stream S (k string, x double, y double, n int); "


@pytest.mark.parametrize(
    ("first", "second", "bounds"),
    [
        ("x > 5.0", "x > e1.x", [(CompareOp.GREATER, 5.0)]),
        ("x > 5.0", "x >= e1.x", [(CompareOp.GREATER, 5.0)]),
        ("x >= 5.0", "e1.x <= x", [(CompareOp.GREATER_EQUAL, 5.0)]),
        ("5.0 > x", "y < e1.x", [(CompareOp.LESS, 5.0)]),
        ("x == 5.0", "x > e1.x", [(CompareOp.GREATER, 5.0)]),
        ("x > 5.0 and y < 2.0", "x == e1.x and y == e1.y", [(CompareOp.GREATER, 5.0), (CompareOp.LESS, 2.0)]),
        ("k == 'a'", "k == e1.k", [(CompareOp.EQUAL, "a")]),
        ("x > 5.0", "x < e1.x", []),
        ("x != 5.0", "x == e1.x", []),
        ("x > 5.0", "x != e1.x", []),
        ("x > 5.0", "x > e1.x or n > 1", []),
        ("n > 5", "x > e1.n", []),
        ("x > 5.0 or n > 1", "x > e1.x", []),
    ],
)
def test_what_a_captured_event_says_of_the_arriving_one(
    first: str, second: str, bounds: list[tuple[CompareOp, object]]
) -> None:
    plan = compile_plan(f"{STREAM}from every e1=S[{first}] -> e2=S[{second}] select e1.n as a insert into O;", name="p")
    source = plan.queries[0].input
    assert isinstance(source, PatternInput)
    found = [(each.op, each.right.value) for each in implied_bounds(source.steps, 1) if isinstance(each.right, Literal)]
    assert found == bounds
