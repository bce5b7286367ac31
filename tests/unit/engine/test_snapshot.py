from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.snapshot import decode_state, encode_state, state_digest
from eiha.errors import CorruptFile

arrays = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5).flatmap(
    lambda values: st.sampled_from([np.int32, np.int64, np.float64]).map(lambda dtype: np.array(values, dtype=dtype))
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), arrays)
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


def equal(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, np.ndarray):
        return isinstance(ours, np.ndarray) and ours.dtype == theirs.dtype and ours.tolist() == theirs.tolist()
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(equal(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(equal(a, b) for a, b in zip(ours, theirs, strict=True))
    return type(ours) is type(theirs) and bool(ours == theirs)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_states_come_back_as_they_went(state: dict[str, Any]) -> None:
    content = encode_state(state)
    again = decode_state(content)
    assert equal(again, state)
    assert encode_state(again) == content
    assert state_digest(again) == state_digest(state)


def test_sets_have_equal_bytes_in_any_order_of_making() -> None:
    one, two = frozenset(["b", "a", "c", 1]), frozenset([1, "c", "a", "b"])
    assert encode_state({"s": one}) == encode_state({"s": two})
    assert decode_state(encode_state({"s": one}))["s"] == one


def test_restored_arrays_can_be_written() -> None:
    array = decode_state(encode_state({"a": np.arange(3)}))["a"]
    array[0] = 7
    assert array.tolist() == [7, 1, 2]


@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_flipped_byte_is_noticed(place: int, flip: int) -> None:
    content = bytearray(encode_state({"a": np.arange(3), "b": "text"}))
    content[place % len(content)] ^= flip
    with pytest.raises(CorruptFile):
        decode_state(bytes(content))


def test_a_cut_file_is_noticed() -> None:
    content = encode_state({"a": 1})
    for length in range(len(content)):
        with pytest.raises(CorruptFile):
            decode_state(content[:length])


def test_python_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot be part of a state"):
        encode_state({"a": object()})
