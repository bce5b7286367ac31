"""The active's dealings with the witness: who is required for commit, and what the row says of it."""

from __future__ import annotations

from dataclasses import replace

from eiha.ha import rules
from eiha.ha.context import Context
from eiha.ha.election import Election
from eiha.ha.heartbeat import Heartbeat
from eiha.ha.inputs import Channel
from eiha.ha.peer_service import PeerService
from eiha.ha.progress import PeerProgress
from eiha.ha.replica import Replica
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import BEFORE_FIRST, Sequence
from eiha.protocol.peer_messages import JoinDone, PeerIdentity


class Membership:
    """Within one epoch. Invariant: whoever the row may name beside this node is ``required``.

    ``required`` is a superset of the synced set at all times: it is set before a sync-in is asked for, and lifted
    only when the witness says solo in a row that is newer than the last sync-in asked for.
    """

    __slots__ = ("_ctx", "_election", "_heartbeat", "_looked_ms", "_must_hold", "_replica", "_service",
                 "_slow_peer", "_sync_asked_version", "_told", "doubtful", "required", "row", "trouble")  # fmt: skip

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        election: Election,
        heartbeat: Heartbeat,
        service: PeerService,
        row: WitnessRow,
    ) -> None:
        assert row.synced == (ctx.me,), row
        self._ctx = ctx
        self._replica = replica
        self._election = election
        self._heartbeat = heartbeat
        self._service = service
        self.row = row
        self.required: PeerIdentity | None = None
        self.trouble: str | None = None
        """Why the required peer cannot be waited for; None: it is fine."""
        self._slow_peer = False
        self._looked_ms = ctx.monotonic_ms
        self.doubtful = False
        """Whether somebody else may have changed the row: it is read at the next occasion."""
        self._must_hold: Sequence = BEFORE_FIRST
        self._sync_asked_version = -1
        self._told: tuple[int, int | None, int] | None = None

    @property
    def state(self) -> str:
        """``solo``, ``synced`` or ``no-quorum``, as an operator sees it."""
        if self.required is None:
            return "solo"
        if self.lacks_quorum:
            return "no-quorum"
        return "synced" if self.required in self.row.synced else "solo"

    @property
    def lacks_quorum(self) -> bool:
        """Whether the required peer cannot be waited for and the witness has not said that it need not be."""
        return self.required is not None and self.trouble is not None

    def commit(self) -> bool:
        """Move the commit point to where the rule allows. Returns whether it moved."""
        log = self._replica.log
        acked: tuple[Sequence, ...] = ()
        if self.required is not None:
            progress = self._service.progress
            acked = (progress.acked if progress is not None and progress.peer == self.required else BEFORE_FIRST,)
        through = min(rules.commit_point(log.persisted.sequence, acked), log.end.sequence)
        return through > log.committed_through and self._replica.commit(through)

    def evaluate(self, *, witness_answered: bool = False) -> None:
        """See whether the row must change, and ask for it. ``witness_answered``: it told the row just now."""
        self.trouble = self._find_trouble()
        if self.required is None:
            if self._service.must_leave is not None or self._service.resync_due:
                self._service.left()
            self._service.serve_join(None)
            self._consider_requiring()
        else:
            self._service.serve_join(self.required)
            self.trouble = self._service.must_leave or self.trouble
            if self.trouble is not None:
                self._go_solo(self.trouble, witness_answered=witness_answered)
            elif self.required not in self.row.synced:
                self._sync_in(self.required)
            else:
                self._tell_joined(self.required)
        now_ms = self._ctx.monotonic_ms
        if now_ms - self._looked_ms >= self._ctx.policy.witness_probe_ms:
            self.doubtful = True
        if (self._election.unclear or self.doubtful) and self._election.ready(now_ms):
            self._looked_ms = now_ms
            self._ctx.emit(self._election.read(self._ctx.monotonic_ms))

    def _find_trouble(self) -> str | None:
        ctx, policy = self._ctx, self._ctx.policy
        suspicion = self._heartbeat.detector.suspicion(
            ctx.monotonic_ms,
            grace_ms=policy.link_closed_grace_ms // 2,
            timeout_ms=policy.failure_timeout_ms - policy.heartbeat_ms,
        )
        if suspicion is not None:
            return suspicion
        progress, required = self._service.progress, self.required
        if required is not None and (progress is None or progress.peer != required):
            # a link was just made and its first acknowledgement may be on the way
            here = ctx.links.identity(Channel.EVENT_SYNC) == required
            return None if here else "the required peer's log is not known"
        if required is None or progress is None:
            return None
        return self._find_slowness(progress)

    def _find_slowness(self, progress: PeerProgress) -> str | None:
        """Whether the required peer is so slow that it must go; with ``block`` it is only spoken of."""
        ctx, policy = self._ctx, self._ctx.policy
        was_slow = self._slow_peer
        self._slow_peer = progress.stalled(self._replica.log.end.sequence, ctx.monotonic_ms, policy.slow_peer_ms)
        if not self._slow_peer:
            return None
        reason = f"the peer acknowledged nothing new for {policy.slow_peer_ms} ms"
        if rules.waits_for_slow_peer(policy.slow_peer):
            if not was_slow:
                ctx.fact("peer_slow", f"{reason}; it is waited for, as slow_peer says", "warning")
            return None
        return reason

    def _consider_requiring(self) -> None:
        progress = self._service.progress
        if self.trouble is not None or not self._service.caught_up or progress is None:
            return
        if self._election.unclear or not self._election.ready(self._ctx.monotonic_ms):
            return
        self.required = progress.peer
        self._must_hold = self._replica.log.end.sequence
        self._sync_in(progress.peer)

    def _sync_in(self, peer: PeerIdentity) -> None:
        progress = self._service.progress
        acked = progress.acked if progress is not None and progress.peer == peer else BEFORE_FIRST
        if not rules.may_ask_sync_in(requires_peer=self.required == peer, acked=acked, must_hold=self._must_hold):
            return
        row = replace(self.row, synced=(self._ctx.me, peer), reason=f"{peer.node} caught up at {acked}")
        if self._swap(row):
            self._sync_asked_version = self.row.version

    def _go_solo(self, reason: str, *, witness_answered: bool) -> None:
        if self._lift_requirement():
            return
        if not witness_answered:
            # a node that can send and hears nothing would take the row from its peer and never know
            self.doubtful = True
            return
        self._swap(replace(self.row, synced=(self._ctx.me,), reason=f"solo: {reason}"))

    def _swap(self, row: WitnessRow) -> bool:
        election, now_ms = self._election, self._ctx.monotonic_ms
        if election.unclear or not election.ready(now_ms):
            return False
        row = replace(row, version=rules.next_version(self.row))
        self._ctx.emit(election.swap(self.row, row, now_ms))
        return True

    def _lift_requirement(self) -> bool:
        row = self.row
        if not rules.solo_is_recorded(row, self._ctx.me) or not rules.solo_is_settled(row, self._sync_asked_version):
            return False
        reason = self.trouble or "the peer left"
        self.required = None
        self._told = None
        self._service.left()
        self._ctx.fact("went_solo", f"version {row.version}: {reason}", "warning")
        self._hold_off()
        self.commit()
        return True

    def _hold_off(self) -> None:
        ctx = self._ctx
        hold_ms = ctx.readmission.put_out(ctx.monotonic_ms, slow=self._slow_peer)
        self._slow_peer = False
        if hold_ms:
            count = ctx.readmission.put_out_count
            detail = f"left the synced set {count} times since this node started; not let in for {hold_ms} ms"
            ctx.fact("peer_held_off", detail, "warning")

    def adopt(self, row: WitnessRow, *, won: bool) -> None:
        """The row, still of this epoch, is now this."""
        before, self.row = self.row, row
        self.doubtful = False
        self._ctx.remember(row)
        others = tuple(member for member in row.synced if member != self._ctx.me)
        if others and self.required is None:
            self.required = others[0]
            self._must_hold = self._replica.log.end.sequence
        if others and others != tuple(m for m in before.synced if m != self._ctx.me):
            self._ctx.fact("synced_in", f"{others[0].node} is synced as of version {row.version}")
        if won and not others and self.required is not None:
            self._lift_requirement()
        self.evaluate(witness_answered=True)

    def _tell_joined(self, peer: PeerIdentity) -> None:
        # a peer that was back before its absence was noticed is named by the row all along, and passed over what it was
        # told before it had asked
        told = (self.row.version, self._ctx.links.link(Channel.MANAGEMENT), self._service.joins)
        progress = self._service.progress
        if told == self._told or told[1] is None or progress is None or progress.peer != peer:
            return
        if progress.acked == BEFORE_FIRST:
            return
        self._told = told
        self._ctx.send_management(JoinDone(self.row.epoch, self.row.version))
        self._ctx.fact("member_joined", f"{peer.node} is passive as of version {self.row.version}")
