"""Getting this node's log and state to where the active's are: ask, cut the tail or take a snapshot, follow."""

from __future__ import annotations

from eiha.errors import CorruptFile
from eiha.ha import rules
from eiha.ha.context import Context
from eiha.ha.divergence import DUMP_WAIT_MS, PEER
from eiha.ha.effects import KeepDump
from eiha.ha.follower import Follower
from eiha.ha.inputs import Channel, ChunksFound, ChunkStored, Restored
from eiha.ha.replica import Replica
from eiha.ha.status import TransferStatus
from eiha.ha.transfer import SnapshotReceiver
from eiha.kernel.ids import LOG_START, NO_EPOCH, LogPosition, NodeId, Sequence
from eiha.protocol.peer_messages import JoinReply, JoinRequest, SnapshotBegin, SnapshotChunk
from eiha.protocol.snapshot_format import SnapshotManifest


class Joiner:
    """The joiner's side of a join.

    ``intact``: log and state on this disk hang together. False from the moment the log is discarded until the
    snapshot that replaces it is restored and durable; a node that is not intact never takes the row.
    """

    __slots__ = ("_asked_ms", "_attempt", "_awaiting", "_ctx", "_discard", "_dump", "_dump_ms", "_follower",
                 "_receiver", "_replica", "_restoring", "_saved", "_saving", "_transfer", "intact")  # fmt: skip

    def __init__(self, ctx: Context, replica: Replica, follower: Follower) -> None:
        self._ctx = ctx
        self._replica = replica
        self._follower = follower
        self._attempt = 0
        self._asked_ms = 0
        self._awaiting = False
        self._discard = False
        self._transfer: int | None = None
        self._receiver: SnapshotReceiver | None = None
        self._saving: SnapshotManifest | None = None
        self._saved: SnapshotManifest | None = None
        self._restoring = False
        self._dump: Sequence | None = None
        """As of which position this node's wrong state is kept; what the active sends instead is kept beside it."""
        self._dump_ms = 0
        self.intact = True

    @property
    def trustworthy(self) -> bool:
        """Whether this node may go on from what it has: it is intact, and nobody found its state wrong."""
        return self.intact and not self._discard

    @property
    def following(self) -> bool:
        """Whether this node's log follows an active."""
        return self._follower.epoch != NO_EPOCH

    def begin(self, *, discard: bool = False) -> None:
        """Start from the beginning: follow nobody, ask again. ``discard``: the state is not to be trusted."""
        self._follower.stop()
        self._awaiting = False
        self._transfer = None
        self._receiver = None
        self._asked_ms = 0
        self._discard = self._discard or discard

    def dump(self, state_at: Sequence) -> None:
        """This state is wrong: keep it as of ``state_at`` before it is discarded.

        The active's engine is past that position, so the entries through it are committed and may be applied.
        """
        self._dump, self._dump_ms = state_at, self._ctx.monotonic_ms
        if not self._follower.state_complete or not self._replica.engine_known:
            return
        self._follower.commit_heard(state_at)
        self._replica.proven(state_at)
        self._replica.dump_at(state_at)

    def _is_dumping(self) -> bool:
        """Whether the state is still on its way to where it is to be dumped."""
        wanted = self._replica.dump_wanted
        if wanted is None:
            return self._replica.is_dumping
        if self._ctx.monotonic_ms - self._dump_ms < DUMP_WAIT_MS:
            return True
        at = self._replica.applied_through
        self._ctx.fact("dump_elsewhere", f"entry {wanted} is not reached; the state is dumped as of {at}", "warning")
        self._replica.dump_here()
        return False

    def ask(self) -> None:
        """Send a JoinRequest if both links are up and none is being answered, and no state is to be dumped before."""
        ctx, replica = self._ctx, self._replica
        if self._is_dumping():
            return
        if ctx.links.link(Channel.EVENT_SYNC) is None or ctx.links.link(Channel.MANAGEMENT) is None:
            return
        if self._busy() or self._restoring:
            return
        self._attempt += 1
        self._asked_ms = ctx.monotonic_ms
        self._awaiting = True
        log = replica.log
        blank = self._discard or not self.intact
        ctx.send_management(
            JoinRequest(
                ctx.incarnation,
                Sequence(log.base.sequence + 1),
                LOG_START if blank else log.end,
                () if blank else log.epoch_starts,
                Sequence(max(1, replica.handed_through)) if blank else replica.handed_through,
                self._attempt,
            )
        )

    def _busy(self) -> bool:
        now_ms, policy = self._ctx.monotonic_ms, self._ctx.policy
        if self._receiver is not None:
            if self._receiver.finding:
                return True  # this disk reads all that it has; there is nothing to ask anew about
            return now_ms - self._receiver.progress.progressed_ms <= policy.transfer_timeout_ms
        if self.following:
            return True
        waited = now_ms - self._asked_ms
        if self._transfer is not None:
            return waited <= policy.transfer_timeout_ms
        return self._awaiting and waited <= policy.join_retry_ms

    def reply(self, message: JoinReply) -> None:
        """The active's answer. Answers to earlier requests, and of epochs that are over, are passed over."""
        if not self._awaiting or message.attempt != self._attempt:
            return
        if self._ctx.row is not None and message.epoch < self._ctx.row.epoch:
            return
        self._awaiting = False
        if message.snapshot is not None:
            self._transfer = message.snapshot
            return
        replica = self._replica
        fits = replica.log.holds(message.common) and message.common.sequence >= replica.log.base.sequence
        if not fits or not rules.may_drop_tail(message.common.sequence, replica.handed_through):
            self._ctx.fact("log_does_not_fit", f"the active keeps {message.common}; asking for a snapshot", "warning")
            self.begin(discard=True)
            return
        if message.common.sequence < replica.log.committed_through:
            self._ctx.fact("log_does_not_fit", f"committed beyond {message.common}; asking for a snapshot", "warning")
            self.begin(discard=True)
            return
        cut = replica.truncate_after(message.common)
        if cut:
            self._ctx.fact("tail_cut", f"{cut} entries after {message.common.sequence} were never committed")
        self._dump = None  # no state comes to be kept beside
        self._follower.state_complete = True
        self._follower.follow(message.epoch)

    def snapshot_begins(self, begin: SnapshotBegin) -> None:
        """The snapshot's position is known: the log starts anew behind it, the live tail may come."""
        if begin.transfer != self._transfer:
            return
        ctx = self._ctx
        self._transfer = None
        peer = ctx.links.peer
        try:
            receiver = SnapshotReceiver(begin, NodeId("") if peer is None else peer.node, ctx.monotonic_ms)
        except CorruptFile as damage:
            self._begin_again(str(damage))
            return
        manifest = receiver.manifest
        self._discard = False
        self.intact = False
        self._receiver = receiver
        self._follower.state_complete = False
        self._replica.reset(manifest.position)
        self._follower.follow(begin.epoch)
        ctx.fact(
            "snapshot_begins",
            f"{manifest.bytes} bytes in {len(manifest.chunks)} chunks, cut at {manifest.position.sequence}",
        )
        ctx.emit(receiver.find())

    def chunks_found(self, answer: ChunksFound) -> None:
        """This disk has some of the chunks already; the active sends the others."""
        if self._receiver is None:
            return
        lacks = self._receiver.found(answer, self._ctx.monotonic_ms)
        if lacks is None:
            return
        self._ctx.send_management(lacks)
        lacking, of_all = self._receiver.progress.total_bytes, self._receiver.manifest.bytes
        self._ctx.fact("snapshot_transfer", f"{lacking} of {of_all} bytes are to come, the others are here")
        self._save_if_complete()

    def chunk(self, chunk: SnapshotChunk) -> None:
        """A part of the snapshot."""
        store = None if self._receiver is None else self._receiver.take(chunk)
        if store is not None:
            self._ctx.emit(store)

    def chunk_stored(self, answer: ChunkStored) -> None:
        """A part is on disk; the last one makes the snapshot durable."""
        receiver, now_ms = self._receiver, self._ctx.monotonic_ms
        if receiver is None:
            return
        ack = receiver.stored(answer, now_ms)
        if ack is not None:
            self._ctx.send_management(ack)
            if receiver.progress.is_to_be_told(now_ms):
                self._ctx.fact("snapshot_transfer", f"{receiver.progress.status(now_ms)}")
        if receiver.failure is not None:
            self._begin_again(receiver.failure)
            return
        self._save_if_complete()

    def _save_if_complete(self) -> None:
        assert self._receiver is not None
        save = self._receiver.complete()
        if save is None:
            return
        self._receiver = None
        self._saving = save.manifest
        self._restoring = True
        self._ctx.emit(save)

    def _begin_again(self, reason: str) -> None:
        self._ctx.fact("snapshot_damaged", f"{reason}; asking again", "warning")
        self.begin()

    def saved(self, position: LogPosition) -> None:
        """The snapshot is durable: the engine takes it over from there."""
        manifest, self._saving = self._saving, None
        assert manifest is not None
        assert manifest.position == position, (manifest.position, position)
        self._saved = manifest
        self._replica.restore(manifest)

    def restored(self, answer: Restored) -> None:
        """The engine is where the snapshot was cut, which is on disk: log and state hang together from here on."""
        try:
            newest = self._replica.restored(answer)
        except CorruptFile as damage:
            self.restore_refused(str(damage))
            return
        if not newest or not self._restoring:
            return
        self._restoring = False
        if self._dump is not None and self._saved is not None:
            self._ctx.emit(KeepDump(self._dump, PEER, self._saved))
        self._dump = self._saved = None
        self._ctx.fact("snapshot_restored", f"state as of {answer.facts.position.sequence}")
        self.intact = True
        self._follower.state_complete = True
        self._follower.acknowledge(always=True)

    def restore_refused(self, reason: str) -> None:
        """The snapshot that the active sent cannot be used; ask for another."""
        self._restoring = False
        self.intact = False
        self._ctx.fact("snapshot_refused", reason, "error")
        self.begin(discard=True)

    def transfer(self) -> TransferStatus | None:
        """The transfer under way."""
        return None if self._receiver is None else self._receiver.progress.status(self._ctx.monotonic_ms)

    def state_lost(self) -> None:
        """What the disk holds does not hang together: join with nothing.

        The disk is left as it is: cleared now, a restart would find an old snapshot without a log, which looks whole,
        while the row may still name this disk.
        """
        self.intact = False
        self._replica.forget(LOG_START)
