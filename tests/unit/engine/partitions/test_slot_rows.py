from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.partitions.slot_rows import SlotChains, SlotColumn

batches = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=8), max_size=12)


@given(batches, st.integers(1, 3), st.integers(0, 12))
def test_each_instance_holds_its_latest_rows_in_slots_of_their_own(
    batches: list[list[int]], length: int, cut: int
) -> None:
    chains, names = SlotChains(), SlotColumn(np.int64)
    model: dict[int, deque[int]] = {}
    count = 0
    for place, keys in enumerate(batches):
        chains.reserve(max(keys) + 1)
        slid = chains.slide(np.array(keys), length)
        slots, ends = slid.slots, [0, *slid.ends.tolist()]
        names.reserve(chains.room)
        rows = np.arange(count, count + len(keys))
        names.values[slots] = rows
        count += len(keys)
        for key, row, (start, stop) in zip(keys, rows.tolist(), pairwise(ends), strict=True):
            held = model.setdefault(key, deque())
            gone = [held.popleft()] if len(held) == length else []
            assert names.values.take(slid.left[start:stop]).tolist() == gone
            held.append(row)
        chains.release(slid.left)
        order = chains.in_order()
        assert names.values.take(order).tolist() == [row for key in sorted(model) for row in model[key]]
        assert len(set(order.tolist())) == len(order)
        if place == cut:
            state, held_names = chains.snapshot(), names.snapshot(order)
            chains, names = SlotChains(), SlotColumn(np.int64)
            chains.restore(state)
            names.restore(held_names)


def test_slots_of_rows_that_left_are_used_again() -> None:
    chains = SlotChains()
    chains.reserve(2)
    for _ in range(1_000):
        chains.release(chains.slide(np.array([0, 1, 0]), 2).left)
    assert chains.room <= 64
