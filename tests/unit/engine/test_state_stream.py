from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.state_stream import (
    APART_BYTES,
    BLOCK_ITEMS,
    CHUNK_BYTES_MIN,
    FORMAT_VERSION,
    MAGIC,
    read_state,
    write_state,
)
from eiha.errors import CorruptFile
from eiha.protocol.snapshot_format import Chunk, ChunkCutter

PREFIX = MAGIC + FORMAT_VERSION.to_bytes(2, "little")


class Kept:
    """Chunks in memory."""

    def __init__(self, chunk_bytes: int = 1 << 16) -> None:
        self.data: list[bytes] = []
        self.cutter = ChunkCutter(self._put, chunk_bytes)

    def _put(self, chunk: Chunk, data: bytes | memoryview) -> None:
        assert chunk.size == len(data)
        self.data.append(bytes(data))

    @property
    def whole(self) -> bytes:
        return b"".join(self.data)


class Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def remaining(self) -> int:
        return len(self._data)

    def read(self, size: int) -> bytes:
        if size > len(self._data):
            raise CorruptFile("it is over")
        part, self._data = self._data[:size], self._data[size:]
        return part

    def read_into(self, target: memoryview) -> None:
        target[:] = self.read(len(target))


def written(state: dict[str, Any], chunk_bytes: int = 1 << 16) -> Kept:
    kept = Kept(chunk_bytes)
    write_state(state, kept.cutter)
    return kept


def same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return bool(left.dtype == right.dtype and np.array_equal(left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


arrays = st.builds(
    lambda dtype, length: np.arange(length).astype(dtype),
    st.sampled_from(["i1", "i4", "i8", "f8", "?", "U3", "u8"]),
    st.sampled_from([0, 1, APART_BYTES - 1, APART_BYTES, 20_000]),
)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | arrays
states = st.dictionaries(
    st.text(),
    st.recursive(
        leaves, lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4), max_leaves=12
    ),
    max_size=5,
)


@given(states)
def test_every_state_survives_the_trip(state: dict[str, Any]) -> None:
    assert same(read_state(Stream(written(state).whole)), state)


def large_state() -> dict[str, Any]:
    return {
        "texts": [f"text {number}" for number in range(3 * BLOCK_ITEMS + 5)],
        "map": {str(number): [number, np.arange(2)] for number in range(BLOCK_ITEMS + 5)},
        "plans": [{"values": np.arange(50_000), "set": frozenset({1, 2}), "big": 1 << 80}, ()],
        "table": {"columns": [np.arange(200_000) * 0.5, np.zeros(100_000, dtype=np.bool_)]},
    }


def test_long_lists_and_large_maps_are_written_block_by_block() -> None:
    state = large_state()
    back = read_state(Stream(written(state).whole))
    assert back["plans"][0].pop("set") == state["plans"][0].pop("set")
    assert same(back, state)


def test_arrays_of_a_restored_state_can_be_written_to() -> None:
    back = read_state(Stream(written(large_state()).whole))
    back["table"]["columns"][0][0] = 7.0


def test_a_change_in_one_array_or_block_changes_its_chunks_only() -> None:
    before = written(large_state())
    changed = large_state()
    changed["table"]["columns"][0][100_000] = -1.0
    changed["texts"][BLOCK_ITEMS + 3] = "another text, of another length"
    after = written(changed)
    assert len(before.data) > 20
    known = set(before.data)
    assert len([part for part in after.data if part not in known]) <= 4


def test_what_is_appended_to_a_list_leaves_the_blocks_before_it_alone() -> None:
    state: dict[str, Any] = {"texts": [f"some longer text {number}" for number in range(10 * BLOCK_ITEMS)]}
    before = written(state)
    state["texts"].append("one more")
    known = set(before.data)
    assert len([part for part in written(state).data if part not in known]) <= 3
    assert CHUNK_BYTES_MIN <= 17 * BLOCK_ITEMS


@pytest.mark.parametrize("cut", [0, 3, 6, 20, -1])
def test_what_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(CorruptFile):
        read_state(Stream(written(large_state()).whole[:cut]))


def test_what_follows_the_end_is_refused() -> None:
    with pytest.raises(CorruptFile, match="does not end"):
        read_state(Stream(written({"a": 1}).whole + b"x"))


@pytest.mark.parametrize(("claim", "length"), [("O", 5_000), ("<i8", 1 << 60), ("<i8", -1), ("V0", 1), ("nonsense", 1)])
def test_arrays_that_cannot_be_are_refused_before_there_is_room_for_them(claim: str, length: int) -> None:
    import msgpack

    skeleton = msgpack.packb({"a": msgpack.ExtType(4, msgpack.packb([claim, length]))})
    data = PREFIX + len(skeleton).to_bytes(4, "little") + skeleton + bytes(4) + b"END."
    with pytest.raises(CorruptFile, match="decode"):
        read_state(Stream(data))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptFile):
        read_state(Stream(PREFIX + data))


def test_other_formats_are_refused() -> None:
    with pytest.raises(CorruptFile, match="ESTR"):
        read_state(Stream(b"EENG\1\0" + bytes(20)))
    with pytest.raises(CorruptFile, match="version 9"):
        read_state(Stream(b"ESTR\x09\0" + bytes(20)))
