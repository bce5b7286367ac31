from __future__ import annotations

from dataclasses import replace

import pytest

from eiha.errors import ConfigurationError
from eiha.node.config import ClusterSection, NodeConfig
from eiha.node.policy_of_config import policy_of

CONFIG = NodeConfig(source="x.toml", cluster=ClusterSection(node="node1", secret="123456789012"))


@pytest.mark.parametrize(
    ("section", "key", "value", "knob", "expected"),
    [
        ("cluster", "heartbeat_interval_ms", 200, "heartbeat_ms", 200),
        ("cluster", "failure_timeout_ms", 1_500, "failure_timeout_ms", 1_500),
        ("cluster", "cold_start_wait_ms", 5_000, "cold_start_wait_ms", 5_000),
        ("cluster", "slow_peer_timeout_ms", 7_000, "slow_peer_ms", 7_000),
        ("cluster", "slow_peer", "block", "slow_peer", "block"),
        ("cluster", "stuck_engine_ms", 9_000, "stuck_engine_ms", 9_000),
        ("witness", "timeout_ms", 900, "witness_timeout_ms", 900),
        ("ingest", "queue_bytes_max", 9 << 20, "pending_bytes_max", 9 << 20),
        ("ingest", "queue_publications_max", 5_000, "pending_publications_max", 5_000),
        ("analytics", "outbox_bytes_max", 9 << 20, "outbox_bytes_max", 9 << 20),
        ("analytics", "digest_interval_entries", 64, "digest_interval_entries", 64),
        ("persistence", "interval_s", 30, "snapshot_interval_ms", 30_000),
        ("persistence", "interval_bytes", 9 << 20, "snapshot_interval_bytes", 9 << 20),
        ("persistence", "log_bytes_max", 3 << 30, "log_uncovered_bytes_max", 3 << 30),
    ],
)
def test_each_key_turns_its_knob(section: str, key: str, value: object, knob: str, expected: object) -> None:
    changed = replace(CONFIG, **{section: replace(getattr(CONFIG, section), **{key: value})})
    assert getattr(policy_of(CONFIG), knob) != expected
    assert getattr(policy_of(changed), knob) == expected


def test_a_log_may_have_what_two_snapshots_cover() -> None:
    persistence = replace(CONFIG.persistence, interval_bytes=100 << 20, log_bytes_max=199 << 20)
    with pytest.raises(ConfigurationError, match="twice interval_bytes"):
        policy_of(replace(CONFIG, persistence=persistence))


def test_a_contradiction_is_refused() -> None:
    cluster = replace(CONFIG.cluster, failure_timeout_ms=100)
    with pytest.raises(ConfigurationError, match="three heartbeats"):
        policy_of(replace(CONFIG, cluster=cluster))
