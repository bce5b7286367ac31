from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.expressions.java_text import INT_MAX, INT_MIN, floating_text, parse_double, parse_integer


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e7, "1.0E7"),
        (9999999.0, "9999999.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (-0.0, "-0.0"),
        (100.0, "100.0"),
        (123456.75, "123456.75"),
        (1.5e300, "1.5E300"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_doubles_are_written_as_in_java(value: float, text: str) -> None:
    assert floating_text(np.float64(value)) == text


def test_floats_have_as_many_digits_as_32_bits_need() -> None:
    assert floating_text(np.float32(0.1)) == "0.1"
    assert floating_text(np.float32(3.4e38)) == "3.4E38"


@given(st.floats(allow_nan=False))
def test_what_is_written_reads_back_as_the_same_double(value: float) -> None:
    assert parse_double(floating_text(np.float64(value))) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1f", 1.0),
        (" 2.5 ", 2.5),
        ("1e3", 1000.0),
        ("0x1p4", 16.0),
        ("1_0", None),
        ("", None),
        ("nan", None),
        ("+.5d", 0.5),
    ],
)
def test_doubles_are_read_as_in_java(text: str, value: float | None) -> None:
    assert parse_double(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("+5", 5), ("-2147483648", INT_MIN), ("2147483648", None), (" 1", None), ("1.0", None), ("", None)],
)
def test_ints_are_read_as_in_java(text: str, value: int | None) -> None:
    assert parse_integer(text, INT_MIN, INT_MAX) == value
