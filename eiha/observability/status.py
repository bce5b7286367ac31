"""The status document: what an operator sees of one node. ``/status`` gives it as JSON, ``eiha status`` as a table.

Fields may be added; none changes its meaning or goes away.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

TRANSITIONS_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of role. ``at_ms``: wall clock."""

    at_ms: int
    before: str
    after: str
    trigger: str
    detail: str


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Sequence numbers, each inclusive. ``peer_acked_through``: what the peer's log holds, as the active knows it."""

    log_end: int
    committed_through: int
    applied_through: int
    peer_acked_through: int
    published_through: dict[str, int]


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """The other node as this one sees it."""

    node: str
    management_link: bool
    event_sync_link: bool
    role: str
    round_trip_age_ms: int


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """One sink. ``away``: why the store cannot be reached, empty when it can."""

    name: str
    published_through: int
    waiting_rows: int
    away: str


@dataclass(frozen=True, slots=True)
class MemberEndpoint:
    """Where a node's status can be read."""

    node: str
    url: str


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node. ``state``: solo, synced, joining, no-quorum, fenced or halted. ``cover``: whether a failover now loses
    nothing, and if not why. Rates are per second over ten seconds; ages are -1 when there is nothing to be old."""

    node: str
    cluster: str
    version: str
    incarnation: str
    role: str
    state: str
    epoch: int
    cover: bool
    cover_reason: str
    uptime_s: int
    role_since_ms: int
    watermarks: Watermarks
    lag_entries: int
    events_in_per_s: float
    events_applied_per_s: float
    rows_out_per_s: float
    engine_queue_entries: int
    link_queue_bytes: dict[str, int]
    intake_open: bool
    intake_reason: str
    witness_reachable: bool
    witness_cause: str
    witness_version: int
    synced: list[str]
    peer: PeerStatus | None
    sinks: list[SinkStatus]
    plans: list[str]
    streams: list[str]
    snapshot_sequence: int
    snapshot_age_s: int
    digest_sequence: int
    digest: str
    resident_bytes: int
    members: list[MemberEndpoint]
    transitions: list[Transition]

    def document(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)
