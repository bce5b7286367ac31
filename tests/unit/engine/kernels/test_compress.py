from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.kernels.compress import LANES, compress, keep_lanes, kept_multiples

MASKS = st.one_of(
    st.lists(st.booleans(), max_size=70),
    st.tuples(st.booleans(), st.integers(0, 70)).map(lambda same: [same[0]] * same[1]),
)


@pytest.mark.parametrize("mode", ["compiled", "interpreted"])
@pytest.mark.parametrize("dtype", jit.NUMBER_TYPES)
@given(mask=MASKS)
def test_kept_values_stand_one_after_the_other_and_nothing_is_written_behind_the_one_more(
    mode: str, dtype: str, mask: list[bool]
) -> None:
    passes = np.array(mask, dtype=np.bool_)
    values = np.arange(len(mask)).astype(dtype) * 3 + 1
    values.flags.writeable = False
    count = int(passes.sum())
    out = np.full(count + 3, 77, dtype=dtype)
    with jit.interpreted() if mode == "interpreted" else nullcontext():
        assert compress(passes, values, out) == count
    assert out[:count].tolist() == values[passes].tolist()
    assert out[count + 1 :].tolist() == [77, 77]


@given(mask=MASKS)
def test_multiples_are_numbers_of_kept_rows(mask: list[bool]) -> None:
    passes = np.array(mask, dtype=np.bool_)
    count = int(passes.sum())
    out = np.zeros(count + 1, dtype=np.int64)
    assert kept_multiples(passes, 1024, out) == count
    assert out[:count].tolist() == (np.flatnonzero(passes) * 1024).tolist()


@given(mask=st.lists(st.booleans(), min_size=LANES, max_size=LANES), before=st.integers(0, 5))
def test_the_function_that_stands_for_compressing_stores_does_the_same(mask: list[bool], before: int) -> None:
    passes = np.array(mask, dtype=np.bool_)
    values = np.arange(LANES, dtype=np.int32)
    out = np.full(LANES + before + 1, -1, dtype=np.int32)
    count = keep_lanes(passes, values, 0, out, before)
    assert out[before:count].tolist() == values[passes].tolist()
    assert out[:before].tolist() == [-1] * before
