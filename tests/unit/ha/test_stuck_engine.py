"""When a node ends because of its stuck engine: only while the other one can go on."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from eiha.ha.policy import Policy
from eiha.ha.roles import Role
from eiha.ha.stuck_engine import engine_is_well, reason_to_end, stuck_at
from eiha.kernel.ids import Sequence
from eiha.protocol.vitals import QUIET, Vitals

POLICY = Policy(stuck_engine_ms=1_000)
STUCK = Vitals(engine_work="entry", engine_sequence=Sequence(7), engine_ms=1_001)


def member(role: Role, **changes: Any) -> Any:
    """As much of a member as the decision looks at; well in all respects but its engine."""
    facts: dict[str, Any] = {
        "own": STUCK, "peer": QUIET, "state": "synced", "peer_role": "passive" if role is Role.ACTIVE else "active",
        "peer_sees_witness": True, "suspicion": None, "policy": POLICY, **changes,
    }  # fmt: skip
    heartbeat = SimpleNamespace(
        own_vitals=SimpleNamespace(now=facts["own"]),
        peer_vitals=facts["peer"],
        peer_role=facts["peer_role"],
        peer_sees_witness=facts["peer_sees_witness"],
        detector=SimpleNamespace(suspicion=lambda _now_ms, **_limits: facts["suspicion"]),
    )
    active = SimpleNamespace(membership=SimpleNamespace(state=facts["state"])) if role is Role.ACTIVE else None
    ctx = SimpleNamespace(policy=facts["policy"], role=role, monotonic_ms=0)
    return SimpleNamespace(ctx=ctx, heartbeat=heartbeat, active=active)


@pytest.mark.parametrize("role", [Role.ACTIVE, Role.PASSIVE, Role.JOINING])
def test_a_stuck_node_ends_while_the_other_is_well(role: Role) -> None:
    reason = reason_to_end(member(role))
    assert reason is not None
    assert "the engine has been at entry 7 for 1001 ms" in reason


@pytest.mark.parametrize(
    "change",
    [
        {"own": replace(STUCK, engine_ms=1_000)},
        {"own": replace(STUCK, engine_work="snapshot")},
        {"policy": Policy(stuck_engine_ms=0)},
        {"peer": None},
        {"peer": STUCK},
        {"peer": replace(STUCK, engine_ms=250)},
        {"suspicion": "no round trip for 600 ms"},
    ],
    ids=["within the limit", "a large snapshot", "never", "no word of the peer", "both stuck", "the peer slow", "late"],
)
@pytest.mark.parametrize("role", [Role.ACTIVE, Role.PASSIVE])
def test_it_stays_while_the_other_may_not_go_on(role: Role, change: dict[str, Any]) -> None:
    assert reason_to_end(member(role, **change)) is None


@pytest.mark.parametrize(
    "change", [{"state": "solo"}, {"state": "no-quorum"}, {"peer_role": "joining"}, {"peer_sees_witness": False}]
)
def test_an_active_stays_unless_the_passive_can_take_the_row(change: dict[str, Any]) -> None:
    assert reason_to_end(member(Role.ACTIVE, **change)) is None


def test_a_follower_stays_while_nobody_is_active() -> None:
    assert reason_to_end(member(Role.PASSIVE, peer_role="promoting")) is None


@pytest.mark.parametrize("role", [Role.STARTING, Role.PROMOTING, Role.HALTED])
def test_in_between_nobody_ends(role: Role) -> None:
    assert reason_to_end(member(role)) is None


def test_a_question_can_stick_an_engine_and_a_snapshot_only_takes_long() -> None:
    assert stuck_at(replace(STUCK, engine_work="question"), POLICY) == "the engine has been at a question for 1001 ms"
    assert engine_is_well(replace(STUCK, engine_work="restore"), POLICY)
