"""What stands between the engine's thread and an entry that does harm: left-out rows, trials, the way back.

An entry that raises leaves the engine's state undefined: it is made anew from the newest snapshot and the log. An entry
that the last active may have died of is tried in a forked child first. Both end in a ``Quarantine`` for the log, with
the engine standing right before the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from eiha.errors import PlanFailed, StorageError
from eiha.ha.apply_gate import ApplyGate
from eiha.ha.effects import Apply
from eiha.kernel.ids import BEFORE_FIRST, Sequence
from eiha.node.suspect_trial import Harm, SuspectTrial
from eiha.ports import AskedEngine
from eiha.protocol.log_entry import LogEntry, Quarantine
from eiha.protocol.outputs import AppliedEntry

TRIAL_LIMIT_S: Final = 10.0
"""A child that tries entries and gets nowhere with so much processor time hangs. More than any entry takes: a table of
millions of rows that grows takes seconds."""

ReadLog = Callable[[Sequence, Sequence], Iterator[LogEntry]]


class Mark(Protocol):
    """Remembers, beyond the death of the process, how far the engine came."""

    def reached(self, sequence: Sequence) -> None:
        """Everything through here is applied."""


class GuardedEngine:
    """One engine and what keeps it from harm. Used by the engine's thread only.

    Args:
        engine: the engine.
        restore_newest: makes the engine's state that of the newest snapshot file; its position, None for no file.
        read_log: committed entries from the disk.
        mark: told of each entry that was applied.
        began: told of each piece of work that takes time (its kind), for whoever watches the thread.
        going_on: False when the thread is to end.
        trial_limit_s: see ``TRIAL_LIMIT_S``.
    """

    def __init__(
        self,
        engine: AskedEngine,
        *,
        restore_newest: Callable[[], Sequence | None],
        read_log: ReadLog,
        mark: Mark,
        began: Callable[[str], None],
        going_on: Callable[[], bool],
        trial_limit_s: float = TRIAL_LIMIT_S,
    ) -> None:
        self._engine = engine
        self._restore_newest = restore_newest
        self._read_log = read_log
        self._mark = mark
        self._began = began
        self._empty = engine.snapshot()
        self._gate = ApplyGate()
        self._trial = SuspectTrial(engine, limit_s=trial_limit_s, going_on=self._going_on)
        self._is_going_on = going_on

    def takes(self, work: Apply) -> bool:
        """Whether ``work`` is to be done. False: it was given before it was known that an entry before it is bad."""
        return self._gate.takes(work)

    def replaced(self) -> None:
        """The engine has another state: nothing is waited for."""
        self._gate.replaced()

    def apply(self, entry: LogEntry) -> AppliedEntry:
        """Apply what is not quarantined of ``entry``. Raises ``PlanFailed``; see ``after_failure``."""
        quarantined = self._gate.quarantined(entry)
        result = self._engine.apply(entry, quarantined) if quarantined else self._engine.apply(entry)
        self._mark.reached(entry.sequence)
        return result

    def survivors(self, entries: tuple[LogEntry, ...]) -> tuple[int, Harm | None]:
        """Try suspects in a child: how many may be applied, and what the next one did, if it is known.

        Where no child can be made there is no trial: all may be applied.
        """
        self._began("trial")
        try:
            return self._trial.survivors(entries, self._gate.quarantined)
        except OSError:
            return len(entries), None

    def verdict(self, entry: LogEntry, harm: Harm) -> Quarantine:
        """What is to be left out of ``entry``, before which the engine stands. What follows it is not taken now."""
        self._gate.failed(entry)
        try:
            return self._trial.verdict(entry, self._gate.quarantined(entry), harm)
        except OSError:
            return Quarantine(entry.sequence, harm.plan, (), suspends=False, cause=harm.cause, reason=harm.reason)

    def after_failure(self, entry: LogEntry, failure: PlanFailed) -> Quarantine:
        """``apply`` raised: go back to where the engine stood before ``entry``, and see what did it.

        Raises:
            StorageError: there is no way back.
        """
        self._go_back(Sequence(entry.sequence - 1))
        return self.verdict(entry, Harm("raised", failure.plan, failure.reason))

    def _go_back(self, through: Sequence) -> None:
        self._began("restore")
        position = self._restore_newest()
        if position is None:
            self._engine.restore(self._empty)
            position = BEFORE_FIRST
        if position > through:
            raise StorageError(f"the newest snapshot is of entry {position}; the engine is to go back to {through}")
        for entry in self._read_log(position, through):
            if not self._is_going_on():
                return
            self._engine.apply(entry, self._gate.quarantined(entry))
        self._gate.forget_through(position)

    def _going_on(self) -> bool:
        self._began("trial")
        return self._is_going_on()
