"""Limit and offset, row by row, against slices of each chunk."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.kernels.limits import rows_within


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=20).map(sorted),
    offset=st.integers(0, 4),
    limit=st.integers(0, 4),
)
def test_of_each_chunk_the_first_go_and_current_ones_behind_the_limit(
    rows: list[tuple[int, int]], offset: int, limit: int
) -> None:
    expected: list[int] = []
    for _, chunk in groupby(enumerate(rows), key=lambda each: each[1][0]):
        left = [(row, kind) for row, (_, kind) in chunk][offset:]
        expected += [row for place, (row, kind) in enumerate(left) if place < limit or kind == 1]
    chunks, kinds = np.array([chunk for chunk, _ in rows], np.int64), np.array([kind for _, kind in rows], np.uint8)
    out = np.empty(len(rows), dtype=np.int64)
    assert out[: rows_within(chunks, kinds, offset, limit, out)].tolist() == expected
