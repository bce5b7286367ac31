"""What a member does while it is active: take publications in, write the log, have it committed, publish."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from eiha.ha.context import Context
from eiha.ha.effects import OpenSink, RejectStatement, RevokePermit
from eiha.ha.election import Election
from eiha.ha.fencing import Fence
from eiha.ha.heartbeat import Heartbeat
from eiha.ha.inputs import Published, SinkOpened
from eiha.ha.intake import DUPLICATE, Gap, Pending
from eiha.ha.membership import Membership
from eiha.ha.outbox import Lane
from eiha.ha.peer_service import PeerService
from eiha.ha.replica import Replica
from eiha.ha.sequencer import Sequencer
from eiha.ha.switchover import Step, Switchover
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import BEFORE_FIRST, ClientSequence, Epoch, Sequence
from eiha.protocol.log_entry import (
    DeployPlan,
    EntryBody,
    EpochStart,
    LogEntry,
    Publication,
    Publications,
    RemovePlan,
    TableStatement,
    TimeTick,
)
from eiha.protocol.peer_messages import SwitchoverAbort, SwitchoverPropose

LATE_TICKS: Final = 2
"""A tick that comes after so many intervals is late: this node has more to do than it can."""


class Active:
    """One epoch of being active, from the won row to the demotion."""

    __slots__ = ("_bodies", "_ctx", "_fence", "_flush", "_heartbeat", "_pending", "_replica", "_sequencer",
                 "_tick_sequence", "_ticked_ms", "epoch", "membership", "service", "switchover")  # fmt: skip

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        pending: Pending,
        election: Election,
        heartbeat: Heartbeat,
        fence: Fence,
        row: WitnessRow,
    ) -> None:
        self._ctx = ctx
        self._replica = replica
        self._pending = pending
        self._heartbeat = heartbeat
        self._fence = fence
        self.epoch: Epoch = row.epoch
        self.service = PeerService(ctx, replica, row.epoch)
        self.membership = Membership(ctx, replica, election, heartbeat, self.service, row)
        self.switchover = Switchover(ctx.policy)
        log = replica.log
        last_log_time = log.last_log_time_ms
        self._sequencer = Sequencer(
            row.epoch,
            Sequence(log.end.sequence + 1),
            replica.last_log_time_ms if last_log_time is None else last_log_time,
        )
        self._bodies: deque[EntryBody] = deque()
        self._flush = False
        self._tick_sequence: Sequence = BEFORE_FIRST
        self._ticked_ms = ctx.monotonic_ms

    def begin(self, held: Iterable[Publication], plans: Iterable[DeployPlan]) -> None:
        """Start the epoch: its first entry, plans that are not deployed, what this node held as passive, the sinks."""
        ctx, replica = self._ctx, self._replica
        replica.became_author()
        permit = self._fence.grant(self.epoch)
        log = replica.log
        texts = dict(replica.plans)
        for entry in log.entries(max(log.committed_through, log.base.sequence), log.end.sequence):
            if isinstance(entry.body, Publications):
                for publication in entry.body.items:
                    self._pending.note_logged(publication)
            elif isinstance(entry.body, DeployPlan):
                texts[entry.body.plan] = entry.body.text
            elif isinstance(entry.body, RemovePlan):
                texts.pop(entry.body.plan, None)
        self._write([EpochStart(ctx.config.node, ctx.incarnation)])
        self._write(self._not_deployed(plans, texts))
        for publication in held:
            offer = self._pending.offer(publication)
            if isinstance(offer, Gap):
                ctx.refuse(publication, "a publication before this one is missing", offer.expected)
        for lane in replica.outbox.lanes.values():
            ctx.emit(OpenSink(lane.sink, permit))
        ctx.fact("coordinator_elected", f"{ctx.config.node} is coordinator of epoch {self.epoch}")
        ctx.fact("became_active", f"{ctx.config.node} became active member, log ends at {log.end.sequence}")
        self._flush = True
        self.membership.commit()

    def _not_deployed(self, plans: Iterable[DeployPlan], texts: Mapping[str, str]) -> list[DeployPlan]:
        """Of the configured plans those that the cluster has not.

        One that runs with another text stays as it is: an operator deployed it, and a start must not take that back.
        """
        missing = []
        for plan in plans:
            text = texts.get(plan.plan, "")
            if not text:
                missing.append(plan)
            elif text != plan.text:
                told = f"plan {plan.plan!r} runs with another text than its file has; deploy the file if that is to run"
                self._ctx.fact("plan_file_differs", told, "warning")
        return missing

    # -- intake ------------------------------------------------------------------------------------------------

    def submit(self, publications: tuple[Publication, ...]) -> None:
        """Publications of this node's clients.

        While nothing is on its way they become an entry at once; else they wait for what arrives together with them.
        """
        ctx, pending = self._ctx, self._pending
        self._flush = self._flush or self._replica.log.uncommitted_entries == 0
        for publication in publications:
            if self.switchover.under_way:
                ctx.refuse(publication, "a switchover is under way; retry")
                continue
            if pending.full:
                ctx.refuse(publication, "as much waits for the log as may; retry later")
                continue
            offer = pending.offer(publication)
            if offer is DUPLICATE:
                committed = self._replica.sessions.committed(publication.client_id)
                if committed >= publication.client_sequence:
                    ctx.acknowledge(publication.client_id, committed)
            elif isinstance(offer, Gap):
                reason = "a publication before this one is missing"
                if offer.expected == 1:
                    reason = "the client is not known (any more); number from 1, under a new name if it had another"
                ctx.refuse(publication, reason, offer.expected)

    def forwarded(self, publications: tuple[Publication, ...]) -> None:
        """Publications of the passive's clients; what cannot be taken now, the passive sends again."""
        for publication in publications:
            if self._pending.full or self.switchover.under_way:
                return
            self._pending.offer(publication)
        self._flush = True

    def change_plan(self, change: DeployPlan | RemovePlan) -> None:
        """An operator's deployment goes through the log."""
        if self.switchover.under_way:
            self._ctx.fact("plan_change_refused", "a switchover is under way; try again", "warning")
            return
        self._bodies.append(change)
        self._flush = True

    def carry_out(self, statement: TableStatement) -> None:
        """A statement goes through the log, unless events could not either: it must not wait where nobody sees it."""
        replica, policy = self._replica, self._ctx.policy
        if not self._ctx.intake_open:
            self._ctx.emit(RejectStatement(statement.request, self._ctx.intake_reason))
        elif replica.uncommitted_bytes > 2 * policy.inflight_bytes_max:
            self._ctx.emit(RejectStatement(statement.request, "as much waits to be committed as may"))
        else:
            self._bodies.append(statement)
            self._flush = True

    def flush(self) -> None:
        """What is pending becomes an entry at the end of this step, if there is room."""
        self._flush = True

    # -- log ---------------------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """The step's last act: sequence, replicate, publish, and tell clients whether to go on."""
        if self._replica.quarantines.failure is not None:
            self._quarantine()
        if self._flush and not self.switchover.log_is_frozen:
            self._sequence_pending()
        self.service.replicate()
        self._publish()
        if self.switchover.under_way:
            self._drive_switchover()
        self._set_intake()

    def _sequence_pending(self) -> None:
        if self._bodies:
            bodies, self._bodies = list(self._bodies), deque()
            self._write(bodies)
        entries: list[LogEntry] = []
        pending, policy, replica = self._pending, self._ctx.policy, self._replica
        uncommitted, size = replica.log.uncommitted_entries, replica.uncommitted_bytes
        while len(pending):
            if uncommitted >= policy.inflight_entries_max or size >= policy.inflight_bytes_max or replica.backlog_full:
                break
            entries.append(self._sequencer.stamp(Publications(pending.next_entry()), self._ctx.wall_ms))
            uncommitted += 1
            size += len(entries[-1].encoded)
        if entries:
            replica.append(tuple(entries))
        self._flush = len(pending) > 0

    def _write(self, bodies: Iterable[EntryBody]) -> None:
        entries = tuple(self._sequencer.stamp(body, self._ctx.wall_ms) for body in bodies)
        if entries:
            self._replica.append(entries)

    def _quarantine(self) -> None:
        """The engine stands before an entry that it cannot apply: the log says what of it is left out."""
        ctx, replica = self._ctx, self._replica
        if replica.quarantines.is_hopeless():
            ctx.halt("the engine fails on an entry of which everything is left out already: its state is in doubt")
            return
        body = replica.quarantines.to_write(replica.log.committed_through, replica.last_log_time_ms)
        if body is None:
            return
        self.abort_switchover("an entry is to be left out")
        self._write([body])
        what = f"plan {body.plan!r}" if body.plan else "every plan"
        part = "rows of it" if body.rows else "it"
        ctx.fact(
            "plan_suspended" if body.suspends else "event_quarantined",
            f"entry {body.sequence} {body.cause}: {body.reason}; {what} does not see {part}. Client rows are in the "
            "error store: eiha errors list"
            + (f". Deploy plan {body.plan!r} anew to resume it" if body.suspends else ""),
            "error",
        )

    def fire_timers(self) -> None:
        """Add a TimeTick when a timer is due and nothing on its way will fire it."""
        due = self._replica.next_timer_ms
        if due is None or due > self._ctx.wall_ms or self.switchover.log_is_frozen:
            return
        replica = self._replica
        if not replica.engine_known or replica.applied_through < replica.log.end.sequence:
            return
        if self._tick_sequence > replica.applied_through or replica.log.uncommitted_entries:
            return
        self._write([TimeTick()])
        self._tick_sequence = replica.log.end.sequence

    # -- outputs -----------------------------------------------------------------------------------------------

    def sink_opened(self, answer: SinkOpened) -> None:
        """The store is fenced for this epoch and told its progress."""
        lane = self._replica.outbox.lanes.get(answer.sink)
        if lane is None or answer.epoch != self.epoch or self._fence.permit is None:
            return
        lane.opened = True
        lane.outstanding = None
        lane.trim_through(answer.published_through)
        lane.published_through = answer.published_through
        self._replica.pump()  # a full outbox may have room now

    def published(self, answer: Published) -> None:
        """The store committed outputs."""
        lane = self._replica.outbox.lanes.get(answer.sink)
        if lane is None or answer.epoch != self.epoch:
            return
        if lane.outstanding is not None and answer.through >= lane.outstanding:
            lane.outstanding = None
        lane.trim_through(answer.through)
        self._replica.pump()

    def _publish(self) -> None:
        for lane in self._replica.outbox.lanes.values():
            if lane.outputs and lane.outstanding is None:
                self._publish_of(lane)

    def _publish_of(self, lane: Lane) -> None:
        permit = self._fence.permit
        if permit is None or self.switchover.under_way:
            return
        publish = lane.next_publish(self._ctx.policy.publish_rows_max, self._replica.applied_through, permit)
        if publish is not None:
            self._ctx.emit(publish)

    # -- switchover --------------------------------------------------------------------------------------------

    def ask_switchover(self, *, stop_after: bool) -> bool:
        """Begin a planned change of the active. False: it cannot be; a fact says why."""
        if self.switchover.step is not Step.NONE:
            self.switchover.stop_after = self.switchover.stop_after or stop_after
            return True
        if self.membership.state != "synced":
            self._ctx.fact("switchover_refused", f"the pair is {self.membership.state}, not synced", "warning")
            return False
        self.switchover.approach(self._ctx.monotonic_ms, stop_after=stop_after)
        self._approach_switchover()
        return True

    def _approach_switchover(self) -> None:
        """Close the intake for it as soon as what clients wait for then is short."""
        progress, log, switchover = self.service.progress, self._replica.log, self.switchover
        theirs = BEFORE_FIRST if progress is None else progress.applied_through
        behind = log.end.sequence - min(self._replica.applied_through, theirs)
        if not switchover.approached(
            behind=behind > self._ctx.policy.switchover_behind_entries, now_ms=self._ctx.monotonic_ms
        ):
            return
        switchover.begin(self._ctx.monotonic_ms, stop_after=switchover.stop_after)
        self._ctx.fact("switchover_begins", f"log ends at {log.end.sequence}, {behind} entries are to be applied")
        self._flush = True

    def _drive_switchover(self) -> None:
        switchover, replica, ctx = self.switchover, self._replica, self._ctx
        log = replica.log
        if switchover.drained(
            pending=len(self._pending) > 0 or bool(self._bodies),
            all_committed=log.committed_through == log.end.sequence == replica.applied_through,
            publishing=any(lane.outstanding is not None for lane in replica.outbox.lanes.values()),
            now_ms=ctx.monotonic_ms,
        ):
            switchover.propose(log.end.sequence)
            self.service.replicate()
            self.service.tell_applied()
            ctx.send_management(SwitchoverPropose(self.epoch, log.end))
        elif self.membership.state != "synced":
            self.abort_switchover(f"the pair is {self.membership.state}")
        elif switchover.overdue(ctx.monotonic_ms):
            self.abort_switchover(f"not done within {ctx.policy.switchover_timeout_ms} ms")

    def switchover_ready(self, epoch: Epoch) -> None:
        """The peer holds and applied everything and is about to take the row: stop publishing."""
        if epoch != self.epoch or self.switchover.step is not Step.PROPOSED:
            return
        self._ctx.emit(RevokePermit())
        self._fence.revoke()
        self._replica.outbox.close()
        self.switchover.hand_over()

    def abort_switchover(self, reason: str) -> None:
        """Go on with the epoch that this node still has, as far as it knows; the witness knows better."""
        if not self.switchover.under_way:
            return
        self._ctx.send_management(SwitchoverAbort(self.epoch, reason[:500]))
        self._ctx.fact("switchover_aborted", reason, "warning")
        self.membership.doubtful = True
        stop = self.switchover.end()
        if self._fence.permit is None:
            permit = self._fence.restore()
            for lane in self._replica.outbox.lanes.values():
                self._ctx.emit(OpenSink(lane.sink, permit))
        self._flush = True
        if stop:
            self._ctx.halt("stopped on request; the switchover before it did not succeed", failed=False)

    # -- state -------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Time passed."""
        self.membership.evaluate()
        progress = self.service.progress
        if progress is not None:
            progress.rewind_if_silent(self._ctx.monotonic_ms, self._ctx.policy.join_retry_ms)
        now_ms, before_ms = self._ctx.monotonic_ms, self._ticked_ms
        self._ticked_ms = now_ms
        self.service.tick_transfer(late=now_ms - before_ms > LATE_TICKS * self._ctx.policy.tick_ms)
        self.fire_timers()
        self._approach_switchover()
        self._flush = self._flush or len(self._pending) > 0
        self._replica.trim_memory(self.service.keep_after)
        self.service.tell_applied()

    def _set_intake(self) -> None:
        ctx, pending, policy = self._ctx, self._pending, self._ctx.policy
        if self.switchover.under_way:
            ctx.set_intake(is_open=False, reason="switchover")
        elif self.membership.lacks_quorum:
            ctx.set_intake(is_open=False, reason="no quorum: waits for the peer, or for the witness to say solo")
        elif self._replica.backlog_full:
            ctx.set_intake(is_open=False, reason="outputs or the engine are behind")
        elif self._replica.snapshots.is_log_full:
            ctx.set_intake(is_open=False, reason="the log has as much without a snapshot as it may: none can be saved")
        elif pending.bytes > policy.pending_bytes_max or len(pending) > policy.pending_publications_max:
            ctx.set_intake(is_open=False, reason="as much waits for the log as may")
        elif ctx.intake_open or (
            2 * pending.bytes <= policy.pending_bytes_max and 2 * len(pending) <= policy.pending_publications_max
        ):
            ctx.set_intake(is_open=True, reason="active")

    def step_down(self) -> None:
        """Not active any more: publishing stops before anything else, clients are told to send again."""
        ctx = self._ctx
        if self._fence.revoke():
            ctx.emit(RevokePermit())
        self._replica.outbox.close()
        self._replica.ceased_to_be_author()
        ctx.set_intake(is_open=False, reason="not active any more")
        for client_id in self._pending.unresolved():
            expected = ClientSequence(self._replica.sessions.committed(client_id) + 1)
            ctx.refuse(
                Publication(client_id, expected, "", 0, b""), "this node is not active any more; resend", expected
            )
        self._pending.clear()
