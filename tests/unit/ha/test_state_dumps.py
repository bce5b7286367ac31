"""What a node does with its state when it is found to be wrong: comes to the position, keeps it, then joins anew."""

from __future__ import annotations

from typing import TypeVar

import pytest

from eiha.ha.context import Context, MemberConfig
from eiha.ha.divergence import DUMP_WAIT_MS, MINE, PEER
from eiha.ha.effects import Apply, Effect, Fact, KeepDump, SaveSnapshot, Send, TakeSnapshot
from eiha.ha.follower import Follower
from eiha.ha.inputs import Applied, Channel, Restored, SnapshotFacts, SnapshotTaken
from eiha.ha.intake import Held
from eiha.ha.joiner import Joiner
from eiha.ha.policy import Policy
from eiha.ha.replica import Replica
from eiha.ha.transfer import SnapshotSender
from eiha.kernel.ids import (
    LOG_START,
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
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.protocol.peer_messages import JoinRequest, PeerIdentity, SnapshotBegin
from eiha.protocol.snapshot_format import SnapshotContent, encode_snapshot

E = TypeVar("E")


def entry(sequence: int) -> LogEntry:
    bare = LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(sequence), TimeTick())
    return LogEntry(bare.epoch, bare.sequence, bare.log_time_ms, bare.body, encode_entry(bare))


def at(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


class Passive:
    """A node that follows: ten entries in its log, four of them committed as far as it knows, four applied."""

    def __init__(self) -> None:
        self.ctx = Context(MemberConfig("c", NodeId("b"), (), Policy()))
        self.ctx.incarnation = Incarnation("disk b")
        self.now(0)
        self.replica = Replica(self.ctx, lambda *_: None)
        self.replica.log.reset(LOG_START, ())
        self.follower = Follower(self.ctx, self.replica, Held(self.ctx.policy, self.replica.sessions))
        self.joiner = Joiner(self.ctx, self.replica, self.follower)
        peer = PeerIdentity(NodeId("a"), Incarnation("disk a"))
        for number, channel in enumerate(Channel, 1):
            self.ctx.links.up(channel, LinkId(number), peer)
        self.follower.follow(Epoch(1))
        self.replica.append(tuple(entry(sequence) for sequence in range(1, 11)))
        self.replica.log.mark_persisted(at(10))
        self.follower.commit_heard(Sequence(4))
        self.replica.proven(Sequence(4))
        self.applied(4)
        self.effects()

    def now(self, ms: int) -> None:
        self.ctx.begin(Now(MonotonicMs(ms), WallMs(ms)))

    def effects(self) -> list[Effect]:
        return list(self.ctx.finish())

    def applied(self, through: int) -> None:
        self.replica.applied(Applied(Sequence(through), (), None))

    def told(self, state_at: int) -> None:
        """The active says Resync."""
        self.joiner.dump(Sequence(state_at))
        self.joiner.begin(discard=True)


@pytest.fixture
def passive() -> Passive:
    return Passive()


def of(kind: type[E], effects: list[Effect]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def asked(effects: list[Effect]) -> bool:
    return any(isinstance(effect.message, JoinRequest) for effect in of(Send, effects))


def content(sequence: int, state: bytes = b"state") -> bytes:
    return encode_snapshot(SnapshotContent(at(sequence), (), b"", state))


def test_the_state_is_dumped_exactly_where_the_active_dumps_its_own_and_only_then_discarded(passive: Passive) -> None:
    passive.told(7)
    passive.joiner.ask()
    effects = passive.effects()
    assert [each.sequence for work in of(Apply, effects) for each in work.entries] == [5, 6, 7]
    assert not asked(effects)
    assert of(TakeSnapshot, effects) == []

    passive.applied(7)
    passive.joiner.ask()
    effects = passive.effects()
    [order] = of(TakeSnapshot, effects)
    assert order.position == at(7)
    assert asked(effects)

    passive.replica.snapshot_taken(SnapshotTaken(order.request, at(7), content(7)))
    effects = passive.effects()
    assert of(KeepDump, effects) == [KeepDump(Sequence(7), MINE, at(7), content(7))]
    assert of(SaveSnapshot, effects) == [], "a wrong state is nothing to start from"


def test_a_position_that_is_not_reached_is_waited_for_within_a_limit(passive: Passive) -> None:
    passive.told(12)  # behind the end of this log
    passive.joiner.ask()
    passive.applied(10)
    passive.now(DUMP_WAIT_MS - 1)
    passive.joiner.ask()
    assert not asked(passive.effects())
    passive.now(DUMP_WAIT_MS)
    passive.joiner.ask()
    effects = passive.effects()
    assert asked(effects)
    assert [each.event for each in of(Fact, effects)] == ["dump_elsewhere"]
    [order] = of(TakeSnapshot, effects)
    assert order.position == at(10)
    passive.replica.snapshot_taken(SnapshotTaken(order.request, at(10), content(10)))
    assert of(KeepDump, passive.effects()) == [KeepDump(Sequence(12), MINE, at(10), content(10))]


def test_an_engine_that_stands_delays_the_join_no_longer_than_the_limit(passive: Passive) -> None:
    passive.told(7)
    passive.now(DUMP_WAIT_MS)
    passive.joiner.ask()
    effects = passive.effects()
    assert asked(effects)
    assert of(TakeSnapshot, effects) == []


def test_what_the_active_sends_instead_is_kept_beside(passive: Passive) -> None:
    passive.told(7)
    passive.applied(7)
    passive.joiner.ask()
    passive.effects()
    sent = content(7, b"the right one")
    sender = SnapshotSender(1, Epoch(1), at(7), sent, chunk_bytes=1 << 20, window=4, now_ms=MonotonicMs(0))
    passive.joiner._transfer = 1
    assert isinstance(sender.begin, SnapshotBegin)
    passive.joiner.snapshot_begins(sender.begin)
    for chunk in sender.due():
        passive.joiner.chunk(chunk)
    passive.joiner.restored(Restored(SnapshotFacts(at(7), (), b""), None))
    effects = passive.effects()
    assert of(KeepDump, effects) == [KeepDump(Sequence(7), PEER, at(7), sent)]
    assert of(SaveSnapshot, effects) == [SaveSnapshot(at(7), sent)]


def test_the_actives_dump_is_also_its_snapshot() -> None:
    passive = Passive()
    request, position = passive.replica.cut_dump()
    assert position == 4
    [order] = of(TakeSnapshot, passive.effects())
    assert order.request == request
    assert order.position == at(4)
    passive.replica.snapshot_taken(SnapshotTaken(request, at(4), content(4)))
    effects = passive.effects()
    assert of(SaveSnapshot, effects) == [SaveSnapshot(at(4), content(4))]
    assert of(KeepDump, effects) == [KeepDump(Sequence(4), MINE, at(4), content(4))]
