"""Who is required, and when that may end. No order of the witness's answers may break the superset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eiha.ha.context import Context, MemberConfig
from eiha.ha.effects import CompareAndSet, Fact, ReadWitness, Send
from eiha.ha.election import Election
from eiha.ha.heartbeat import Heartbeat
from eiha.ha.inputs import Channel
from eiha.ha.membership import Membership
from eiha.ha.peer_service import PeerService
from eiha.ha.policy import Policy
from eiha.ha.replica import Replica
from eiha.ha.witness_row import Mine, Read, Unknown, WitnessRow
from eiha.kernel.ids import (
    Epoch,
    Incarnation,
    LinkId,
    LogPosition,
    LogTimeMs,
    MonotonicMs,
    NodeId,
    Now,
    Sequence,
    WallMs,
)
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.protocol.peer_messages import AppendAck, JoinDone, PeerIdentity

A = PeerIdentity(NodeId("a"), Incarnation("a.1"))
B = PeerIdentity(NodeId("b"), Incarnation("b.1"))
SOLO = WitnessRow("c", Epoch(1), A.node, A.incarnation, (A,), 4, "test")


class AtTheTop:
    """An active of epoch 1 with three entries, connected to b, whose engine is as far as its log."""

    def __init__(self, policy: Policy | None = None) -> None:
        policy = policy or Policy(witness_retry_ms=10, slow_peer_hold_ms=0)
        self.ctx = Context(MemberConfig("c", A.node, (), policy))
        self.ctx.incarnation = A.incarnation
        self.replica = Replica(self.ctx, lambda _client, _sequence: None)
        self.election = Election(self.ctx.policy, SOLO.version)
        self.heartbeat = Heartbeat(self.ctx, self.replica)
        self.service = PeerService(self.ctx, self.replica, Epoch(1))
        self.membership = Membership(self.ctx, self.replica, self.election, self.heartbeat, self.service, SOLO)
        for number, channel in enumerate(Channel):
            self.ctx.links.up(channel, LinkId(number), B)
        self.grow(3)

    def grow(self, count: int) -> None:
        log = self.replica.log
        for _ in range(count):
            log.append(LogEntry(Epoch(1), Sequence(log.end.sequence + 1), LogTimeMs(0), TimeTick(), b"x"))
        log.mark_persisted(log.end)

    def at(self, ms: int) -> None:
        self.ctx.begin(Now(MonotonicMs(ms), WallMs(ms)))
        self.heartbeat.detector.tick(self.ctx.monotonic_ms)
        self.heartbeat.detector.restart(self.ctx.monotonic_ms)

    def hear(self, through: int, peer: PeerIdentity = B, epoch: int = 1) -> None:
        position = LogPosition(Sequence(through), Epoch(1))
        self.service.acknowledged(AppendAck(Epoch(epoch), peer.incarnation, position, Sequence(through)))

    def asked(self) -> list[Any]:
        return [effect for effect in self.ctx.finish() if isinstance(effect, CompareAndSet | ReadWitness)]

    def answer(self, outcome: Mine | Unknown) -> None:
        verdict = self.election.swap_done(self.election._request, outcome, self.ctx.monotonic_ms)
        if isinstance(outcome, Mine):
            assert verdict is not None
            self.membership.adopt(outcome.row, won=True)

    def told_the_row(self, row: WitnessRow) -> CompareAndSet:
        """The witness is asked for the row and tells it; what is asked of it then."""
        (read,) = self.asked()
        assert isinstance(read, ReadWitness)
        self.election.read_done(read.request, Read(row), self.ctx.monotonic_ms)
        self.membership.adopt(row, won=False)
        (swap,) = self.asked()
        assert isinstance(swap, CompareAndSet)
        return swap

    def lose_the_peer(self, ms: int) -> None:
        self.at(ms)
        for number, channel in enumerate(Channel):
            self.ctx.links.down(channel, LinkId(number))
        self.heartbeat.link_changed(opened=False)
        self.ctx.begin(Now(MonotonicMs(ms + 40), WallMs(ms + 40)))
        self.membership.evaluate()


def test_the_peer_is_required_before_the_witness_is_asked_to_name_it() -> None:
    top = AtTheTop()
    top.hear(3)
    top.membership.evaluate()
    (swap,) = top.asked()
    assert (top.membership.required, swap.row.synced, swap.row.version) == (B, (A, B), 5)
    assert top.membership.state == "solo"
    top.answer(Mine(swap.row))
    assert top.membership.state == "synced"


def test_a_peer_that_lacks_entries_is_required_and_the_witness_not_asked_until_it_has_them() -> None:
    top = AtTheTop()
    top.hear(1)
    top.membership.evaluate()
    assert (top.membership.required, top.asked()) == (B, [])
    top.hear(3)
    top.membership.evaluate()
    assert len(top.asked()) == 1


def test_acknowledgements_of_another_disk_or_epoch_do_not_count() -> None:
    top = AtTheTop()
    top.hear(3, PeerIdentity(B.node, Incarnation("b.2")))
    top.hear(3, epoch=2)
    assert top.service.progress is None


def test_a_required_peer_holds_the_commit_point_back() -> None:
    top = AtTheTop()
    top.hear(1)
    top.membership.evaluate()
    top.membership.commit()
    assert top.replica.log.committed_through == 1
    top.hear(3)
    top.membership.commit()
    assert top.replica.log.committed_through == 3


def test_without_the_peer_nothing_is_committed_until_the_witness_says_solo() -> None:
    top = AtTheTop()
    top.hear(3)
    top.membership.evaluate()
    (synced,) = top.asked()
    top.answer(Mine(synced.row))
    top.grow(1)
    top.lose_the_peer(100)
    solo = top.told_the_row(synced.row)
    assert (top.membership.state, solo.row.synced) == ("no-quorum", (A,))
    top.membership.commit()
    assert top.replica.log.committed_through == 3
    top.answer(Mine(solo.row))
    assert (top.membership.state, top.replica.log.committed_through) == ("solo", 4)


def test_an_active_that_hears_nothing_does_not_take_the_row_from_its_peer() -> None:
    """What it sends may arrive: a solo row that it never learns of would leave nobody who may go on."""
    top = AtTheTop()
    top.hear(3)
    top.membership.evaluate()
    (synced,) = top.asked()
    top.answer(Mine(synced.row))
    top.grow(1)
    top.lose_the_peer(100)
    for ms in range(200, 20_000, 100):
        assert not [asked for asked in top.asked() if isinstance(asked, CompareAndSet)]
        top.ctx.begin(Now(MonotonicMs(ms), WallMs(ms)))
        top.election.tick(top.ctx.monotonic_ms)
        top.membership.evaluate()
    assert top.membership.state == "no-quorum"


def test_a_sync_in_of_unknown_outcome_must_be_overtaken_by_a_newer_solo_row() -> None:
    """The read shows the old solo row, but the request may still land: only a row above its version settles it."""
    top = AtTheTop()
    top.hear(3)
    top.membership.evaluate()
    top.asked()
    top.answer(Unknown("no reply"))
    top.grow(1)
    top.lose_the_peer(100)
    (read,) = top.asked()
    top.election.read_done(read.request, Read(SOLO), top.ctx.monotonic_ms)
    top.membership.adopt(SOLO, won=False)
    assert top.membership.required == B
    (solo,) = top.asked()
    assert (solo.expected_version, solo.row.version, solo.row.synced) == (4, 5, (A,))
    top.membership.commit()
    assert top.replica.log.committed_through == 0 or top.replica.log.committed_through == 3
    top.answer(Mine(solo.row))
    assert (top.membership.required, top.replica.log.committed_through) == (None, 4)


def test_a_requirement_that_the_witness_never_heard_of_is_lifted_without_asking() -> None:
    top = AtTheTop()
    top.hear(1)
    top.membership.evaluate()
    assert top.membership.required == B
    top.lose_the_peer(100)
    assert (top.membership.required, top.asked()) == (None, [])


def test_whoever_a_row_names_is_required_even_if_this_node_forgot_asking() -> None:
    top = AtTheTop()
    top.membership.adopt(replace(SOLO, synced=(A, B), version=5), won=False)
    assert top.membership.required == B


def test_the_peer_is_told_once_per_link_that_it_is_synced() -> None:
    top = AtTheTop()
    top.hear(3)
    top.membership.evaluate()
    (swap,) = top.asked()
    top.answer(Mine(swap.row))
    top.membership.evaluate()
    told = [e.message for e in top.ctx.finish() if isinstance(e, Send) and isinstance(e.message, JoinDone)]
    assert told == [JoinDone(Epoch(1), 5)]
    top.ctx.links.up(Channel.MANAGEMENT, LinkId(9), B)
    top.membership.evaluate()
    assert any(isinstance(e, Send) and isinstance(e.message, JoinDone) for e in top.ctx.finish())


def slow_after(policy: Policy) -> tuple[AtTheTop, list[str]]:
    """A synced pair whose passive has owed an acknowledgement for longer than ``slow_peer_ms``; what was said."""
    top = AtTheTop(policy)
    top.hear(3)
    top.membership.evaluate()
    (synced,) = top.asked()
    top.answer(Mine(synced.row))
    top.grow(1)
    progress = top.service.progress
    assert progress is not None
    progress.sent(Sequence(4), 1, top.ctx.monotonic_ms)
    top.at(policy.slow_peer_ms + 1)
    top.membership.evaluate()
    top.membership.evaluate()
    return top, [effect.event for effect in top.ctx.effects if isinstance(effect, Fact)]


def asks_for_solo(top: AtTheTop) -> CompareAndSet:
    """The change that is asked for, after the row was looked at if it was."""
    (asked,) = top.asked()
    if isinstance(asked, ReadWitness):
        row = top.membership.row
        top.election.read_done(asked.request, Read(row), top.ctx.monotonic_ms)
        top.membership.adopt(row, won=False)
        (asked,) = top.asked()
    assert isinstance(asked, CompareAndSet)
    return asked


def test_a_slow_peer_is_put_out_and_held_off() -> None:
    top, _ = slow_after(Policy(witness_retry_ms=10, slow_peer_ms=300, slow_peer_hold_ms=500))
    solo = asks_for_solo(top)
    assert solo.row.synced == (A,)
    top.answer(Mine(solo.row))
    assert (top.membership.state, top.ctx.readmission.held_ms(top.ctx.monotonic_ms)) == ("solo", 500)
    top.hear(4)
    assert not top.service.caught_up


def test_with_block_a_slow_peer_is_spoken_of_once_and_waited_for() -> None:
    top, said = slow_after(Policy(witness_retry_ms=10, slow_peer_ms=300, slow_peer="block"))
    assert (top.membership.state, said.count("peer_slow")) == ("synced", 1)
    assert not [asked for asked in top.asked() if isinstance(asked, CompareAndSet)]
    assert top.replica.log.committed_through == 0


def test_with_block_a_peer_that_is_gone_is_put_out_all_the_same() -> None:
    top, _ = slow_after(Policy(witness_retry_ms=10, slow_peer_ms=300, slow_peer="block"))
    top.asked()
    top.lose_the_peer(top.ctx.monotonic_ms + 10)
    solo = asks_for_solo(top)
    assert solo.row.synced == (A,)
