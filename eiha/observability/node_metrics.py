"""The metrics of a node: every name there is, with its meaning. ``docs/operations.md`` lists them from here."""

from __future__ import annotations

from collections.abc import Mapping

from eiha.observability.metrics import Registry

ROLES = ("starting", "joining", "passive", "promoting", "active", "halted")


class NodeMetrics:
    """One attribute a metric. Fed by the node's shell; read by ``/metrics`` and the status document."""

    def __init__(self) -> None:
        registry = self.registry = Registry()
        self._plans: dict[str, None] = {}
        self._suspended: dict[str, None] = {}
        self._declare_stalls(registry)
        counter, gauge, histogram = registry.counter, registry.gauge, registry.histogram
        self.build_info = gauge("eiha_build_info", "Always 1; the version is in the label.", ("version",))
        self.events_received = counter("eiha_events_received_total", "Events taken from clients.", ("stream",))
        self.events_rejected = counter(
            "eiha_events_rejected_total", "Events refused; none of them was acknowledged.", ("reason",)
        )
        self.refused = counter(
            "eiha_refused_total",
            "Connections, publications and requests refused where they came in.",
            ("receiver", "reason"),
        )
        self.events_acked = counter("eiha_events_acked_total", "Events acknowledged to clients of this node.")
        self.events_applied = counter("eiha_events_applied_total", "Events that the engine of this node applied.")
        self.entries_applied = counter("eiha_entries_applied_total", "Log entries that the engine applied.")
        self.outputs_committed = counter(
            "eiha_outputs_committed_total", "Output rows that a store committed or a publisher sent.", ("sink",)
        )
        self.publish_retries = counter(
            "eiha_publish_retries_total", "Attempts to write to a sink that failed and are repeated.", ("sink",)
        )
        self.fence_rejections = counter(
            "eiha_fence_rejections_total", "Writes that a store refused because a newer epoch owns it.", ("sink",)
        )
        self.plan_strings = gauge(
            "eiha_plan_strings", "Different strings that a plan holds, those not yet swept included.", ("plan",)
        )
        self.plan_suspended = gauge(
            "eiha_plan_suspended", "1 for a plan that gets nothing until it is deployed anew.", ("plan",)
        )
        self.quarantined = counter(
            "eiha_quarantined_total", "Entries of which this node, as the active, had something left out."
        )
        self.plan_faults = counter("eiha_plan_faults_total", "Entries on which a plan failed.")
        self.digest_mismatches = counter("eiha_digest_mismatch_total", "Differences between the two nodes' states.")
        self.epoch = gauge("eiha_epoch", "Epoch this node follows.")
        self.role = gauge("eiha_role", "1 for the role this node has, 0 for the others.", ("role",))
        self.cover = gauge("eiha_failover_cover", "1 when a failover now would lose nothing.")
        self.log_end = gauge("eiha_log_end_sequence", "Last entry of this node's log.")
        self.committed_through = gauge("eiha_committed_through_sequence", "Last committed entry this node knows of.")
        self.applied_through = gauge("eiha_applied_through_sequence", "Last entry this node's engine applied.")
        self.published_through = gauge(
            "eiha_published_through_sequence", "Last entry whose outputs the sink holds.", ("sink",)
        )
        self.replication_lag_entries = gauge(
            "eiha_replication_lag_entries", "Entries of the log that are not committed yet."
        )
        self.engine_queue_entries = gauge("eiha_engine_queue_entries", "Entries that wait for the engine.")
        self.link_up = gauge("eiha_link_up", "1 when the channel to the peer is connected.", ("channel",))
        self.link_queue_bytes = gauge("eiha_link_queue_bytes", "Bytes waiting to be sent to the peer.", ("channel",))
        self.client_connections = gauge("eiha_client_connections", "Connected native clients.")
        self.certificate_days = gauge(
            "eiha_certificate_days", "Days to the end of this node's certificate; -1 without one, and after it."
        )
        self.snapshot_age = gauge("eiha_snapshot_age_seconds", "Age of the newest snapshot; -1 when there is none.")
        self._declare_snapshots(registry)
        self.resident_bytes = gauge("eiha_resident_bytes", "Memory the process holds.")
        self.loop_lag = histogram("eiha_loop_lag_seconds", "How late the event loop came back to a timer.")
        self.ack_latency = histogram("eiha_ack_latency_seconds", "From a client's batch to its acknowledgement.")
        self.takeover = histogram("eiha_takeover_seconds", "From the loss of the peer to being active.")

    def _declare_stalls(self, registry: Registry) -> None:
        """What is slow or stuck, here and, by its heartbeat, at the peer."""
        gauge = registry.gauge
        self.engine_stall = gauge(
            "eiha_engine_at_work_seconds", "How long the engine has been at the same entry (or snapshot, or question)."
        )
        self.log_uncovered_bytes = gauge(
            "eiha_log_uncovered_bytes", "Of the log what no snapshot covers: a start replays it, the disk keeps it."
        )
        self.log_stall = gauge("eiha_log_stall_seconds", "How long the log's writer has owed an answer without any.")
        self.store_stall = gauge(
            "eiha_store_stall_seconds", "How long outputs have waited without the sink's store taking any.", ("sink",)
        )
        self.outbox_rows = gauge("eiha_outbox_rows", "Output rows that wait, on the passive for the active's report.")
        self.outbox_bytes = gauge("eiha_outbox_bytes", "The same in bytes.")
        self.peer_silence = gauge(
            "eiha_peer_silence_seconds", "How long the passive has owed acknowledgements without any (on the active)."
        )
        self.peer_engine_stall = gauge(
            "eiha_peer_engine_at_work_seconds", "What the peer said of its engine with its last heartbeat; -1: nothing."
        )
        self.peer_loop_lag = gauge(
            "eiha_peer_loop_lag_seconds", "What the peer said of its event loop with its last heartbeat; -1: nothing."
        )
        self.peer_put_out = gauge(
            "eiha_peer_put_out", "How often this node put its peer out of the synced set since it started."
        )
        self.intake_open = gauge("eiha_intake_open", "1 when clients of this node are read from.")

    def _declare_snapshots(self, registry: Registry) -> None:
        gauge = registry.gauge
        self.snapshot_bytes = gauge("eiha_snapshot_bytes", "Size of the newest snapshot.")
        self.snapshot_written_bytes = gauge(
            "eiha_snapshot_written_bytes", "Of the newest snapshot what was not on disk already."
        )
        self.snapshot_failures = registry.counter(
            "eiha_snapshot_failures_total", "Snapshots that could not be written; each is tried again later."
        )
        self.snapshot_pause = gauge("eiha_snapshot_pause_seconds", "How long the engine stood still for it.")
        self.transfer_done_bytes = gauge(
            "eiha_transfer_done_bytes", "Of the snapshot on its way to or from the peer: what arrived.", ("direction",)
        )
        self.transfer_total_bytes = gauge(
            "eiha_transfer_total_bytes", "Of the snapshot on its way: what was lacking; 0: none is.", ("direction",)
        )

    def tell_strings(self, counts: Mapping[str, int]) -> None:
        """How many strings each plan holds; a plan that is gone holds none."""
        for plan in self._plans.keys() - counts.keys():
            self.plan_strings.set(0, plan)
        for plan, count in counts.items():
            self.plan_strings.set(count, plan)
        self._plans = dict.fromkeys(counts)

    def tell_suspended(self, plans: Mapping[str, str]) -> None:
        """Which plans are suspended; one that is not any more reads 0."""
        for plan in self._suspended.keys() - plans.keys():
            self.plan_suspended.set(0, plan)
        for plan in plans:
            self.plan_suspended.set(1, plan)
        self._suspended = dict.fromkeys(plans)
