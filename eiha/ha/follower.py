"""Following an active: taking its appends, learning what is committed, acknowledging, forwarding.

Used while joining, passive and promoting. Knows nothing of roles or of the witness.
"""

from __future__ import annotations

from eiha.errors import MalformedFrame
from eiha.ha import rules
from eiha.ha.context import Context
from eiha.ha.effects import CloseLink
from eiha.ha.inputs import Channel
from eiha.ha.intake import DUPLICATE, TAKEN, Gap, Held
from eiha.ha.replica import Replica
from eiha.kernel.ids import NO_EPOCH, Epoch, LogPosition, Sequence
from eiha.protocol.entry_codec import decode_entry
from eiha.protocol.log_entry import LogEntry, Publication
from eiha.protocol.peer_messages import Append, AppendAck, DigestReport, Forward

FORWARD_ITEMS_MAX = 4_096


class Follower:
    """The following side of replication. ``epoch`` is 0 while no active is followed."""

    __slots__ = (
        "_applied_told",
        "_ctx",
        "_last_ack",
        "_replica",
        "_reported",
        "committed_heard",
        "epoch",
        "held",
        "state_complete",
    )

    def __init__(self, ctx: Context, replica: Replica, held: Held) -> None:
        self._ctx = ctx
        self._replica = replica
        self.held = held
        self.epoch: Epoch = NO_EPOCH
        self.committed_heard: Sequence = Sequence(0)
        self.state_complete = True
        """False while a snapshot is on its way: what is acknowledged is only the tail behind it."""
        self._last_ack: LogPosition | None = None
        self._applied_told: Sequence = Sequence(0)
        self._reported: Sequence = Sequence(0)

    def follow(self, epoch: Epoch) -> None:
        """The log agrees with that of the active of ``epoch``: take its appends from now on, and say where it ends."""
        assert epoch > NO_EPOCH
        self.epoch = epoch
        self.committed_heard = Sequence(0)
        self._last_ack = None
        self.acknowledge(always=True)

    def stop(self) -> None:
        """Follow nobody: appends are not taken, nothing is acknowledged."""
        self.epoch = NO_EPOCH
        self._last_ack = None

    def link_up(self) -> None:
        """A new eventSync link: tell the active where to go on, and forward again what may have been lost."""
        if self.epoch == NO_EPOCH:
            return
        self.acknowledge(always=True)
        self.held.resend_overdue(self._ctx.monotonic_ms, everything=True)
        self.forward()

    def append(self, message: Append) -> bool:
        """Take entries. False: they do not fit this log, so this node must join anew."""
        if self.epoch == NO_EPOCH or not rules.may_follow(self.epoch, message.epoch):
            return True
        log = self._replica.log
        if message.previous.sequence > log.end.sequence:
            self._ctx.send_event_sync(
                AppendAck(self.epoch, self._ctx.incarnation, log.end, self._applied(), rejected=True)
            )
            return True
        if message.previous.sequence >= log.base.sequence and not log.holds(message.previous):
            return False
        try:
            fresh = self._decode(message)
        except MalformedFrame as damage:
            link = self._ctx.links.link(Channel.EVENT_SYNC)
            if link is not None:
                self._ctx.emit(CloseLink(Channel.EVENT_SYNC, link, str(damage)))
            return True
        if fresh is None:
            return False
        if fresh:
            self._replica.append(tuple(fresh))
        else:
            self.acknowledge(always=True)
        self.commit_heard(message.committed_through)
        self._replica.proven(message.applied_through)
        return True

    def _decode(self, message: Append) -> list[LogEntry] | None:
        """The entries of ``message`` that this log lacks; None: one of them contradicts what it has."""
        log = self._replica.log
        fresh: list[LogEntry] = []
        expected = message.previous.sequence + 1
        for data in message.encoded:
            if expected <= log.base.sequence:
                expected += 1
                continue
            entry = decode_entry(data)
            if entry.sequence != expected:
                raise MalformedFrame(f"an append holds entry {entry.sequence} where {expected} belongs")
            if expected > log.end.sequence:
                fresh.append(entry)
            elif not log.holds(entry.position):
                return None
            expected += 1
        return fresh

    def commit_heard(self, through: Sequence) -> None:
        """The active says that everything through here is committed."""
        self.committed_heard = max(self.committed_heard, through)
        self.commit()

    def commit(self) -> None:
        """Commit what is known to be and what this disk holds."""
        log = self._replica.log
        through = min(self.committed_heard, log.persisted.sequence)
        if through > log.committed_through:
            self._replica.commit(through)

    def persisted(self) -> None:
        """The disk holds more: commit and acknowledge."""
        if self.epoch == NO_EPOCH:
            return
        self.commit()
        self.acknowledge()

    def acknowledge(self, *, always: bool = False) -> None:
        """Tell the active what this log holds; nothing while the engine is too far behind, so that it slows down.

        A full outbox alone holds nothing back: it is full on the active too, which closes the intake.
        """
        if self.epoch == NO_EPOCH:
            return
        replica = self._replica
        through = rules.acknowledge_peer_through(replica.log.end, replica.log.persisted)
        if not always and (through == self._last_ack or replica.engine_behind):
            return
        applied = self._applied()
        if self._ctx.send_event_sync(AppendAck(self.epoch, self._ctx.incarnation, through, applied)):
            self._last_ack = through
            self._applied_told = applied

    def applied(self) -> None:
        """The engine went on: report a new digest, and acknowledge what was held back while it lagged."""
        digest = self._replica.last_digest
        if self.epoch == NO_EPOCH:
            return
        if digest is not None and digest[0] > self._reported:
            self._reported = digest[0]
            report = DigestReport(self.epoch, digest[0], digest[1].names_digest, digest[1].covered)
            self._ctx.send_management(report)
        self.acknowledge()

    def _applied(self) -> Sequence:
        return self._replica.applied_through if self.state_complete and self._replica.engine_known else Sequence(0)

    # -- publications of this node's clients -----------------------------------------------------------------

    def submit(self, publications: tuple[Publication, ...], *, duplicated: bool) -> None:
        """Keep what this node's clients sent until it is committed."""
        ctx, held = self._ctx, self.held
        for publication in publications:
            if held.full:
                ctx.refuse(publication, "this node holds as much as it may; retry later")
                continue
            offer = held.offer(publication, forward=not duplicated, now_ms=ctx.monotonic_ms)
            if offer is DUPLICATE:
                committed = self._replica.sessions.committed(publication.client_id)
                if committed >= publication.client_sequence:
                    ctx.acknowledge(publication.client_id, committed)
            elif isinstance(offer, Gap):
                ctx.refuse(publication, "a publication before this one is missing", offer.expected)
            else:
                assert offer is TAKEN

    def forward(self) -> None:
        """Send to the active what it has not been sent."""
        if self.epoch == NO_EPOCH or self._ctx.links.link(Channel.EVENT_SYNC) is None:
            return
        due = self.held.to_forward(self._ctx.monotonic_ms)
        batch: list[Publication] = []
        size = 0
        for publication in due:
            if batch and (
                size + len(publication.payload) > self._ctx.policy.append_bytes_max or len(batch) >= FORWARD_ITEMS_MAX
            ):
                self._ctx.send_event_sync(Forward(self.epoch, tuple(batch)))
                batch, size = [], 0
            batch.append(publication)
            size += len(publication.payload)
        if batch:
            self._ctx.send_event_sync(Forward(self.epoch, tuple(batch)))

    def tick(self) -> None:
        """Time passed: forward again what got lost, give up what cannot be next."""
        now_ms = self._ctx.monotonic_ms
        for publication, expected in self.held.drop_gaps(now_ms):
            self._ctx.refuse(publication, "a publication before this one is missing", expected)
        if self.epoch != NO_EPOCH:
            self.held.resend_overdue(now_ms)
            self.forward()
            # the active waits for the engine of a joiner too; told once a tick, not once an apply
            self.acknowledge(always=self._applied_told != self._applied() and not self._replica.engine_behind)
