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
        counter, gauge, histogram = registry.counter, registry.gauge, registry.histogram
        self.build_info = gauge("eiha_build_info", "Always 1; the version is in the label.", ("version",))
        self.events_received = counter("eiha_events_received_total", "Events taken from clients.", ("stream",))
        self.events_rejected = counter(
            "eiha_events_rejected_total", "Events refused; none of them was acknowledged.", ("reason",)
        )
        self.refused = counter(
            "eiha_refused_total", "Publications and requests refused where they came in.", ("receiver", "reason")
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
        self.snapshot_age = gauge("eiha_snapshot_age_seconds", "Age of the newest snapshot; -1 when there is none.")
        self.resident_bytes = gauge("eiha_resident_bytes", "Memory the process holds.")
        self.loop_lag = histogram("eiha_loop_lag_seconds", "How late the event loop came back to a timer.")
        self.ack_latency = histogram("eiha_ack_latency_seconds", "From a client's batch to its acknowledgement.")
        self.takeover = histogram("eiha_takeover_seconds", "From the loss of the peer to being active.")

    def tell_strings(self, counts: Mapping[str, int]) -> None:
        """How many strings each plan holds; a plan that is gone holds none."""
        for plan in self._plans.keys() - counts.keys():
            self.plan_strings.set(0, plan)
        for plan, count in counts.items():
            self.plan_strings.set(count, plan)
        self._plans = dict.fromkeys(counts)
