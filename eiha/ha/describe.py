"""A member's status from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eiha.ha.outbox import Lane
from eiha.ha.roles import Role
from eiha.ha.status import MemberStatus, SinkStatus
from eiha.ha.symptoms import log_symptoms, symptoms_of
from eiha.kernel.ids import BEFORE_FIRST, NodeId
from eiha.protocol.vitals import QUIET, Vitals

if TYPE_CHECKING:
    from eiha.ha.member import Member


def describe(member: Member) -> MemberStatus:
    """What an operator sees of ``member`` now."""
    ctx, replica = member.ctx, member.replica
    log, active = replica.log, member.active
    progress = None if active is None else active.service.progress
    queue = member.held if active is None else member.pending
    committed = log.committed_through
    if active is not None:
        lag = log.end.sequence - progress.acked if progress is not None else 0
    else:
        lag = max(0, member.follower.committed_heard - replica.applied_through)
    vitals, peer_vitals = _vitals(member)
    sinks = tuple(_sink(member, lane) for lane in replica.outbox.lanes.values())
    return MemberStatus(
        node=ctx.config.node,
        incarnation=ctx.incarnation,
        role=ctx.role.value,
        state=_state(member),
        epoch=member.epoch,
        active=_active(member),
        peer=None if ctx.links.peer is None else ctx.links.peer.node,
        peer_connected=ctx.links.any_open,
        witness_version=0 if ctx.row is None else ctx.row.version,
        log_end=log.end.sequence,
        persisted_through=log.persisted.sequence,
        acked_through=progress.acked if progress is not None else BEFORE_FIRST,
        committed_through=committed,
        applied_through=replica.applied_through,
        peer_lag_entries=lag,
        pending_publications=len(queue),
        pending_bytes=queue.bytes,
        log_memory_bytes=log.retained_bytes,
        outbox_rows=replica.outbox.rows,
        outbox_bytes=replica.outbox.bytes,
        sinks=sinks,
        sessions=len(replica.sessions),
        intake_open=ctx.intake_open,
        intake_reason=ctx.intake_reason,
        failover_cover=_cover(member),
        dropped=tuple(sorted(ctx.dropped.items())),
        transfer=member.joiner.transfer() if active is None else active.service.transfer(),
        transitions=tuple(ctx.transitions),
        vitals=vitals,
        peer_vitals=peer_vitals,
        peer_silence_ms=0 if progress is None else progress.silence_ms(log.end.sequence, ctx.monotonic_ms),
        peer_put_out_count=ctx.readmission.put_out_count,
        peer_held_off_ms=ctx.readmission.held_ms(ctx.monotonic_ms),
        symptoms=symptoms_of(vitals, sinks, ctx.policy) + log_symptoms(replica.snapshots),
        log_uncovered_bytes=replica.snapshots.uncovered_bytes,
        plans=tuple(sorted(replica.plans)),
        state_difference="" if ctx.difference is None else str(ctx.difference),
        peer_symptoms=() if peer_vitals is None else symptoms_of(peer_vitals, (), ctx.policy),
    )


def _vitals(member: Member) -> tuple[Vitals, Vitals | None]:
    if not member.started:
        return QUIET, None
    return member.heartbeat.own_vitals.now, member.heartbeat.peer_vitals


def _sink(member: Member, lane: Lane) -> SinkStatus:
    stalled_ms = member.heartbeat.own_vitals.store_ms(lane.sink) if member.started else 0
    return SinkStatus(lane.sink, lane.opened, lane.published_through, lane.rows, lane.bytes, stalled_ms)


def _active(member: Member) -> NodeId | None:
    """Who is active, as far as this node knows: a follower hears of a new epoch before it reads the row again."""
    ctx = member.ctx
    if member.active is not None:
        return ctx.config.node
    if (
        ctx.links.peer is not None
        and member.follower.epoch
        and (ctx.row is None or member.follower.epoch > ctx.row.epoch)
    ):
        return ctx.links.peer.node
    return None if ctx.row is None else ctx.row.active


def _state(member: Member) -> str:
    match member.ctx.role:
        case Role.STARTING:
            return "starting"
        case Role.HALTED:
            return "halted"
        case Role.JOINING:
            fenced = member.fence.highest_epoch > 0 and not member.joiner.following
            return "fenced" if fenced else "joining"
        case Role.PASSIVE | Role.PROMOTING:
            return "synced"
        case Role.ACTIVE:
            assert member.active is not None
            return member.active.membership.state


def _cover(member: Member) -> str:
    """Whether the pair would survive the loss of its active now, in words."""
    state = _state(member)
    if state != "synced":
        return f"none: {state}"
    if member.active is not None and not member.witness_reachable:
        peer_sees = member.heartbeat.peer_sees_witness
        return "the peer can take over" if peer_sees else "none: the witness cannot be reached"
    return "the peer can take over" if member.active is not None else "this node can take over"
