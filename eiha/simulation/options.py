"""What a run is made of besides its seed: length, load, durability, faults, planted bugs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eiha.simulation.fault_profiles import PROFILES

NODES: Final = ("node1", "node2")
DURABILITIES: Final = ("replicated", "disk")


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """Options of a run; equal seed and options give the same run to the last bit.

    Args:
        faults: name of a fault profile (``fault_profiles.PROFILES``).
        durability: ``replicated`` or ``disk``; None: the seed decides.
        safety_ms: virtual time during which faults happen.
        healing_ms: virtual time after the last fault within which the pair must converge.
        clients, publications: how many, and how many each sends; None: the seed decides.
        mutation: a planted bug (``mutations.MUTATIONS``), None for the real thing.
        real_engine: run the columnar engine on ``plan`` in place of the cheap one.
        plan: SiddhiQL text for the real engine; empty: a plan with a window, a sum by key and a pattern.
        trace: keep readable lines.
    """

    faults: str = "swarm"
    durability: str | None = None
    safety_ms: int = 10_000
    healing_ms: int = 30_000
    clients: int | None = None
    publications: int | None = None
    mutation: str | None = None
    real_engine: bool = False
    plan: str = ""
    trace: bool = False

    def __post_init__(self) -> None:
        if self.faults not in PROFILES:
            raise ValueError(f"there is no fault profile {self.faults!r}; there are {', '.join(PROFILES)}")
        if self.durability is not None and self.durability not in DURABILITIES:
            raise ValueError(f"durability must be one of {', '.join(DURABILITIES)}, not {self.durability!r}")
        if self.safety_ms <= 0 or self.healing_ms <= 0:
            raise ValueError("safety_ms and healing_ms must be positive")

    def command_line(self) -> str:
        """The options that differ from the defaults, as the command line takes them."""
        parts: list[str] = []
        for name, default in (("faults", "swarm"), ("durability", None), ("mutation", None), ("safety_ms", 10_000),
                              ("healing_ms", 30_000), ("clients", None), ("publications", None)):  # fmt: skip
            value = getattr(self, name)
            if value != default:
                parts.append(f" --{name.replace('_', '-')} {value}")
        return "".join(parts) + (" --real-engine" if self.real_engine else "")
