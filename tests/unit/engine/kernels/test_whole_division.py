from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.kernels.whole_division import factor_and_shift, quotients, remainders

EDGES = (-(2**31), -(2**31) + 1, -8, -7, -1, 0, 1, 6, 7, 8, 2**31 - 2, 2**31 - 1)
INTS = st.integers(-(2**31), 2**31 - 1)
DIVISORS = st.one_of(st.integers(1, 40), st.integers(1, 2**31 - 1), st.integers(0, 30).map(lambda bits: 2**bits + 1))


@pytest.mark.parametrize("mode", ["compiled", "interpreted"])
@given(divisor=DIVISORS, values=st.lists(INTS, max_size=20))
@example(divisor=1, values=[])
@example(divisor=4, values=[])
@example(divisor=2**31 - 1, values=[])
@example(divisor=2**30 + 1, values=[])
def test_quotients_and_remainders_are_those_of_java(mode: str, divisor: int, values: list[int]) -> None:
    multiples = [value // divisor * divisor for value in values]
    given_values = [each for each in (*EDGES, *values, *multiples) if each >= -(2**31)]
    array = np.array(given_values, dtype=np.int32)
    factor, shift = factor_and_shift(divisor)
    found, left = np.empty_like(array), np.empty_like(array)
    with jit.interpreted() if mode == "interpreted" else nullcontext():
        quotients(array, factor, shift, found)
        remainders(array, divisor, factor, shift, left)
    expected = [abs(each) // divisor * (1 if each >= 0 else -1) for each in given_values]
    assert found.tolist() == expected
    assert left.tolist() == [each - whole * divisor for each, whole in zip(given_values, expected, strict=True)]
