"""What is slow or stuck, in words for the status and the log. Empty when all is well."""

from __future__ import annotations

from typing import Final

from eiha.ha.policy import Policy
from eiha.ha.snapshot_schedule import SnapshotSchedule
from eiha.ha.status import SinkStatus
from eiha.protocol.vitals import Vitals

ENGINE_TOLD_MS: Final = 1_000
"""An entry takes milliseconds; one that takes this long is worth a word, though not yet an alarm."""
LOG_TOLD_MS: Final = 500
"""A disk answers within milliseconds, within some hundred while it flushes."""
STORE_TOLD_MS: Final = 2_000
"""A store takes a transaction within some hundred milliseconds."""


def log_symptoms(snapshots: SnapshotSchedule) -> tuple[str, ...]:
    """Whether the log grows and no snapshot covers it."""
    if not snapshots.is_log_grown:
        return ()
    return (f"{snapshots.uncovered_bytes >> 20} MiB of the log are in no snapshot",)


def symptoms_of(vitals: Vitals, sinks: tuple[SinkStatus, ...], policy: Policy) -> tuple[str, ...]:
    """Each part of a node that does not move as it should. ``sinks``: empty for the peer, whose worst store counts."""
    found: list[str] = []
    if vitals.loop_lag_ms > policy.failure_timeout_ms // 2:
        found.append(f"the event loop was {vitals.loop_lag_ms} ms late")
    if vitals.engine_work and vitals.engine_ms >= ENGINE_TOLD_MS:
        entry = f" {vitals.engine_sequence}" if vitals.engine_work == "entry" else ""
        found.append(f"the engine has been at its {vitals.engine_work}{entry} for {vitals.engine_ms} ms")
    if vitals.log_ms >= LOG_TOLD_MS:
        found.append(f"the log has not been written for {vitals.log_ms} ms")
    stalled = [sink for sink in sinks if sink.stalled_ms >= STORE_TOLD_MS]
    found += [f"{sink.sink} took nothing for {sink.stalled_ms} ms, {sink.waiting_rows} rows wait" for sink in stalled]
    if not sinks and vitals.store_ms >= STORE_TOLD_MS:
        found.append(f"a store took nothing for {vitals.store_ms} ms")
    if 2 * vitals.outbox_rows >= policy.outbox_rows_max or 2 * vitals.outbox_bytes >= policy.outbox_bytes_max:
        rows = 100 * vitals.outbox_rows // policy.outbox_rows_max
        size = 100 * vitals.outbox_bytes // policy.outbox_bytes_max
        found.append(f"the outbox is {max(rows, size)} % full")
    return tuple(found)
