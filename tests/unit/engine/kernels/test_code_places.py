"""What belongs to each row's string."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.kernels.code_places import ids_of_codes, places_of_codes

_CODES = st.integers(1, 9).flatmap(lambda count: st.tuples(st.just(count), st.lists(st.integers(0, count - 1))))


@given(_CODES)
def test_each_row_gets_the_id_of_its_code(drawn: tuple[int, list[int]]) -> None:
    count, listed = drawn
    ids = np.arange(count, dtype=np.int32)[::-1] * 3
    codes = np.array(listed, dtype=np.int32)
    found = np.empty(len(codes), dtype=np.int32)
    ids_of_codes(codes, ids, found)
    assert found.tolist() == ids.take(codes).tolist()


@given(_CODES)
def test_each_row_gets_the_place_of_its_code_and_the_unknown_ones_are_counted(drawn: tuple[int, list[int]]) -> None:
    count, listed = drawn
    firsts = np.arange(count, dtype=np.int64)
    codes = np.array(listed, dtype=np.int32)
    found = np.empty(len(codes), dtype=np.int64)
    assert places_of_codes(codes, firsts, found) == listed.count(0)
    assert found.tolist() == [code - 1 for code in listed]
