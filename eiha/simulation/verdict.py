"""How a run ended, and the figures that are added up over many."""

from __future__ import annotations

from dataclasses import dataclass, field

from eiha.simulation.fault_profiles import Fault
from eiha.simulation.options import SimulationOptions


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in a run, in numbers."""

    virtual_ms: int = 0
    actions: int = 0
    promotions: int = 0
    failovers: int = 0
    crashes: int = 0
    acknowledged: int = 0
    entries: int = 0
    rows: int = 0
    convergence_ms: int = 0
    faults: dict[Fault, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of one run.

    ``violation`` is None when all promises held and the pair converged. ``checksum`` is equal for equal runs.
    """

    seed: int
    options: SimulationOptions
    violation: str | None
    checker: str | None
    checksum: int
    figures: Figures
    timeline: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all promises held."""
        return self.violation is None

    @property
    def replay_command(self) -> str:
        """The command that does the very same again, with a timeline."""
        return f"python -m eiha.simulation --seed {self.seed}{self.options.command_line()} --trace"
