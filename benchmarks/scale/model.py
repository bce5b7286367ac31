"""From measured points to what a pair of a given size takes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.scale.curves import Line, Steps, fit_line
from benchmarks.scale.shapes import ROW_BYTES

MEASURED: Final = Path(__file__).with_name("measured.json")
STATES: Final = ("groups", "numbers", "table", "partitions", "window")

LOG_TAIL_BYTES: Final = 64 << 20
"""Entries that each node keeps in memory for a peer that comes back (``Policy.log_tail_bytes``)."""
BUFFER_BYTES: Final = 100 << 20
"""What buffers of sockets, log and outbox and the allocator keep under load: 368 MB against 198 MB idle, less the log's
tail (docs/benchmarks.md)."""
ENGINE_SHARE_MAX: Final = 0.7
"""Of one processor. Beyond, bursts wait, and a node that comes back catches up slowly."""
MEMORY_SHARE_MAX: Final = 0.8
LINK_SHARE_MAX: Final = 0.6


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a pair. Sizes are totals over all plans; ``batch_rows``: events that arrive together."""

    groups: float = 0
    numbers: float = 0
    table: float = 0
    partitions: float = 0
    window: float = 0
    plans: int = 1
    clients: int = 10
    rate: float = 10_000
    batch_rows: float = 1_000
    row_bytes: float = ROW_BYTES
    memory_bytes: float = 16e9
    link_bytes_per_s: float = 125e6
    disk_bytes_per_s: float = 300e6
    snapshot_interval_s: float = 60


@dataclass(frozen=True, slots=True)
class Costs:
    """What it takes, for each node."""

    state_bytes: float
    memory_bytes: float
    peak_bytes: float
    event_ns: float
    engine_share: float
    publication_share: float
    link_bytes_per_s: float
    snapshot_bytes: float
    snapshot_cpu_s: float
    snapshot_disk_s: float
    digest_ms: float
    transfer_s: float
    restore_s: float
    replay_s: float
    rejoin_s: float
    limits: tuple[str, ...] = field(default=())


class Model:
    """The fitted costs of one machine."""

    def __init__(self, measured: dict[str, Any]) -> None:
        self.measured = measured
        points: dict[str, list[dict[str, float]]] = measured["points"]
        self.memory = {name: _line(points[name], "memory_bytes") for name in (*STATES, "plans", "clients")}
        self.peak = {name: _line(points[name], "peak_bytes") for name in STATES}
        self.snapshot_bytes = {name: _line(points[name], "snapshot_bytes") for name in STATES}
        self.snapshot_s = {name: _steps_of_one(points[name], "snapshot_s") for name in STATES}
        self.restore_s = {name: _steps_of_one(points[name], "restore_s") for name in STATES}
        self.digest_s = {name: _line(points[name], "digest_s") for name in STATES}
        self.event_ns = {name: _steps(points[name], "event_ns") for name in STATES}
        self.plan_event_ns = _line(points["plans"], "event_ns")
        self.plan_entry_us = _line(points["plans"], "entry_us")
        self.idle_bytes = float(measured["idle_bytes"])
        self.publications_per_s = float(measured["publications_per_s"])

    @classmethod
    def load(cls, path: Path = MEASURED) -> Model:
        """The costs measured last, as they are kept beside this file."""
        return cls(json.loads(path.read_text()))

    def costs(self, load: Load) -> Costs:
        """What ``load`` takes."""
        sizes = {name: float(getattr(load, name)) for name in STATES if getattr(load, name)}
        state = sum(self.memory[name].at(size) for name, size in sizes.items()) + self.memory["plans"].at(load.plans)
        peak = sum(max(0.0, self.peak[name].at(size) - self.memory[name].at(size)) for name, size in sizes.items())
        memory = self.idle_bytes + LOG_TAIL_BYTES + BUFFER_BYTES + state + self.memory["clients"].at(load.clients)
        event_ns = sum(self.event_ns[name].at(size) for name, size in sizes.items())
        event_ns += self.plan_event_ns.at(load.plans)
        entries_per_s = load.rate / max(1.0, load.batch_rows)
        # an entry of few events costs by the entry, one of many by the event
        entry_s = max(self.plan_entry_us.at(load.plans) * 1e-6, load.batch_rows * event_ns * 1e-9)
        engine_share = entries_per_s * entry_s
        snapshot = sum(self.snapshot_bytes[name].at(size) for name, size in sizes.items())
        link = load.rate * load.row_bytes
        transfer_s = snapshot / max(1.0, load.link_bytes_per_s * LINK_SHARE_MAX - link)
        restore_s = sum(size * self.restore_s[name].at(size) for name, size in sizes.items())
        snapshot_s = sum(size * self.snapshot_s[name].at(size) for name, size in sizes.items())
        # while it was away from the end of the log, the log grew; it catches up with what the engine has left
        behind_s = snapshot_s + transfer_s + restore_s
        replay_s = behind_s * engine_share / (1 - engine_share) if engine_share < 1 else float("inf")
        costs = Costs(
            state_bytes=state,
            memory_bytes=memory,
            peak_bytes=memory + peak,
            event_ns=event_ns,
            engine_share=engine_share,
            publication_share=entries_per_s / self.publications_per_s,
            link_bytes_per_s=link,
            snapshot_bytes=snapshot,
            snapshot_cpu_s=snapshot_s,
            snapshot_disk_s=snapshot / load.disk_bytes_per_s,
            digest_ms=1e3 * sum(self.digest_s[name].at(size) for name, size in sizes.items()),
            transfer_s=transfer_s,
            restore_s=restore_s,
            replay_s=replay_s,
            rejoin_s=behind_s + replay_s,
        )
        return _with_limits(costs, load)


def _with_limits(costs: Costs, load: Load) -> Costs:
    """What one pair cannot do any more, and what to do then."""
    limits = []
    if costs.engine_share > ENGINE_SHARE_MAX:
        limits.append(
            f"one engine thread would be busy {costs.engine_share:.0%} of the time (at most {ENGINE_SHARE_MAX:.0%}): "
            "put plans on pairs of their own, or the keys of one plan on several pairs"
        )
    if costs.peak_bytes > MEMORY_SHARE_MAX * load.memory_bytes:
        limits.append(
            f"{costs.peak_bytes / 1e9:.1f} GB at a snapshot do not fit {load.memory_bytes / 1e9:.0f} GB: "
            "more memory, or the keys on several pairs"
        )
    if costs.link_bytes_per_s > LINK_SHARE_MAX * load.link_bytes_per_s:
        limits.append(
            f"the log needs {costs.link_bytes_per_s / 1e6:.0f} MB/s of a link of {load.link_bytes_per_s / 1e6:.0f}: "
            "a faster link between the nodes, or fewer columns"
        )
    if costs.publication_share > ENGINE_SHARE_MAX:
        limits.append(
            f"the event loop would be busy {costs.publication_share:.0%} of the time with publications: "
            "send more events in one publication"
        )
    if costs.snapshot_disk_s > load.snapshot_interval_s / 2:
        limits.append(
            f"a snapshot takes {costs.snapshot_disk_s:.0f} s to write, every {load.snapshot_interval_s:.0f} s: "
            "raise persistence.interval_s"
        )
    return replace(costs, limits=tuple(limits))


def _line(points: list[dict[str, float]], what: str) -> Line:
    # resident memory comes in pages and pools: less than a MiB says nothing
    told = [point for point in points if not what.endswith("memory_bytes") or point[what] >= 1 << 20] or points
    return fit_line([point["size"] for point in told], [point[what] for point in told])


def _steps(points: list[dict[str, float]], what: str) -> Steps:
    return Steps(tuple(point["size"] for point in points), tuple(point[what] for point in points))


def _steps_of_one(points: list[dict[str, float]], what: str) -> Steps:
    """The same for each unit of the size, as the time of one grows where caches end."""
    return Steps(tuple(point["size"] for point in points), tuple(point[what] / point["size"] for point in points))
