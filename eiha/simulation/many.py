"""Many seeds over several processes, added up."""

from __future__ import annotations

import multiprocessing
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from eiha.simulation.fault_profiles import Fault
from eiha.simulation.options import SimulationOptions
from eiha.simulation.simulator import Simulator
from eiha.simulation.verdict import Verdict

CHUNK = 8


@dataclass(slots=True)
class Summary:
    """Figures of many runs."""

    seeds: int = 0
    promotions: int = 0
    failovers: int = 0
    crashes: int = 0
    acknowledged: int = 0
    entries: int = 0
    rows: int = 0
    virtual_ms: int = 0
    actions: list[int] = field(default_factory=list)
    convergence_ms: list[int] = field(default_factory=list)
    faults: Counter[Fault] = field(default_factory=Counter)
    failed: list[Verdict] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Count one run."""
        figures = verdict.figures
        self.seeds += 1
        self.promotions += figures.promotions
        self.failovers += figures.failovers
        self.crashes += figures.crashes
        self.acknowledged += figures.acknowledged
        self.entries += figures.entries
        self.rows += figures.rows
        self.virtual_ms += figures.virtual_ms
        self.actions.append(figures.actions)
        self.convergence_ms.append(figures.convergence_ms)
        self.faults.update(figures.faults)
        if not verdict.passed:
            self.failed.append(verdict)

    def text(self, wall_s: float) -> str:
        """A table for people."""
        median = statistics.median(self.convergence_ms or [0])
        converged = sorted(self.convergence_ms)
        late = converged[min(len(converged) - 1, len(converged) * 99 // 100)] if converged else 0
        speed = self.virtual_ms / 1000 / max(wall_s, 1e-9)
        lines = [
            f"seeds         {self.seeds:>12,}   failed {len(self.failed)}",
            f"failovers     {self.failovers:>12,}   promotions {self.promotions:,}   restarts {self.crashes:,}",
            f"acknowledged  {self.acknowledged:>12,}   log entries {self.entries:,}   rows in stores {self.rows:,}",
            f"virtual time  {self.virtual_ms / 1000:>10,.0f} s   in {wall_s:,.1f} s, {speed:,.0f} times real time",
            f"per seed      {statistics.median(self.actions or [0]):>12,.0f} steps (median)",
            f"convergence   {median:>9,.0f} ms after the last fault (median), {late:,} ms (p99)",
            "faults        " + ", ".join(f"{fault.value} {count:,}" for fault, count in self.faults.most_common()),
        ]
        return "\n".join(lines)


def run_seed(seed: int, options: SimulationOptions) -> Verdict:
    """One run."""
    return Simulator(seed, options).run()


def _run_one(work: tuple[int, SimulationOptions]) -> Verdict:
    return run_seed(*work)


def run_seeds(seeds: range, options: SimulationOptions, jobs: int) -> Iterator[Verdict]:
    """Verdicts as they come; with several jobs not in the order of the seeds."""
    work = ((seed, options) for seed in seeds)
    if jobs <= 1:
        yield from map(_run_one, work)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs) as pool:
        yield from pool.imap_unordered(_run_one, work, chunksize=CHUNK)
