"""Functions in Python within a plan."""

from __future__ import annotations

from typing import Any

import pytest

from eiha.errors import PlanSemanticError, UnsupportedConstruct
from eiha.plan.compilation import compile_plan
from eiha.plan.digest import digest
from tests.unit.engine.plan_rows import as_batch, faults_of, one_by_one

STREAM = "define stream S (a int, t string, d double);\n"


def values_of(text: str, rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    found = [values for _, values in one_by_one(text, rows)]
    assert [values for _, values in as_batch(text, rows)] == found
    return found


@pytest.mark.parametrize(
    "body",
    [
        " return data[1] * data[0] ",
        "\n    a, t = data\n    if a is None:\n        return None\n    return t * a\n",
        "a, t = data\n  return t * a\n",
        "\n  import math\n  sizes = {'k': {'n': 1}}\n  return data[1] * math.floor(data[0] * sizes['k']['n'])\n",
    ],
)
def test_a_body_sees_its_arguments_as_data_and_returns(body: str) -> None:
    text = f"define function f[python] return string {{{body}}};\n{STREAM}from S select f(a, t) as v insert into Out;"
    assert values_of(text, [(2, "ab", 0.0), (3, "c", 0.0)]) == [["abab"], ["ccc"]]


def test_nulls_come_as_none_and_none_is_null() -> None:
    text = (
        "define function f[python] return int { return 0 if data[0] is None else None };\n"
        f"{STREAM}from S select f(a) as v insert into Out;"
    )
    assert values_of(text, [(None, "", 0.0), (1, "", 0.0)]) == [[0], [None]]


def test_what_it_raises_drops_the_event() -> None:
    text = (
        f"define function f[python] return int {{\n  return 6 // data[0]\n}};\n{STREAM}"
        "from S select f(a) as v insert into Out;"
    )
    rows = [(2, "", 0.0), (0, "", 0.0), (3, "", 0.0)]
    assert values_of(text, rows) == [[3], [2]]
    (fault,) = faults_of(text, rows)
    assert "function 'f' failed: ZeroDivisionError" in fault


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("\n  x = (\n  return 1\n", 2, "no Python"),
        ("\n  x = 1\n  import random\n  return 1\n", 3, "module 'random' cannot be used: both nodes"),
        ("\n  return hash('x')\n", 2, "hash cannot be used"),
        ("\n  x = 1\n", 2, "never returns a value"),
        ("\n  global n\n  n = 1\n  return n\n", 2, "keeps nothing"),
        ("\n  return data.__class__\n", 2, "__class__ cannot be used"),
    ],
)
def test_a_body_that_cannot_be_is_refused_at_its_line(body: str, line: int, words: str) -> None:
    text = f"define function f[python] return int {{{body}}};\n{STREAM}from S select f(a) as v insert into Out;"
    with pytest.raises(PlanSemanticError) as caught:
        compile_plan(text)
    assert words in str(caught.value)
    assert caught.value.line == line


def test_other_languages_are_named() -> None:
    with pytest.raises(UnsupportedConstruct) as caught:
        compile_plan(
            f"define function f[javascript] return int {{ return 1; }};\n{STREAM}from S select a insert into O;"
        )
    assert caught.value.construct == "function.javascript"


def test_plans_with_other_bodies_are_other_plans() -> None:
    def plan(body: str) -> str:
        text = (
            f"define function f[python] return int {{ return {body} }};\n{STREAM}from S select f(a) as v insert into O;"
        )
        return digest(compile_plan(text))

    assert plan("1") != plan("2")
    assert plan("1") == plan("1")
