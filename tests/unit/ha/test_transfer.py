from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import CorruptFile
from eiha.ha.effects import SendChunk
from eiha.ha.inputs import ChunksFound, ChunkStored
from eiha.ha.status import TransferStatus
from eiha.ha.transfer import ChunkWindow, SnapshotReceiver, SnapshotSender, bits_of, indexes_of
from eiha.kernel.ids import Epoch, LinkId, LogPosition, MonotonicMs, NodeId, Sequence
from eiha.protocol.peer_messages import SnapshotAck, SnapshotBegin, SnapshotChunk, SnapshotLacks
from eiha.protocol.snapshot_format import Chunk, SnapshotManifest, chunk_name

POSITION = LogPosition(Sequence(9), Epoch(2))
NOW = MonotonicMs(0)
LINK = LinkId(1)
PEER = NodeId("b")


def parts(count: int) -> list[bytes]:
    return [bytes([number]) * (number + 1) for number in range(count)]


def manifest(contents: list[bytes]) -> SnapshotManifest:
    return SnapshotManifest(POSITION, (), 0, tuple(Chunk(chunk_name(data), len(data)) for data in contents))


def sender(contents: list[bytes], window: int = 2) -> SnapshotSender:
    return SnapshotSender(7, Epoch(2), manifest(contents), peer=PEER, window=window, now_ms=NOW)


def receiver(source: SnapshotSender) -> SnapshotReceiver:
    return SnapshotReceiver(source.begin, PEER, NOW)


def lacks(*indexes: int) -> SnapshotLacks:
    return SnapshotLacks(7, bits_of(indexes))


@given(st.sets(st.integers(0, 29)), st.integers(1, 8), st.data())
def test_what_lacks_arrives_in_order_with_no_more_than_the_window_in_flight(
    lacking: set[int], window: int, data: st.DataObject
) -> None:
    contents = parts(30)
    source = sender(contents, window)
    target = receiver(source)
    disk: dict[int, bytes] = {}
    told = target.found(ChunksFound(7, tuple(sorted(lacking))), NOW)
    assert told is not None
    assert source.lacks(told, NOW)
    flight: deque[SendChunk] = deque(source.due(LINK))
    while not source.done:
        if data.draw(st.integers(0, 9), "late") == 0:
            source.window.narrow()
        source.tick()
        flight.extend(source.due(LINK))
        assert len(flight) <= window
        sent = flight.popleft()
        store = target.take(SnapshotChunk(7, sent.index, contents[sent.index]))
        assert store is not None
        disk[store.index] = store.data
        ack = target.stored(ChunkStored(7, store.index, sound=True), NOW)
        assert ack is not None
        source.acknowledged(ack, NOW)
        flight.extend(source.due(LINK))
    assert disk == {index: contents[index] for index in lacking}
    save = target.complete()
    assert save is not None
    assert save.manifest == source.manifest


def test_a_joiner_that_has_everything_is_sent_nothing() -> None:
    source = sender(parts(3))
    target = receiver(source)
    told = target.found(ChunksFound(7, ()), NOW)
    assert told == SnapshotLacks(7, b"")
    assert source.lacks(told, NOW)
    assert source.done
    assert target.complete() is not None


def test_nothing_is_complete_before_the_disk_told_what_it_lacks() -> None:
    target = receiver(sender(parts(3)))
    assert target.finding
    assert target.complete() is None


def test_a_chunk_that_is_not_what_its_name_says_fails_the_transfer() -> None:
    source = sender(parts(1))
    target = receiver(source)
    target.found(ChunksFound(7, (0,)), NOW)
    assert target.take(SnapshotChunk(7, 0, b"?")) is not None
    assert target.stored(ChunkStored(7, 0, sound=False), NOW) is None
    assert "chunk 0" in (target.failure or "")
    assert target.complete() is None


def test_a_damaged_manifest_is_refused() -> None:
    begin = sender(parts(2)).begin
    with pytest.raises(CorruptFile):
        SnapshotReceiver(SnapshotBegin(begin.epoch, 7, begin.manifest[:-1] + b"x"), PEER, NOW)


def test_chunks_out_of_turn_and_of_other_transfers_are_passed_over() -> None:
    contents = parts(3)
    target = receiver(sender(contents))
    assert target.take(SnapshotChunk(7, 0, contents[0])) is None  # the disk has not told yet
    target.found(ChunksFound(7, (0, 2)), NOW)
    assert target.take(SnapshotChunk(7, 2, contents[2])) is None
    assert target.take(SnapshotChunk(8, 0, contents[0])) is None
    assert target.take(SnapshotChunk(7, 0, contents[0])) is not None
    assert target.take(SnapshotChunk(7, 0, contents[0])) is None
    assert target.stored(ChunkStored(8, 0, sound=True), NOW) is None
    assert target.stored(ChunkStored(7, 0, sound=True), NOW) == SnapshotAck(7, 1)
    assert target.stored(ChunkStored(7, 0, sound=True), NOW) is None


def test_an_acknowledgement_of_what_was_not_sent_changes_nothing() -> None:
    source = sender(parts(5))
    assert source.lacks(lacks(0, 1, 2, 3), NOW)
    assert [effect.index for effect in source.due(LINK)] == [0, 1]
    source.acknowledged(SnapshotAck(7, 3), NOW)
    source.acknowledged(SnapshotAck(8, 1), NOW)
    assert source.due(LINK) == []
    source.acknowledged(SnapshotAck(7, 1), NOW)
    assert [effect.index for effect in source.due(LINK)] == [2]


def test_chunks_that_there_are_not_cannot_be_lacking() -> None:
    source = sender(parts(2))
    assert not source.lacks(lacks(0, 2), NOW)
    assert not source.lacks(SnapshotLacks(8, b"\1"), NOW)
    assert source.lacks(lacks(1), NOW)
    assert not source.lacks(lacks(0), NOW)  # said already


@given(st.sets(st.integers(0, 100)))
def test_bits_are_numbers(numbers: set[int]) -> None:
    assert indexes_of(bits_of(tuple(sorted(numbers)))) == tuple(sorted(numbers))


def test_the_window_grows_with_whole_windows_and_halves_when_the_node_is_late() -> None:
    window = ChunkWindow(8)
    sizes = [window.size]
    for _ in range(40):
        window.acknowledged(1)
        sizes.append(window.size)
    assert sizes[0] == 2
    assert sizes[-1] == 8
    assert all(after - before in (0, 1) for before, after in pairwise(sizes))
    for expected in (4, 2, 1, 0, 0):
        window.narrow()
        assert window.size == expected


def test_a_window_of_nothing_still_lets_a_chunk_through_with_each_tick() -> None:
    source = sender(parts(3))
    source.lacks(lacks(0, 1, 2), NOW)
    source.window.narrow()
    source.window.narrow()
    assert source.due(LINK) == []
    source.tick()
    assert [effect.index for effect in source.due(LINK)] == [0]
    source.tick()
    assert source.due(LINK) == []  # one is in flight


def test_progress_tells_bytes_rate_and_what_is_left() -> None:
    status = TransferStatus("sending", PEER, 100 << 20, 400 << 20, 1_000)
    assert str(status) == "sending 100 of 400 MiB (25 %), 105 MB/s, 3 s left"
    assert TransferStatus("receiving", PEER, 0, 1 << 20, 1).left_s is None
