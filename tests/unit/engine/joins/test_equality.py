from __future__ import annotations

import numpy as np
import pytest

from eiha.engine.joins.equality import equality_of, words_of
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.plan.compilation import compile_plan
from eiha.plan.expressions import Expression
from eiha.plan.nodes import JoinInput
from eiha.plan.plan_text import expression_text


def condition(on: str) -> Expression:
    plan = compile_plan(
        "define stream L (k string, v int, w double, f float, o object); "
        "define stream R (k string, n long, w double, f float, o object);"
        f"from L#window.length(1) as x join R#window.length(1) as y on {on} select x.v insert into Out;",
        name="p",
    )
    source = plan.queries[0].input
    assert isinstance(source, JoinInput)
    assert source.on is not None
    return source.on


@pytest.mark.parametrize(
    ("on", "keys", "rest"),
    [
        ("x.k == y.k", "k=k", None),
        ("y.k == x.k", "k=k", None),
        ("x.v == y.n", "v=n", None),
        ("x.k == y.k and x.v > 1", "k=k", "($0.v > 1)"),
        ("x.v > 1 and (x.k == y.k and y.n < 3L)", "k=k", "(($0.v > 1) and ($1.n < 3L))"),
        ("x.k == y.k and x.w == y.w", "k=k w=w", "(($0.k == $1.k) and ($0.w == $1.w))"),
        ("x.k == y.k or x.v > 1", "", "(($0.k == $1.k) or ($0.v > 1))"),
        ("x.w == y.f", "", "($0.w == $1.f)"),
        ("x.k == x.k", "", "($0.k == $0.k)"),
        ("x.v + 1 == y.n", "", "(($0.v + 1):int == $1.n)"),
        ("x.k != y.k", "", "($0.k != $1.k)"),
        ("true", "", None),
    ],
)
def test_equal_attributes_of_the_two_sides_are_told_from_the_rest(on: str, keys: str, rest: str | None) -> None:
    equality = equality_of(condition(on))
    found = " ".join(f"{left.name}={right.name}" for left, right in zip(*equality.keys, strict=True))
    assert found == keys
    assert (None if equality.rest is None else expression_text(equality.rest)) == rest


def test_a_condition_that_may_fail_is_evaluated_on_every_pair() -> None:
    equality = equality_of(condition("x.k == y.k and x.v + x.o > 1"))
    assert not equality.is_keyed
    assert equality.rest is not None


def doubles(*values: float) -> Column:
    return make_column(AttributeType.DOUBLE, np.array(values, dtype=np.float64), None)


def test_words_are_equal_exactly_where_values_are() -> None:
    words, linkable = words_of([doubles(0.0, -0.0, 1.5, float("nan"))])
    assert words[0] == words[1] != words[2]
    assert linkable is not None
    assert linkable.tolist() == [True, True, True, False]


def test_nulls_equal_nothing() -> None:
    column = make_column(AttributeType.INT, np.array([1, 2], dtype=np.int32), np.array([True, False]))
    assert words_of([column])[1].tolist() == [True, False]  # type: ignore[union-attr]
    both = words_of([column, doubles(float("nan"), 1.0)])[1]
    assert both is not None
    assert both.tolist() == [False, False]


def test_an_int_and_a_long_of_the_same_value_have_one_word() -> None:
    ints = make_column(AttributeType.INT, np.array([-5, 7], dtype=np.int32), None)
    longs = make_column(AttributeType.LONG, np.array([-5, 7], dtype=np.int64), None)
    assert words_of([ints])[0].tolist() == words_of([longs])[0].tolist()
    assert words_of([ints, ints])[0].tolist() == words_of([longs, longs])[0].tolist()
