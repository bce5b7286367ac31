"""What compares sums and differences of several events says the same as columns do, at the edges of each type, too."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from eiha import Plan
from eiha.engine import jit
from eiha.engine.kernels.double_bits import bits_of, double_of
from eiha.engine.patterns import factory

DEFINITIONS = "@app:playback define stream S (i int, l long, f float, d double, s string);\n"
MIN_INT, MIN_LONG = -(2**31), -(2**63)
VALUES = {
    "i": (MIN_INT, -7, -1, 0, 2, 7, 2**31 - 1, None),
    "l": (MIN_LONG, -(2**53) - 1, -1, 0, 3, 2**53 + 1, 2**63 - 1, None),
    "f": (-3.4e38, -0.1, -0.0, 0.0, 0.1, 16777216.0, 3.4e38, None),
    "d": (-1.7e308, -0.1, -0.0, 0.0, 0.1, 1e-300, 1.7e308, None),
}
CONDITIONS = (
    "{0} - e1.{1} > 0",
    "{0} + e1.{1} == e1.{1} + {0} * 2",
    "{0} * e1.{1} >= {1}",
    "{0} / e1.{1} <= 1",
    "not ({0} - e1.{1} == {1})",
    "e1.{0} - {1} != {0} - e1.{1}",
    "({0} - e1.{0}) * 2 < {1} / (e1.{1} - {1})",
)
WHOLE = ("{0} % e1.{1} == {1} % e1.{0}", "{0} % e1.{1} != 0")


def found(condition: str, rows: list[tuple[object, ...]], *, compiled: bool) -> list[tuple[object, ...]]:
    """Of all pairs of neighbours, those that hold; each row stands beside each."""
    text = f"{DEFINITIONS} from every e1=S -> e2=S[{condition}] within 1 milliseconds select e1.i as a, e2.i as b"
    text += ", e1.l as c, e2.l as d insert into Out;"
    if compiled:
        plan = Plan(text)
    else:
        with patch.object(factory, "step_program", lambda _program, _scope: None):
            plan = Plan(text)
    paired = [each for left in rows for right in rows for each in (left, right)]
    times = np.repeat(np.arange(len(paired) // 2, dtype=np.int64) * 10 + 1_000, 2)
    out = plan.send("S", paired, timestamps=times)
    return out["Out"].rows() if out else []


def some_rows() -> list[tuple[object, ...]]:
    return [(*each, "x") for each in zip(*VALUES.values(), strict=True)]


@pytest.mark.parametrize(("left", "right"), [("i", "i"), ("i", "l"), ("l", "l"), ("f", "i"), ("f", "l"), ("d", "f")])
def test_values_of_each_type_are_reckoned_with_as_columns_are(left: str, right: str) -> None:
    rows = some_rows()
    for text in (*CONDITIONS, *(WHOLE if {left, right} <= {"i", "l"} else ())):
        condition = text.format(left, right)
        expectation = found(condition, rows, compiled=False)
        assert found(condition, rows, compiled=True) == expectation, condition
        with jit.interpreted():
            assert found(condition, rows[1:4], compiled=True) == found(condition, rows[1:4], compiled=False)


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -1e308, float("inf")])
def test_a_double_comes_back_from_its_bits(value: float) -> None:
    assert np.float64(value).view(np.int64) == bits_of(value)
    assert np.signbit(double_of(bits_of(value))) == np.signbit(value)
    assert double_of(bits_of(value)) == value
