"""Types for numbers and names that could be confused with one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NewType

NodeId = NewType("NodeId", str)
"""Name of a node in its cluster, e.g. ``node1``."""

Incarnation = NewType("Incarnation", str)
"""Identity of a node's disk (and, under ``durability = "replicated"``, of its boot)."""

ClientId = NewType("ClientId", str)
"""Name a client keeps over reconnects; its publications are numbered within it."""

ClientSequence = NewType("ClientSequence", int)
"""Number of a publication within its client, contiguous from 1."""

Epoch = NewType("Epoch", int)
"""Raised by each promotion; 0 means none yet."""

Sequence = NewType("Sequence", int)
"""Number of a log entry, contiguous from 1 across epochs; 0 means before the first."""

MonotonicMs = NewType("MonotonicMs", int)
"""A reading of a local monotonic clock; compares only with readings of the same node."""

WallMs = NewType("WallMs", int)
"""Milliseconds since the Unix epoch, as some node's wall clock read."""

LogTimeMs = NewType("LogTimeMs", int)
"""Wall time stamped on a log entry by the sequencer; never regresses along the log."""

LinkId = NewType("LinkId", int)
"""One connection of one channel; a reconnect has a new one."""

NO_EPOCH: Final = Epoch(0)
BEFORE_FIRST: Final = Sequence(0)


@dataclass(frozen=True, slots=True, order=True)
class LogPosition:
    """An entry of the log. Two logs agree up to a position iff they hold the same (epoch, sequence) there."""

    sequence: Sequence
    epoch: Epoch


LOG_START: Final = LogPosition(BEFORE_FIRST, NO_EPOCH)


@dataclass(frozen=True, slots=True)
class Now:
    """What the clocks read when an input arrived. The core sees time only through this."""

    monotonic_ms: MonotonicMs
    wall_ms: WallMs
