"""What a node does with its state when it is found to be wrong: comes to the position, keeps it, then joins anew."""

from __future__ import annotations

from typing import TypeVar

import pytest

from eiha.ha.context import Context, MemberConfig
from eiha.ha.divergence import DUMP_WAIT_MS, MINE
from eiha.ha.effects import Apply, Effect, Fact, KeepDump, Send, TakeSnapshot, TrimLog
from eiha.ha.follower import Follower
from eiha.ha.inputs import Applied, Channel, SnapshotFailed, SnapshotTaken
from eiha.ha.intake import Held
from eiha.ha.joiner import Joiner
from eiha.ha.policy import Policy
from eiha.ha.replica import Replica
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
from eiha.protocol.peer_messages import JoinRequest, PeerIdentity
from eiha.protocol.snapshot_format import SnapshotManifest

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


def manifest(sequence: int) -> SnapshotManifest:
    return SnapshotManifest(at(sequence), (), 0, ())


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
    assert not asked(effects), "what is being written must not be discarded"
    assert not passive.replica.snapshot_taken(SnapshotTaken(order.request, manifest(7)))
    passive.joiner.ask()
    effects = passive.effects()
    assert of(KeepDump, effects) == [KeepDump(Sequence(7), MINE, manifest(7), withdraw=True)]
    assert of(TrimLog, effects) == [], "a wrong state is nothing to start from"
    assert asked(effects)


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
    assert [each.event for each in of(Fact, effects)] == ["dump_elsewhere"]
    [order] = of(TakeSnapshot, effects)
    assert order.position == at(10)
    passive.replica.snapshot_taken(SnapshotTaken(order.request, manifest(10)))
    assert of(KeepDump, passive.effects()) == [KeepDump(Sequence(12), MINE, manifest(10), withdraw=True)]


def test_an_engine_that_stands_delays_the_join_no_longer_than_the_limit(passive: Passive) -> None:
    passive.told(7)
    passive.now(DUMP_WAIT_MS)
    passive.joiner.ask()
    effects = passive.effects()
    assert asked(effects)
    assert of(TakeSnapshot, effects) == []


def test_a_dump_that_fails_does_not_keep_the_node_from_joining(passive: Passive) -> None:
    passive.told(7)
    passive.applied(7)
    [order] = of(TakeSnapshot, passive.effects())
    passive.replica.snapshot_failed(SnapshotFailed(order.request, "the disk is full"))
    passive.joiner.ask()
    effects = passive.effects()
    assert "dump_lost" in [each.event for each in of(Fact, effects)]
    assert asked(effects)


def test_the_actives_dump_is_also_its_snapshot(passive: Passive) -> None:
    request, position = passive.replica.cut_dump()
    assert position == 4
    [order] = of(TakeSnapshot, passive.effects())
    assert order.request == request
    assert order.position == at(4)
    assert passive.replica.snapshot_taken(SnapshotTaken(request, manifest(4)))
    assert of(KeepDump, passive.effects()) == [KeepDump(Sequence(4), MINE, manifest(4))]
