"""Poison for the simulator's engine: rows that raise, kill the process that applies them, or never end.

A row whose key is one of these does its harm after the rows before it went in, so that the engine is left in between.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NoReturn

from eiha.errors import PlanFailed
from eiha.kernel.ids import Sequence
from eiha.protocol.log_entry import LogEntry, Quarantine

RAISES: Final = -1
KILLS: Final = -2
HANGS: Final = -3
POISONS: Final = (RAISES, KILLS, HANGS)
_NONE: Final[frozenset[tuple[int, int]]] = frozenset()


class ProcessKilled(Exception):
    """The process that applies this row dies."""


class NeverEnds(Exception):
    """The process that applies this row never comes to its end."""


def do_harm(key: int) -> NoReturn:
    """What the row of that key does."""
    if key == RAISES:
        raise PlanFailed("sums", "this row raises")
    if key == KILLS:
        raise ProcessKilled
    raise NeverEnds


def left_out_rows(entry: LogEntry, quarantined: tuple[Quarantine, ...]) -> frozenset[tuple[int, int]] | None:
    """(place of the publication, row) of each row of ``entry`` that is left out; None: all of the entry is."""
    if not quarantined:
        return _NONE
    about = [each for each in quarantined if each.sequence == entry.sequence]
    if any(not each.rows for each in about):
        return None
    parts = [part for each in about for part in each.rows]
    return frozenset((part.publication, row) for part in parts for row in range(part.first, part.end))


class DeathsByPoison:
    """Each poisoned entry ends one process at most."""

    def __init__(self) -> None:
        self._died: Counter[Sequence] = Counter()

    def died(self, sequence: Sequence) -> str | None:
        """A process died, or hangs, of the entry; what is wrong with that, if anything."""
        self._died[sequence] += 1
        if self._died[sequence] > 1:
            return f"entry {sequence} ended a second process"
        return None
