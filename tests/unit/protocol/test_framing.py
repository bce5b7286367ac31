import contextlib
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import MalformedFrame, ProtocolError, VersionMismatch
from eiha.protocol.framing import (
    HEADER_BYTES,
    PROTOCOL_VERSION,
    Frame,
    FrameDecoder,
    encode_frame,
    encode_frame_parts,
)

messages = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=100)), max_size=8)


def cut(data, positions):
    edges = sorted({0, len(data), *(position % (len(data) + 1) for position in positions)})
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


def drain(decoder):
    frames = []
    while (frame := decoder.next_frame()) is not None:
        frames.append((frame.type, bytes(frame.body)))
    return frames


@given(messages, st.lists(st.integers(0, 2000), max_size=30))
def test_frames_come_out_whole_however_the_bytes_are_cut(sent, positions):
    stream = b"".join(encode_frame(type_, body) for type_, body in sent)
    decoder = FrameDecoder(100)
    received = []
    for piece in cut(stream, positions):
        decoder.receive(piece)
        received += drain(decoder)
    assert received == sent
    assert decoder.buffered_bytes == 0


@given(messages)
def test_frames_come_out_whole_byte_by_byte_and_when_taken_late(sent):
    stream = b"".join(encode_frame(type_, body) for type_, body in sent)
    decoder = FrameDecoder(100)
    for position in range(len(stream)):
        decoder.receive(stream[position : position + 1])
    assert drain(decoder) == sent


@given(messages, st.lists(st.integers(0, 2000), max_size=5), st.data())
def test_a_damaged_stream_gives_only_good_frames_and_then_an_error(sent, positions, data):
    stream = bytearray(b"".join(encode_frame(type_, body) for type_, body in sent))
    if not stream:
        return
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    decoder = FrameDecoder(100)
    received = []
    with contextlib.suppress(ProtocolError):
        for piece in cut(bytes(stream), positions):
            decoder.receive(piece)
            while (frame := decoder.next_frame()) is not None:
                received.append((frame.type, bytes(frame.body)))
    assert received == sent[: len(received)]
    assert len(received) < len(sent)


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(pieces):
    decoder = FrameDecoder(1_000)
    with contextlib.suppress(ProtocolError):
        for piece in pieces:
            decoder.receive(piece)
            drain(decoder)


def test_an_oversized_frame_is_refused_as_soon_as_its_header_is_there():
    header = encode_frame(1, b"x" * 101)[:HEADER_BYTES]
    decoder = FrameDecoder(100)
    decoder.receive(header)
    with pytest.raises(MalformedFrame, match="a frame of 101 bytes; at most 100"):
        decoder.next_frame()


def test_a_length_that_lies_allocates_nothing():
    header = (60 << 20).to_bytes(4, "little") + bytes(4) + bytes((PROTOCOL_VERSION, 1))
    tracemalloc.start()
    try:
        decoder = FrameDecoder(64 << 20)
        decoder.receive(header + b"x" * 10)
        assert decoder.next_frame() is None
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_another_version_is_named_and_the_failure_stays():
    frame = bytearray(encode_frame(1, b""))
    frame[8] = 9
    decoder = FrameDecoder(100)
    decoder.receive(encode_frame(2, b"good") + bytes(frame) + encode_frame(3, b"after"))
    assert decoder.next_frame() == Frame(2, memoryview(b"good"))
    for _ in range(2):
        with pytest.raises(VersionMismatch, match=f"version 9, this build speaks {PROTOCOL_VERSION}"):
            decoder.next_frame()
    decoder.receive(encode_frame(3, b"after"))
    with pytest.raises(VersionMismatch):
        decoder.next_frame()


def test_the_bound_can_be_raised_between_two_frames_of_one_piece():
    decoder = FrameDecoder(4)
    decoder.receive(encode_frame(1, b"tiny") + encode_frame(2, b"much longer"))
    assert decoder.next_frame() == Frame(1, memoryview(b"tiny"))
    decoder.frame_bytes_max = 100
    assert decoder.next_frame() == Frame(2, memoryview(b"much longer"))
    assert decoder.next_frame() is None


def test_a_frame_inside_one_piece_is_not_copied():
    piece = encode_frame(1, b"body") + encode_frame(2, b"next")[:5]
    decoder = FrameDecoder(100)
    decoder.receive(piece)
    frame = decoder.next_frame()
    assert frame is not None
    assert frame.body.obj is piece
    assert decoder.next_frame() is None
    assert decoder.buffered_bytes == 5


def test_parts_are_passed_on_untouched_and_make_the_same_frame():
    big = memoryview(b"b" * 1000)
    parts = encode_frame_parts(7, (b"a", big))
    assert parts[2] is big
    assert b"".join(parts) == encode_frame(7, b"a" + b"b" * 1000)
