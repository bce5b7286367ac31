from __future__ import annotations

from eiha.ha.context import Context, MemberConfig
from eiha.ha.effects import ResetLog, RestoreSnapshot
from eiha.ha.inputs import SnapshotFacts, Start
from eiha.ha.replica import Replica
from eiha.ha.startup import load_disk
from eiha.kernel.ids import LOG_START, Epoch, Incarnation, LogPosition, LogTimeMs, NodeId, Sequence
from eiha.protocol.log_entry import LogEntry, TimeTick

STARTS = ((Epoch(1), Sequence(1)), (Epoch(2), Sequence(6)))


def at(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1 if sequence < 6 else 2))


def entries(first: int, last: int) -> tuple[LogEntry, ...]:
    return tuple(LogEntry(at(n).epoch, Sequence(n), LogTimeMs(n), TimeTick(), b"x") for n in range(first, last + 1))


def load(held: tuple[LogEntry, ...], cut: LogPosition | None) -> tuple[Replica, str | None, list[object]]:
    ctx = Context(MemberConfig("c", NodeId("a")))
    replica = Replica(ctx, lambda _client, _sequence: None)
    snapshot = None if cut is None else SnapshotFacts(cut, STARTS, b"")
    damage = load_disk(replica, Start(Incarnation("a.1"), held, snapshot, 0, ()))
    return replica, damage, list(ctx.effects)


def test_an_empty_disk_is_an_empty_log() -> None:
    replica, damage, effects = load((), None)
    assert (damage, replica.log.end, effects) == (None, LOG_START, [])


def test_a_log_without_a_snapshot_is_loaded_and_nothing_of_it_is_committed_yet() -> None:
    replica, damage, effects = load(entries(1, 7), None)
    assert (damage, effects) == (None, [])
    assert (replica.log.end, replica.log.persisted, replica.log.committed_through) == (at(7), at(7), 0)


def test_what_the_snapshot_covers_counts_as_committed_and_the_rest_waits() -> None:
    replica, damage, effects = load(entries(3, 9), at(7))
    assert (damage, effects) == (None, [RestoreSnapshot(None)])
    log = replica.log
    assert (log.base, log.end, log.committed_through, replica.handed_through) == (at(2), at(9), 7, 7)


def test_a_log_that_begins_right_after_the_snapshot_fits() -> None:
    replica, damage, _ = load(entries(8, 9), at(7))
    assert (damage, replica.log.base, replica.log.holds(at(7))) == (None, at(7), True)


def test_a_snapshot_alone_is_enough() -> None:
    replica, damage, _ = load((), at(7))
    assert (damage, replica.log.end, replica.log.epoch_starts) == (None, at(7), STARTS)


def test_a_log_that_ends_before_the_snapshot_is_emptied_on_disk_so_that_the_next_entry_fits() -> None:
    replica, damage, effects = load(entries(1, 5), at(7))
    assert (damage, replica.log.end) == (None, at(7))
    assert effects == [ResetLog(at(7)), RestoreSnapshot(None)]


def test_a_gap_between_snapshot_and_log_is_damage() -> None:
    assert "interrupted" in (load(entries(9, 9), at(7))[1] or "")
    assert "interrupted" in (load(entries(2, 4), None)[1] or "")


def test_a_snapshot_that_was_cut_from_another_history_is_damage() -> None:
    assert "epoch 3" in (load(entries(1, 9), LogPosition(Sequence(7), Epoch(3)))[1] or "")
