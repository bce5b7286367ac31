"""What a fault is: the interface between the campaign and everything that can go wrong.

A fault does one thing to a running scene and can take it back. The campaign calls ``inject``, waits as long as the
fault says, calls ``heal``, and waits until the pair is whole again before the next one. Faults are kept in lists, one
file a kind of fault; ``catalogue.py`` names them all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from tests.chaos.scene import Scene


class Kind(StrEnum):
    """What sort of thing goes wrong; campaigns are asked for by numbers of these."""

    KILL = "kill"
    PAUSE = "pause"
    PARTITION = "partition"
    OUTAGE = "outage"
    DISK = "disk"
    CLOCK = "clock"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Injected:
    """What was done, to whom, and what may be expected of the pair meanwhile.

    Attributes:
        target: node name, ``database``, ``both`` …: the lane of the timeline it is drawn in.
        what: one line for the report.
        hold_s: how long the fault stays before it is healed; 0: until the pair acknowledges again, or at once.
        moment_s: ``time.monotonic()`` when it struck; 0: the campaign takes the time before ``inject``.
        ack_within_s: new publications must be acknowledged within this time even though the fault lasts; None: the
            pair may stand still until it is healed.
        takes_over: the active is hit, so the first acknowledgement measures a takeover.
        may_stop: nodes that may end by themselves because of it (a failed flush stops a node on purpose); the campaign
            starts them again. Any other node that ends by itself is a finding.
    """

    target: str
    what: str
    hold_s: float = 0.0
    moment_s: float = 0.0
    ack_within_s: float | None = None
    takes_over: bool = False
    may_stop: frozenset[str] = field(default_factory=frozenset)


@runtime_checkable
class Fault(Protocol):
    """One fault.

    Attributes:
        name: unique, as in ``kill-active``.
        kind: what it counts as.
        stages: names of the stages it needs (see ``stage.py``); empty: it works on every one.
    """

    name: str
    kind: Kind
    stages: frozenset[str]

    def unavailable(self) -> str | None:
        """Why it cannot be had on this machine (no root, no program); None when it can. Said in the report."""
        ...

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Do it. Every random choice comes from ``rng``. Runs in the campaign's thread; the load goes on beside it."""
        ...

    def heal(self, scene: Scene) -> None:
        """Take it back: start what was killed, let run what was stopped. Called once, whatever happened meanwhile."""
        ...
