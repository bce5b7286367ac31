"""Rows that are only counted have the positions that they would have in a store."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.windows.row_count import RowCount
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


def batch(rows: int) -> EventBatch:
    return EventBatch(Schema(()), np.zeros(rows, dtype=np.int64), ())


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_what_came_and_did_not_leave_is_counted(steps: list[tuple[int, int]]) -> None:
    count = RowCount()
    held = 0
    for come, leave in steps:
        first = count.append(batch(come))
        assert first - count.start == held
        held += come
        gone = min(leave, held)
        count.drop(gone)
        held -= gone
        assert len(count) == held
        other = RowCount()
        other.restore(count.snapshot())
        assert len(other) == held
