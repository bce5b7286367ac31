"""Which entries are to be left out, as the log says; which one the engine failed on; which plans fail too often.

Follows the log entry by entry on both nodes, committed or not: an entry that a Quarantine of the log names is handed to
the engine only after it is known that it may be (``Replica``), and by then that Quarantine is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from eiha.kernel.ids import BEFORE_FIRST, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, LogEntry, Quarantine, RemovePlan

_Wanted = Callable[[Sequence, Sequence], bool]

STRIKES_MAX: Final = 5
"""Quarantines of one plan within ``STRIKES_WINDOW_MS`` that suspend it: each of them may cost the active a restore and
a replay, during which nothing is put out."""

STRIKES_WINDOW_MS: Final = 10 * 60_000
"""Log time in which a plan's failures are counted together."""

PER_ENTRY_MAX: Final = 8
"""Quarantines of one entry after which all of it is left out for every plan: each try costs as much as the first."""


class Quarantines:
    """What is known of poison. ``failure``: what the engine could not apply and the log says nothing of yet."""

    __slots__ = ("_by_target", "_strikes", "count", "failure", "last_position")

    def __init__(self) -> None:
        self._by_target: dict[Sequence, list[tuple[Sequence, Quarantine]]] = {}
        self._strikes: dict[str, list[LogTimeMs]] = {}
        self.failure: Quarantine | None = None
        self.last_position: Sequence = BEFORE_FIRST
        """Where the last Quarantine stands in the log; 0 for none that this process saw."""
        self.count = 0
        """Quarantines committed since this process knows the log."""

    # -- the log

    def appended(self, entry: LogEntry) -> None:
        """``entry`` stands in the log."""
        if isinstance(entry.body, Quarantine):
            self._by_target.setdefault(entry.body.sequence, []).append((entry.sequence, entry.body))
            self.last_position = entry.sequence

    def truncated(self, last: Sequence) -> None:
        """Entries after ``last`` are gone from the log."""
        self._keep(lambda _target, at: at <= last)
        self.last_position = min(self.last_position, last)

    def reset(self) -> None:
        """The log is gone."""
        self._by_target.clear()
        self.failure = None
        self.last_position = BEFORE_FIRST

    def applied(self, through: Sequence) -> None:
        """The engine is past ``through``: what concerns earlier entries is not needed any more."""
        if self._by_target and min(self._by_target) <= through:
            self._keep(lambda target, _at: target > through)

    def committed(self, entry: LogEntry) -> None:
        """``entry`` is committed."""
        match entry.body:
            case Quarantine(sequence=sequence, plan=plan):
                self.count += 1
                if self.failure is not None and self.failure.sequence == sequence:
                    self.failure = None
                strikes = self._strikes.setdefault(plan, [])
                strikes.append(entry.log_time_ms)
                del strikes[:-STRIKES_MAX]
            case DeployPlan(plan=plan) | RemovePlan(plan=plan):
                self._strikes.pop(plan, None)
            case _:
                pass

    def _keep(self, wanted: _Wanted) -> None:
        kept = {
            target: [(at, body) for at, body in bodies if wanted(target, at)]
            for target, bodies in self._by_target.items()
        }
        self._by_target = {target: bodies for target, bodies in kept.items() if bodies}

    # -- what it says

    def concerning(self, after: Sequence, through: Sequence) -> tuple[Quarantine, ...]:
        """Those of entries in ``(after, through]``, in log order."""
        if not self._by_target:
            return ()
        found = [pair for target, pairs in self._by_target.items() if after < target <= through for pair in pairs]
        return tuple(body for _, body in sorted(found, key=lambda pair: pair[0]))

    # -- what the active is to write

    def to_write(self, committed_through: Sequence, log_time_ms: LogTimeMs) -> Quarantine | None:
        """The Quarantine that the engine's failure asks for; None: there is none, or it stands in the log already."""
        failure = self.failure
        if failure is None:
            return None
        known = self._by_target.get(failure.sequence, [])
        if any(at > committed_through for at, _ in known):
            return None
        if len(known) >= PER_ENTRY_MAX:
            reason = f"left out whole after {len(known)} quarantines; the last: {failure.reason}"
            return Quarantine(failure.sequence, "", (), suspends=False, cause=failure.cause, reason=reason)
        if failure.plan and not failure.suspends and self._is_struck_out(failure.plan, log_time_ms):
            reason = f"failed {STRIKES_MAX} times within {STRIKES_WINDOW_MS // 60_000} minutes; last: {failure.reason}"
            return Quarantine(failure.sequence, failure.plan, (), suspends=True, cause=failure.cause, reason=reason)
        return failure

    def is_hopeless(self) -> bool:
        """Whether the engine fails on an entry of which nothing is left."""
        failure = self.failure
        if failure is None:
            return False
        known: Iterable[tuple[Sequence, Quarantine]] = self._by_target.get(failure.sequence, ())
        return any(not body.plan and not body.rows for _, body in known)

    def _is_struck_out(self, plan: str, log_time_ms: LogTimeMs) -> bool:
        recent = [at for at in self._strikes.get(plan, ()) if at > log_time_ms - STRIKES_WINDOW_MS]
        self._strikes[plan] = recent
        return len(recent) >= STRIKES_MAX - 1
