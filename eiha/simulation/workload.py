"""What the pair computes in a run: an engine, its sinks, the plans it starts with, and payloads that suit it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from eiha.ports import Engine
from eiha.protocol.log_entry import DeployPlan


@dataclass(frozen=True, slots=True)
class Workload:
    """An engine with what feeds it.

    ``make_payload`` gives stream, rows and payload of one publication; ``make_statement`` plan and text of the n-th
    statement from outside.
    """

    make_engine: Callable[[], Engine]
    sinks: tuple[str, ...]
    plans: tuple[DeployPlan, ...]
    make_payload: Callable[[random.Random], tuple[str, int, bytes]]
    make_statement: Callable[[int], tuple[str, str]]
