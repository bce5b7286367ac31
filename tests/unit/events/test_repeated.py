"""One number over and over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.events.repeated import repeated


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5_000)), min_size=1, max_size=20))
def test_every_array_keeps_its_number_whatever_is_asked_for_next(asked: list[tuple[int, int]]) -> None:
    made = [(value, rows, repeated(value, rows)) for value, rows in asked]
    for value, rows, array in made:
        assert array.dtype == np.int64
        assert array.tolist() == [value] * rows


def test_it_is_shared_and_so_not_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        repeated(7, 3)[0] = 8
