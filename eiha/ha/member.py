"""One node of the pair: composes roles, election, replication, outbox and switchover. ``step`` is the only door.

The caller carries the effects of a step out in order and gives every answer back as an input. Nothing here waits,
reads a clock or draws a random number: the same inputs give the same effects.
"""

from __future__ import annotations

from typing import Final, assert_never

from eiha.ha import rules, stuck_engine, stuck_log
from eiha.ha.active import Active
from eiha.ha.candidate import Candidate
from eiha.ha.context import Context, MemberConfig
from eiha.ha.describe import describe
from eiha.ha.effects import CloseLink, Effect, RejectStatement
from eiha.ha.election import Election, RowSeen, Unclear, Verdict, WentBackwards, Won
from eiha.ha.fencing import Fence
from eiha.ha.follower import Follower
from eiha.ha.heartbeat import Heartbeat
from eiha.ha.inputs import (
    AcceptLossAsked,
    Applied,
    ApplyFailed,
    ChangePlan,
    Channel,
    ChunksFound,
    ChunkStored,
    ChunkUnreadable,
    ClientHello,
    Flush,
    Input,
    LinkDown,
    LinkUp,
    Persisted,
    Published,
    Received,
    Restored,
    SinkFenced,
    SinkOpened,
    SnapshotAsked,
    SnapshotFailed,
    SnapshotRefused,
    SnapshotSaved,
    SnapshotTaken,
    Start,
    StatementAsked,
    StopAsked,
    Submit,
    SwitchoverAsked,
    Tick,
    WitnessCasDone,
    WitnessReadDone,
)
from eiha.ha.intake import Held, Pending
from eiha.ha.joiner import Joiner
from eiha.ha.peer_inbox import PeerInbox
from eiha.ha.replica import Replica
from eiha.ha.roles import Role, Trigger
from eiha.ha.startup import load_disk
from eiha.ha.status import MemberStatus
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogPosition, Now
from eiha.protocol.log_entry import DeployPlan, TableStatement

__all__ = ["Member", "MemberConfig"]

_FORWARDING: Final = {role: f"{role.value}: forwarding to the active" for role in Role}
"""Why the intake of a node that follows is open."""


class Member:
    """The state machine of one node. The first input is ``Start``."""

    def __init__(self, config: MemberConfig) -> None:
        self.ctx = Context(config)
        self.replica = Replica(self.ctx, self._committed)
        self.pending = Pending(config.policy, self.replica.sessions)
        self.held = Held(config.policy, self.replica.sessions)
        self.follower = Follower(self.ctx, self.replica, self.held)
        self.joiner = Joiner(self.ctx, self.replica, self.follower)
        self.fence = Fence()
        self.active: Active | None = None
        self._inbox = PeerInbox(self)
        self._plans: tuple[DeployPlan, ...] = ()
        self.started = False
        self.switchover_position: LogPosition | None = None
        self.witness_reachable = False

    # -- the door ----------------------------------------------------------------------------------------------

    def step(self, happened: Input, now: Now) -> tuple[Effect, ...]:
        """Take one input. Returns what is to be done, in order.

        Raises:
            IllegalTransition: never, unless this module is wrong; the caller must end the process.
            AssertionError: likewise.
        """
        ctx = self.ctx
        if ctx.halted:
            return ()
        ctx.begin(now)
        if isinstance(happened, Start):
            self._start(happened)
        else:
            assert self.started, "the first input must be Start"
            self._dispatch(happened)
        if not ctx.halted:
            if self.active is not None:
                self.active.conclude()
            else:
                self._set_intake()
        return ctx.finish()

    @property
    def flush_wanted(self) -> bool:
        """Whether publications wait until ``Flush`` says that no more are at hand (or a step makes room for them)."""
        return len(self.pending) > 0 if self.active is not None else self.held.unsent

    def status(self) -> MemberStatus:
        """What an operator sees."""
        return describe(self)

    def _dispatch(self, happened: Input) -> None:
        match happened:
            case Submit():
                self._submit(happened)
            case Flush():
                if self.active is not None:
                    self.active.flush()
                else:
                    self.follower.forward()
            case Persisted(through):
                self._persisted(through)
            case Received():
                if self.ctx.links.is_current(happened.channel, happened.link):
                    self._inbox.take(happened.message)
            case Applied():
                self._applied(happened)
            case ApplyFailed(failure):
                self.replica.apply_failed(failure)
            case Tick():
                self._tick(happened)
            case Published():
                if self.active is not None:
                    self.active.published(happened)
            case SinkOpened():
                if self.active is not None:
                    self.active.sink_opened(happened)
            case SinkFenced():
                self._sink_fenced(happened)
            case ClientHello(client_id):
                self.ctx.acknowledge(client_id, self.replica.sessions.committed(client_id))
            case LinkUp():
                self._link_up(happened)
            case LinkDown():
                self._link_down(happened)
            case WitnessReadDone(request, outcome):
                self._verdict(self.election.read_done(request, outcome, self.ctx.monotonic_ms))
            case WitnessCasDone(request, swapped):
                self._verdict(self.election.swap_done(request, swapped, self.ctx.monotonic_ms))
            case (
                SnapshotTaken() | SnapshotFailed() | SnapshotSaved() | ChunksFound() | ChunkStored() | ChunkUnreadable()
            ):
                self._of_snapshots(happened)
            case Restored():
                self.joiner.restored(happened)
                if self.ctx.role is Role.STARTING:
                    self.candidate.tick()
            case SnapshotRefused(reason):
                self._snapshot_refused(reason)
            case ChangePlan(change):
                if self.active is not None:
                    self.active.change_plan(change)
                else:
                    self.ctx.fact("plan_change_refused", f"this node is {self.ctx.role.value}, not active", "warning")
            case StatementAsked(statement):
                self._statement_asked(statement)
            case SwitchoverAsked():
                self._switchover_asked()
            case AcceptLossAsked():
                self._accept_loss()
            case SnapshotAsked():
                self.replica.want_snapshot()
            case StopAsked():
                self._stop()
            case Start():
                raise AssertionError("a second Start")
            case _:
                assert_never(happened)

    def _of_snapshots(
        self,
        happened: SnapshotTaken | SnapshotFailed | SnapshotSaved | ChunksFound | ChunkStored | ChunkUnreadable,
    ) -> None:
        match happened:
            case SnapshotTaken():
                if self.replica.snapshot_taken(happened) and self.active is not None:
                    self.active.service.snapshot_taken(happened)
            case SnapshotFailed():
                self.replica.snapshot_failed(happened)
                if self.active is not None:
                    self.active.service.snapshot_failed(happened)
            case ChunksFound():
                self.joiner.chunks_found(happened)
            case ChunkStored():
                self.joiner.chunk_stored(happened)
            case ChunkUnreadable():
                if self.active is not None:
                    self.active.service.chunk_unreadable(happened)
            case SnapshotSaved(position):
                self.joiner.saved(position)
            case _:
                assert_never(happened)

    # -- start -------------------------------------------------------------------------------------------------

    def _start(self, start: Start) -> None:
        assert not self.started, "a second Start"
        ctx = self.ctx
        self.started = True
        ctx.incarnation = start.incarnation
        self.election = Election(ctx.policy, start.witness_version_seen)
        self.heartbeat = Heartbeat(ctx, self.replica)
        self.candidate = Candidate(ctx, self.replica, self.election, self.heartbeat, self.joiner)
        self._plans = start.plans
        damage = load_disk(self.replica, start)
        if damage is not None:
            self._damaged(damage)
        ctx.fact("member_added", f"{ctx.config.node} of cluster {ctx.config.cluster}, incarnation {start.incarnation}")
        self.candidate.tick()

    def _damaged(self, reason: str) -> None:
        self.candidate.usable = False
        self.ctx.fact("state_damaged", reason, "error")
        self.joiner.state_lost()

    def _snapshot_refused(self, reason: str) -> None:
        self.replica.restore_refused()
        if self.ctx.role is Role.STARTING:
            self._damaged(reason)
            self.candidate.tick()
        else:
            self.joiner.restore_refused(reason)

    # -- publications ------------------------------------------------------------------------------------------

    def _submit(self, submit: Submit) -> None:
        ctx = self.ctx
        if self.active is not None:
            self.active.submit(submit.publications)
        elif ctx.role is Role.PASSIVE or ctx.role is Role.PROMOTING or self.joiner.following:
            self.follower.submit(submit.publications, duplicated=submit.duplicated)
        else:
            for publication in submit.publications:
                ctx.refuse(publication, f"this node is {ctx.role.value} and follows no active; retry")

    def _committed(self, client_id: ClientId, sequence: ClientSequence) -> None:
        self.pending.note_committed(client_id, sequence)
        self.held.note_committed(client_id, sequence, self.ctx.monotonic_ms)

    def _set_intake(self) -> None:
        ctx, held, policy = self.ctx, self.held, self.ctx.policy
        if not self.joiner.following:
            ctx.set_intake(is_open=False, reason=f"{ctx.role.value}: no active is followed")
        elif held.bytes > policy.pending_bytes_max or len(held) > policy.pending_publications_max:
            ctx.set_intake(is_open=False, reason="as much is held as may")
        elif ctx.intake_open or (
            2 * held.bytes <= policy.pending_bytes_max and 2 * len(held) <= policy.pending_publications_max
        ):
            ctx.set_intake(is_open=True, reason=_FORWARDING[ctx.role])

    # -- log and engine ----------------------------------------------------------------------------------------

    def _persisted(self, through: LogPosition) -> None:
        if not self.replica.log.mark_persisted(through):
            return
        if self.active is not None:
            if self.active.membership.commit():
                self.active.flush()
        else:
            self.follower.persisted()
            self.drive_switchover()

    def _applied(self, report: Applied) -> None:
        self.replica.applied(report)
        if self.active is not None:
            self.active.service.own_digest()
            self.active.flush()
            self.active.fire_timers()
        else:
            self.follower.applied()
            self.drive_switchover()

    def _sink_fenced(self, fenced: SinkFenced) -> None:
        if self.active is not None and fenced.epoch > self.active.epoch:
            self.demote(Trigger.FENCED_BY_STORE, f"sink {fenced.sink} belongs to epoch {fenced.epoch}")

    # -- time and links ----------------------------------------------------------------------------------------

    @property
    def epoch(self) -> Epoch:
        """The epoch that this node acts in, as far as it knows."""
        if self.active is not None:
            return self.active.epoch
        return self.follower.epoch or (Epoch(0) if self.ctx.row is None else self.ctx.row.epoch)

    def _tick(self, tick: Tick) -> None:
        ctx = self.ctx
        self.heartbeat.own_vitals.tick(tick)
        self.heartbeat.tick(self.epoch)
        self._close_dead_links()
        verdict = self.election.tick(ctx.monotonic_ms)
        if verdict is not None:
            self._verdict(verdict)
            if ctx.halted:
                return
        if self.active is not None:
            self.active.tick()
            self._step_aside_if_log_is_stuck()
        else:
            self.candidate.tick()
            self._inbox.begin_anew_if_failed()
            self.ask_to_join()
            self.follower.tick()
            self.replica.trim_memory(self.replica.log.end.sequence)
        transferring = self.active is not None and self.active.service.transfer() is not None
        if not transferring and self.replica.snapshot_due():
            self.replica.want_snapshot()
        stuck = stuck_engine.reason_to_end(self)
        if stuck is not None:
            self._give_way(stuck)

    def _close_dead_links(self) -> None:
        ctx = self.ctx
        reason = self.heartbeat.detector.dead_link(ctx.monotonic_ms)
        if reason is not None:
            for channel in Channel:
                link = ctx.links.link(channel)
                if link is not None:
                    ctx.emit(CloseLink(channel, link, reason))

    def _step_aside_if_log_is_stuck(self) -> None:
        """Let the peer, whose log holds more, take the row; what this log owes is written when its disk allows."""
        reason = stuck_log.reason_to_step_aside(self)
        if reason is not None:
            self.demote(Trigger.LOG_STUCK, reason)
            if not self.ctx.halted:
                self.heartbeat.send(self.epoch)

    def _give_way(self, reason: str) -> None:
        """End at once: a switchover would wait for outputs that this engine does not make any more.

        Nothing is lost: what is committed is on the other node, which makes those outputs; what is not was not
        acknowledged.
        """
        epoch = self.epoch
        if self.active is not None:
            self.active.step_down()
            self.active = None
        self.heartbeat.send(epoch, halting=True)
        self.ctx.halt(reason, stuck=True)

    def ask_to_join(self) -> None:
        """Joining: ask the peer, once it says that it is active in an epoch that is not over."""
        if self.active is not None or self.ctx.role is not Role.JOINING:
            return
        row_epoch = Epoch(0) if self.ctx.row is None else self.ctx.row.epoch
        if self.heartbeat.peer_role == Role.ACTIVE.value and self.heartbeat.peer_epoch >= row_epoch:
            self.joiner.ask()

    def _link_up(self, up: LinkUp) -> None:
        ctx = self.ctx
        if up.peer.node == ctx.config.node or up.peer.incarnation == ctx.incarnation:
            what = f"name {up.peer.node!r}" if up.peer.node == ctx.config.node else f"incarnation {up.peer.incarnation}"
            ctx.halt(f"the other node has the same {what} as this one: give each node its own name and data directory")
            return
        known = ctx.links.peer
        replaced = ctx.links.up(up.channel, up.link, up.peer)
        if replaced is not None:
            ctx.emit(CloseLink(up.channel, replaced, "replaced by a newer connection"))
            self._channel_lost(up.channel)
        if known != up.peer:
            ctx.fact("member_added", f"{up.peer.node}, incarnation {up.peer.incarnation}")
        self.heartbeat.link_changed(opened=True)
        if up.channel is Channel.MANAGEMENT:
            self.heartbeat.send(self.epoch)
        if self.active is not None:
            self.active.service.another_disk(up.peer, self.active.membership.required)
            self.active.membership.evaluate()
        elif up.channel is Channel.EVENT_SYNC:
            self.follower.link_up()
        elif ctx.role is Role.JOINING:
            self.joiner.begin()

    def _link_down(self, down: LinkDown) -> None:
        if not self.ctx.links.down(down.channel, down.link):
            return
        self._channel_lost(down.channel)
        self.heartbeat.link_changed(opened=False)

    def _channel_lost(self, channel: Channel) -> None:
        if self.active is not None:
            self.active.service.link_down(channel)
        elif self.ctx.role is Role.JOINING and channel is Channel.MANAGEMENT:
            self.joiner.begin()
        if channel is Channel.MANAGEMENT:
            self.heartbeat.peer_role = ""

    # -- witness -----------------------------------------------------------------------------------------------

    def _verdict(self, verdict: Verdict | None) -> None:
        ctx = self.ctx
        match verdict:
            case None:
                pass
            case Unclear(cause, swap):
                if self.witness_reachable:
                    ctx.fact("witness_unclear", f"{'swap' if swap else 'read'}: {cause}", "warning")
                self.witness_reachable = False
            case WentBackwards(seen, shown):
                ctx.halt(
                    f"the witness shows version {shown} after it had shown {seen}: it lost what it had promised "
                    "(a database restored or failed over without its last transactions); repair the row by hand"
                )
            case RowSeen(row):
                self.witness_reachable = True
                self._row_seen(row)
            case Won(row):
                self.witness_reachable = True
                self._won(row)

    def _row_seen(self, row: WitnessRow | None) -> None:
        ctx = self.ctx
        if self.active is None:
            self.candidate.row_seen(row)
        elif row is None:
            ctx.halt("the witness has no row although this node is active: it lost its data")
        elif row.epoch != self.active.epoch or not rules.holds_the_row(row, ctx.config.node, ctx.incarnation):
            ctx.row = row
            self.demote(Trigger.LOST_THE_ROW, f"{row.active} is active in epoch {row.epoch}")
        else:
            self.active.membership.adopt(row, won=False)

    def _won(self, row: WitnessRow) -> None:
        ctx = self.ctx
        if self.active is not None:
            self.active.membership.adopt(row, won=True)
            return
        if ctx.role not in (Role.STARTING, Role.PROMOTING):
            self.candidate.row_seen(row)  # asked for as something else than this node is now: decide afresh
            return
        ctx.remember(row)
        first_start = ctx.role is Role.STARTING
        ctx.move(Trigger.TOOK_THE_ROW, f"epoch {row.epoch}: {row.reason}")
        self.follower.stop()
        self.switchover_position = None
        self.candidate.accept_loss = False
        self.active = Active(ctx, self.replica, self.pending, self.election, self.heartbeat, self.fence, row)
        self.active.begin(self.held.drain(), self._plans if first_start else ())
        self.heartbeat.send(self.active.epoch)

    def demote(self, trigger: Trigger, detail: str) -> None:
        """Stop being active: publishing first, then clients, then look for whoever is."""
        active = self.active
        assert active is not None
        active.step_down()
        self.active = None
        self.ctx.move(trigger, detail)
        self.ctx.fact("stepped_down", f"epoch {active.epoch} is over: {detail}", "warning")
        if active.switchover.end():
            self.ctx.halt("stopped on request after the switchover", failed=False)
            return
        self.candidate.rejoin()
        self.ask_to_join()

    # -- switchover and operators ------------------------------------------------------------------------------

    def _statement_asked(self, statement: TableStatement) -> None:
        if self.active is not None:
            self.active.carry_out(statement)
        else:
            reason = f"this node is {self.ctx.role.value}, not active"
            self.ctx.emit(RejectStatement(statement.request, reason))

    def _switchover_asked(self) -> None:
        if self.active is not None:
            self.active.ask_switchover(stop_after=False)
        else:
            self.ctx.fact("switchover_refused", f"this node is {self.ctx.role.value}: ask the active", "warning")

    def drive_switchover(self) -> None:
        """Passive: take the row once everything through the proposed position is here and applied."""
        position = self.switchover_position
        if position is None or self.ctx.role is not Role.PASSIVE:
            return
        log = self.replica.log
        if log.end == position and log.persisted == position and self.replica.applied_through == position.sequence:
            self.switchover_position = None
            self._inbox.announce_ready()
            self.candidate.promote(Trigger.SWITCHOVER_AGREED, "switchover")

    def _accept_loss(self) -> None:
        ctx = self.ctx
        if self.active is not None or ctx.role is Role.PASSIVE or ctx.role is Role.PROMOTING:
            ctx.fact("accept_loss_refused", f"this node is {ctx.role.value}: nothing needs to be lost", "warning")
        elif not self.candidate.usable or not self.joiner.intact:
            ctx.fact("accept_loss_refused", "this node has no usable state to go on with", "error")
        else:
            ctx.fact("loss_accepted", "an operator lets this node go on with what it has", "warning")
            self.candidate.accept_loss = True
            self.candidate.tick()

    def _stop(self) -> None:
        if self.active is not None and self.active.ask_switchover(stop_after=True):
            return
        if self.active is not None:
            self.active.step_down()
            self.active = None
        self.ctx.halt("stopped on request", failed=False)
