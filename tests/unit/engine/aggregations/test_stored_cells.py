from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from eiha.engine.aggregations.cells import CellLayout
from eiha.engine.aggregations.stored_cells import CellIndex, StoredCells

LAYOUT = CellLayout((True,), (), ())
cells = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-3, 6).map(lambda n: n * 1_000), st.integers(1, 9)), max_size=30
)
actions = st.lists(st.one_of(cells, st.integers(-3, 6).map(lambda n: n * 1_000)), max_size=8)


def longs(values: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, np.int64)


@settings(deadline=None)
@given(actions)
def test_cells_of_one_bucket_are_added_up_and_dropped_ones_come_back_empty(script: list[Any]) -> None:
    stored, plain = StoredCells(LAYOUT), Counter[tuple[int, int]]()
    for action in script:
        if isinstance(action, int):
            stored.drop_before(action)
            plain = Counter({key: count for key, count in plain.items() if key[0] >= action})
            continue
        counts = longs([count for _, _, count in action])
        fields = [counts, counts * 10, np.ones(len(action), np.bool_)]
        stored.add(longs([group for group, _, _ in action]), longs([start for _, start, _ in action]), fields)
        for group, start, count in action:
            plain[start, group] += count
    groups, starts, fields = stored.in_order()
    found = list(zip(zip(starts.tolist(), groups.tolist(), strict=True), fields[0].tolist(), strict=True))
    assert found == sorted(plain.items())
    assert fields[1].tolist() == [10 * count for _, count in found]
    between = stored.between(0, 3_000)
    assert set(zip(between[1].tolist(), between[0].tolist(), strict=True)) == {k for k in plain if 0 <= k[0] < 3_000}


def test_room_is_bounded_by_what_is_not_dropped() -> None:
    stored = StoredCells(LAYOUT)
    for turn in range(500):
        count = longs([1] * 10)
        stored.add(longs(list(range(10))), longs([turn * 1_000] * 10), [count, count, np.ones(10, np.bool_)])
        stored.drop_before((turn - 5) * 1_000)
    assert len(stored.groups()) == 60
    assert len(stored._groups) < 512


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(-(2**50), 2**50)), max_size=200))
def test_a_cell_has_one_number(pairs: list[tuple[int, int]]) -> None:
    index = CellIndex()
    numbers: dict[tuple[int, int], int] = {}
    expected = [numbers.setdefault(pair, len(numbers)) for pair in pairs]
    for start in range(0, len(pairs), 7):
        piece = pairs[start : start + 7]
        found = index.find(longs([group for group, _ in piece]), longs([at for _, at in piece]))
        assert found.tolist() == expected[start : start + 7]
    assert index.count == len(numbers)
