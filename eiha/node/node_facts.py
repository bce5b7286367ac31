"""What this node tells of itself: ``/role``, ``/ready``, ``/status``, ``/metrics``, and what clients are told."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from eiha.ha.inputs import Channel
from eiha.ha.status import MemberStatus
from eiha.kernel.ids import NodeId
from eiha.node.config import NodeConfig
from eiha.node.interpreter import Shells
from eiha.node.membership import Membership, http_scheme, http_url, ingest_address
from eiha.node.node_tls import NodeTls
from eiha.node.process_memory import resident_bytes
from eiha.observability.logs import LogContext
from eiha.observability.node_metrics import NodeMetrics
from eiha.observability.rates import Rate
from eiha.observability.status import MemberEndpoint, ShellFacts, StoreStatus, status_document
from eiha.protocol.state_digest import StateDigest
from eiha.receivers.intake import NodeFacts

SAMPLE_INTERVAL_S = 1.0


def build_version() -> str:
    """Version of the installed package."""
    try:
        return version("eiha")
    except PackageNotFoundError:
        return "unknown"


class FactsOfNode:
    """Reads the member and its shells; steers nothing.

    Args:
        config: names and addresses.
        member_status: the member's own view, made anew at each call.
        shells: queues and stores.
        membership: where the other node is.
        metrics: counters that rates are made from, gauges that are set here.
        context: epoch and sequence of log lines are kept up to date here.
    """

    def __init__(
        self,
        config: NodeConfig,
        member_status: Callable[[], MemberStatus],
        shells: Shells,
        membership: Membership,
        metrics: NodeMetrics,
        context: LogContext,
    ) -> None:
        self._config = config
        self._member_status = member_status
        self._shells = shells
        self._membership = membership
        self._metrics = metrics
        self._context = context
        self._started_s = time.monotonic()
        self._role_since_ms = time.time_ns() // 1_000_000
        self._rates = {"in": Rate(), "applied": Rate(), "out": Rate()}
        self.suspended_plans: Mapping[str, str] = {}
        self.count_refusals: Callable[[NodeMetrics], None] | None = None
        """Set by whoever has the receivers."""
        self.certificate: NodeTls | None = None
        """Set by whoever has the certificates."""
        self._digest_sequence = 0
        self._digest: StateDigest | None = None
        metrics.build_info.set(1, build_version())

    async def sample_forever(self) -> None:
        """Keep rates and gauges up to date. Runs until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(SAMPLE_INTERVAL_S)

    def sample(self) -> None:
        """Take one sample of everything that is not counted as it happens."""
        now_s = time.monotonic()
        metrics, shells = self._metrics, self._shells
        self._rates["in"].sample(now_s, metrics.events_received.total())
        self._rates["applied"].sample(now_s, metrics.events_applied.total())
        self._rates["out"].sample(now_s, metrics.outputs_committed.total())
        status = self._member_status()
        self._context.epoch, self._context.sequence = status.epoch, status.log_end
        metrics.epoch.set(status.epoch)
        metrics.cover.set(1 if _covered(status) else 0)
        metrics.log_end.set(status.log_end)
        metrics.committed_through.set(status.committed_through)
        metrics.applied_through.set(status.applied_through)
        metrics.replication_lag_entries.set(status.peer_lag_entries)
        for sink in status.sinks:
            metrics.published_through.set(sink.published_through, sink.sink)
            metrics.store_stall.set(sink.stalled_ms / 1_000, sink.sink)
        _tell_vitals(metrics, status)
        metrics.engine_queue_entries.set(shells.engine.waiting_entries)
        for channel, links in shells.links.items():
            metrics.link_queue_bytes.set(links.queue_bytes, channel.value)
        if self.count_refusals is not None:
            self.count_refusals(metrics)
        if self.certificate is not None:
            self.certificate.watch_expiry()
            metrics.certificate_days.set(self.certificate.days_left())
        metrics.snapshot_age.set(self._snapshot_age_s())
        metrics.snapshot_bytes.set(shells.snapshots.last_bytes)
        metrics.snapshot_written_bytes.set(shells.snapshots.last_bytes_written)
        metrics.snapshot_pause.set(shells.snapshots.last_pause_s)
        metrics.snapshot_failures.add(shells.snapshots.failures - metrics.snapshot_failures.total())
        _tell_transfer(metrics, status)
        metrics.resident_bytes.set(resident_bytes())

    def note_digest(self, sequence: int, digest: StateDigest) -> None:
        """The engine gave digests of its state after ``sequence``."""
        self._digest_sequence, self._digest = sequence, digest

    def note_role_change(self) -> None:
        """The role just changed."""
        self._role_since_ms = time.time_ns() // 1_000_000
        status = self._member_status()
        self._context.epoch, self._context.sequence = status.epoch, status.log_end

    def role_document(self) -> dict[str, Any]:
        """``node``, ``role``, ``state``, ``epoch`` and the active, for load balancers and scripts."""
        status = self._member_status()
        return {
            "node": status.node,
            "role": status.role,
            "state": status.state,
            "epoch": status.epoch,
            "active": status.active or "",
        }

    def not_ready(self) -> str:
        """Why clients should not be sent here; empty when they should."""
        status = self._member_status()
        if status.role not in ("active", "passive"):
            return f"the node is {status.role}"
        state = self._shells.intake.state()
        return "" if state.open else state.reason or "the node does not take events now"

    def client_facts(self) -> NodeFacts:
        """What a client is told."""
        status = self._member_status()
        return NodeFacts(NodeId(self._config.cluster.node), status.role, self._active_address(status))

    def status_document(self) -> dict[str, Any]:
        """Everything."""
        self.sample()
        return status_document(self._member_status(), self._shell_facts())

    def metrics_text(self) -> str:
        """Prometheus text."""
        self.sample()
        return self._metrics.registry.render()

    def peer_ingest_address(self) -> str:
        """Where clients should go when this node leaves; empty when not known."""
        peer = self._membership.peer()
        return f"{peer.host}:{peer.ingest_port}" if peer is not None and peer.ingest_port else ""

    def active_http_url(self) -> str:
        """Where the active answers HTTP; empty when not known."""
        active = self._member_status().active
        return next((each.url for each in self._endpoints() if each.node == active), "")

    def _active_address(self, status: MemberStatus) -> str:
        if status.active == self._config.cluster.node:
            return ingest_address(self._config)
        return self.peer_ingest_address() if status.active else ""

    def _snapshot_age_s(self) -> int:
        saver = self._shells.snapshots
        return int(time.monotonic() - saver.saved_at_s) if saver.saved_at_s else -1

    def _shell_facts(self) -> ShellFacts:
        shells, metrics = self._shells, self._metrics
        peer = self._membership.peer()
        digest = self._digest
        first = digest.covered[0] if digest is not None and digest.covered else None
        return ShellFacts(
            cluster=self._config.cluster.domain,
            version=build_version(),
            pid=os.getpid(),
            uptime_s=int(time.monotonic() - self._started_s),
            role_since_ms=self._role_since_ms,
            events_in_per_s=round(self._rates["in"].per_second(), 1),
            events_applied_per_s=round(self._rates["applied"].per_second(), 1),
            rows_out_per_s=round(self._rates["out"].per_second(), 1),
            engine_queue_entries=shells.engine.waiting_entries,
            management_link=shells.links[Channel.MANAGEMENT].is_up,
            event_sync_link=shells.links[Channel.EVENT_SYNC].is_up,
            link_queue_bytes={channel.value: links.queue_bytes for channel, links in shells.links.items()},
            peer_heard=peer.node if peer is not None else "",
            witness_reachable=shells.witness.reachable,
            witness_cause=shells.witness.cause,
            stores=tuple(StoreStatus(sink.name, sink.waiting_rows, sink.away) for sink in shells.sinks.values()),
            streams=tuple(sorted(shells.intake.streams())),
            suspended_plans=dict(self.suspended_plans),
            snapshot_sequence=shells.snapshots.saved_sequence,
            snapshot_age_s=self._snapshot_age_s(),
            snapshot_bytes=shells.snapshots.last_bytes,
            snapshot_bytes_written=shells.snapshots.last_bytes_written,
            snapshot_duration_s=round(shells.snapshots.last_duration_s, 3),
            snapshot_failure=shells.snapshots.last_failure,
            snapshot_pause_ms=round(1_000 * shells.snapshots.last_pause_s, 3),
            digest_sequence=self._digest_sequence,
            digest=first.digest.hex() if first is not None else "",
            digest_part=digest.names[first.part] if digest is not None and first is not None else "",
            digest_parts=len(digest.names) if digest is not None else 0,
            digest_positions=digest.positions if digest is not None else 0,
            loop_lag_p99_ms=_finite_ms(metrics.loop_lag.quantile(0.99)),
            ack_latency_p50_ms=_finite_ms(metrics.ack_latency.quantile(0.5)),
            ack_latency_p99_ms=_finite_ms(metrics.ack_latency.quantile(0.99)),
            resident_bytes=resident_bytes(),
            members=self._endpoints(),
            refused={
                f"{labels[0]} {labels[1]}": int(count) for labels, count in metrics.refused.by_labels().items() if count
            },
            certificate=certificate_facts_shown(self.certificate),
        )

    def _endpoints(self) -> tuple[MemberEndpoint, ...]:
        found = [MemberEndpoint(self._config.cluster.node, http_url(self._config))]
        peer = self._membership.peer()
        if peer is not None and peer.http_port:
            found.append(MemberEndpoint(peer.node, f"{http_scheme(self._config)}://{peer.host}:{peer.http_port}"))
        return tuple(found)


def certificate_facts_shown(tls: NodeTls | None) -> dict[str, Any]:
    """This node's certificate as the status document shows it; empty without one."""
    if tls is None or tls.own is None:
        return {}
    own = tls.own
    ends = own.not_after.isoformat(timespec="seconds")
    return {"subject": own.subject, "ends": ends, "days_left": tls.days_left(), "pin": own.pin}


def _tell_transfer(metrics: NodeMetrics, status: MemberStatus) -> None:
    """How far the snapshot on its way is; 0 of 0 when there is none."""
    transfer = status.transfer
    for direction in ("sending", "receiving"):
        mine = transfer is not None and transfer.direction == direction
        metrics.transfer_done_bytes.set(transfer.done_bytes if transfer is not None and mine else 0, direction)
        metrics.transfer_total_bytes.set(transfer.total_bytes if transfer is not None and mine else 0, direction)


def _covered(status: MemberStatus) -> bool:
    """Whether a failover now loses nothing: both nodes hold everything that was acknowledged."""
    return not status.failover_cover.startswith("none")


def _tell_vitals(metrics: NodeMetrics, status: MemberStatus) -> None:
    own, peer = status.vitals, status.peer_vitals
    metrics.engine_stall.set(own.engine_ms / 1_000)
    metrics.log_stall.set(own.log_ms / 1_000)
    metrics.log_uncovered_bytes.set(status.log_uncovered_bytes)
    metrics.outbox_rows.set(own.outbox_rows)
    metrics.outbox_bytes.set(own.outbox_bytes)
    metrics.peer_silence.set(status.peer_silence_ms / 1_000)
    metrics.peer_engine_stall.set(-1 if peer is None else peer.engine_ms / 1_000)
    metrics.peer_loop_lag.set(-1 if peer is None else peer.loop_lag_ms / 1_000)
    metrics.peer_put_out.set(status.peer_put_out_count)
    metrics.intake_open.set(1 if status.intake_open else 0)


def _finite_ms(seconds: float) -> float:
    """Milliseconds; JSON knows no infinity, so the overflow bucket reads as -1."""
    return round(seconds * 1_000, 3) if seconds != float("inf") else -1.0
