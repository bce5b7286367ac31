from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.snapshot import encode_state
from eiha.engine.state_diff import MISSING, Differing, differences

arrays = st.lists(st.sampled_from([0.0, -0.0, 1.0, float("nan")]), max_size=6).map(np.array)
plain = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, -0.0, float("nan")]), arrays)
states = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
)


@given(states, states, st.integers(1, 4))
def test_states_have_no_difference_exactly_if_they_are_saved_alike(mine: Any, theirs: Any, items_max: int) -> None:
    found = list(differences(mine, theirs, items_max=items_max))
    assert (found == []) is (encode_state({"s": mine}) == encode_state({"s": theirs}))


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (np.array([1, 2, 3]), np.array([1, 5, 3]), [Differing((1,), 2, 5)]),
        (np.array([1]), np.array([1, 2]), [Differing((1,), MISSING, 2)]),
        (np.arange(9), np.arange(9) + 1, [Differing((0,), 0, 1), Differing((1,), 1, 2), Differing((), 9, 9, 7)]),
        ([1, 2], [1], [Differing((1,), 2, MISSING)]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [Differing(("a", "b"), 1, 2)]),
        ({"a": 1}, {"b": 1}, [Differing(("a",), 1, MISSING), Differing(("b",), MISSING, 1)]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, [Differing(("order",), ["a", "b"], ["b", "a"])]),
        (np.array([1], np.int32), np.array([1]), [Differing(("type",), "int32", "int64")]),
        (1, True, [Differing((), 1, True)]),
    ],
)
def test_each_difference_is_told_with_the_way_to_it(mine: Any, theirs: Any, expected: list[Differing]) -> None:
    assert list(differences(mine, theirs, items_max=2)) == expected
