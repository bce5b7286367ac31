"""One number over and over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.events.repeated import is_row_numbers, multiples, repeated, row_numbers, taken


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


def test_row_numbers_are_shared_and_known_again() -> None:
    numbers = row_numbers(5)
    assert numbers.tolist() == [0, 1, 2, 3, 4]
    assert is_row_numbers(numbers, 5)
    assert is_row_numbers(row_numbers(3), 3)
    assert is_row_numbers(row_numbers(0), 0)


def test_what_is_not_each_row_once_in_order_is_not_taken_for_row_numbers() -> None:
    numbers = row_numbers(6)
    assert not is_row_numbers(numbers, 7)
    assert not is_row_numbers(numbers[1:4], 3)
    assert not is_row_numbers(numbers[::-1], 6)
    assert not is_row_numbers(numbers[::2], 3)
    assert not is_row_numbers(np.zeros(6, dtype=np.int64), 6)


def test_nobody_writes_to_row_numbers() -> None:
    with pytest.raises(ValueError, match="read-only"):
        row_numbers(4)[0] = 1
