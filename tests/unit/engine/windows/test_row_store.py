"""Rows as columns, held in order."""

from __future__ import annotations

import numpy as np

from eiha.engine.snapshot import encode_state
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema

SCHEMA = Schema((Attribute("n", AttributeType.INT),))


def rows(*values: int | None) -> EventBatch:
    valid = np.array([value is not None for value in values])
    column = Column(AttributeType.INT, np.array([value or 0 for value in values], dtype=np.int32), valid)
    return EventBatch(SCHEMA, np.arange(len(values), dtype=np.int64), (column,))


def test_a_null_that_left_does_not_show_in_the_state() -> None:
    before, after = RowStore(SCHEMA), RowStore(SCHEMA)
    before.append(rows(None, 1))
    before.drop(1)
    after.restore(before.snapshot())
    assert encode_state(before.snapshot()) == encode_state(after.snapshot())
    assert before.snapshot()["columns"][0]["valid"] is None


def test_rows_stay_the_same_ones_however_often_buffers_are_moved() -> None:
    store, held = RowStore(SCHEMA), 0
    for first in range(0, 60_000, 1_000):
        store.append(rows(*(None if number % 7 == 0 else number for number in range(first, first + 1_000))))
        held = min(held + 1_000, 5_000)
        store.drop(len(store) - held)
        (column,) = store.rows(store.start, store.stop).columns
        expected = range(first + 1_000 - held, first + 1_000)
        assert column.values.tolist() == [0 if number % 7 == 0 else number for number in expected]
        assert column.mask().tolist() == [number % 7 != 0 for number in expected]
    assert store.capacity <= 8 * 6_000
