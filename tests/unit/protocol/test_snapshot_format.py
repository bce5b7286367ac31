from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import CorruptFile
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.protocol.limits import SNAPSHOT_CHUNK_BYTES_MAX
from eiha.protocol.snapshot_format import (
    HEADER_BYTES,
    Chunk,
    ChunkCutter,
    SnapshotManifest,
    chunk_name,
    decode_manifest,
    encode_manifest,
)

numbers = st.integers(0, 1 << 60)
chunks = st.builds(
    lambda data, size: Chunk(chunk_name(data), size), st.binary(max_size=9), st.integers(1, SNAPSHOT_CHUNK_BYTES_MAX)
)
manifests = st.builds(
    lambda sequence, epoch, starts, listed: SnapshotManifest(
        LogPosition(Sequence(sequence), Epoch(epoch)),
        tuple((Epoch(first), Sequence(second)) for first, second in starts),
        len(listed) // 2,
        tuple(listed),
    ),
    numbers,
    numbers,
    st.lists(st.tuples(numbers, numbers), max_size=4),
    st.lists(chunks, max_size=6),
)


def example() -> SnapshotManifest:
    return SnapshotManifest(
        LogPosition(Sequence(7), Epoch(2)), ((Epoch(1), Sequence(1)),), 1, (Chunk(chunk_name(b"a"), 1),) * 2
    )


@given(manifests)
def test_a_manifest_survives_the_trip(manifest: SnapshotManifest) -> None:
    assert decode_manifest(encode_manifest(manifest)) == manifest


def test_no_flipped_byte_goes_unnoticed() -> None:
    whole = encode_manifest(example())
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x40
        with pytest.raises(CorruptFile):
            decode_manifest(bytes(damaged))


@given(st.integers(0, 500))
def test_no_cut_goes_unnoticed(length: int) -> None:
    whole = encode_manifest(example())
    if length < len(whole):
        with pytest.raises(CorruptFile):
            decode_manifest(whole[:length])
    with pytest.raises(CorruptFile):
        decode_manifest(whole + b"x")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptFile):
        decode_manifest(data)
    with pytest.raises(CorruptFile):
        decode_manifest(b"EIHASNAP" + data)


def test_another_version_is_told() -> None:
    whole = bytearray(encode_manifest(example()))
    struct.pack_into("<H", whole, 8, 1)
    with pytest.raises(CorruptFile, match="version 1; this build reads 2"):
        decode_manifest(bytes(whole))


def test_more_member_chunks_than_chunks_and_chunks_without_content_are_refused() -> None:
    for manifest in (
        SnapshotManifest(example().position, (), 3, example().chunks),
        SnapshotManifest(example().position, (), 0, (Chunk(chunk_name(b""), 0),)),
        SnapshotManifest(example().position, (), 0, (Chunk(chunk_name(b""), SNAPSHOT_CHUNK_BYTES_MAX + 1),)),
    ):
        with pytest.raises(CorruptFile, match="cannot be"):
            decode_manifest(encode_manifest(manifest))


def test_a_header_that_claims_much_costs_nothing() -> None:
    data = struct.pack("<8sHHIII", b"EIHASNAP", 2, 0, 5, (1 << 32) - 1, 0)
    assert len(data) == HEADER_BYTES
    with pytest.raises(CorruptFile, match="cut off"):
        decode_manifest(data + bytes(100))


writes = st.lists(st.one_of(st.binary(max_size=40), st.none()), max_size=20)


@given(writes, st.integers(1, 16))
def test_the_chunks_are_what_was_written_and_end_where_they_were_cut(parts: list[bytes | None], size: int) -> None:
    kept: list[bytes] = []
    cutter = ChunkCutter(lambda chunk, data: kept.append(bytes(data)), size)
    ends: set[int] = set()
    total = 0
    for part in parts:
        if part is None:
            cutter.cut()
            ends.add(total)
        else:
            cutter.write(part)
            total += len(part)
    cutter.cut()
    assert b"".join(kept) == b"".join(part for part in parts if part is not None)
    assert all(0 < len(data) <= size for data in kept)
    assert [chunk.size for chunk in cutter.chunks] == [len(data) for data in kept]
    assert all(chunk.is_of(data) for chunk, data in zip(cutter.chunks, kept, strict=True))
    places = {0}
    for data in kept:
        places.add(max(places) + len(data))
    assert ends <= places
