"""Every knob of the pair's timing and bounds, with the inequalities that must hold between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eiha.errors import ConfigurationError
from eiha.protocol.limits import ENTRY_BYTES_MAX

SLOW_PEER_POLICIES: Final = ("solo", "block")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Timing (milliseconds) and bounds. Nothing here touches safety: it decides when to try and when to push back.

    Raises:
        ConfigurationError: two values contradict one another; the text names both.
    """

    tick_ms: int = 10
    """The shell gives ``Tick`` at least this often; the granularity of timers in plans."""
    heartbeat_ms: int = 100
    failure_timeout_ms: int = 1_000
    """No round trip for this long: the peer is suspected."""
    link_closed_grace_ms: int = 50
    """Both links closed for this long: the passive suspects. The active waits half of it, so that it goes first."""
    cold_start_wait_ms: int = 3_000
    """A certified passive that starts gives the active of the row this long to appear."""
    slow_peer_ms: int = 2_000
    """A required peer that acknowledges nothing new for this long is put out of the synced set."""
    slow_peer: str = "solo"
    """What then: ``solo`` puts it out; ``block`` waits for it, however long, and clients feel it."""
    slow_peer_hold_ms: int = 10_000
    """A slow peer is not synced in again before this has passed."""
    flapping_window_ms: int = 60_000
    flapping_allowed: int = 5
    """How often in the window the peer may leave the synced set before it is held off."""
    flapping_hold_ms: int = 1_000
    """The first wait of a flapping peer; it doubles each time up to ``flapping_hold_max_ms``."""
    flapping_hold_max_ms: int = 60_000
    stuck_engine_ms: int = 30_000
    """An engine at one entry for longer is stuck: its node ends if the other is well. 0: it never does."""
    join_retry_ms: int = 1_000
    transfer_timeout_ms: int = 10_000
    """A snapshot transfer without progress for this long is begun anew."""
    witness_timeout_ms: int = 2_000
    """A witness request without answer for this long counts as ``Unknown``."""
    witness_retry_ms: int = 50
    witness_retry_max_ms: int = 1_000
    witness_poll_ms: int = 1_000
    """How often a node that is neither active nor synced looks at the row."""
    witness_probe_ms: int = 5_000
    """How often a synced or active node looks at it, so that the status tells whether a failover is covered."""
    switchover_timeout_ms: int = 3_000
    switchover_behind_entries: int = 64
    """A switchover leaves the intake open while either engine has more than so many entries to apply: clients would
    wait for that. (What is told once a tick is as old as some of them.)"""
    switchover_approach_ms: int = 1_000
    """So long at most: under a load that an engine cannot take it catches up only when the intake is closed."""
    switchover_drain_ms: int = 500
    """How long a switchover waits for writes to sinks that are under way."""
    forward_retry_ms: int = 300
    forward_gap_ms: int = 2_000
    """A forwarded publication that cannot be next in its client's order for this long is refused."""
    retry_after_ms: int = 100
    """What a client that is refused for lack of room is told to wait."""

    entry_publications_max: int = 4_096
    entry_bytes_max: int = 1 << 20
    """Publications are gathered into one entry up to here; a single larger one makes an entry of its own."""
    inflight_entries_max: int = 64
    inflight_bytes_max: int = 32 << 20
    """Entries that are not committed yet, at most; what comes meanwhile is gathered into the next."""
    append_bytes_max: int = 4 << 20
    append_entries_max: int = 256
    pending_bytes_max: int = 64 << 20
    """Publications that wait for the log. Intake closes here and opens again at half; at twice it is refused."""
    pending_publications_max: int = 200_000
    unapplied_bytes_max: int = 128 << 20
    """Committed entries that the engine has not applied; intake closes, and a passive stops acknowledging."""
    apply_entries_max: int = 256
    outbox_rows_max: int = 4_000_000
    outbox_bytes_max: int = 512 << 20
    """Outputs that no sink has yet: at the bound nothing more is applied."""
    publish_rows_max: int = 100_000
    log_tail_bytes: int = 64 << 20
    """Applied entries that are kept in memory so that a peer that was away briefly needs no snapshot."""
    catch_up_bytes_max: int = 512 << 20
    """Entries that are kept in memory for a joining peer; past it the peer begins anew."""

    digest_interval_entries: int = 1_024
    snapshot_interval_ms: int = 60_000
    snapshot_interval_bytes: int = 1 << 30
    """A snapshot is due when either has passed since the last and something was applied. 0 ms: only by bytes."""
    snapshot_interval_entries: int = 1_000
    """It is also due when a start would have to replay so many entries (half a second or more), but not within
    ``snapshot_early_ms``, and not so that snapshots take more than a twentieth of the time: a node that restarts more
    often than the interval would otherwise replay more each time."""
    snapshot_early_ms: int = 2_000
    log_uncovered_bytes_max: int = 0
    """So much of the log may be in no snapshot, since none can be saved: the active's intake closes until one is. 0:
    as much as the disk takes."""
    snapshot_pause_ms: int = 10_000
    """So long after one that failed it is tried again."""
    chunk_window: int = 8
    """Chunks of a snapshot in flight to a joining node, at most; fewer while this node is busy."""

    sessions_max: int = 100_000
    session_age_ms: int = 24 * 3_600_000
    """A client that sent nothing for this long (log time) is forgotten; its numbering starts at 1 again."""

    def __post_init__(self) -> None:
        _require(self.tick_ms > 0, "tick_ms must be positive")
        _require(self.tick_ms <= self.heartbeat_ms, "tick_ms must not exceed heartbeat_ms")
        _require(
            3 * self.heartbeat_ms <= self.failure_timeout_ms,
            "failure_timeout_ms must allow for three heartbeats: raise it or lower heartbeat_ms",
        )
        _require(
            self.link_closed_grace_ms <= self.failure_timeout_ms,
            "link_closed_grace_ms must not exceed failure_timeout_ms",
        )
        _require(
            self.failure_timeout_ms <= self.cold_start_wait_ms,
            "cold_start_wait_ms must not be below failure_timeout_ms: a starting node would not wait for the other",
        )
        _require(
            self.witness_retry_ms <= self.witness_retry_max_ms, "witness_retry_ms must not exceed witness_retry_max_ms"
        )
        _require(0 < self.entry_bytes_max <= ENTRY_BYTES_MAX // 2, "entry_bytes_max must leave room in a frame")
        _require(self.append_bytes_max <= ENTRY_BYTES_MAX, "append_bytes_max must fit a frame")
        _require(self.log_tail_bytes <= self.catch_up_bytes_max, "log_tail_bytes must not exceed catch_up_bytes_max")
        _require(self.slow_peer in SLOW_PEER_POLICIES, f"slow_peer must be one of {', '.join(SLOW_PEER_POLICIES)}")
        _require(
            self.flapping_hold_ms <= self.flapping_hold_max_ms, "flapping_hold_ms must not exceed flapping_hold_max_ms"
        )
        _require(
            self.log_uncovered_bytes_max == 0 or self.log_uncovered_bytes_max >= 2 * self.snapshot_interval_bytes,
            "log_bytes_max must be 0, or twice interval_bytes at least: intake would close while snapshots are well",
        )
        for name in ("inflight_entries_max", "apply_entries_max", "digest_interval_entries", "chunk_window"):
            _require(getattr(self, name) > 0, f"{name} must be positive")


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ConfigurationError(text)
