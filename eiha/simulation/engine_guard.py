"""What the real shell's ``GuardedEngine`` does, for the simulated engine: trials on a copy, the way back, verdicts."""

from __future__ import annotations

import random
from typing import Final

from eiha.errors import PlanFailed
from eiha.ha.apply_gate import ApplyGate
from eiha.ha.effects import Apply
from eiha.kernel.ids import BEFORE_FIRST, Sequence
from eiha.ports import Engine
from eiha.protocol.log_entry import LogEntry, Publications, Quarantine, RowRange
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.engine import decode_rows
from eiha.simulation.poison import POISONS, NeverEnds, ProcessKilled, left_out_rows

HARMS: Final = (PlanFailed, ProcessKilled, NeverEnds)
_CAUSES: Final = {PlanFailed: "raised", ProcessKilled: "killed", NeverEnds: "hung"}
_WHOLE_ODDS: Final = 0.2
"""How often the search for the bad rows takes too long, so that the whole entry is left out."""


class EngineGuard:
    """For one engine of one process."""

    def __init__(self, engine: Engine, disk: SimulatedDisk, rng: random.Random) -> None:
        self._engine = engine
        self._disk = disk
        self._rng = rng
        self._empty = engine.snapshot()
        self._gate = ApplyGate()

    def takes(self, work: Apply) -> bool:
        """Whether ``work`` is to be done; False: it was given before it was known that an entry before it is bad."""
        return self._gate.takes(work)

    def replaced(self) -> None:
        """The engine has another state."""
        self._gate.replaced()

    def quarantined(self, entry: LogEntry) -> tuple[Quarantine, ...]:
        """What is to be left out of ``entry``."""
        return self._gate.quarantined(entry)

    def survivors(self, entries: tuple[LogEntry, ...]) -> tuple[int, Exception | None]:
        """How many entries do no harm to a copy, and what the next one does."""
        copy = type(self._engine)()
        copy.restore(self._engine.snapshot())
        for count, entry in enumerate(entries):
            try:
                copy.apply(entry, self.quarantined(entry))
            except HARMS as harm:
                return count, harm
        return len(entries), None

    def verdict(self, entry: LogEntry, harm: Exception) -> Quarantine:
        """What is to be left out of ``entry``."""
        self._gate.failed(entry)
        bad = left_out_rows(entry, self.quarantined(entry))
        assert bad is not None
        assert isinstance(entry.body, Publications)
        found = [
            RowRange(place, row, row + 1)
            for place, item in enumerate(entry.body.items)
            for row, (key, _) in enumerate(decode_rows(item))
            if key in POISONS and (place, row) not in bad
        ]
        rows = () if self._rng.random() < _WHOLE_ODDS else tuple(found)
        return Quarantine(entry.sequence, "sums", rows, suspends=False, cause=_CAUSES[type(harm)], reason="poison")

    def go_back(self, through: Sequence) -> None:
        """The engine's state is spoilt: make it anew from the disk's snapshot and log."""
        snapshot = self._disk.newest_snapshot()
        if snapshot is None:
            self._engine.restore(self._empty)
        else:
            self._engine.read_state(self._disk.contents(snapshot)[1])
        after = BEFORE_FIRST if snapshot is None else snapshot.position.sequence
        for entry in self._disk.entries:
            if after < entry.sequence <= through:
                self._engine.apply(entry, self.quarantined(entry))
