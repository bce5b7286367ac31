"""Entries that raise or kill, as the engine's thread answers for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eiha.errors import CorruptFile
from eiha.ha.effects import Apply
from eiha.ha.inputs import Applied, ApplyFailed
from eiha.kernel.ids import Sequence
from eiha.protocol.log_entry import DeployPlan, LogEntry, Quarantine, RowRange
from tests.poison_functions import ABORTS, RAISES
from tests.unit.node.test_engine_thread import TIMEOUT_S, Running, entry, rows

KEEPING = "define stream S (x long); from S#window.poison:keep() select sum(x) as total insert into Kept;"
TOUCHING = "define stream S (x long); from S select sum(poison:touch(x)) as total insert into Touched;"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path, digest_interval_entries=1_000)
    made.thread.start()
    yield made
    assert made.thread.stop(TIMEOUT_S)


def answers(running: Running, *works: Apply) -> list[Applied | ApplyFailed]:
    """What these are answered by, up to the failure, or to the end of the last."""
    for work in works:
        running.log += [each for each in work.entries if each not in running.log]
        running.thread.put(work)
    last = works[-1].entries[-1].sequence
    found: list[Applied | ApplyFailed] = []
    while not found or not (isinstance(found[-1], ApplyFailed) or found[-1].sequence == last):
        answer = running.report().answer
        assert isinstance(answer, Applied | ApplyFailed)
        found.append(answer)
    return found


def totals(found: list[Applied | ApplyFailed]) -> list[list[int]]:
    outputs = [output for each in found if isinstance(each, Applied) for output in each.outputs]
    return [output.batch.columns[0].to_list() for output in outputs if output.sink == "processed"]


def deployed(text: str) -> LogEntry:
    return entry(1, DeployPlan("p", text))


def test_an_entry_that_raises_is_named_and_the_engine_stands_before_it(running: Running) -> None:
    found = answers(running, Apply((deployed(KEEPING), rows(2, 1), rows(3, 5, RAISES, 6), rows(4, 2))))
    failure = found[-1]
    assert isinstance(failure, ApplyFailed)
    assert failure.failure.rows == (RowRange(0, 1, 2),)
    assert (failure.failure.sequence, failure.failure.plan, failure.failure.cause) == (3, "p", "raised")
    assert max(each.sequence for each in found if isinstance(each, Applied)) == 2
    assert totals(found) == [[1]]

    again = answers(running, Apply((rows(3, 5, RAISES, 6), rows(4, 2)), quarantined=(failure.failure,)))
    assert totals(again) == [[6, 12], [14]]
    assert running.thread.waiting_entries == 0
    assert running.applied_through == 4


def test_what_was_given_before_the_failure_was_known_is_passed_over(running: Running) -> None:
    works = (Apply((deployed(KEEPING), rows(2, RAISES))), Apply((rows(3, 1),)), Apply((rows(4, 2),)))
    found = answers(running, *works)
    failure = found[-1]
    assert isinstance(failure, ApplyFailed)
    again = answers(running, Apply((rows(2, RAISES), rows(3, 1), rows(4, 2)), quarantined=(failure.failure,)))
    assert totals(again) == [[1], [3]]
    assert running.thread.waiting_entries == 0


def test_the_way_back_leaves_out_what_was_left_out_before(running: Running) -> None:
    first = Quarantine(Sequence(2), "p", (), suspends=False, cause="raised", reason="earlier")
    answers(running, Apply((deployed(KEEPING), rows(2, RAISES), rows(3, 1)), quarantined=(first,)))
    found = answers(running, Apply((rows(4, RAISES),)))
    failure = found[-1]
    assert isinstance(failure, ApplyFailed)
    again = answers(running, Apply((rows(4, RAISES), rows(5, 2)), quarantined=(failure.failure,)))
    assert totals(again) == [[3]]


def test_a_way_back_that_is_not_there_ends_the_thread(tmp_path: Path) -> None:
    running = Running(tmp_path)

    def nothing(after: Sequence, through: Sequence) -> Iterator[LogEntry]:
        raise CorruptFile(f"no entries after {after}")
        yield

    running.thread._guard._read_log = nothing
    running.thread.start()
    running.thread.put(Apply((deployed(KEEPING), rows(2, RAISES))))
    assert isinstance(running.failures.get(timeout=TIMEOUT_S), CorruptFile)


def test_suspects_are_applied_as_far_as_a_child_survives_them(running: Running) -> None:
    work = Apply((deployed(TOUCHING), rows(2, 1), rows(3, 2, ABORTS), rows(4, 3)), suspects=True)
    found = answers(running, work)
    failure = found[-1]
    assert isinstance(failure, ApplyFailed)
    assert (failure.failure.sequence, failure.failure.cause, failure.failure.rows) == (
        3, "killed", (RowRange(0, 1, 2),))  # fmt: skip
    assert totals(found) == [[1]]
    again = answers(running, Apply(work.entries[2:], quarantined=(failure.failure,), suspects=True))
    assert totals(again) == [[3], [6]]
