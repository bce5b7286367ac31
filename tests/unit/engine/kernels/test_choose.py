from contextlib import nullcontext

import numpy as np
import pytest

from eiha.engine import jit
from eiha.engine.kernels.choose import choose


@pytest.mark.parametrize("mode", ["compiled", "interpreted"])
@pytest.mark.parametrize("dtype", jit.NUMBER_TYPES)
@pytest.mark.parametrize("rows", [0, 1, 15, 70])
def test_each_row_gets_the_value_that_its_condition_says(mode: str, dtype: str, rows: int) -> None:
    condition = np.arange(rows) % 3 == 1
    then, otherwise = np.arange(rows).astype(dtype), -np.arange(rows).astype(dtype)
    out = np.empty(rows, dtype=dtype)
    with jit.interpreted() if mode == "interpreted" else nullcontext():
        choose(condition, then, otherwise, out)
    assert out.tolist() == np.where(condition, then, otherwise).tolist()
