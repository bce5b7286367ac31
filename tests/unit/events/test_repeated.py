"""One number over and over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.events.repeated import multiples, repeated, taken


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5_000)), min_size=1, max_size=20))
def test_every_array_keeps_its_number_whatever_is_asked_for_next(asked: list[tuple[int, int]]) -> None:
    made = [(value, rows, repeated(value, rows)) for value, rows in asked]
    for value, rows, array in made:
        assert array.dtype == np.int64
        assert array.tolist() == [value] * rows


def test_it_is_shared_and_so_not_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        repeated(7, 3)[0] = 8


@given(st.lists(st.tuples(st.sampled_from([1, 1024]), st.integers(0, 80_000)), min_size=1, max_size=12))
def test_multiples_keep_their_values_whatever_is_asked_for_next(asked: list[tuple[int, int]]) -> None:
    made = [(stride, rows, multiples(stride, rows)) for stride, rows in asked]
    for stride, rows, array in made:
        assert np.array_equal(array, np.arange(rows, dtype=np.int64) * stride)
        assert not array.flags.writeable


@given(st.integers(1, 3_000), st.data())
def test_what_is_taken_is_what_was_at_the_indices(rows: int, data: st.DataObject) -> None:
    indices = np.array(data.draw(st.lists(st.integers(0, rows - 1), max_size=2 * rows)), dtype=np.int64)
    for array in (repeated(5, rows), np.arange(rows, dtype=np.int64)):
        assert np.array_equal(taken(array, indices), array.take(indices))
