"""Loops that add rows to cells."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.aggregations.merging import add_double_sums, add_events, add_ones

_SLOTS = 5
_ROWS = st.lists(st.tuples(st.integers(0, _SLOTS - 1), st.floats(-1e6, 1e6), st.booleans()), max_size=40)


@given(_ROWS)
def test_events_are_counted_and_summed_in_one_pass_as_in_two(rows: list[tuple[int, float, bool]]) -> None:
    slots = np.array([slot for slot, _, _ in rows], np.int64)
    values = np.array([value for _, value, _ in rows], np.float64)
    known = np.array([is_known for _, _, is_known in rows], np.bool_)
    counts, sums, has_sum = np.zeros(_SLOTS, np.int64), np.zeros(_SLOTS), np.zeros(_SLOTS, np.bool_)
    add_events(slots, values, known, counts, sums, has_sum)
    counts_apart, sums_apart, has_sum_apart = np.zeros(_SLOTS, np.int64), np.zeros(_SLOTS), np.zeros(_SLOTS, np.bool_)
    add_ones(slots, counts_apart)
    add_double_sums(slots, values, known, sums_apart, has_sum_apart)
    assert counts.tolist() == counts_apart.tolist()
    assert sums.tobytes() == sums_apart.tobytes()
    assert has_sum.tolist() == has_sum_apart.tolist()
