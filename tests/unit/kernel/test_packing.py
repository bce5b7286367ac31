"""What is packed is what msgpack packs, however large."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from eiha.kernel.packing import BUFFER_BYTES, pack

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_equal_values_give_msgpack_s_own_bytes(value: Any) -> None:
    assert pack(value) == msgpack.packb(value, use_bin_type=True)


@given(st.integers(BUFFER_BYTES - 16, BUFFER_BYTES + 16) | st.sampled_from([1 << 16, 1 << 20]))
def test_what_is_larger_than_the_buffer_to_begin_with_is_packed_whole(size: int) -> None:
    value = [b"x" * size, "y" * size, size]
    assert msgpack.unpackb(pack(value)) == value
