"""The status document: what an operator sees of one node. ``/status`` gives it as JSON, ``eiha status`` as a table.

Made from the member's own status and from what only the shells know. Fields may be added; none changes its meaning
or goes away.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eiha.ha.status import MemberStatus


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A sink's database. ``away``: why it cannot be reached, empty when it can."""

    sink: str
    queued_rows: int
    away: str


@dataclass(frozen=True, slots=True)
class MemberEndpoint:
    """Where a node's status can be read."""

    node: str
    url: str


@dataclass(frozen=True, slots=True)
class ShellFacts:
    """What the pure member does not know. Rates are per second over ten seconds; -1: there is nothing yet.

    ``digest``: of the part of the state whose turn it was at ``digest_sequence``, ``digest_part``, equal on both nodes;
    there are ``digest_parts``, and all of the state is compared within ``digest_positions`` such positions.
    """

    cluster: str
    version: str
    pid: int
    uptime_s: int
    role_since_ms: int
    events_in_per_s: float
    events_applied_per_s: float
    rows_out_per_s: float
    engine_queue_entries: int
    management_link: bool
    event_sync_link: bool
    link_queue_bytes: dict[str, int]
    peer_heard: str
    witness_reachable: bool
    witness_cause: str
    stores: tuple[StoreStatus, ...]
    streams: tuple[str, ...]
    suspended_plans: dict[str, str]
    snapshot_sequence: int
    snapshot_age_s: int
    snapshot_bytes: int
    snapshot_bytes_written: int
    snapshot_duration_s: float
    snapshot_failure: str
    snapshot_pause_ms: float
    digest_sequence: int
    digest: str
    digest_part: str
    digest_parts: int
    digest_positions: int
    loop_lag_p99_ms: float
    ack_latency_p50_ms: float
    ack_latency_p99_ms: float
    resident_bytes: int
    members: tuple[MemberEndpoint, ...]
    refused: dict[str, int]
    certificate: dict[str, Any]


def status_document(member: MemberStatus, shell: ShellFacts) -> dict[str, Any]:
    """Both as one flat document of plain values."""
    told = "" if member.transfer is None else str(member.transfer)
    return {**asdict(member), "transfer_told": told, **asdict(shell)}
