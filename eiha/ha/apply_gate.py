"""What an engine was told to leave out, and what it is given anew after a failure.

The member hands entries on without waiting for answers: after an entry that failed, those that were given behind it are
on their way already and must not be applied. The same in a node and in the simulator.
"""

from __future__ import annotations

from eiha.ha.effects import Apply
from eiha.kernel.ids import Sequence
from eiha.protocol.log_entry import LogEntry, Quarantine


class ApplyGate:
    """For one engine."""

    __slots__ = ("_told", "_waits_for")

    def __init__(self) -> None:
        self._told: dict[Sequence, tuple[Quarantine, ...]] = {}
        self._waits_for: Sequence | None = None

    def takes(self, work: Apply) -> bool:
        """Whether ``work`` is to be done. False: it was given before it was known that an entry before it is bad."""
        if self._waits_for is not None and work.entries[0].sequence != self._waits_for:
            return False
        self._waits_for = None
        for body in work.quarantined:
            known = self._told.get(body.sequence, ())
            if body not in known:
                self._told[body.sequence] = (*known, body)
        return True

    def failed(self, entry: LogEntry) -> None:
        """``entry`` could not be applied: only work that begins with it again is taken."""
        self._waits_for = entry.sequence

    def replaced(self) -> None:
        """The engine has another state: nothing is waited for."""
        self._waits_for = None

    def quarantined(self, entry: LogEntry) -> tuple[Quarantine, ...]:
        """What is to be left out of ``entry``."""
        return self._told.get(entry.sequence, ())

    def forget_through(self, sequence: Sequence) -> None:
        """The state is durable through here: what concerns earlier entries is not asked for again."""
        self._told = {target: bodies for target, bodies in self._told.items() if target > sequence}
