from __future__ import annotations

from typing import Any

from eiha.ha.context import Context, MemberConfig
from eiha.ha.effects import CloseLink, Persist, Send
from eiha.ha.follower import Follower
from eiha.ha.inputs import Channel
from eiha.ha.intake import Held
from eiha.ha.replica import Replica
from eiha.kernel.ids import (
    LOG_START,
    ClientId,
    ClientSequence,
    Epoch,
    Incarnation,
    LinkId,
    LogPosition,
    LogTimeMs,
    NodeId,
    Sequence,
)
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import LogEntry, Publication, TimeTick
from eiha.protocol.peer_messages import Append, AppendAck, Forward, PeerIdentity

LINK = LinkId(1)


class Follows:
    """A follower of epoch 3 with a link, its log empty."""

    def __init__(self) -> None:
        self.ctx = Context(MemberConfig("c", NodeId("b")))
        self.ctx.incarnation = Incarnation("b.1")
        self.replica = Replica(self.ctx, lambda _client, _sequence: None)
        self.held = Held(self.ctx.policy, self.replica.sessions)
        self.follower = Follower(self.ctx, self.replica, self.held)
        self.ctx.links.up(Channel.EVENT_SYNC, LINK, PeerIdentity(NodeId("a"), Incarnation("a.1")))
        self.follower.follow(Epoch(3))
        self.ctx.finish()

    def said(self) -> list[Any]:
        return [effect.message if isinstance(effect, Send) else effect for effect in self.ctx.finish()]

    def append(self, epoch: int, previous: tuple[int, int], *entries: tuple[int, int], committed: int = 0) -> bool:
        encoded = tuple(encode_entry(LogEntry(Epoch(e), Sequence(s), LogTimeMs(0), TimeTick())) for s, e in entries)
        at = LogPosition(Sequence(previous[0]), Epoch(previous[1]))
        return self.follower.append(Append(Epoch(epoch), at, encoded, Sequence(committed)))

    def persist(self) -> None:
        self.replica.log.mark_persisted(self.replica.log.end)
        self.follower.persisted()


def test_following_begins_with_telling_where_the_log_ends() -> None:
    follows = Follows()
    follows.follower.follow(Epoch(3))
    assert follows.said() == [AppendAck(Epoch(3), Incarnation("b.1"), LOG_START, Sequence(0))]


def test_entries_are_acknowledged_once_they_are_persisted_and_not_before() -> None:
    follows = Follows()
    assert follows.append(3, (0, 0), (1, 3), (2, 3), committed=1)
    (persist,) = follows.said()
    assert isinstance(persist, Persist)
    follows.follower.link_up()
    assert [said.through for said in follows.said()] == [LOG_START]
    assert follows.replica.log.committed_through == 0
    follows.persist()
    ack = [said for said in follows.said() if isinstance(said, AppendAck)]
    assert [each.through.sequence for each in ack] == [2]
    assert follows.replica.log.committed_through == 1


def test_appends_of_another_epoch_than_the_one_that_was_joined_are_not_taken() -> None:
    follows = Follows()
    for epoch in (2, 4):
        assert follows.append(epoch, (0, 0), (1, epoch))
    assert (follows.said(), follows.replica.log.end) == ([], LOG_START)
    follows.follower.stop()
    assert follows.append(3, (0, 0), (1, 3))
    assert (follows.said(), follows.replica.log.end) == ([], LOG_START)


def test_a_gap_is_refused_with_the_end_of_the_log() -> None:
    follows = Follows()
    follows.append(3, (0, 0), (1, 3))
    follows.said()
    assert follows.append(3, (4, 3), (5, 3))
    (ack,) = follows.said()
    assert (ack.rejected, ack.through) == (True, LogPosition(Sequence(1), Epoch(3)))


def test_entries_that_are_here_already_are_passed_over() -> None:
    follows = Follows()
    follows.append(3, (0, 0), (1, 3), (2, 3))
    follows.persist()
    follows.said()
    assert follows.append(3, (0, 0), (1, 3), (2, 3))
    (ack,) = follows.said()
    assert ack.through.sequence == 2
    assert follows.append(3, (1, 3), (2, 3), (3, 3))
    (persist,) = follows.said()
    assert [entry.sequence for entry in persist.entries] == [3]


def test_entries_that_contradict_the_log_make_the_node_join_anew() -> None:
    follows = Follows()
    follows.append(3, (0, 0), (1, 2), (2, 2))
    assert not follows.append(3, (2, 3), (3, 3))
    assert not follows.append(3, (0, 0), (1, 3))
    assert follows.replica.log.end == LogPosition(Sequence(2), Epoch(2))


def test_a_damaged_append_closes_the_link_and_changes_nothing() -> None:
    follows = Follows()
    damaged = Append(Epoch(3), LOG_START, (b"\xc1",), Sequence(0))
    assert follows.follower.append(damaged)
    assert [type(effect) for effect in follows.said()] == [CloseLink]
    assert follows.append(3, (0, 0), (2, 3))
    assert [type(effect) for effect in follows.said()] == [CloseLink]
    assert follows.replica.log.end == LOG_START


def test_commit_is_what_the_active_said_and_this_disk_holds() -> None:
    follows = Follows()
    follows.append(3, (0, 0), (1, 3), (2, 3), committed=2)
    assert follows.replica.log.committed_through == 0
    follows.persist()
    assert follows.replica.log.committed_through == 2


def test_while_the_state_is_incomplete_nothing_counts_as_applied() -> None:
    follows = Follows()
    follows.append(3, (0, 0), (1, 3), committed=1)
    follows.persist()
    follows.replica.applied_through = Sequence(1)
    follows.said()
    follows.follower.state_complete = False
    follows.follower.acknowledge(always=True)
    follows.follower.state_complete = True
    follows.follower.acknowledge(always=True)
    assert [ack.applied_through for ack in follows.said()] == [0, 1]


def test_what_clients_send_is_forwarded_once_and_again_over_a_new_link() -> None:
    follows = Follows()
    publication = Publication(ClientId("web"), ClientSequence(1), "S", 1, b"x")
    follows.follower.submit((publication,), duplicated=False)
    follows.follower.forward()
    follows.follower.forward()
    assert follows.said() == [Forward(Epoch(3), (publication,))]
    follows.follower.link_up()
    assert Forward(Epoch(3), (publication,)) in follows.said()
