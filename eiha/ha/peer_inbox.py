"""What each message of the peer means to a member, by its role."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from eiha.ha.roles import Role, Trigger
from eiha.protocol.peer_messages import (
    Append,
    AppendAck,
    Committed,
    DigestReport,
    Forward,
    JoinDone,
    JoinReply,
    JoinRequest,
    PeerMessage,
    Ping,
    Pong,
    Resync,
    SnapshotAck,
    SnapshotBegin,
    SnapshotChunk,
    SnapshotLacks,
    SwitchoverAbort,
    SwitchoverPropose,
    SwitchoverReady,
)

if TYPE_CHECKING:
    from eiha.ha.member import Member
    from eiha.ha.peer_service import PeerService

_FOLLOWING = (Role.JOINING, Role.PASSIVE, Role.PROMOTING)


class PeerInbox:
    """Routes messages. A message that does not fit the role or the epoch is stale and passed over."""

    __slots__ = ("_member",)

    def __init__(self, member: Member) -> None:
        self._member = member

    def take(self, message: PeerMessage) -> None:
        """One message over a current link."""
        match message:
            case Append() | Committed() | JoinReply() | SnapshotBegin() | SnapshotChunk() | JoinDone() | Resync():
                if self._member.ctx.role in _FOLLOWING:
                    self._of_active(message)
            case AppendAck() | Forward() | JoinRequest() | DigestReport() | SwitchoverReady():
                self._of_passive(message)
            case SnapshotLacks() | SnapshotAck():
                if self._member.active is not None:
                    self._of_receiver(message, self._member.active.service)
            case Ping():
                self._ping(message)
            case Pong():
                self._member.heartbeat.pong(message)
            case SwitchoverPropose():
                self._proposed(message)
            case SwitchoverAbort():
                self._aborted(message)
            case _:
                assert_never(message)

    def _of_active(
        self, message: Append | Committed | JoinReply | SnapshotBegin | SnapshotChunk | JoinDone | Resync
    ) -> None:
        member = self._member
        follower, joiner = member.follower, member.joiner
        match message:
            case Append():
                if not follower.append(message):
                    self._begin_anew("the active's entries do not fit this log")
                member.drive_switchover()
            case Committed(epoch, through, applied_through):
                if epoch == follower.epoch:
                    follower.commit_heard(through)
                    member.replica.proven(applied_through)
            case JoinReply():
                joiner.reply(message)
            case SnapshotBegin():
                joiner.snapshot_begins(message)
            case SnapshotChunk():
                joiner.chunk(message)
            case JoinDone(epoch, version):
                self._joined(epoch, version)
            case Resync(epoch, reason, state_at):
                if epoch == follower.epoch and state_at:
                    joiner.dump(state_at)
                if epoch == follower.epoch or not joiner.following:
                    self._begin_anew(reason, discard=True)
            case _:
                assert_never(message)

    def _joined(self, epoch: int, version: int) -> None:
        member = self._member
        if epoch != member.follower.epoch or not member.joiner.intact:
            return
        member.candidate.joined_version = version
        if member.ctx.role is Role.JOINING:
            member.ctx.move(Trigger.SYNCED_IN, f"version {version}")
            member.ctx.fact("became_passive", f"{member.ctx.config.node} is synced as of version {version}")

    def _begin_anew(self, reason: str, *, discard: bool = False) -> None:
        member = self._member
        if member.ctx.role is not Role.JOINING:
            member.ctx.move(Trigger.RESYNC_ORDERED, reason)
        member.ctx.fact("resync", reason, "warning")
        member.switchover_position = None
        member.joiner.begin(discard=discard)

    def begin_anew_if_failed(self) -> None:
        """This engine failed on what the active's applied: its state comes from there, not from a guess."""
        failure = self._member.replica.quarantines.failure
        if failure is not None and self._member.ctx.role in (Role.PASSIVE, Role.JOINING):
            self._member.replica.quarantines.failure = None
            self._begin_anew(
                f"entry {failure.sequence} cannot be applied here, the active's engine did: {failure.reason}",
                discard=True,
            )

    def _of_passive(self, message: AppendAck | Forward | JoinRequest | DigestReport | SwitchoverReady) -> None:
        member, active = self._member, self._member.active
        if active is None:
            if isinstance(message, JoinRequest) and member.ctx.role is Role.PASSIVE:
                member.candidate.suspect("the peer asks to join: it is not active")
                member.candidate.tick()
            return
        match message:
            case AppendAck():
                if active.service.acknowledged(message) and active.membership.commit():
                    active.flush()
                if active.membership.required is None or active.membership.state != "synced":
                    active.membership.evaluate()
            case Forward(epoch, publications):
                if epoch == active.epoch:
                    active.forwarded(publications)
            case JoinRequest():
                active.service.join_requested(message)
                active.membership.evaluate()
            case DigestReport():
                active.service.digest_reported(message)
            case SwitchoverReady(epoch, _):
                active.switchover_ready(epoch)
            case _:
                assert_never(message)

    def _of_receiver(self, message: SnapshotLacks | SnapshotAck, service: PeerService) -> None:
        match message:
            case SnapshotLacks():
                service.chunks_lacking(message)
            case SnapshotAck():
                service.chunk_acknowledged(message)
            case _:
                assert_never(message)

    def _ping(self, message: Ping) -> None:
        member = self._member
        member.heartbeat.ping(message, member.epoch, witness_reachable=member.witness_reachable)
        if message.role != Role.ACTIVE.value:
            if member.ctx.role is Role.PASSIVE and message.epoch >= member.follower.epoch:
                member.candidate.suspect(f"the peer says that it is {message.role}, not active")
                member.candidate.tick()
            return
        if member.active is not None:
            if message.epoch > member.active.epoch:
                member.demote(Trigger.LOST_THE_ROW, f"the peer is active in epoch {message.epoch}")
            return
        member.candidate.active_heard()
        follower = member.follower
        if message.epoch == follower.epoch:
            follower.commit_heard(message.committed_through)
            member.replica.outbox.trim(message.published_through)
            member.replica.pump()
        elif message.epoch > follower.epoch and member.ctx.role in (Role.PASSIVE, Role.PROMOTING):
            member.ctx.move(Trigger.LOST_THE_ROW, f"the peer is active in epoch {message.epoch}")
            member.switchover_position = None
            member.joiner.begin()
        elif message.epoch > follower.epoch and member.joiner.following:
            member.joiner.begin()
        member.ask_to_join()

    def announce_ready(self) -> None:
        """Tell the active that this node is about to take the row."""
        ctx = self._member.ctx
        ctx.send_management(SwitchoverReady(self._member.follower.epoch, ctx.incarnation))

    def _proposed(self, message: SwitchoverPropose) -> None:
        member = self._member
        if member.ctx.role is Role.PASSIVE and message.epoch == member.follower.epoch:
            member.switchover_position = message.position
            member.drive_switchover()

    def _aborted(self, message: SwitchoverAbort) -> None:
        member = self._member
        if member.active is not None:
            if message.epoch == member.active.epoch:
                member.active.abort_switchover(f"the peer says: {message.reason}")
            return
        member.switchover_position = None
        member.candidate.switchover_called_off(message.reason)
