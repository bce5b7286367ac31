"""The thread that owns the engine: applies committed entries in order, cuts and restores snapshots in between.

Results go back to the event loop in batches: one ``Applied`` for what was waiting, except that each digest position
gets its own. After anything that changes the plans, the streams that may be published to go along.

An entry that raises, or that a child died of, is answered by ``ApplyFailed`` (``guarded_engine``).

Questions from outside are answered between entries, one at a time, so that neither side waits for all of the other.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, assert_never

from eiha.errors import CorruptFile, NotAnsweredNow, PlanFailed
from eiha.events.schema import StreamDefinition
from eiha.ha.effects import Apply, RestoreSnapshot, TakeSnapshot
from eiha.ha.inputs import Applied, ApplyFailed, Restored, SnapshotRefused
from eiha.kernel.ids import BEFORE_FIRST, Sequence
from eiha.node.guarded_engine import TRIAL_LIMIT_S, GuardedEngine, Mark, ReadLog
from eiha.node.snapshot_cutter import SnapshotCutter
from eiha.node.thread_name import show_thread_name
from eiha.ports import AskedEngine
from eiha.protocol.answers import RowsFound, StatementFits
from eiha.protocol.log_entry import DeployPlan, LogEntry, Publications, Quarantine, RemovePlan, TableStatement
from eiha.protocol.outputs import AppliedEntry, OutputBatch
from eiha.protocol.state_digest import StateDigest
from eiha.protocol.vitals import IDLE, EngineAt

REPORT_INTERVAL_S: Final = 0.005
"""A long run of entries reports this often, so that outputs do not wait for its end."""

QUESTIONS_MAX: Final = 64
"""Questions that may wait for the engine; further ones are refused at once."""

ANSWER_ROWS_MAX: Final = 10_000
"""Rows of one answer. Entries wait while a question is answered; whoever wants more asks for parts."""

LOAD_AFTER_S: Final = 2.0
"""So long after its start the thread loads no kernel that nothing asks for: a node that comes back has better to do,
and to load one takes the interpreter from the event loop for some 10 ms."""
LOAD_PAUSE_S: Final = 0.1
"""Between one kernel and the next, so that a takeover, or an event, meets at most one of them."""

EngineWork = Apply | TakeSnapshot | RestoreSnapshot
EngineAnswer = Applied | ApplyFailed | Restored | SnapshotRefused


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that waits."""

    plan: str
    text: str
    answer: Future[RowsFound | StatementFits]


@dataclass(frozen=True, slots=True)
class _Wake:
    """A question may be waiting."""


@dataclass(frozen=True, slots=True)
class StatementApplied:
    """A statement of the log was applied at ``sequence``; ``refusal`` says why it changed nothing, if so."""

    request: str
    sequence: Sequence
    refusal: str


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What the engine's thread tells the event loop.

    ``streams``: present when plans changed. ``events`` and ``entries``: applied since the last report.
    ``faults``: what failed in which plan. ``notes``: what operators want to know. ``statements``: those applied.
    ``strings``: how many each plan holds. ``suspended``: plans that get nothing, each with why.
    """

    answer: EngineAnswer
    streams: Mapping[str, StreamDefinition] | None
    events: int
    entries: int
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    statements: tuple[StatementApplied, ...] = ()
    strings: Mapping[str, int] = field(default_factory=dict)
    suspended: Mapping[str, str] = field(default_factory=dict)


class EngineThread:
    """Feeds one engine.

    Args:
        engine: used by this thread only from now on.
        snapshots: cuts and restores them.
        digest_interval_entries: a digest is reported at each multiple of it.
        read_log: committed entries from the disk, for the way back after an entry that raised.
        mark: told of each entry that was applied.
        trial_limit_s: see ``guarded_engine.TRIAL_LIMIT_S``.
        report: called on this thread.
        failed: called on this thread when it ends by an error.
        load_more: called while nothing waits, until it says False: loads one kernel.
    """

    def __init__(
        self,
        engine: AskedEngine,
        snapshots: SnapshotCutter,
        *,
        digest_interval_entries: int,
        read_log: ReadLog,
        mark: Mark,
        report: Callable[[EngineReport], None],
        failed: Callable[[BaseException], None],
        trial_limit_s: float = TRIAL_LIMIT_S,
        load_more: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine = engine
        self._guard = GuardedEngine(
            engine,
            restore_newest=self._restore_newest,
            read_log=read_log,
            mark=mark,
            began=self._begin,
            going_on=lambda: not self._stopping,
            trial_limit_s=trial_limit_s,
        )
        self._snapshots = snapshots
        self._digest_interval_entries = digest_interval_entries
        self._report = report
        self._failed = failed
        self._queue: queue.SimpleQueue[EngineWork | _Wake | None] = queue.SimpleQueue()
        self._asked: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="eiha-engine", daemon=True)
        self._stopping = False
        self._load_more = load_more
        self._is_loaded = False
        self._load_at_s = time.monotonic() + LOAD_AFTER_S
        self._queued_entries = 0
        self._done_entries = 0
        self._units = 0
        self.at: EngineAt = IDLE
        """What the thread is at. Written by it, read by anybody."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, work: EngineWork) -> None:
        """Queue an effect. The member bounds how much it has in flight."""
        if isinstance(work, Apply):
            self._queued_entries += len(work.entries)
        self._queue.put(work)

    def ask(self, plan: str, text: str) -> Future[RowsFound | StatementFits]:
        """Have a question answered from what is applied then; the future fails with what ``AskedEngine.ask`` raises.

        Raises:
            NotAnsweredNow: too many wait already.
        """
        if self._asked.qsize() >= QUESTIONS_MAX:
            raise NotAnsweredNow(f"{QUESTIONS_MAX} questions wait already; ask again later")
        answer: Future[RowsFound | StatementFits] = Future()
        self._asked.put(_Asked(plan, text, answer))
        self._queue.put(_Wake())
        return answer

    @property
    def waiting_entries(self) -> int:
        """Entries that wait."""
        return self._queued_entries - self._done_entries

    def stop(self, timeout_s: float) -> bool:
        """End after the entry under way; False if that took too long.

        What is queued is not applied: it is in the log, and applied at the next start.
        """
        if self._thread.ident is None:
            return True
        self._stopping = True
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        show_thread_name()
        try:
            while (work := self._next()) is not None and not self._stopping:
                match work:
                    case Apply():
                        self._apply(work)
                    case TakeSnapshot():
                        self._begin("snapshot")
                        self._snapshots.cut(work)
                    case RestoreSnapshot():
                        self._begin("restore")
                        self._guard.replaced()
                        self._answer(self._restore(work), plans_changed=True)
                    case _Wake():
                        self._answer_question()
                    case _:
                        assert_never(work)
        except BaseException as error:  # noqa: BLE001  reported, and the process ends by it
            self._failed(error)

    def _next(self) -> EngineWork | _Wake | None:
        self.at = IDLE
        while not self._is_loaded:
            try:
                return self._queue.get(timeout=max(0.0, self._load_at_s - time.monotonic()))
            except queue.Empty:
                self._is_loaded = not self._load_more()
                self._load_at_s = time.monotonic() + LOAD_PAUSE_S
        return self._queue.get()

    def _begin(self, kind: str, sequence: Sequence = BEFORE_FIRST) -> None:
        self._units += 1
        self.at = EngineAt(self._units, kind, sequence)

    def _apply(self, work: Apply) -> None:
        """Apply, suspects only as far as they did no harm in a child; what does harm is reported and waits."""
        done_entries = self._done_entries
        failure: Quarantine | None = None
        rest = work.entries if self._guard.takes(work) else ()
        while rest and failure is None and not self._stopping:
            count, harm = self._guard.survivors(rest) if work.suspects else (len(rest), None)
            failure = self._apply_entries(rest[:count])
            if failure is None and harm is not None and not self._stopping:
                failure = self._guard.verdict(rest[count], harm)
            rest = rest[count:]
        self._done_entries = done_entries + len(work.entries)
        if failure is not None:
            self._answer(ApplyFailed(failure))

    def _apply_entries(self, entries: tuple[LogEntry, ...]) -> Quarantine | None:
        """Apply; what is to be left out of the first that raises, before which the engine stands then."""
        batch = _Batch()
        for entry in entries:
            if self._stopping:
                return None
            self._begin("entry", entry.sequence)
            try:
                result = self._guard.apply(entry)
            except PlanFailed as failure:
                if batch.entries:
                    self._report_batch(batch, Sequence(entry.sequence - 1), None)
                return self._guard.after_failure(entry, failure)
            batch.add(entry, result)
            self._snapshots.note_applied(len(entry.encoded))
            self._done_entries += 1
            self._answer_question()
            at_digest = entry.sequence % self._digest_interval_entries == 0
            if at_digest or entry is entries[-1] or time.monotonic() - batch.began_at >= REPORT_INTERVAL_S:
                if at_digest:
                    self._begin("digest")
                digest = self._digest(entry.sequence) if at_digest else None
                if digest is not None:
                    batch.faults.extend(digest.untold)
                self._report_batch(batch, entry.sequence, digest)
                batch = _Batch()
        return None

    def _report_batch(self, batch: _Batch, through: Sequence, digest: StateDigest | None) -> None:
        self._report(
            EngineReport(
                Applied(through, tuple(batch.outputs), batch.next_timer_ms, digest),
                self._engine.streams() if batch.plans_changed else None,
                batch.events,
                batch.entries,
                tuple(batch.faults),
                tuple(batch.notes),
                tuple(batch.statements),
                self._engine.strings(),
                dict(self._engine.suspended()),
            )
        )

    def _restore_newest(self) -> Sequence | None:
        answer = self._restore(RestoreSnapshot(None))
        return answer.facts.position.sequence if isinstance(answer, Restored) else None

    def _digest(self, sequence: Sequence) -> StateDigest:
        return self._engine.digest_at(sequence // self._digest_interval_entries)

    def _answer_question(self) -> None:
        """Answer the one that waits longest. Whatever happens is its asker's: a question changes nothing here."""
        try:
            asked = self._asked.get_nowait()
        except queue.Empty:
            return
        if not asked.answer.set_running_or_notify_cancel():
            return
        self._begin("question")
        try:
            asked.answer.set_result(self._engine.ask(asked.plan, asked.text, ANSWER_ROWS_MAX))
        except Exception as error:  # noqa: BLE001  told to whoever asked
            asked.answer.set_exception(error)

    def _restore(self, work: RestoreSnapshot) -> Restored | SnapshotRefused:
        try:
            facts = self._snapshots.restore(work)
        except CorruptFile as error:
            return SnapshotRefused(str(error))
        return Restored(facts, self._engine.next_timer_ms())

    def _answer(self, answer: EngineAnswer, *, plans_changed: bool = False) -> None:
        streams = self._engine.streams() if plans_changed else None
        self._report(EngineReport(answer, streams, 0, 0, (), suspended=dict(self._engine.suspended())))


class _Batch:
    """Results gathered for one report."""

    __slots__ = (
        "began_at",
        "entries",
        "events",
        "faults",
        "next_timer_ms",
        "notes",
        "outputs",
        "plans_changed",
        "statements",
    )

    def __init__(self) -> None:
        self.outputs: list[OutputBatch] = []
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.statements: list[StatementApplied] = []
        self.events = 0
        self.entries = 0
        self.plans_changed = False
        self.next_timer_ms: int | None = None
        self.began_at = time.monotonic()

    def add(self, entry: LogEntry, result: AppliedEntry) -> None:
        self.outputs.extend(result.outputs)
        self.faults.extend(result.faults)
        self.notes.extend(result.notes)
        self.entries += 1
        self.next_timer_ms = result.next_timer_ms
        if isinstance(entry.body, Publications):
            self.events += sum(publication.rows for publication in entry.body.items)
        elif isinstance(entry.body, (DeployPlan, RemovePlan)):
            self.plans_changed = True
        elif isinstance(entry.body, TableStatement):
            self.statements.append(StatementApplied(entry.body.request, entry.sequence, result.refusal))


def through(report: EngineReport) -> Sequence | None:
    """How far the engine is after ``report``, when it says so."""
    match report.answer:
        case Applied(sequence=sequence):
            return sequence
        case Restored(facts=facts):
            return facts.position.sequence
        case SnapshotRefused() | ApplyFailed():
            return None
        case _:
            assert_never(report.answer)
