"""Which configuration key becomes which knob of the pair."""

from __future__ import annotations

from eiha.ha.policy import Policy
from eiha.node.config import NodeConfig


def policy_of(config: NodeConfig) -> Policy:
    """The pair's policy.

    Raises:
        ConfigurationError: two values contradict one another.
    """
    cluster, persistence = config.cluster, config.persistence
    return Policy(
        tick_ms=min(10, cluster.heartbeat_interval_ms),
        heartbeat_ms=cluster.heartbeat_interval_ms,
        failure_timeout_ms=cluster.failure_timeout_ms,
        link_closed_grace_ms=min(50, cluster.failure_timeout_ms),
        cold_start_wait_ms=cluster.cold_start_wait_ms,
        slow_peer_ms=cluster.slow_peer_timeout_ms,
        slow_peer=cluster.slow_peer,
        stuck_engine_ms=cluster.stuck_engine_ms,
        witness_timeout_ms=config.witness.timeout_ms,
        pending_bytes_max=config.ingest.queue_bytes_max,
        pending_publications_max=config.ingest.queue_publications_max,
        outbox_bytes_max=config.analytics.outbox_bytes_max,
        digest_interval_entries=config.analytics.digest_interval_entries,
        snapshot_interval_ms=persistence.interval_s * 1_000,
        snapshot_interval_bytes=persistence.interval_bytes,
        log_uncovered_bytes_max=persistence.log_bytes_max,
    )
