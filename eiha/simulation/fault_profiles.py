"""The vocabulary of faults, and profiles: which of them may happen in a run, and how often at most."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import Final


class Fault(enum.Enum):
    """Everything the nemesis can do; docs/testing.md explains each."""

    CRASH = "crash"
    CRASH_MID_STEP = "crash_mid_step"
    CRASH_BOTH = "crash_both"
    POWER_LOSS = "power_loss"
    POWER_LOSS_BOTH = "power_loss_both"
    WIPE = "wipe"
    STOP = "stop"
    PAUSE = "pause"
    CUT_PEER = "cut_peer"
    CUT_ONE_WAY = "cut_one_way"
    CUT_CHANNEL = "cut_channel"
    RESET_LINKS = "reset_links"
    SLOW_LINK = "slow_link"
    ISOLATE = "isolate"
    WITNESS_DOWN = "witness_down"
    WITNESS_UNREACHABLE = "witness_unreachable"
    WITNESS_LOSSY = "witness_lossy"
    SINK_DOWN = "sink_down"
    SINK_LOSSY = "sink_lossy"
    SLOW_DISK = "slow_disk"
    FULL_DISK = "full_disk"
    SLOW_ENGINE = "slow_engine"
    CLOCK_STEP = "clock_step"
    SWITCHOVER = "switchover"
    DEPLOY = "deploy"
    FLOOD = "flood"
    CLIENT_DROP = "client_drop"
    CORRUPT_SNAPSHOT = "corrupt_snapshot"
    WITNESS_LATE = "witness_late"
    DIVERGE = "diverge"
    POISON = "poison"
    STUCK_ENGINE = "stuck_engine"
    STUCK_LOOP = "stuck_loop"
    SLOW_STORE = "slow_store"
    FLAPPING = "flapping"


@dataclass(frozen=True, slots=True)
class Profile:
    """Which faults a run may have.

    ``swarm``: each seed switches about half of them off and draws weights and pace for the others, so that some runs
    have many faults of few kinds. ``between_ms``: range from which the seed draws the mean time between faults.
    """

    faults: tuple[Fault, ...]
    swarm: bool = True
    between_ms: tuple[int, int] = (80, 900)


@dataclass(frozen=True, slots=True)
class FaultOdds:
    """What one seed drew from a profile."""

    weights: tuple[tuple[Fault, float], ...]
    between_ms: int

    def choose(self, rng: random.Random) -> Fault | None:
        """A fault by weight; None when the profile has none."""
        if not self.weights:
            return None
        faults, weights = zip(*self.weights, strict=True)
        chosen: Fault = rng.choices(faults, weights)[0]
        return chosen


_DEADLY = (Fault.CRASH, Fault.POWER_LOSS, Fault.SWITCHOVER)
"""What makes the other node take over; more frequent, as taking over is what the runs are about."""


def draw_odds(profile: Profile, rng: random.Random) -> FaultOdds:
    """The odds of one seed."""
    weights: list[tuple[Fault, float]] = []
    for fault in profile.faults:
        deadly = fault in _DEADLY
        if not profile.swarm or rng.random() < (0.75 if deadly else 0.5):
            weights.append((fault, rng.choice((0.3, 1.0, 1.0, 3.0)) * (2.5 if deadly else 1.0)))
    return FaultOdds(tuple(weights), rng.randint(*profile.between_ms))


_EVERYTHING = tuple(fault for fault in Fault if fault not in (Fault.DIVERGE, Fault.WITNESS_LATE))

PROFILES: Final[dict[str, Profile]] = {
    "swarm": Profile(_EVERYTHING),
    "none": Profile(()),
    "crashes": Profile((Fault.CRASH, Fault.CRASH_MID_STEP, Fault.CRASH_BOTH, Fault.STOP), swarm=False),
    "machines": Profile(
        (Fault.POWER_LOSS, Fault.POWER_LOSS_BOTH, Fault.WIPE, Fault.CRASH, Fault.CORRUPT_SNAPSHOT, Fault.SLOW_DISK)
    ),
    "network": Profile(
        (Fault.CUT_PEER, Fault.CUT_ONE_WAY, Fault.CUT_CHANNEL, Fault.RESET_LINKS, Fault.SLOW_LINK, Fault.ISOLATE,
         Fault.CRASH),
    ),
    "pauses": Profile((Fault.PAUSE, Fault.CRASH, Fault.SINK_LOSSY, Fault.WITNESS_LOSSY), swarm=False),
    "witness": Profile(
        (Fault.WITNESS_DOWN, Fault.WITNESS_UNREACHABLE, Fault.WITNESS_LOSSY, Fault.CUT_PEER, Fault.RESET_LINKS,
         Fault.PAUSE, Fault.CRASH),
    ),
    "stores": Profile((Fault.SINK_DOWN, Fault.SINK_LOSSY, Fault.CRASH, Fault.PAUSE), swarm=False),
    "operators": Profile((Fault.SWITCHOVER, Fault.STOP, Fault.DEPLOY, Fault.CRASH, Fault.FLOOD), swarm=False),
    "wipes": Profile(
        (Fault.WIPE, Fault.CRASH, Fault.WITNESS_LOSSY, Fault.CUT_PEER), swarm=False, between_ms=(150, 500)
    ),
    "half_written": Profile(
        (Fault.SLOW_DISK, Fault.CRASH, Fault.POWER_LOSS, Fault.POWER_LOSS_BOTH), swarm=False, between_ms=(60, 400)
    ),
    "late_witness": Profile(
        (Fault.WITNESS_LATE, Fault.CRASH, Fault.RESET_LINKS, Fault.CUT_PEER), swarm=False, between_ms=(60, 300)
    ),
    "zombies": Profile(
        (Fault.SLOW_LINK, Fault.CRASH, Fault.CUT_ONE_WAY, Fault.CUT_CHANNEL, Fault.PAUSE, Fault.WIPE),
        swarm=False,
        between_ms=(60, 400),
    ),
    "full_disks": Profile((Fault.FULL_DISK,), swarm=False, between_ms=(1_000, 2_000)),
    "stuck": Profile(
        (Fault.STUCK_ENGINE, Fault.STUCK_LOOP, Fault.CRASH, Fault.SLOW_STORE), swarm=False, between_ms=(300, 2_000)
    ),
    "slow": Profile(
        (Fault.SLOW_DISK, Fault.SLOW_ENGINE, Fault.SLOW_STORE, Fault.SINK_DOWN), swarm=False, between_ms=(100, 600)
    ),
    "flapping": Profile((Fault.FLAPPING,), swarm=False, between_ms=(500, 2_000)),
    "poison": Profile(
        (Fault.POISON, Fault.CRASH, Fault.SWITCHOVER, Fault.CUT_PEER, Fault.WIPE), swarm=False, between_ms=(200, 1_200)
    ),
    "divergence": Profile((Fault.DIVERGE,), swarm=False, between_ms=(1_500, 2_500)),
}  # fmt: skip
