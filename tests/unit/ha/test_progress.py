from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from eiha.ha.progress import PeerProgress, Phase
from eiha.kernel.ids import Epoch, Incarnation, MonotonicMs, NodeId, Sequence
from eiha.protocol.peer_messages import PeerIdentity

PEER = PeerIdentity(NodeId("b"), Incarnation("b.1"))
NOW = MonotonicMs(0)


def progress() -> PeerProgress:
    return PeerProgress(PEER, Epoch(1), NOW, entries_max=5, bytes_max=100)


def test_nothing_is_sent_before_the_peer_told_where_its_log_ends() -> None:
    peer = progress()
    assert peer.room() == 0
    peer.acknowledge(Sequence(7), Sequence(0), NOW)
    assert (peer.phase, peer.next, peer.room()) == (Phase.REPLICATE, 8, 5)


def test_the_window_is_bounded_in_entries_and_in_bytes() -> None:
    peer = progress()
    peer.acknowledge(Sequence(0), Sequence(0), NOW)
    peer.sent(Sequence(3), 10, NOW)
    assert peer.room() == 2
    peer.sent(Sequence(4), 90, NOW)
    assert peer.room() == 0
    peer.acknowledge(Sequence(4), Sequence(0), NOW)
    assert (peer.room(), peer.inflight_bytes) == (5, 0)


def test_a_new_link_makes_what_was_in_flight_doubtful_but_not_what_was_acknowledged() -> None:
    peer = progress()
    peer.acknowledge(Sequence(2), Sequence(0), NOW)
    peer.sent(Sequence(5), 10, NOW)
    peer.probe()
    assert (peer.acked, peer.room()) == (2, 0)
    peer.acknowledge(Sequence(3), Sequence(0), NOW)
    assert (peer.next, peer.inflight_bytes) == (4, 0)


def test_behind_a_snapshot_only_its_own_position_starts_the_tail() -> None:
    peer = progress()
    peer.acknowledge(Sequence(9), Sequence(9), NOW)
    peer.await_snapshot(Sequence(20))
    assert not peer.acknowledge(Sequence(9), Sequence(9), NOW)
    assert (peer.acked, peer.applied_through, peer.room()) == (0, 0, 0)
    assert peer.acknowledge(Sequence(20), Sequence(0), NOW)
    assert peer.next == 21


def test_a_peer_that_owes_acknowledgements_for_too_long_is_stalled_and_an_idle_one_is_not() -> None:
    peer = progress()
    peer.acknowledge(Sequence(1), Sequence(0), NOW)
    assert not peer.stalled(Sequence(1), MonotonicMs(10_000), 100)
    peer.sent(Sequence(2), 1, MonotonicMs(10_000))
    assert not peer.stalled(Sequence(2), MonotonicMs(10_100), 100)
    assert peer.stalled(Sequence(2), MonotonicMs(10_101), 100)
    peer.acknowledge(Sequence(2), Sequence(0), MonotonicMs(10_102))
    assert not peer.stalled(Sequence(3), MonotonicMs(10_103), 100)


def test_what_is_in_flight_and_brings_no_news_is_sent_again_and_still_counts_as_stalled() -> None:
    peer = progress()
    peer.acknowledge(Sequence(2), Sequence(0), NOW)
    peer.sent(Sequence(5), 10, NOW)
    peer.rewind_if_silent(MonotonicMs(100), 100)
    assert peer.next == 6
    peer.rewind_if_silent(MonotonicMs(101), 100)
    assert (peer.next, peer.inflight_bytes) == (3, 0)
    peer.sent(Sequence(5), 10, MonotonicMs(101))
    assert peer.stalled(Sequence(5), MonotonicMs(101), 100)


class Replication(RuleBasedStateMachine):
    """A log that grows, a link that may lose everything, a peer that appends in order: it always gets it all."""

    def __init__(self) -> None:
        super().__init__()
        self.peer = progress()
        self.log_end = 0
        self.flight: list[tuple[int, int]] = []
        self.acks: list[tuple[int, bool]] = []
        self.held = 0
        self.peer.acknowledge(Sequence(0), Sequence(0), NOW)

    @rule(count=st.integers(1, 4))
    def grow(self, count: int) -> None:
        self.log_end += count

    @rule(count=st.integers(1, 5))
    def send(self, count: int) -> None:
        last = min(self.log_end, self.peer.next - 1 + min(count, self.peer.room()))
        if last >= self.peer.next:
            self.flight.append((self.peer.next, last))
            self.peer.sent(Sequence(last), 7 * (last - self.peer.next + 1), NOW)

    @rule(lost=st.booleans())
    def arrive(self, lost: bool) -> None:
        if not self.flight:
            return
        first, last = self.flight.pop(0)
        if lost:
            return
        if first > self.held + 1:
            self.acks.append((self.held, True))
        else:
            self.held = max(self.held, last)
            self.acks.append((self.held, False))

    @rule()
    def acknowledge(self) -> None:
        if self.acks:
            through, rejected = self.acks.pop(0)
            if rejected:
                self.peer.reject(Sequence(through))
            else:
                self.peer.acknowledge(Sequence(through), Sequence(0), NOW)

    @rule()
    def relink(self) -> None:
        self.flight.clear()
        self.acks = [(self.held, False)]
        self.peer.probe()

    @invariant()
    def sane(self) -> None:
        peer = self.peer
        assert peer.acked <= self.held <= self.log_end
        assert peer.acked < peer.next <= self.log_end + 1
        assert peer.inflight_entries <= 5
        assert peer.inflight_bytes >= 0

    def teardown(self) -> None:
        self.relink()
        for _ in range(3 * self.log_end + 5):
            self.acknowledge()
            self.send(5)
            self.arrive(lost=False)
        self.acknowledge()
        assert self.peer.acked == self.log_end


TestReplication = Replication.TestCase
TestReplication.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
