from __future__ import annotations

from eiha.ha.context import Context, MemberConfig
from eiha.ha.effects import Effect, Fact
from eiha.ha.policy import Policy
from eiha.ha.snapshot_schedule import FIRST_RESTORE_MS, FIRST_TOLD_INTERVALS, SnapshotSchedule
from eiha.ha.symptoms import log_symptoms
from eiha.kernel.ids import Epoch, LogPosition, MonotonicMs, NodeId, Now, Sequence, WallMs

INTERVAL_BYTES = 1_000


def at(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


class Scheduled:
    """A schedule and the time."""

    def __init__(self, policy: Policy) -> None:
        self.ctx = Context(MemberConfig("c", NodeId("a"), (), policy))
        self.now(0)
        self.schedule = SnapshotSchedule(self.ctx)

    def now(self, ms: int) -> None:
        self.ctx.begin(Now(MonotonicMs(ms), WallMs(ms)))

    def told(self) -> list[Effect]:
        return [effect for effect in self.ctx.finish() if isinstance(effect, Fact)]

    def is_due(self, applied: int) -> bool:
        return self.schedule.is_due(Sequence(applied), Sequence(applied))


def scheduled(**values: int) -> Scheduled:
    return Scheduled(Policy(snapshot_interval_bytes=INTERVAL_BYTES, **values))  # type: ignore[arg-type]


def test_one_is_due_after_the_interval_and_not_before_or_without_anything_new() -> None:
    node = scheduled(snapshot_interval_ms=500)
    node.now(499)
    assert not node.is_due(5)
    node.now(500)
    assert node.is_due(5)
    assert not node.is_due(0)


def test_one_is_due_early_when_a_start_would_replay_much_but_not_so_that_it_takes_up_the_time() -> None:
    node = scheduled(snapshot_interval_ms=60_000, snapshot_interval_entries=10, snapshot_early_ms=100)
    node.schedule.cut()
    node.now(50)
    node.schedule.taken(at(5))
    node.now(999)
    assert not node.is_due(15)
    node.now(1_000)
    assert node.is_due(15)
    assert not node.is_due(14)


def test_what_a_process_does_once_with_its_first_restore_is_not_taken_for_the_size_of_the_state() -> None:
    node = scheduled(snapshot_interval_ms=60_000, snapshot_interval_entries=10, snapshot_early_ms=100)
    node.schedule.restoring()
    node.now(FIRST_RESTORE_MS)
    node.schedule.restored(at(5), 0)
    node.now(FIRST_RESTORE_MS + 100)
    assert node.is_due(15)
    node.schedule.restoring()
    node.now(2 * FIRST_RESTORE_MS + 150)
    node.schedule.restored(at(5), 0)
    node.now(2 * FIRST_RESTORE_MS + 1_149)
    assert not node.is_due(15), "50 ms beyond it, twenty times"
    node.now(2 * FIRST_RESTORE_MS + 1_150)
    assert node.is_due(15)


def test_one_that_failed_is_due_after_the_pause_only() -> None:
    node = scheduled(snapshot_interval_ms=1, snapshot_pause_ms=200)
    node.schedule.cut()
    node.schedule.failed()
    node.now(199)
    assert not node.is_due(5)
    node.now(200)
    assert node.is_due(5)


def test_the_log_that_no_snapshot_covers_is_what_came_after_the_cut_of_the_newest_that_was_saved() -> None:
    node = scheduled()
    node.schedule.logged(100)
    node.schedule.cut()
    node.schedule.logged(30)
    node.schedule.failed()
    assert node.schedule.uncovered_bytes == 130
    node.schedule.cut()
    node.schedule.logged(7)
    assert node.schedule.taken(at(5)) is None
    assert node.schedule.uncovered_bytes == 7
    assert node.schedule.taken(at(6)) == at(5)


def test_what_the_disk_held_at_the_start_counts_until_a_snapshot_is_read() -> None:
    node = scheduled()
    node.schedule.loaded(500)
    assert node.schedule.uncovered_bytes == 500
    node.schedule.restored(at(3), 200)
    assert node.schedule.uncovered_bytes == 200
    node.schedule.discarded()
    assert node.schedule.uncovered_bytes == 0


def test_a_log_that_grows_without_a_snapshot_is_said_at_each_doubling_until_one_is_saved() -> None:
    node = scheduled()
    first = FIRST_TOLD_INTERVALS * INTERVAL_BYTES
    node.schedule.logged(first - 1)
    assert node.told() == []
    assert log_symptoms(node.schedule) == ()
    node.schedule.logged(1)
    assert [fact.event for fact in node.told() if isinstance(fact, Fact)] == ["log_grows"]
    assert "of the log are in no snapshot" in log_symptoms(node.schedule)[0]
    node.schedule.logged(first - 1)
    assert node.told() == []
    node.schedule.logged(1)
    assert len(node.told()) == 1
    node.schedule.cut()
    node.schedule.taken(at(9))
    assert log_symptoms(node.schedule) == ()
    node.schedule.logged(first)
    assert len(node.told()) == 1


def test_the_log_is_full_only_where_a_limit_is_set() -> None:
    node = scheduled(log_uncovered_bytes_max=2 * INTERVAL_BYTES)
    node.schedule.logged(2 * INTERVAL_BYTES)
    assert not node.schedule.is_log_full
    node.schedule.logged(1)
    assert node.schedule.is_log_full
    node.schedule.cut()
    node.schedule.taken(at(9))
    assert not node.schedule.is_log_full
    unlimited = scheduled()
    unlimited.schedule.logged(1 << 40)
    assert not unlimited.schedule.is_log_full
