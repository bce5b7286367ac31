from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import CorruptFile
from eiha.protocol.snapshot_format import Chunk, chunk_name
from eiha.storage.snapshot_reader import SnapshotReader


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=8), st.lists(st.integers(0, 12)))
def test_however_it_is_read_the_bytes_are_those_of_the_chunks(parts: list[bytes], sizes: list[int]) -> None:
    named = {chunk_name(part): part for part in parts}
    chunks = [Chunk(chunk_name(part), len(part)) for part in parts]
    reader = SnapshotReader(lambda chunk: named[chunk.name], chunks)
    whole = b"".join(parts)
    for number, size in enumerate(sizes):
        if size > len(whole):
            with pytest.raises(CorruptFile, match="too early"):
                reader.read(size)
            continue
        if number % 2:
            target = bytearray(size)
            reader.read_into(memoryview(target))
            assert bytes(target) == whole[:size]
        else:
            assert reader.read(size) == whole[:size]
        whole = whole[size:]
        assert reader.remaining == len(whole)


def test_one_chunk_at_a_time_is_in_memory() -> None:
    parts = [b"ab", b"cd", b"ef"]
    asked: list[int] = []

    def read(chunk: Chunk) -> bytes:
        index = next(i for i, part in enumerate(parts) if chunk.is_of(part))
        asked.append(index)
        return parts[index]

    reader = SnapshotReader(read, [Chunk(chunk_name(part), 2) for part in parts])
    reader.read(3)
    assert asked == [0, 1]
