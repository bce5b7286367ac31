"""The active's side of replication: how far the peer is, what it is sent, how it joins, whether its state agrees."""

from __future__ import annotations

from typing import Final

from eiha.ha import rules
from eiha.ha.context import Context
from eiha.ha.divergence import DUMP_WAIT_MS, ORDER_KEPT_MS, Difference, DigestComparison, DumpOrder
from eiha.ha.inputs import Channel, ChunkUnreadable, SnapshotFailed, SnapshotTaken
from eiha.ha.join import FollowLog, NeedSnapshot, decide_join
from eiha.ha.progress import PeerProgress, Phase
from eiha.ha.replica import Replica
from eiha.ha.status import TransferStatus
from eiha.ha.transfer import SnapshotSender
from eiha.kernel.ids import BEFORE_FIRST, Epoch, LinkId, LogPosition, MonotonicMs, Sequence
from eiha.protocol.peer_messages import (
    Append,
    AppendAck,
    Committed,
    DigestReport,
    JoinReply,
    JoinRequest,
    PeerIdentity,
    Resync,
    SnapshotAck,
    SnapshotLacks,
)
from eiha.protocol.state_digest import StateDigest

_TRANSFER_BITS: Final = 32
"""Transfers are numbered by epoch: more of one epoch than fit into these bits would take centuries."""


class PeerService:
    """Serves the one peer within one epoch.

    ``must_leave``: why the peer cannot stay in (or come into) the synced set as it is; the membership part sees to
    it that the witness says so before anything is done that makes the peer's log incomplete.
    """

    __slots__ = ("_ctx", "_cutting", "_digests", "_epoch", "_join", "_order", "_replica", "_resync", "_resync_told",
                 "_sender", "_snapshot_only", "_told_applied", "_told_committed", "_told_ms", "_transfers",
                 "joins", "must_leave", "progress")  # fmt: skip

    def __init__(self, ctx: Context, replica: Replica, epoch: Epoch) -> None:
        self._ctx = ctx
        self._replica = replica
        self._epoch = epoch
        self.progress: PeerProgress | None = None
        self.must_leave: str | None = None
        self.joins = 0
        """Requests to join that were answered: each peer that asked waits to be told that it is in."""
        self._join: tuple[JoinRequest, PeerIdentity] | None = None
        self._cutting: tuple[int, int] | None = None  # (snapshot request, transfer)
        self._sender: SnapshotSender | None = None
        # what the joiner's disk still has to answer of an earlier active's transfer must not be taken for this one's
        self._transfers = epoch << _TRANSFER_BITS
        self._told_committed: Sequence = BEFORE_FIRST
        self._told_applied: Sequence = BEFORE_FIRST
        self._told_ms = MonotonicMs(0)
        self._digests = DigestComparison()
        self._resync: str | None = None
        self._resync_told: LinkId | None = None
        self._snapshot_only = False
        self._order: DumpOrder | None = None

    # -- links -------------------------------------------------------------------------------------------------

    def link_down(self, channel: Channel) -> None:
        """A link is gone, with whatever was in flight on it."""
        if channel is Channel.EVENT_SYNC and self.progress is not None:
            self.progress.probe()
            self._told_committed = self._told_applied = BEFORE_FIRST
        if channel is Channel.MANAGEMENT:
            self._sender = None
            self._cutting = None
            self._join = None

    def another_disk(self, identity: PeerIdentity, required: PeerIdentity | None) -> None:
        """The peer connected; if it is not the disk that is required, that one will not come back."""
        if required is not None and required != identity:
            self.must_leave = "the peer came back as another disk"
        if self.progress is not None and self.progress.peer != identity:
            self.progress = None

    # -- replication -------------------------------------------------------------------------------------------

    def acknowledged(self, ack: AppendAck) -> bool:
        """The peer told where its log stands. Returns whether the commit point may have moved."""
        identity = self._ctx.links.identity(Channel.EVENT_SYNC)
        assert identity is not None
        if not rules.ack_counts(self._epoch, ack.epoch, identity, ack.incarnation):
            return False
        if self._cutting is not None or self._join is not None or self._resync is not None:
            return False  # it is about a log that the peer is about to discard
        if self.progress is None:
            self.progress = self._new_progress(identity)
        progress = self.progress
        if not self._replica.log.holds(ack.through):
            self.order_resync(f"the peer's log holds {ack.through}, this one does not")
            return False
        if ack.rejected:
            progress.reject(ack.through.sequence)
            return False
        return progress.acknowledge(ack.through.sequence, ack.applied_through, self._ctx.monotonic_ms)

    def _new_progress(self, identity: PeerIdentity) -> PeerProgress:
        policy = self._ctx.policy
        self._told_committed = self._told_applied = BEFORE_FIRST
        return PeerProgress(
            identity,
            self._epoch,
            self._ctx.monotonic_ms,
            entries_max=policy.inflight_entries_max,
            bytes_max=policy.inflight_bytes_max,
        )

    def replicate(self) -> None:
        """Send what the window allows, and the commit watermark if it moved and no append carries it."""
        progress, log = self.progress, self._replica.log
        if progress is None or progress.phase is not Phase.REPLICATE:
            return
        if self._ctx.links.link(Channel.EVENT_SYNC) is None:
            return
        committed = log.committed_through
        while progress.next <= log.end.sequence:
            room = min(progress.room(), self._ctx.policy.append_entries_max)
            if room <= 0:
                break
            if progress.next <= log.base.sequence:
                self.order_resync(f"the log in memory begins after {log.base.sequence}")
                return
            self._append(progress, room, committed)
        if committed > self._told_committed and progress.acked >= self._told_committed:
            self._tell_watermarks()

    def tell_applied(self) -> None:
        """Tell how far the engine is, if that is news: once a tick, so that it costs no message per entry."""
        order = self._order
        if order is not None and self._ctx.monotonic_ms - order.since_ms >= ORDER_KEPT_MS:
            self._order = None
        progress = self.progress
        if progress is None or progress.phase is not Phase.REPLICATE or progress.acked < self._told_committed:
            return
        # a joiner passes over what reaches it before the answer to its request, which comes over the other channel
        unheard = progress.applied_through < self._told_applied
        overdue = unheard and self._ctx.monotonic_ms - self._told_ms >= self._ctx.policy.join_retry_ms
        if overdue or self._applied_to_tell(progress) > self._told_applied:
            self._tell_watermarks()

    def _tell_watermarks(self) -> None:
        assert self.progress is not None
        committed, applied = self._replica.log.committed_through, self._applied_to_tell(self.progress)
        if self._ctx.send_event_sync(Committed(self._epoch, committed, applied)):
            self._told_committed = committed
            self._told_applied = applied
            self._told_ms = self._ctx.monotonic_ms

    def _applied_to_tell(self, progress: PeerProgress) -> Sequence:
        replica, order = self._replica, self._order
        if not rules.may_tell_applied(progress.acked, replica.quarantines.last_position):
            return self._told_applied
        if order is None or order.told:
            return replica.applied_through
        return min(replica.applied_through, order.position)

    def _append(self, progress: PeerProgress, room: int, committed: Sequence) -> None:
        log = self._replica.log
        after = Sequence(progress.next - 1)
        epoch = log.epoch_at(after)
        assert epoch is not None, (after, log.base)
        encoded: list[bytes] = []
        size = 0
        for entry in log.entries(after, Sequence(min(log.end.sequence, after + room))):
            if encoded and size + len(entry.encoded) > self._ctx.policy.append_bytes_max:
                break
            encoded.append(entry.encoded)
            size += len(entry.encoded)
        last = Sequence(after + len(encoded))
        applied = self._applied_to_tell(progress)
        self._ctx.send_event_sync(Append(self._epoch, LogPosition(after, epoch), tuple(encoded), committed, applied))
        self._told_committed = committed
        self._told_applied = applied
        self._told_ms = self._ctx.monotonic_ms
        progress.sent(last, size, self._ctx.monotonic_ms)

    # -- joining -----------------------------------------------------------------------------------------------

    def join_requested(self, request: JoinRequest) -> None:
        """The peer wants in; answered by ``serve_join`` as soon as the witness allows what it takes."""
        identity = self._ctx.links.identity(Channel.MANAGEMENT)
        if identity is None or identity.incarnation != request.incarnation:
            return
        self._join = (request, identity)
        self._resync = None

    def serve_join(self, required: PeerIdentity | None) -> None:
        """Answer a waiting joiner. While it is still required, nothing is done that loses its log."""
        if self._join is None:
            return
        request, identity = self._join
        if required is not None and required != identity:
            self.must_leave = "the peer came back as another disk"
            return
        decision = decide_join(self._replica.log, request)
        if self._snapshot_only:
            decision = NeedSnapshot(decision.common, "its state was found to differ")
        if isinstance(decision, FollowLog):
            self._join = None
            self.joins += 1
            self._cutting = self._sender = None
            self.progress = self._new_progress(identity)
            self._ctx.send_management(JoinReply(self._epoch, decision.common, None, request.attempt))
            self._ctx.fact("member_joining", f"{identity.node} follows the log after {decision.common.sequence}")
            return
        if required is not None:
            self.must_leave = f"the peer needs a snapshot: {decision.reason}"
            return
        self._join = None
        self.joins += 1
        self._sender = None
        if self._cutting is not None and not self._replica.snapshot_is_coming(self._cutting[0]):
            self._cutting = None
        if self._cutting is None:
            self._transfers += 1
            self.progress = self._new_progress(identity)
            # set before asking: the answer may be cut at once
            self._cutting = (0, self._transfers)
            order, self._order = self._usable_order(), None
            wanted = self._replica.want_snapshot_for_peer() if order is None else order.request
            self._cutting = (wanted, self._transfers)
            self._ctx.fact("sync_publisher_initiated", f"snapshot for {identity.node}: {decision.reason}")
            self._ctx.send_management(JoinReply(self._epoch, decision.common, self._transfers, request.attempt))
            if order is not None and order.taken is not None:
                self.snapshot_taken(order.taken)
            return
        self._ctx.send_management(JoinReply(self._epoch, decision.common, self._cutting[1], request.attempt))

    def _usable_order(self) -> DumpOrder | None:
        """The dump of this node's state, if the log still goes on from there: the peer gets the same snapshot."""
        order = self._order
        return order if order is not None and order.position >= self._replica.log.base.sequence else None

    def snapshot_taken(self, taken: SnapshotTaken) -> None:
        """A snapshot is on disk; if it is the joiner's, send it while the tail after it flows."""
        if self._order is not None and self._order.request == taken.request:
            self._order.taken = taken
        if self._cutting is None or self._cutting[0] != taken.request or self.progress is None:
            return
        transfer = self._cutting[1]
        self._cutting = None
        self._snapshot_only = False
        manifest = taken.manifest
        if manifest.position.sequence < self._replica.log.base.sequence:
            self.order_resync("the log went past the snapshot while it was cut")
            return
        self.progress.await_snapshot(manifest.position.sequence)
        self._sender = SnapshotSender(
            transfer,
            self._epoch,
            manifest,
            peer=self.progress.peer.node,
            window=self._ctx.policy.chunk_window,
            now_ms=self._ctx.monotonic_ms,
        )
        self._ctx.send_management(self._sender.begin)

    def snapshot_failed(self, failed: SnapshotFailed) -> None:
        """There will be no such snapshot; the joiner, who waits for it, asks again."""
        if self._cutting is not None and self._cutting[0] == failed.request:
            self._cutting = None
        if self._order is not None and self._order.request == failed.request:
            self._order = None

    def chunks_lacking(self, message: SnapshotLacks) -> None:
        """The joiner told what it has not."""
        sender = self._sender
        if sender is not None and sender.lacks(message, self._ctx.monotonic_ms):
            self._go_on_sending()

    def chunk_acknowledged(self, ack: SnapshotAck) -> None:
        """The joiner has more of the snapshot."""
        if self._sender is None:
            return
        self._sender.acknowledged(ack, self._ctx.monotonic_ms)
        self._go_on_sending()

    def chunk_unreadable(self, fault: ChunkUnreadable) -> None:
        """The snapshot is damaged on this disk: the joiner, whose transfer stands still, gets another."""
        if self._sender is None or self._sender.begin.transfer != fault.transfer:
            return
        self._sender = None
        self._ctx.fact("snapshot_damaged", f"{fault.reason}; the joining node gets another", "error")
        self.order_resync("the snapshot that was being sent is damaged")

    def tick_transfer(self, *, late: bool) -> None:
        """Time passed. ``late``: this node has more to do than it can; the transfer steps back."""
        sender = self._sender
        if sender is None:
            return
        if late:
            sender.window.narrow()
        sender.tick()
        self._go_on_sending()

    def _go_on_sending(self) -> None:
        sender = self._sender
        link = self._ctx.links.link(Channel.MANAGEMENT)
        if sender is None or link is None:
            return
        for effect in sender.due(link):
            self._ctx.emit(effect)
        now_ms = self._ctx.monotonic_ms
        if sender.done:
            self._sender = None
            at = sender.manifest.position.sequence
            self._ctx.fact("snapshot_sent", f"as of {at}: {sender.progress.status(now_ms)}")
        elif sender.progress.is_to_be_told(now_ms):
            self._ctx.fact("snapshot_transfer", f"{sender.progress.status(now_ms)}")

    def transfer(self) -> TransferStatus | None:
        """The transfer under way."""
        return None if self._sender is None else self._sender.progress.status(self._ctx.monotonic_ms)

    @property
    def keep_after(self) -> Sequence:
        """Entries after this are still needed by the peer."""
        end = self._replica.log.end.sequence
        if self._order is not None:
            return min(end, self._order.position)
        if self.progress is None:
            return end
        if self._cutting is not None:
            return self._replica.snapshot_cut_at(self._cutting[0])
        return Sequence(max(self.progress.acked, self.progress.snapshot_position))

    @property
    def caught_up(self) -> bool:
        """Whether the peer's log and state are close enough to make it required."""
        progress, replica, policy = self.progress, self._replica, self._ctx.policy
        if progress is None or progress.phase is not Phase.REPLICATE or self._sender is not None:
            return False
        if self._resync is not None:
            return False
        held_ms = self._ctx.readmission.held_ms(self._ctx.monotonic_ms)
        if held_ms or self._join is not None or self._cutting is not None:
            return False
        lag = replica.log.end.sequence - progress.acked
        behind = replica.log.committed_through - progress.applied_through
        return (
            lag <= policy.inflight_entries_max
            and behind <= 4 * policy.apply_entries_max
            and (progress.applied_through >= progress.snapshot_position)
        )

    # -- digests -----------------------------------------------------------------------------------------------

    def own_digest(self) -> None:
        """This node's engine may have given digests."""
        digest = self._replica.last_digest
        if digest is not None:
            self._found(self._digests.mine(*digest))

    def digest_reported(self, report: DigestReport) -> None:
        """The peer's digests."""
        if report.epoch == self._epoch:
            self._found(self._digests.theirs(report.sequence, StateDigest(report.names_digest, report.covered)))

    def _found(self, difference: Difference | None) -> None:
        if difference is None or self._snapshot_only:
            return  # the same difference shows at each position until the peer has begun anew
        self._ctx.difference = difference
        self._ctx.fact("digest_mismatch", f"{difference}; the peer discards its state and joins anew", "error")
        request, position = self._replica.cut_dump()
        self._order = DumpOrder(request, position, self._ctx.monotonic_ms)
        self.order_resync(str(difference), discard=True)

    # -- putting the peer out ----------------------------------------------------------------------------------

    def order_resync(self, reason: str, *, discard: bool = False) -> None:
        """The peer must begin anew; told as soon as it is not required any more.

        Until it asks to join, nothing that it acknowledges counts. ``discard``: its state is wrong, so only a
        snapshot will do.
        """
        self.must_leave = reason
        self._resync = reason
        self._resync_told = None
        self._snapshot_only = self._snapshot_only or discard

    @property
    def resync_due(self) -> bool:
        """Whether the peer still has to be told, over the link that it has now, to begin anew."""
        link = self._ctx.links.link(Channel.MANAGEMENT)
        return self._resync is not None and link is not None and link != self._resync_told

    def _may_tell_resync(self) -> bool:
        """Not while this node's engine is on its way to where both dump their states, which takes a moment."""
        order = self._order
        if order is None or order.told or self._replica.applied_through >= order.position:
            return True
        return self._ctx.monotonic_ms - order.since_ms >= DUMP_WAIT_MS

    def _state_at(self) -> Sequence:
        """As of which position the peer is to keep its state."""
        order, progress = self._order, self.progress
        if order is None:
            return BEFORE_FIRST
        is_past = progress is not None and self._applied_to_tell(progress) >= order.position
        order.told = True
        return order.position if is_past else BEFORE_FIRST

    def left(self) -> None:
        """The peer is not required (any more): what waited for that can be done."""
        self.must_leave = None
        if self._resync is not None and self.resync_due:
            if not self._may_tell_resync():
                return
            self._ctx.send_management(Resync(self._epoch, self._resync, self._state_at()))
            self._resync_told = self._ctx.links.link(Channel.MANAGEMENT)
            self.progress = None
            self._sender = None
            self._cutting = None
