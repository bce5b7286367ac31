import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import CorruptFile
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.protocol.snapshot_format import HEADER_BYTES, SnapshotContent, decode_snapshot, encode_snapshot

contents = st.builds(
    SnapshotContent,
    position=st.builds(
        LogPosition, st.integers(0, (1 << 63) - 1).map(Sequence), st.integers(0, (1 << 63) - 1).map(Epoch)
    ),
    epoch_starts=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9999)), max_size=5).map(tuple),
    member_state=st.binary(max_size=100),
    engine_state=st.binary(max_size=100),
)
EXAMPLE = SnapshotContent(
    LogPosition(Sequence(7), Epoch(2)), ((Epoch(1), Sequence(1)), (Epoch(2), Sequence(5))), b"member", b"engine"
)


@given(contents)
def test_what_is_encoded_comes_back(content):
    assert decode_snapshot(encode_snapshot(content)) == content
    assert decode_snapshot(memoryview(encode_snapshot(content))) == content


def test_any_flipped_bit_is_noticed():
    encoded = encode_snapshot(EXAMPLE)
    for position in range(len(encoded)):
        damaged = bytearray(encoded)
        damaged[position] ^= 0x10
        with pytest.raises(CorruptFile):
            decode_snapshot(bytes(damaged))


def test_any_cut_and_any_tail_is_noticed():
    encoded = encode_snapshot(EXAMPLE)
    for length in range(len(encoded)):
        with pytest.raises(CorruptFile):
            decode_snapshot(encoded[:length])
    with pytest.raises(CorruptFile, match="cut off or overwritten"):
        decode_snapshot(encoded + b"\0")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_corrupt(data):
    with pytest.raises(CorruptFile):
        decode_snapshot(data)


def test_another_format_version_is_named():
    encoded = bytearray(encode_snapshot(EXAMPLE))
    encoded[8:10] = (9).to_bytes(2, "little")
    with pytest.raises(CorruptFile, match="format version 9; this build reads 1"):
        decode_snapshot(bytes(encoded))


def test_a_cut_that_is_wrong_under_a_right_checksum_is_refused():
    # a file written by a faulty build: the checksums fit, the content does not
    cut, rest = b"\x90", b""
    header = struct.pack("<8sHH", b"EIHASNAP", 1, 3)
    for name, data in ((b"cut", cut), (b"member", rest), (b"engine", rest)):
        header += struct.pack("<8sQI", name, len(data), zlib.crc32(data))
    data = header + struct.pack("<I", zlib.crc32(header)) + cut
    assert len(header) + 4 == HEADER_BYTES
    with pytest.raises(CorruptFile, match="section 'cut' does not decode"):
        decode_snapshot(data)
