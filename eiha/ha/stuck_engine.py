"""Whether this node's engine is stuck, and whether the pair is better off when this node ends.

A node does not mend its own stuck engine: there is no way to end one entry of it. The other node can go on, since
every committed entry is on both, and a new process starts from the snapshot and the log. So an active gives way and
a follower ends, both only while the other node is well; alone, a node stays and says what it is stuck at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eiha.ha.policy import Policy
from eiha.ha.roles import Role
from eiha.protocol.vitals import Vitals

if TYPE_CHECKING:
    from eiha.ha.member import Member

PARTS_OF_WELL = 4
"""An engine that has been at one piece of work for less than a quarter of the limit counts as well."""

_LONG_BY_NATURE = ("snapshot", "restore", "trial")
"""Take as long as the state is large, or have a limit of their own: told in the status, and nobody ends by them."""


def stuck_at(vitals: Vitals, policy: Policy) -> str | None:
    """What the engine is stuck at, in words; None: it is not."""
    if not policy.stuck_engine_ms or vitals.engine_ms <= policy.stuck_engine_ms:
        return None
    if vitals.engine_work in _LONG_BY_NATURE:
        return None
    what = f"entry {vitals.engine_sequence}" if vitals.engine_work == "entry" else f"a {vitals.engine_work}"
    return f"the engine has been at {what} for {vitals.engine_ms} ms"


def engine_is_well(vitals: Vitals, policy: Policy) -> bool:
    """Whether an engine with these vitals can go on where another is stuck."""
    return vitals.engine_work in _LONG_BY_NATURE or vitals.engine_ms * PARTS_OF_WELL < policy.stuck_engine_ms


def reason_to_end(member: Member) -> str | None:
    """Why this node should end now, so that the other one goes on; None: it should not."""
    policy, heartbeat = member.ctx.policy, member.heartbeat
    stuck = stuck_at(heartbeat.own_vitals.now, policy)
    if stuck is None or heartbeat.peer_vitals is None or not engine_is_well(heartbeat.peer_vitals, policy):
        return None
    suspicion = heartbeat.detector.suspicion(
        member.ctx.monotonic_ms, grace_ms=0, timeout_ms=policy.failure_timeout_ms // 2
    )
    if suspicion is not None:
        return None
    match member.ctx.role:
        case Role.ACTIVE:
            assert member.active is not None
            synced = member.active.membership.state == "synced"
            takes_over = synced and heartbeat.peer_role == Role.PASSIVE.value and heartbeat.peer_sees_witness
            return f"{stuck}; the peer goes on" if takes_over else None
        case Role.JOINING | Role.PASSIVE:
            return f"{stuck}; the active goes on" if heartbeat.peer_role == Role.ACTIVE.value else None
        case Role.STARTING | Role.PROMOTING | Role.HALTED:
            return None
