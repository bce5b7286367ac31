from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.operators.ordering import ordered, within_limits
from eiha.events.batch import Kind
from eiha.events.column import make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import OutputRef
from eiha.plan.nodes import OrderKey

rows_strategy = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.one_of(st.none(), st.sampled_from(["b", "a", "ab", ""]))),
    max_size=15,
)


@given(rows_strategy, st.booleans())
def test_rows_are_sorted_within_runs_of_one_chunk_and_kind_nulls_last(
    rows: list[tuple[int, bool, str | None]], descending: bool
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    strings = StringTable(["zz"])
    ids = np.array([0 if row[2] is None else strings.intern(row[2]) for row in rows], dtype=np.int32)
    present = np.array([row[2] is not None for row in rows], dtype=np.bool_)
    column = make_column(AttributeType.STRING, ids, present if rows else None)
    key = OrderKey(OutputRef(0, "s", AttributeType.STRING), descending)
    chunks = np.array([row[0] for row in rows], dtype=np.int64)
    kinds = np.array([int(row[1]) for row in rows], dtype=np.uint8)
    if not rows:
        return
    order = ordered((key,), (column,), chunks, kinds, strings).tolist()
    expected: list[int] = []
    start = 0
    for stop in range(1, len(rows) + 1):
        if stop == len(rows) or rows[stop][:2] != rows[start][:2]:
            run = range(start, stop)
            known = sorted((i for i in run if rows[i][2] is not None), key=lambda i: rows[i][2] or "")
            if descending:
                known = sorted((i for i in run if rows[i][2] is not None), key=lambda i: rows[i][2] or "", reverse=True)
            expected += known + [i for i in run if rows[i][2] is None]
            start = stop
    assert order == expected


def test_offset_drops_either_kind_and_limit_counts_both_but_drops_current_ones() -> None:
    chunks = np.array([0, 0, 0, 0, 5, 5], dtype=np.int64)
    kinds = np.array(
        [Kind.EXPIRED, Kind.EXPIRED, Kind.CURRENT, Kind.CURRENT, Kind.EXPIRED, Kind.CURRENT], dtype=np.uint8
    )
    assert within_limits(1, None, chunks, kinds).tolist() == [0, 1, 4]
    assert within_limits(2, 1, chunks, kinds).tolist() == [1, 2, 5]
    assert within_limits(None, 1, chunks, kinds).tolist() == [1, 2, 3, 5]


@pytest.mark.parametrize("type_", [AttributeType.FLOAT, AttributeType.DOUBLE])
def test_a_negative_zero_comes_before_zero(type_: AttributeType) -> None:
    values = np.array([0.0, -1.5, -0.0, np.inf, 0.0, -0.0], dtype=type_.dtype)
    chunks, kinds = np.zeros(6, dtype=np.int64), np.zeros(6, dtype=np.uint8)
    for is_descending, expected in ((False, [1, 2, 5, 0, 4, 3]), (True, [3, 0, 4, 2, 5, 1])):
        key = OrderKey(OutputRef(0, "x", type_), is_descending)
        order = ordered((key,), (make_column(type_, values, None),), chunks, kinds, StringTable([]))
        assert order.tolist() == expected
