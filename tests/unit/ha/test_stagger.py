"""A node that follows applies what the active has applied; one that becomes active knows what is suspect."""

from __future__ import annotations

import pytest

from eiha.ha.context import Context, MemberConfig
from eiha.ha.effects import Apply
from eiha.ha.inputs import Applied, Restored, SnapshotFacts
from eiha.ha.policy import Policy
from eiha.ha.replica import Replica
from eiha.kernel.ids import LOG_START, Epoch, LogPosition, LogTimeMs, NodeId, Sequence
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import EntryBody, LogEntry, Quarantine, TimeTick


def entry(sequence: int, body: EntryBody | None = None) -> LogEntry:
    bare = LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(sequence), body or TimeTick())
    return LogEntry(bare.epoch, bare.sequence, bare.log_time_ms, bare.body, encode_entry(bare))


def quarantine(sequence: int) -> Quarantine:
    return Quarantine(Sequence(sequence), "p", (), suspends=False, cause="killed", reason="")


class Following:
    """A replica with ten entries in its log, all committed, that follows."""

    def __init__(self) -> None:
        self.context = Context(MemberConfig("c", NodeId("a"), (), Policy(apply_entries_max=4)))
        self.replica = Replica(self.context, lambda *_: None)
        self.replica.log.reset(LOG_START, ())
        self.append(*(entry(sequence) for sequence in range(1, 11)))

    def append(self, *entries: LogEntry) -> None:
        self.replica.append(entries)
        self.replica.log.mark_persisted(entries[-1].position)
        self.replica.commit(entries[-1].sequence)

    def handed(self) -> list[Apply]:
        return [effect for effect in self.context.finish() if isinstance(effect, Apply)]

    def applied(self, through: int) -> None:
        self.replica.applied(Applied(Sequence(through), (), None))


@pytest.fixture
def following() -> Following:
    return Following()


def sequences(works: list[Apply]) -> list[int]:
    return [each.sequence for work in works for each in work.entries]


def test_nothing_is_applied_before_the_active_has_applied_it(following: Following) -> None:
    assert following.handed() == []
    following.replica.proven(Sequence(3))
    assert sequences(following.handed()) == [1, 2, 3]
    following.replica.proven(Sequence(2))
    assert following.handed() == []


def test_what_waits_for_the_active_is_not_this_engines_backlog() -> None:
    waiting = Following()
    waiting.context.policy = Policy(unapplied_bytes_max=0)
    assert not waiting.replica.engine_behind
    waiting.replica.proven(Sequence(3))
    assert waiting.replica.engine_behind
    waiting.applied(3)
    assert not waiting.replica.engine_behind


def test_whoever_becomes_active_has_what_nobody_proved_for_suspects(following: Following) -> None:
    following.replica.proven(Sequence(2))
    following.handed()
    following.replica.became_author()
    following.append(entry(11))
    works = following.handed()
    assert [(sequences([work]), work.suspects) for work in works] == [([3, 4, 5, 6], True), ([7, 8], True)]
    following.applied(8)
    assert [(sequences([work]), work.suspects) for work in following.handed()] == [([9, 10], True), ([11], False)]


def test_what_another_node_proved_is_no_suspect_even_if_this_one_has_yet_to_apply_it(following: Following) -> None:
    following.replica.restore(None)  # nothing is handed out while a restore is under way
    following.replica.proven(Sequence(6))
    following.replica.became_author()
    following.replica.restored(Restored(SnapshotFacts(LOG_START, (), b""), None))
    assert [(sequences([work]), work.suspects) for work in following.handed()] == [
        ([1, 2, 3, 4], False),
        ([5, 6], False),
        ([7, 8], True),
    ]


def test_a_node_that_steps_down_follows_again(following: Following) -> None:
    following.replica.became_author()
    following.replica.pump()
    following.applied(4)
    following.replica.ceased_to_be_author()
    following.handed()
    following.append(entry(11))
    assert following.handed() == []


def test_quarantines_of_the_log_go_along_with_the_entries_they_name(following: Following) -> None:
    following.replica.append((entry(11, quarantine(2)),))  # not committed yet as far as this node knows
    following.replica.proven(Sequence(3))
    [work] = following.handed()
    assert work.quarantined == (quarantine(2),)


def test_an_entry_that_failed_waits_until_the_log_says_what_to_leave_out(following: Following) -> None:
    following.replica.became_author()
    following.replica.pump()
    following.handed()
    following.applied(2)
    following.handed()
    following.replica.apply_failed(quarantine(3))
    assert (following.replica.handed_through, following.replica.applied_through) == (2, 2)
    following.replica.pump()
    assert following.handed() == []
    following.append(entry(11, quarantine(3)))
    [first, *_] = following.handed()
    assert (sequences([first])[0], first.quarantined) == (3, (quarantine(3),))


def test_a_failure_of_a_state_that_is_being_replaced_says_nothing(following: Following) -> None:
    following.replica.proven(Sequence(3))
    following.replica.restore(b"")
    following.replica.apply_failed(quarantine(1))
    assert following.replica.quarantines.failure is None


def test_positions_are_proven_by_a_snapshot_too(following: Following) -> None:
    following.replica.restore(b"")
    facts = SnapshotFacts(LogPosition(Sequence(7), Epoch(1)), ((Epoch(1), Sequence(1)),), b"")
    following.replica.restored(Restored(facts, None))
    assert following.replica.proven_through == 7
