from __future__ import annotations

from eiha.ha.quarantines import PER_ENTRY_MAX, STRIKES_MAX, STRIKES_WINDOW_MS, Quarantines
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Quarantine, RowRange


def poison(sequence: int, plan: str = "p", *, rows: tuple[RowRange, ...] = (), suspends: bool = False) -> Quarantine:
    return Quarantine(Sequence(sequence), plan, rows, suspends, "raised", "why")


def entry(sequence: int, body: EntryBody, log_time_ms: int = 0) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(log_time_ms), body)


def logged(*bodies: tuple[int, Quarantine]) -> Quarantines:
    known = Quarantines()
    for sequence, body in bodies:
        known.appended(entry(sequence, body))
    return known


def test_what_concerns_a_run_of_entries_is_told_in_log_order() -> None:
    known = logged((5, poison(3, "b")), (6, poison(3, "a")), (7, poison(4)))
    assert known.concerning(Sequence(2), Sequence(3)) == (poison(3, "b"), poison(3, "a"))
    assert known.concerning(Sequence(4), Sequence(9)) == ()
    assert known.last_position == 7


def test_what_is_cut_from_the_log_counts_no_more() -> None:
    known = logged((5, poison(3, "b")), (6, poison(3, "a")))
    known.truncated(Sequence(5))
    assert known.concerning(Sequence(0), Sequence(9)) == (poison(3, "b"),)
    assert known.last_position == 5
    known.reset()
    assert known.concerning(Sequence(0), Sequence(9)) == ()


def test_what_the_engine_is_past_is_forgotten_but_not_where_the_last_one_stands() -> None:
    known = logged((5, poison(3)))
    known.applied(Sequence(3))
    assert known.concerning(Sequence(0), Sequence(9)) == ()
    assert known.last_position == 5


def test_a_failure_is_written_once_and_is_over_when_that_is_committed() -> None:
    known = Quarantines()
    assert known.to_write(Sequence(3), LogTimeMs(0)) is None
    known.failure = poison(3)
    assert known.to_write(Sequence(3), LogTimeMs(0)) == poison(3)
    known.appended(entry(4, poison(3)))
    assert known.to_write(Sequence(3), LogTimeMs(0)) is None
    known.committed(entry(4, poison(3)))
    assert known.failure is None
    assert known.count == 1


def failed_often(times: int, log_time_ms: int) -> Quarantines:
    known = Quarantines()
    for number in range(times):
        known.committed(entry(number + 1, poison(number), log_time_ms))
    known.failure = poison(100)
    return known


def test_a_plan_that_fails_again_and_again_is_suspended() -> None:
    written = failed_often(STRIKES_MAX - 1, 0).to_write(Sequence(99), LogTimeMs(0))
    assert written is not None
    assert (written.suspends, written.plan, written.sequence) == (True, "p", 100)
    few = failed_often(STRIKES_MAX - 2, 0).to_write(Sequence(99), LogTimeMs(0))
    assert few == poison(100)


def test_failures_long_ago_and_of_a_text_that_was_replaced_do_not_count() -> None:
    late = failed_often(STRIKES_MAX, 0).to_write(Sequence(99), LogTimeMs(STRIKES_WINDOW_MS + 1))
    assert late == poison(100)
    mended = failed_often(STRIKES_MAX, 0)
    mended.committed(entry(50, DeployPlan("p", "new text")))
    assert mended.to_write(Sequence(99), LogTimeMs(0)) == poison(100)


def test_an_entry_that_goes_on_failing_is_left_out_whole_and_then_hopeless() -> None:
    known = logged(
        *((number + 10, poison(3, rows=(RowRange(0, number, number + 1),))) for number in range(PER_ENTRY_MAX))
    )
    known.failure = poison(3)
    written = known.to_write(Sequence(99), LogTimeMs(0))
    assert written is not None
    assert (written.plan, written.rows) == ("", ())
    assert not known.is_hopeless()
    known.appended(entry(50, written))
    assert known.is_hopeless()
