from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from eiha.ha.transfer import SnapshotReceiver, SnapshotSender
from eiha.kernel.ids import Epoch, LogPosition, MonotonicMs, Sequence
from eiha.protocol.peer_messages import SnapshotAck

POSITION = LogPosition(Sequence(9), Epoch(2))
NOW = MonotonicMs(0)


def sender(content: bytes, chunk_bytes: int = 4, window: int = 2) -> SnapshotSender:
    return SnapshotSender(7, Epoch(2), POSITION, content, chunk_bytes=chunk_bytes, window=window, now_ms=NOW)


@given(st.binary(max_size=100), st.integers(1, 9), st.integers(1, 4))
def test_whatever_is_sent_arrives_with_no_more_than_the_window_in_flight(
    content: bytes, size: int, window: int
) -> None:
    source = sender(content, size, window)
    target = SnapshotReceiver(source.begin, NOW)
    flight = source.due()
    while flight:
        assert len(flight) <= window
        ack = target.take(flight.pop(0), NOW)
        assert ack is not None
        source.acknowledged(ack, NOW)
        flight += source.due()
    assert source.done
    assert target.content() == content


def test_a_damaged_chunk_is_noticed() -> None:
    source = sender(b"abcdefgh")
    target = SnapshotReceiver(source.begin, NOW)
    chunk = source.due()[0]
    assert target.take(replace(chunk, data=b"abcX"), NOW) is None
    assert "chunk 0" in (target.failure or "")


def test_chunks_that_are_right_one_by_one_and_wrong_together_are_noticed() -> None:
    target = SnapshotReceiver(sender(b"abcdefgh").begin, NOW)
    for chunk in sender(b"abcdefgX").due():
        target.take(chunk, NOW)
    assert target.content() is None
    assert "as a whole" in (target.failure or "")


def test_chunks_out_of_turn_and_of_other_transfers_are_passed_over() -> None:
    source = sender(b"abcdefgh")
    target = SnapshotReceiver(source.begin, NOW)
    first, second = source.due()
    assert target.take(second, NOW) is None
    assert target.take(replace(first, transfer=8), NOW) is None
    assert target.take(first, NOW) == SnapshotAck(7, 1)
    assert target.take(first, NOW) is None


def test_an_acknowledgement_of_what_was_not_sent_changes_nothing() -> None:
    source = sender(b"abcdefghijkl")
    source.due()
    source.acknowledged(SnapshotAck(7, 3), NOW)
    source.acknowledged(SnapshotAck(8, 1), NOW)
    assert source.due() == []
    source.acknowledged(SnapshotAck(7, 1), NOW)
    assert [chunk.index for chunk in source.due()] == [2]
