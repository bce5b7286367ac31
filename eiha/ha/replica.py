"""The replicated state of one node: log, sessions, plans, outbox, and the pipeline that applies what is committed.

The same on both nodes, whatever their role. Nothing here knows how entries got into the log or why they are
committed.
"""

from __future__ import annotations

from collections.abc import Callable

from eiha.ha import rules
from eiha.ha.context import Context
from eiha.ha.divergence import MINE, Dump
from eiha.ha.effects import (
    Apply,
    KeepDump,
    Persist,
    ResetLog,
    RestoreSnapshot,
    TakeSnapshot,
    TrimLog,
    TruncateLog,
)
from eiha.ha.event_log import EventLog
from eiha.ha.inputs import Applied, Restored, SnapshotFailed, SnapshotTaken
from eiha.ha.member_state import MemberState, decode_member_state
from eiha.ha.outbox import Outbox
from eiha.ha.quarantines import Quarantines
from eiha.ha.sessions import Sessions
from eiha.ha.snapshot_schedule import SnapshotSchedule
from eiha.kernel.ids import BEFORE_FIRST, ClientId, ClientSequence, LogPosition, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, LogEntry, Publications, Quarantine, RemovePlan
from eiha.protocol.snapshot_format import SnapshotManifest
from eiha.protocol.state_digest import StateDigest


class Replica:
    """Log and state of this node.

    Watermarks, each inclusive: ``log.committed_through >= handed_through >= applied_through``. ``handed_through``:
    what the engine was given; ``applied_through``: what it answered for. ``engine_known`` is False while a restore
    is under way. ``proven_through``: what the engine of either node has applied; a node that follows goes no further.
    """

    __slots__ = (
        "_acknowledged_through",
        "_ctx",
        "_dump_wanted",
        "_dumps",
        "_on_committed",
        "_released_through",
        "_restores",
        "_sessions_through",
        "_snapshot_request",
        "_snapshot_running",
        "_snapshot_wanted",
        "_suspects_through",
        "_unapplied_bytes",
        "_void",
        "applied_through",
        "handed_through",
        "is_author",
        "last_digest",
        "last_log_time_ms",
        "log",
        "next_timer_ms",
        "outbox",
        "plans",
        "proven_through",
        "quarantines",
        "sessions",
        "snapshots",
        "uncommitted_bytes",
    )

    def __init__(self, ctx: Context, on_committed: Callable[[ClientId, ClientSequence], None]) -> None:
        self._ctx = ctx
        self._on_committed = on_committed
        self.log = EventLog()
        self.sessions = Sessions(ctx.policy.sessions_max, ctx.policy.session_age_ms)
        self.outbox = Outbox(ctx.config.sinks)
        self.quarantines = Quarantines()
        self.snapshots = SnapshotSchedule(ctx)
        self.is_author = False
        self.plans: dict[str, str] = {}
        self.handed_through: Sequence = BEFORE_FIRST
        self.applied_through: Sequence = BEFORE_FIRST
        self.proven_through: Sequence = BEFORE_FIRST
        self.next_timer_ms: int | None = None
        self.last_digest: tuple[Sequence, StateDigest] | None = None
        self.last_log_time_ms = LogTimeMs(0)
        self.uncommitted_bytes = 0
        self._acknowledged_through: Sequence = BEFORE_FIRST
        self._released_through: Sequence = BEFORE_FIRST
        self._suspects_through: Sequence = BEFORE_FIRST
        self._restores = 0
        self._void = False
        self._sessions_through: Sequence = BEFORE_FIRST
        self._unapplied_bytes = 0
        self._snapshot_request = 0
        self._snapshot_wanted: int | None = None
        self._snapshot_running: tuple[int, Sequence] | None = None  # (request, where it was cut)
        self._dump_wanted: Sequence | None = None
        self._dumps: dict[int, Dump] = {}

    # -- log ---------------------------------------------------------------------------------------------------

    def append(self, entries: tuple[LogEntry, ...]) -> None:
        """Add entries to the log and have them persisted."""
        for entry in entries:
            self.log.append(entry)
            self.quarantines.appended(entry)
            self.snapshots.logged(len(entry.encoded))
            self.uncommitted_bytes += len(entry.encoded)
        self._ctx.emit(Persist(entries))
        self._acknowledge_clients()

    def truncate_after(self, last: LogPosition) -> int:
        """Cut the uncommitted tail; returns how many entries that were."""
        assert rules.may_drop_tail(last.sequence, self.log.committed_through), (last, self.log.committed_through)
        cut = self.log.truncate_after(last)
        if cut:
            self._ctx.emit(TruncateLog(last))
            self._acknowledged_through = min(self._acknowledged_through, last.sequence)
            self.quarantines.truncated(last.sequence)
            self._recount_uncommitted()
        return cut

    def load(self, entries: tuple[LogEntry, ...]) -> None:
        """What the disk holds at start; nothing of it counts as committed yet."""
        self.log.load(entries)
        for entry in entries:
            self.quarantines.appended(entry)
            self.snapshots.loaded(len(entry.encoded))
        self._recount_uncommitted()

    def discard_log_on_disk(self, start: LogPosition) -> None:
        """The disk's log starts anew after ``start``, which a durable snapshot covers."""
        self._ctx.emit(ResetLog(start))

    def began_at(self, sequence: Sequence) -> None:
        """The snapshot on disk was cut here; the log is loaded."""
        self._acknowledged_through = sequence
        self._stands_at(sequence)
        self._recount_uncommitted()

    def _recount_uncommitted(self) -> None:
        log = self.log
        self.uncommitted_bytes = sum(len(e.encoded) for e in log.entries(log.committed_through, log.end.sequence))

    def reset(self, start: LogPosition) -> None:
        """Discard the log: a snapshot cut at ``start`` will be restored. The engine's state is void until then."""
        self.forget(start)
        self._ctx.emit(ResetLog(start))

    def forget(self, start: LogPosition) -> None:
        """Discard the log in memory only: the disk keeps what it has until a snapshot is really on its way."""
        self.log.reset(start, ())
        self._acknowledged_through = start.sequence
        self.uncommitted_bytes = 0
        self._unapplied_bytes = 0
        self._released_through = start.sequence
        self.quarantines.reset()
        self.snapshots.discarded()
        self._void = True
        self._snapshot_wanted = self._snapshot_running = self._dump_wanted = None

    # -- commit and apply --------------------------------------------------------------------------------------

    def commit(self, through: Sequence) -> bool:
        """Everything through here is committed: sessions move, clients are acknowledged, the engine is fed."""
        log = self.log
        before = log.committed_through
        if through <= before:
            return False
        log.mark_committed(through)
        for entry in log.entries(before, through):
            self.uncommitted_bytes -= len(entry.encoded)
            self.quarantines.committed(entry)
            self._commit_entry(entry)
        self._count_released()
        self._acknowledge_clients()
        self.pump()
        return True

    def _acknowledge_clients(self) -> None:
        log = self.log
        through = rules.acknowledge_through(log.committed_through, log.end.sequence)
        after = max(self._acknowledged_through, log.base.sequence)
        if through <= after:
            return
        acknowledge = self._ctx.acknowledge
        for entry in log.entries(after, through):
            if isinstance(entry.body, Publications):
                for publication in entry.body.items:
                    acknowledge(publication.client_id, publication.client_sequence)
        self._acknowledged_through = through

    def _commit_entry(self, entry: LogEntry) -> None:
        if entry.sequence <= self._sessions_through:
            return  # the snapshot that was restored had counted it already
        self.last_log_time_ms = entry.log_time_ms
        body = entry.body
        if isinstance(body, Publications):
            commit, on_committed = self.sessions.commit, self._on_committed
            for publication in body.items:
                client_id, sequence = publication.client_id, publication.client_sequence
                commit(client_id, sequence, entry.log_time_ms)
                on_committed(client_id, sequence)
        elif isinstance(body, DeployPlan):
            self.plans[body.plan] = body.text
        elif isinstance(body, RemovePlan):
            self.plans.pop(body.plan, None)
        self.sessions.expire(entry.log_time_ms)

    def pump(self) -> None:
        """Hand committed entries to the engine, as far as bounds allow; cut a snapshot when one is wanted."""
        if not self.engine_known:
            return
        log, policy = self.log, self._ctx.policy
        while True:
            if self._snapshot_cut_due:
                if self.applied_through < self.handed_through or self._snapshot_running is not None:
                    return
                self._cut_snapshot()
            if self._dump_wanted is not None and self.handed_through >= self._dump_wanted:
                if self.applied_through < self.handed_through or self._snapshot_running is not None:
                    return
                self._take_dump(self._dump_wanted)
            release = self._releasable()
            room = 2 * policy.apply_entries_max - (self.handed_through - self.applied_through)
            if self.handed_through >= release or room <= 0 or not self._outbox_has_room():
                return
            after = self.handed_through
            through = min(release, after + min(room, policy.apply_entries_max))
            boundary = after - after % policy.digest_interval_entries + policy.digest_interval_entries
            through, suspects = self._cut_at_suspects(after, Sequence(min(through, boundary)))
            self.handed_through = through
            self._ctx.emit(
                Apply(
                    tuple(log.entries(after, through)),
                    digest=through == boundary,
                    quarantined=self.quarantines.concerning(after, through),
                    suspects=suspects,
                )
            )

    def _releasable(self) -> Sequence:
        """How far the engine may be fed."""
        through = rules.release_through(self.log.committed_through, self.log.end.sequence)
        if not self.is_author:
            through = rules.apply_through(through, self.proven_through)
        if self._dump_wanted is not None:
            through = min(through, self._dump_wanted)
        failure = self.quarantines.failure
        return through if failure is None else Sequence(min(through, failure.sequence - 1))

    def _cut_at_suspects(self, after: Sequence, through: Sequence) -> tuple[Sequence, bool]:
        """Suspects go to the engine by themselves; whether ``(after, result]`` are such."""
        if not self.is_author or after >= self._suspects_through:
            return through, False
        if after < self.proven_through:
            return min(through, self.proven_through), False
        return min(through, self._suspects_through), True

    def _count_released(self) -> None:
        """What the engine may be fed counts as its backlog; what waits for the active's engine is not its fault."""
        through = rules.release_through(self.log.committed_through, self.log.end.sequence)
        if not self.is_author:
            through = rules.apply_through(through, self.proven_through)
        after = max(self._released_through, self.log.base.sequence)
        if through > after:
            self._unapplied_bytes += sum(len(entry.encoded) for entry in self.log.entries(after, through))
            self._released_through = through

    def proven(self, through: Sequence) -> None:
        """The active's engine is past this."""
        if through > self.proven_through:
            self.proven_through = through
            self._count_released()
            self.pump()

    def apply_failed(self, failure: Quarantine) -> None:
        """The engine stands before an entry that it cannot apply; what it was given from there on, it dropped."""
        if not self.engine_known:
            return
        assert self.applied_through == failure.sequence - 1 < self.handed_through, (failure, self.applied_through)
        self.handed_through = self.applied_through
        self.quarantines.failure = failure

    def applied(self, report: Applied) -> None:
        """The engine answered for entries."""
        if not self.engine_known:
            return  # about a state that is being replaced
        assert self.applied_through <= report.sequence <= self.handed_through, (report.sequence, self.handed_through)
        if report.sequence > self.log.base.sequence:
            for entry in self.log.entries(max(self.applied_through, self.log.base.sequence), report.sequence):
                self._unapplied_bytes -= len(entry.encoded)
        self.applied_through = report.sequence
        self.proven_through = max(self.proven_through, report.sequence)
        self.quarantines.applied(report.sequence)
        self.next_timer_ms = report.next_timer_ms
        self.outbox.add(report.outputs)
        if report.digest is not None:
            self.last_digest = (report.sequence, report.digest)
        self.pump()

    @property
    def engine_known(self) -> bool:
        """Whether the engine's state is that of ``handed_through``; False while it is being replaced."""
        return self._restores == 0 and not self._void

    @property
    def engine_behind(self) -> bool:
        """Whether more is committed and not applied than may be."""
        return self._unapplied_bytes > self._ctx.policy.unapplied_bytes_max

    @property
    def backlog_full(self) -> bool:
        """Whether the engine or the outbox is so far behind that nothing more should be taken in."""
        return self.engine_behind or not self._outbox_has_room()

    def _outbox_has_room(self) -> bool:
        policy = self._ctx.policy
        return self.outbox.has_room(policy.outbox_rows_max, policy.outbox_bytes_max)

    # -- snapshots ---------------------------------------------------------------------------------------------

    def cut_dump(self) -> tuple[int, Sequence]:
        """Cut a snapshot that is kept as a dump, too: its number, and the position, which the engine was given last."""
        position = self.handed_through
        request = self._snapshot_request + 1 if self._snapshot_wanted is None else self._snapshot_wanted
        self._dumps[request] = Dump(position, is_snapshot=True)
        assert self.want_snapshot() == request
        return request, position

    def dump_at(self, position: Sequence) -> None:
        """Have the engine come as far as ``position``, and no further, until its state is dumped."""
        self._dump_wanted = position
        self.pump()

    def dump_here(self) -> None:
        """Dump the state where the engine is, if it is anywhere: the position wanted is not reached."""
        wanted, self._dump_wanted = self._dump_wanted, None
        if wanted is None or not self.engine_known or self._snapshot_running is not None:
            return
        if self.applied_through == self.handed_through > BEFORE_FIRST:
            self._take_dump(wanted)

    @property
    def dump_wanted(self) -> Sequence | None:
        """The position as of which the state is still to be dumped."""
        return self._dump_wanted

    @property
    def is_dumping(self) -> bool:
        """Whether a dump of a wrong state is being written: it must not be discarded before."""
        return any(not dump.is_snapshot for dump in self._dumps.values())

    def _take_dump(self, wanted: Sequence) -> None:
        self._dump_wanted = None
        self._snapshot_request += 1
        self._dumps[self._snapshot_request] = Dump(wanted, is_snapshot=False)
        self._take(self._snapshot_request)

    def want_snapshot(self) -> int:
        """Cut a snapshot as soon as the engine answered for what it was given, and the one before is written. Returns
        the request's number."""
        if self._snapshot_wanted is None:
            self._snapshot_request += 1
            self._snapshot_wanted = self._snapshot_request
        request = self._snapshot_wanted
        self.pump()
        return request

    def want_snapshot_for_peer(self) -> int:
        """The same; the one that is being written will do if the log in memory goes on from it."""
        running = self._snapshot_running
        if running is not None and running[1] >= self.log.base.sequence:
            return running[0]
        return self.want_snapshot()

    def snapshot_is_coming(self, request: int) -> bool:
        """Whether that snapshot is still to be cut, or is being written."""
        running = self._snapshot_running
        return request == self._snapshot_wanted or (running is not None and running[0] == request)

    def snapshot_cut_at(self, request: int) -> Sequence:
        """Entries after this are behind that snapshot, wherever it is or will be cut."""
        running = self._snapshot_running
        return running[1] if running is not None and running[0] == request else self.applied_through

    @property
    def _snapshot_cut_due(self) -> bool:
        """Whether one is to be cut next. While one is written only a dump, which has its position, is waited for."""
        if self._snapshot_wanted is None or self.handed_through == BEFORE_FIRST:
            return False
        return self._snapshot_running is None or self._snapshot_wanted in self._dumps

    def _cut_snapshot(self) -> None:
        request, self._snapshot_wanted = self._snapshot_wanted, None
        assert request is not None
        self.snapshots.cut()
        self._take(request)

    def _take(self, request: int) -> None:
        sequence = self.handed_through
        epoch = self.log.epoch_at(sequence)
        assert epoch is not None, (sequence, self.log.base)
        starts = tuple(pair for pair in self.log.epoch_starts if pair[1] <= sequence)
        self._snapshot_running = (request, sequence)
        self._ctx.emit(TakeSnapshot(request, LogPosition(sequence, epoch), starts, self.member_state()))

    def snapshot_taken(self, taken: SnapshotTaken) -> bool:
        """It is durable: the disk log may go as far as the one before it reaches (the fallback needs it). False: it is
        of a state that was discarded meanwhile, or is to be. A dump is kept beside, too."""
        dump = self._dumps.pop(taken.request, None)
        is_wrong = dump is not None and not dump.is_snapshot
        if dump is not None:
            self._ctx.emit(KeepDump(dump.position, MINE, taken.manifest, withdraw=is_wrong))
        if self._snapshot_running is None or self._snapshot_running[0] != taken.request:
            return False
        self._snapshot_running = None
        if is_wrong:
            self.pump()
            return False
        before = self.snapshots.taken(taken.manifest.position)
        if before is not None and before.sequence > 0:
            self._ctx.emit(TrimLog(before.sequence))
        self.pump()
        return True

    def snapshot_failed(self, failed: SnapshotFailed) -> None:
        """It could not be written; another is due after a pause."""
        if self._dumps.pop(failed.request, None) is not None:
            self._ctx.fact("dump_lost", f"the state is not kept: {failed.reason}", "error")
        if self._snapshot_running is None or self._snapshot_running[0] != failed.request:
            return
        self._snapshot_running = None
        self.snapshots.failed()
        self._ctx.fact("snapshot_failed", f"{failed.reason}; it is tried again", "warning")
        self.pump()

    def snapshot_due(self) -> bool:
        """Whether one should be taken now and none is on its way."""
        if self._snapshot_wanted is not None or self._snapshot_running is not None or not self.engine_known:
            return False
        return self.snapshots.is_due(self.handed_through, self.applied_through)

    def restore(self, manifest: SnapshotManifest | None) -> None:
        """Replace the engine's state; nothing is applied until it answers."""
        self._restores += 1
        self._snapshot_wanted = self._snapshot_running = None
        self.snapshots.restoring()
        self._ctx.emit(RestoreSnapshot(manifest))

    def restored(self, answer: Restored) -> bool:
        """The engine's state is that of a snapshot. False: an older one than was asked for last.

        Raises:
            CorruptFile: the member's part of the snapshot cannot be read.
        """
        assert self._restores > 0
        self._restores -= 1
        if self._restores:
            return False
        facts = answer.facts
        self._load_member_state(decode_member_state(facts.member_state), facts.position.sequence)
        self._void = False
        self.log.adopt_history(facts.epoch_starts)
        self.quarantines.failure = None
        self.quarantines.applied(facts.position.sequence)
        self._stands_at(facts.position.sequence)
        self.next_timer_ms = answer.next_timer_ms
        self.last_digest = None
        behind = self.log.entries(max(facts.position.sequence, self.log.base.sequence), self.log.end.sequence)
        self.snapshots.restored(facts.position, sum(len(entry.encoded) for entry in behind))
        self._replay_sessions(facts.position.sequence)
        self.pump()
        return True

    def restore_refused(self) -> None:
        """The engine could not restore; its state is void."""
        assert self._restores > 0
        self._restores -= 1
        self._void = True

    def became_author(self) -> None:
        """This node numbers the entries from here on: sessions cannot be ahead of the log any more."""
        self._sessions_through = min(self._sessions_through, self.log.end.sequence)
        self.is_author = True
        self._suspects_through = rules.suspects_through(self.log.end.sequence)
        self._count_released()

    def ceased_to_be_author(self) -> None:
        """Another node numbers the entries, and applies them first."""
        self.is_author = False
        self.quarantines.failure = None

    def _stands_at(self, sequence: Sequence) -> None:
        """The engine's state is that of a snapshot cut here."""
        self.handed_through = self.applied_through = self._released_through = sequence
        self.proven_through = max(self.proven_through, sequence)

    def _replay_sessions(self, after: Sequence) -> None:
        """What was committed behind the snapshot while it was on its way moves the sessions now."""
        log = self.log
        self._unapplied_bytes = 0
        for entry in log.entries(max(after, log.base.sequence), log.committed_through):
            self._commit_entry(entry)
        self._count_released()

    def member_state(self) -> MemberState:
        """Outbox as of ``applied_through``, which must be ``handed_through``; sessions and plans as of the commit.

        These may be ahead of the position: the entries between are committed, so every log that follows has them,
        and ``committed_through`` tells that they are counted already.
        """
        return MemberState(
            max(self.log.committed_through, self._sessions_through),
            self.last_log_time_ms,
            self.sessions.rows(),
            tuple(self.plans.items()),
            self.outbox.progress(self.applied_through),
            tuple(output for lane in self.outbox.lanes.values() for output, _ in lane.outputs),
        )

    def _load_member_state(self, state: MemberState, position: Sequence) -> None:
        self._sessions_through = max(state.committed_through, position)
        self.last_log_time_ms = state.last_log_time_ms
        self.sessions.load(state.sessions)
        self.plans = dict(state.plans)
        self.outbox.load(state.progress, state.outputs)

    def trim_memory(self, keep_after: Sequence) -> None:
        """Forget entries in memory that are applied and beyond what is kept for a returning peer."""
        log, policy = self.log, self._ctx.policy
        limit = policy.catch_up_bytes_max if keep_after < self.applied_through else policy.log_tail_bytes
        if log.retained_bytes <= limit:
            return
        through = log.base.sequence
        excess = log.retained_bytes - limit // 2
        while excess > 0 and through < self.applied_through:
            through = Sequence(through + 1)
            excess -= len(log.entry(through).encoded)
        log.trim_through(through)
