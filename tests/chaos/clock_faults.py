"""Faults of one node's wall clock: it jumps, and it runs wrong. Nothing but the time of events may notice."""

from __future__ import annotations

import random
import time
from typing import ClassVar, Final

from tests.chaos.fault import Injected, Kind
from tests.chaos.faulty_stages import Shimmed
from tests.chaos.scene import Scene, choose, log_uniform

HOLD_S: Final = (0.5, 5.0)
STEP_S: Final = (0.05, 900.0)
ACK_WITHIN_S: Final = 3.0
"""A clock is no reason to wait: no role changes by it."""


class _ClockFault:
    kind: ClassVar[Kind] = Kind.CLOCK
    stages: ClassVar[frozenset[str]] = frozenset({Shimmed.name})

    def unavailable(self) -> str | None:
        """As the stage."""
        return Shimmed().unavailable()

    def heal(self, scene: Scene) -> None:
        """Set the clocks right: another step."""
        assert isinstance(scene.stage, Shimmed)
        for shim in scene.stage.shims.values():
            shim.set_clock(0.0)


class StepClock(_ClockFault):
    """The clock is set forward or back by up to a quarter of an hour."""

    name = "step-clock"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Step either node's."""
        assert isinstance(scene.stage, Shimmed)
        node = choose(rng, scene.nodes)
        step_s = log_uniform(rng, *STEP_S) * rng.choice((-1, 1))
        hold_s, moment_s = log_uniform(rng, *HOLD_S), time.monotonic()
        scene.stage.shims[node.name].set_clock(step_s)
        return Injected(node.name, f"clock set by {step_s:+.2f} s for {hold_s:.2f} s", hold_s, moment_s, ACK_WITHIN_S)


class DriftClock(_ClockFault):
    """The clock runs fast or slow by up to a half."""

    name = "drift-clock"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Let either node's run wrong."""
        assert isinstance(scene.stage, Shimmed)
        node = choose(rng, scene.nodes)
        drift_ppm = log_uniform(rng, 10.0, 500_000.0) * rng.choice((-1, 1))
        hold_s, moment_s = log_uniform(rng, *HOLD_S), time.monotonic()
        scene.stage.shims[node.name].set_clock(0.0, drift_ppm=drift_ppm)
        what = f"clock runs wrong by {drift_ppm:+.0f} ppm for {hold_s:.2f} s"
        return Injected(node.name, what, hold_s, moment_s, ACK_WITHIN_S)
