"""Whether this node's log takes nothing (a full disk, one that hangs), and what follows from it.

An active whose own log is stuck commits nothing, however well the peer is. If the peer's log holds more than its own,
the pair is better off with the peer: the active steps aside and stays, as one that joins, until its disk takes entries
again. A node whose log is stuck does not take the row either: nothing would be committed by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eiha.ha.policy import Policy
from eiha.ha.roles import Role
from eiha.protocol.vitals import Vitals

if TYPE_CHECKING:
    from eiha.ha.member import Member


def is_stuck(vitals: Vitals, policy: Policy) -> bool:
    """Whether the log owes an answer for as long as a slow peer would be waited for."""
    return vitals.log_ms > policy.slow_peer_ms


def reason_to_step_aside(member: Member) -> str | None:
    """Why this active should let the peer take the row; None: it should not, or there is nobody who could."""
    active, policy, heartbeat = member.active, member.ctx.policy, member.heartbeat
    vitals = heartbeat.own_vitals.now
    if active is None or not is_stuck(vitals, policy) or active.membership.state != "synced":
        return None
    progress, persisted = active.service.progress, member.replica.log.persisted.sequence
    if progress is None or progress.acked <= persisted:
        return None  # the peer's disk is no better, or it was not asked to hold more
    if heartbeat.peer_role != Role.PASSIVE.value or not heartbeat.peer_sees_witness:
        return None
    return f"the log took nothing for {vitals.log_ms} ms and ends at {persisted}, the peer's holds {progress.acked}"
