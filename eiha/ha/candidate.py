"""What a member that is not active does about the row: look at it, and take it when it may and should."""

from __future__ import annotations

from dataclasses import replace

from eiha.ha import rules, stuck_log
from eiha.ha.context import Context
from eiha.ha.election import Election
from eiha.ha.heartbeat import Heartbeat
from eiha.ha.joiner import Joiner
from eiha.ha.replica import Replica
from eiha.ha.roles import Role, Trigger
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import Epoch, MonotonicMs

FIRST_EPOCH = Epoch(1)
LONG_AGO_MS = -(1 << 60)


class Candidate:
    """Starting, joining, passive, promoting. ``accept_loss``: an operator takes the decision that no rule allows."""

    __slots__ = ("_ctx", "_election", "_from", "_heartbeat", "_joiner", "_looked_ms", "_reason", "_replica",
                 "_started_ms", "_suspected_at_once", "accept_loss", "joined_version", "usable")  # fmt: skip

    def __init__(
        self, ctx: Context, replica: Replica, election: Election, heartbeat: Heartbeat, joiner: Joiner
    ) -> None:
        self._ctx = ctx
        self._replica = replica
        self._election = election
        self._heartbeat = heartbeat
        self._joiner = joiner
        self._started_ms: MonotonicMs = ctx.monotonic_ms
        self._looked_ms = LONG_AGO_MS
        self._from = Role.STARTING
        self._reason = ""
        self._suspected_at_once: str | None = None
        self.accept_loss = False
        self.joined_version = 0
        """As of which version of the row the active said that it names this disk."""
        self.usable = True
        """False: this node's own state was found damaged at start; it may only join."""

    # -- when --------------------------------------------------------------------------------------------------

    def suspect(self, reason: str) -> None:
        """Something proved that the peer is not active: do not wait for a timeout."""
        self._suspected_at_once = reason

    def suspicion(self) -> str | None:
        """Why the active must be taken for gone; None: it is there, or has not had its time yet."""
        if self._suspected_at_once is not None:
            return self._suspected_at_once
        policy, now_ms = self._ctx.policy, self._ctx.monotonic_ms
        heard = self._heartbeat.active_heard_ms
        if heard is None:
            waited = now_ms - self._started_ms
            return f"no active appeared within {waited} ms" if waited > policy.cold_start_wait_ms else None
        if now_ms - heard > policy.failure_timeout_ms:
            return f"no active heard for {now_ms - heard} ms"
        return self._heartbeat.detector.suspicion(
            now_ms, grace_ms=policy.link_closed_grace_ms, timeout_ms=policy.failure_timeout_ms
        )

    def active_heard(self) -> None:
        """The active is there after all."""
        self._suspected_at_once = None

    def tick(self) -> None:
        """Look at the row when it is time to."""
        ctx = self._ctx
        match ctx.role:
            case Role.STARTING:
                self._look()
            case Role.JOINING:
                suspected = self.suspicion() is not None
                if self.accept_loss or not self._joiner.following or suspected:
                    self._look(every_ms=0 if self.accept_loss else self._poll_ms(suspected=suspected))
            case Role.PASSIVE:
                reason = self.suspicion()
                if reason is not None and not self._log_is_stuck():
                    self.promote(Trigger.ACTIVE_SUSPECTED, reason)
                else:
                    # a swap that this node gave up may have been applied; and is the witness there, or there again?
                    # an active whose engine is stuck gives way only to a peer that sees it
                    at_once = self._election.unclear or self._election.is_failing
                    self._look(every_ms=0 if at_once else self._ctx.policy.witness_probe_ms)
            case Role.PROMOTING:
                self._look()
            case Role.ACTIVE | Role.HALTED:
                pass

    def _log_is_stuck(self) -> bool:
        """Whether this node could commit nothing if it took the row."""
        return stuck_log.is_stuck(self._heartbeat.own_vitals.now, self._ctx.policy)

    def _poll_ms(self, *, suspected: bool) -> int:
        return self._ctx.policy.link_closed_grace_ms if suspected else self._ctx.policy.witness_poll_ms

    def promote(self, trigger: Trigger, reason: str) -> None:
        """Try to take the row, beginning with reading it."""
        self._from = self._ctx.role
        self._reason = reason
        self._ctx.move(trigger, reason)
        if trigger is Trigger.ACTIVE_SUSPECTED:
            self._ctx.fact("active_suspected", reason, "warning")
        self._look()

    def _look(self, every_ms: int = 0) -> None:
        now_ms = self._ctx.monotonic_ms
        if self._election.ready(now_ms) and now_ms - self._looked_ms >= every_ms:
            self._looked_ms = now_ms
            self._ctx.emit(self._election.read(now_ms))

    # -- what the row says -------------------------------------------------------------------------------------

    def row_seen(self, row: WitnessRow | None) -> None:
        """The row as it is now."""
        ctx = self._ctx
        ctx.row = row
        if row is not None:
            ctx.remember(row)
        match ctx.role:
            case Role.STARTING:
                self._starting(row)
            case Role.JOINING:
                self._joining(row)
            case Role.PROMOTING:
                self._promoting(row)
            case Role.PASSIVE:
                self._passive(row)
            case Role.ACTIVE | Role.HALTED:
                raise AssertionError(ctx.role)

    def _starting(self, row: WitnessRow | None) -> None:
        ctx = self._ctx
        if not self._replica.engine_known and self.usable:
            return  # still restoring; the row is read again afterwards
        if row is None:
            if self.usable:
                self._take(None, f"{ctx.config.node} founds the cluster")
            return
        if rules.holds_the_row(row, ctx.config.node, ctx.incarnation):
            if self.usable:
                self._take(row, f"{ctx.config.node} restarts as active")
                return
            if row.synced == (ctx.me,):
                ctx.halt(
                    "the witness says that only this node holds the state, and its snapshot or log is damaged: "
                    "restore them from a backup, or remove the data directory and start with --accept-loss"
                )
                return
        ctx.move(Trigger.ANOTHER_HOLDS_THE_ROW, f"{row.active} is active in epoch {row.epoch}")
        if not rules.names_this_disk(row, ctx.me):
            ctx.fact("not_in_synced_set", f"waiting for {row.active}: version {row.version} does not name this disk")

    def _joining(self, row: WitnessRow | None) -> None:
        if row is None or not self._joiner.intact:
            return
        if not self._joiner.trustworthy and not self.accept_loss:
            return
        if self.accept_loss:
            self.promote(Trigger.LOSS_ACCEPTED, f"an operator accepts loss on {self._ctx.config.node}")
            self._promoting(row)
            return
        if not rules.may_take(row, self._ctx.me) or self._log_is_stuck():
            return
        reason = self.suspicion()
        if rules.holds_the_row(row, self._ctx.config.node, self._ctx.incarnation):
            reason = "the row is this node's own"
        if reason is not None:
            self.promote(Trigger.ACTIVE_SUSPECTED, reason)

    def _passive(self, row: WitnessRow | None) -> None:
        ctx = self._ctx
        if row is not None and row.version < self.joined_version:
            return  # read before the row named this disk
        if row is None or not rules.names_this_disk(row, ctx.me):
            self._lost("the row does not name this disk any more")
        elif rules.holds_the_row(row, ctx.config.node, ctx.incarnation):
            self.promote(Trigger.ACTIVE_SUSPECTED, "the row is this node's own")

    def _promoting(self, row: WitnessRow | None) -> None:
        if row is None:
            self._ctx.halt("the witness has no row although this node was synced: it lost its data")
            return
        me = self._ctx.me
        if not self.accept_loss:
            if not rules.may_take(row, me):
                self._lost(f"version {row.version} does not name this disk; {row.active} is active")
                return
            if self._came_back(row):
                return
        self._take(row, self._reason)

    def _came_back(self, row: WitnessRow) -> bool:
        own = rules.holds_the_row(row, self._ctx.config.node, self._ctx.incarnation)
        if own or self._from is not Role.PASSIVE or self._reason.startswith("switchover"):
            return False
        if self.suspicion() is not None:
            return False
        self._ctx.move(Trigger.ACTIVE_RETURNED, f"{row.active} answers again")
        return True

    def switchover_called_off(self, reason: str) -> None:
        """The active keeps its epoch."""
        if self._ctx.role is Role.PROMOTING and self._reason.startswith("switchover"):
            self._ctx.move(Trigger.ACTIVE_RETURNED, f"switchover called off: {reason}")

    def _lost(self, detail: str) -> None:
        self._ctx.move(Trigger.LOST_THE_ROW, detail)
        self.rejoin()

    def rejoin(self) -> None:
        """Whoever is active now must be found first."""
        self._suspected_at_once = None
        self.accept_loss = False
        self._started_ms = self._ctx.monotonic_ms
        self._heartbeat.active_heard_ms = None
        self._looked_ms = LONG_AGO_MS
        self._joiner.begin()

    def _take(self, row: WitnessRow | None, reason: str) -> None:
        ctx, election = self._ctx, self._election
        if not election.ready(ctx.monotonic_ms) or election.unclear:
            return
        if row is None:
            wanted = WitnessRow(ctx.config.cluster, FIRST_EPOCH, ctx.config.node, ctx.incarnation, (ctx.me,), 1, reason)
        else:
            wanted = replace(
                row,
                epoch=Epoch(row.epoch + 1),
                active=ctx.config.node,
                active_incarnation=ctx.incarnation,
                synced=(ctx.me,),
                version=rules.next_version(row),
                reason=reason,
            )
        ctx.emit(election.swap(row, wanted, ctx.monotonic_ms))
