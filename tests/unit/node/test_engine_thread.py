from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from eiha.engine.runtime import EngineRuntime
from eiha.errors import NotAnsweredNow, PlanError, UnknownPlan
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.ha.effects import Apply, RestoreSnapshot, TakeSnapshot
from eiha.ha.inputs import Applied, Input, Restored, SnapshotFailed, SnapshotRefused, SnapshotTaken
from eiha.ha.member_state import MemberState, decode_member_state
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogPosition, LogTimeMs, Sequence, WallMs
from eiha.node.engine_thread import QUESTIONS_MAX, EngineReport, EngineThread, StatementApplied, through
from eiha.node.snapshot_cutter import SnapshotCutter
from eiha.node.snapshot_saver import SnapshotSaver
from eiha.protocol.answers import RowsFound, StatementFits
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications, TableStatement
from eiha.protocol.outputs import AppliedEntry
from eiha.protocol.vitals import IDLE
from eiha.storage.divergence_dumps import DivergenceDumps
from eiha.storage.snapshot_files import SnapshotFiles
from tests.poison_functions import HIDES, SHOWS

TIMEOUT_S = 60.0
PLAN = "define stream S (x long); from S[x > 1] select x, sum(x) as total insert into Out;"


def entry(sequence: int, body: EntryBody) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(1_000 * sequence), body)


def rows(sequence: int, *values: int) -> LogEntry:
    column = WireColumn(AttributeType.LONG, np.array(values, dtype=np.int64))
    payload = encode(WireBatch(len(values), None, (column,)))
    publication = Publication(ClientId("c"), ClientSequence(sequence), "S", len(values), payload)
    return entry(sequence, Publications((publication,)))


DEPLOY = entry(1, DeployPlan("p", PLAN))


class Running:
    def __init__(
        self, location: Path, digest_interval_entries: int = 1_000, engine: EngineRuntime | None = None
    ) -> None:
        self.reports: queue.Queue[EngineReport] = queue.Queue()
        self.failures: queue.Queue[BaseException] = queue.Queue()
        self.log: list[LogEntry] = []
        self.applied_through = Sequence(0)
        self.written: queue.Queue[Input] = queue.Queue()
        engine, store = engine or EngineRuntime(), SnapshotFiles(location, lambda: WallMs(1))
        self.saver = SnapshotSaver(
            store,
            answer=self.written.put,
            failed=self.failures.put,
            waiting=lambda _why: None,
            dumps=DivergenceDumps(location),
            say=lambda *_what: None,
        )
        self.saver.start()
        self.thread = EngineThread(
            engine,
            SnapshotCutter(engine, store, self.saver, lambda *_what: None),
            digest_interval_entries=digest_interval_entries,
            read_log=self.read_log,
            mark=self,
            report=self.reports.put,
            failed=self.failures.put,
        )

    def read_log(self, after: Sequence, through: Sequence) -> Iterator[LogEntry]:
        return (each for each in self.log if after < each.sequence <= through)

    def reached(self, sequence: Sequence) -> None:
        self.applied_through = sequence

    def report(self) -> EngineReport:
        return self.reports.get(timeout=TIMEOUT_S)

    def apply(self, *entries: LogEntry) -> list[EngineReport]:
        """The reports of one ``Apply``, until its last entry."""
        self.thread.put(Apply(entries))
        found = [self.report()]
        while through(found[-1]) != entries[-1].sequence:
            found.append(self.report())
        return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path, digest_interval_entries=3)
    made.thread.start()
    yield made
    assert made.thread.stop(TIMEOUT_S)


def test_entries_are_applied_in_order_and_counted(running: Running) -> None:
    reports = running.apply(DEPLOY, rows(2, 1, 2, 3), rows(3, 4))
    assert sum(report.entries for report in reports) == 3
    assert sum(report.events for report in reports) == 4
    applied = [report.answer for report in reports]
    assert all(isinstance(answer, Applied) for answer in applied)
    outputs = [output for answer in applied if isinstance(answer, Applied) for output in answer.outputs]
    assert [output.batch.columns[1].to_list() for output in outputs] == [[2, 5], [9]]
    assert running.thread.waiting_entries == 0


def test_streams_come_with_the_deployment_and_not_again(running: Running) -> None:
    deployed = running.apply(DEPLOY)
    assert set(deployed[-1].streams or {}) >= {"S"}
    assert running.apply(rows(2, 1))[-1].streams is None


def test_reports_tell_how_many_strings_each_plan_holds(running: Running) -> None:
    wordy = entry(2, DeployPlan("q", "define stream S (x long); from S select 'one' as a, 'two' as b insert into Out;"))
    assert running.apply(DEPLOY, wordy, rows(3, 1))[-1].strings == {"p": 0, "q": 2}


def test_each_digest_position_has_its_own_report(running: Running) -> None:
    reports = running.apply(DEPLOY, *(rows(sequence, sequence) for sequence in range(2, 8)))
    digests = {answer.sequence: answer.digest for report in reports if isinstance(answer := report.answer, Applied)}
    assert {sequence for sequence, digest in digests.items() if digest is not None} == {3, 6}


def test_a_snapshot_is_cut_between_entries_and_restores_the_same_state(running: Running, tmp_path: Path) -> None:
    running.apply(DEPLOY, rows(2, 5))
    cut = LogPosition(Sequence(2), Epoch(1))
    state = MemberState(plans=(("p", PLAN),))
    running.thread.put(TakeSnapshot(9, cut, ((Epoch(1), Sequence(1)),), state))
    taken = running.written.get(timeout=TIMEOUT_S)
    assert isinstance(taken, SnapshotTaken)
    assert (taken.request, taken.manifest.position) == (9, cut)
    other = Running(tmp_path)
    other.thread.start()
    other.thread.put(RestoreSnapshot(None))
    report = other.report()
    assert isinstance(report.answer, Restored)
    assert (report.answer.facts.position, decode_member_state(report.answer.facts.member_state)) == (cut, state)
    assert set(report.streams or {}) >= {"S"}
    expected, found = (side.apply(rows(3, 7))[-1].answer for side in (running, other))
    assert isinstance(expected, Applied)
    assert isinstance(found, Applied)
    assert found.outputs[0].batch.columns[1].to_list() == expected.outputs[0].batch.columns[1].to_list() == [12]
    assert other.thread.stop(TIMEOUT_S)


def test_a_snapshot_that_is_none_is_refused(running: Running) -> None:
    running.thread.put(RestoreSnapshot(None))
    assert isinstance(running.report().answer, SnapshotRefused)


def test_an_engine_that_raises_ends_the_thread_and_is_reported(running: Running) -> None:
    running.apply(DEPLOY)
    running.thread.put(Apply((DEPLOY,)))  # its sequence was applied before: an invariant is broken
    assert isinstance(running.failures.get(timeout=TIMEOUT_S), AssertionError)


TABLED = """define stream S (x long); @PrimaryKey('x') define table T (x long);
from S select x insert into T;"""


def test_questions_are_answered_between_entries_and_harm_nobody(running: Running) -> None:
    running.apply(entry(1, DeployPlan("p", TABLED)), rows(2, 5, 6))
    found = running.thread.ask("p", "from T on x > 5 select x").result(TIMEOUT_S)
    assert isinstance(found, RowsFound)
    assert (found.batch.columns[0].to_list(), found.sequence) == ([6], 2)
    assert running.thread.ask("p", "delete T on T.x > 5").result(TIMEOUT_S) == StatementFits()
    with pytest.raises(PlanError, match="line 1"):
        running.thread.ask("p", "from T select y").result(TIMEOUT_S)
    with pytest.raises(UnknownPlan):
        running.thread.ask("q", "from T select x").result(TIMEOUT_S)
    assert running.failures.empty()


def test_a_statement_of_the_log_is_reported_with_its_outcome(running: Running) -> None:
    reports = running.apply(
        entry(1, DeployPlan("p", TABLED)),
        entry(2, TableStatement("r1", "p", "select 7L as x insert into T")),
        entry(4, TableStatement("r2", "p", "select 7L as x insert into T")),
    )
    done, refused = (statement for report in reports for statement in report.statements)
    assert done == StatementApplied("r1", Sequence(2), "")
    assert (refused.request, "primary key" in refused.refusal) == ("r2", True)


def test_only_so_many_questions_wait(tmp_path: Path) -> None:
    idle = Running(tmp_path)
    waiting = [idle.thread.ask("p", "from T select x") for _ in range(QUESTIONS_MAX)]
    with pytest.raises(NotAnsweredNow, match="wait already"):
        idle.thread.ask("p", "from T select x")
    waiting[0].cancel()  # whoever asked it has gone
    idle.thread.start()
    assert all(isinstance(each.exception(TIMEOUT_S), UnknownPlan) for each in waiting[1:])
    assert idle.thread.stop(TIMEOUT_S)


class Holding(EngineRuntime):
    """An engine that stays at the entry it is given until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go_on = threading.Event(), threading.Event()

    def apply(self, entry: LogEntry) -> AppliedEntry:
        self.entered.set()
        assert self.go_on.wait(TIMEOUT_S)
        return super().apply(entry)


def test_it_says_which_entry_it_is_at_and_that_it_is_idle_again(tmp_path: Path) -> None:
    engine = Holding()
    running = Running(tmp_path, engine=engine)
    assert running.thread.at == IDLE
    running.thread.start()
    running.thread.put(Apply((DEPLOY,)))
    assert engine.entered.wait(TIMEOUT_S)
    assert (running.thread.at.kind, running.thread.at.sequence) == ("entry", 1)
    engine.go_on.set()
    running.report()
    assert running.thread.stop(TIMEOUT_S)
    assert running.thread.at == IDLE


def test_kernels_are_loaded_while_nothing_waits_and_entries_go_first(tmp_path: Path) -> None:
    order: list[str] = []
    left = ["a", "b", "c"]
    made = Running(tmp_path)

    def load_more() -> bool:
        order.append(left.pop())
        if len(left) == 2:
            made.thread.put(Apply((DEPLOY,)))
        return bool(left)

    made.thread._load_more = load_more
    made.thread._load_at_s = 0.0
    made.thread._report = lambda report: order.append(f"applied {through(report)}")
    made.thread.start()
    while len(order) < 4:
        time.sleep(0.001)
    assert order == ["c", "applied 1", "b", "a"]
    assert made.thread.stop(TIMEOUT_S)


def test_no_kernel_is_loaded_ahead_while_a_node_comes_back(tmp_path: Path) -> None:
    made = Running(tmp_path)
    made.thread._load_more = pytest.fail
    made.thread._load_at_s = time.monotonic() + TIMEOUT_S
    made.thread.start()
    assert made.apply(DEPLOY)
    assert made.thread.stop(TIMEOUT_S)
    assert made.failures.empty()


def test_a_plan_whose_state_cannot_be_told_costs_snapshots_and_digests_and_nothing_else(running: Running) -> None:
    keeping = "define stream S (x long); from S#window.poison:keep() select x insert into Kept;"

    def cut(sequence: int) -> Input:
        position = LogPosition(Sequence(sequence), Epoch(1))
        running.thread.put(TakeSnapshot(sequence, position, ((Epoch(1), Sequence(1)),), MemberState()))
        return running.written.get(timeout=TIMEOUT_S)

    running.apply(DEPLOY, entry(2, DeployPlan("keeping", keeping)))
    reports = running.apply(*(rows(sequence, HIDES) for sequence in range(3, 40)))
    faults = [fault for report in reports for fault in report.faults]
    assert faults
    assert all("plan 'keeping', query 'query1', stage 1" in fault for fault in faults)
    assert all("its state cannot be told: RuntimeError: not to be told" in fault for fault in faults)
    digests = [
        report.answer.digest for report in reports if isinstance(report.answer, Applied) and report.answer.digest
    ]
    assert {part.part for digest in digests for part in digest.covered} == set(range(len(digests[0].names))) - {
        digests[0].names.index(next(name for name in digests[0].names if "extension window" in name))
    }
    assert cut(39) == SnapshotFailed(39, "plan 'keeping': its state cannot be told: RuntimeError: not to be told")
    running.apply(rows(40, SHOWS))
    assert isinstance(cut(40), SnapshotTaken)
    assert running.failures.empty()
    assert running.saver.stop(TIMEOUT_S)
