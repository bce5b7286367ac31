"""Rows between resets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.kernels.without_resets import rows_between_resets


@given(kinds=st.lists(st.sampled_from((0, 1, 3)), max_size=20), epoch=st.integers(0, 9))
def test_each_row_knows_how_many_resets_came_before_it(kinds: list[int], epoch: int) -> None:
    rows, epochs = np.empty(len(kinds), dtype=np.int64), np.empty(len(kinds), dtype=np.int64)
    count, last = rows_between_resets(np.array(kinds, dtype=np.uint8), epoch, rows, epochs)
    kept = [row for row, kind in enumerate(kinds) if kind != 3]
    assert rows[:count].tolist() == kept
    assert epochs[:count].tolist() == [epoch + kinds[:row].count(3) for row in kept]
    assert last == epoch + kinds.count(3)
