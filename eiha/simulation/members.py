"""Members as a run has them: the timing and the bounds that the seed drew, small enough that bounds are met."""

from __future__ import annotations

import random

from eiha.ha.context import MemberConfig
from eiha.ha.member import Member
from eiha.ha.policy import Policy
from eiha.kernel.ids import NodeId

CLUSTER = "simulated"


def make_policy(rng: random.Random, limits: random.Random, *, slow_peer: str) -> Policy:
    """A policy in which failures are noticed fast and every bound is small now and then."""
    failure_timeout_ms = rng.choice((300, 500, 900))
    log_tail_bytes = rng.choice((2_000, 64 << 20))
    return Policy(
        tick_ms=25,
        heartbeat_ms=100,
        failure_timeout_ms=failure_timeout_ms,
        link_closed_grace_ms=50,
        cold_start_wait_ms=failure_timeout_ms + rng.choice((0, 1_000)),
        slow_peer_ms=rng.choice((600, 2_000)),
        slow_peer=slow_peer,
        slow_peer_hold_ms=rng.choice((500, 2_000)),
        flapping_window_ms=5_000,
        flapping_allowed=3,
        flapping_hold_ms=500,
        flapping_hold_max_ms=3_000,
        stuck_engine_ms=limits.choice((1_200, 2_500)),
        outbox_rows_max=limits.choice((30, 4_000_000)),
        join_retry_ms=500,
        transfer_timeout_ms=2_000,
        witness_timeout_ms=600,
        witness_retry_ms=50,
        witness_retry_max_ms=400,
        witness_poll_ms=400,
        switchover_timeout_ms=1_500,
        switchover_drain_ms=300,
        forward_retry_ms=300,
        forward_gap_ms=1_000,
        retry_after_ms=50,
        entry_publications_max=rng.choice((3, 4_096)),
        inflight_entries_max=rng.choice((2, 64)),
        append_entries_max=rng.choice((1, 3, 256)),
        apply_entries_max=rng.choice((1, 3, 256)),
        pending_publications_max=rng.choice((20, 200_000)),
        log_tail_bytes=log_tail_bytes,
        digest_interval_entries=rng.choice((3, 16)),
        snapshot_interval_ms=rng.choice((400, 1_500, 60_000)),
        chunk_window=rng.choice((1, 8)),
    )


def make_member(name: NodeId, policy: Policy, sinks: tuple[str, ...]) -> Member:
    """The real core of a node."""
    return Member(MemberConfig(cluster=CLUSTER, node=name, sinks=sinks, policy=policy))
