"""Which engine a run has: the cheap one for volume, or the real one on a plan."""

from __future__ import annotations

import random

from eiha.simulation.engine import ERRORS_SINK, EVENTS_SINK, PROCESSED_SINK, TICKS, SummingEngine, encode_rows
from eiha.simulation.options import SimulationOptions
from eiha.simulation.workload import Workload


def choose_workload(options: SimulationOptions) -> Workload:
    """The workload that ``options`` ask for.

    Raises:
        PlanError: the plan does not compile.
    """
    if options.real_engine:
        from eiha.simulation.real_engine import real_workload  # loads Numba, which most runs do not need

        return real_workload(options.plan)
    return Workload(
        SummingEngine, (EVENTS_SINK, PROCESSED_SINK, ERRORS_SINK), (), _payload, lambda number: ("scale", "y" * number)
    )


def _payload(rng: random.Random) -> tuple[str, int, bytes]:
    rows = [(int(rng.random() * 12), int(rng.random() * 1000)) for _ in range(rng.choice((1, 1, 2, 4)))]
    return TICKS, len(rows), encode_rows(rows)
