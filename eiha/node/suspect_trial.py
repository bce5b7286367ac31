"""Tries log entries in forked children of the engine's thread, and finds out which plan and rows do the harm.

A child has the engine's state as it is now. What it does to it, and how it ends, leaves this process as it was.
"""

from __future__ import annotations

import math
import mmap
import pickle
import resource
import signal
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eiha.errors import PlanFailed
from eiha.node.forked_child import Died, Exited, Outcome, Raised, Returned, TookTooLong, run_in_child
from eiha.ports import AskedEngine
from eiha.protocol.limits import QUARANTINED_RANGES_MAX
from eiha.protocol.log_entry import (
    DeployPlan,
    LogEntry,
    Publications,
    Quarantine,
    RemovePlan,
    RowRange,
    TableStatement,
)

TRIALS_MAX: Final = 96
"""Children that one bad entry may cost: some bad rows of a full entry are found with them. With more, all rows go."""

HUNG_MAX: Final = 16
"""Children that may hang in one search, each for the whole limit; then all rows of the plan go."""

WAITING_FACTOR: Final = 10
"""A child that waits, or is kept waiting by a busy machine, may take so many limits of time in all."""

PLANS_TRIED_MAX: Final = 16
"""Plans that are tried one by one for one that kills; with more, no plan sees the entry."""

_COUNT: Final = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class Harm:
    """What an entry did: ``raised | killed | hung``. ``plan``: who did it, as far as it is known."""

    cause: str
    plan: str
    reason: str


QuarantinedOf = Callable[[LogEntry], tuple[Quarantine, ...]]


class SuspectTrial:
    """Trials with one engine, on its thread.

    Args:
        engine: whose state the children have.
        limit_s: a child that used so much processor time and made no progress hangs.
        going_on: called before each child; False ends a search early.
    """

    def __init__(self, engine: AskedEngine, *, limit_s: float, going_on: Callable[[], bool]) -> None:
        self._engine = engine
        self._limit_s = limit_s
        self._going_on = going_on
        self.children = 0
        self.hung = 0

    def survivors(self, entries: Sequence[LogEntry], quarantined_of: QuarantinedOf) -> tuple[int, Harm | None]:
        """How many of ``entries`` from the first on did no harm, and what the next one did.

        None for the harm: none was seen yet; entries behind those that were counted are to be tried in another call.

        Raises:
            OSError: no child could be made.
        """
        progress = mmap.mmap(-1, _COUNT.size)

        def work() -> bytes:
            for count, entry in enumerate(entries, 1):
                told = _applied(self._engine, entry, quarantined_of(entry))
                if told:
                    return told
                _COUNT.pack_into(progress, 0, count)
            return b""

        harm = self._run(work)
        done: int = _COUNT.unpack_from(progress, 0)[0]
        progress.close()
        if harm is None:
            return len(entries), None
        return done, None if harm.cause == "hung" and done else harm

    def verdict(self, entry: LogEntry, quarantined: tuple[Quarantine, ...], harm: Harm) -> Quarantine:
        """What is to be left out of ``entry``, beside ``quarantined``, so that the rest does no harm.

        Raises:
            OSError: no child could be made.
        """
        return _Search(self, entry, quarantined, harm).result()

    def does_harm(self, entry: LogEntry, quarantined: tuple[Quarantine, ...]) -> bool:
        """Whether ``entry`` without what is quarantined raises, kills or hangs."""
        return self._run(lambda: _applied(self._engine, entry, quarantined)) is not None

    def may_go_on(self) -> bool:
        """Whether somebody still waits for the result."""
        return self._going_on()

    def plans(self) -> Mapping[str, int]:
        """Names of the plans."""
        return self._engine.strings()

    def _run(self, work: Callable[[], bytes]) -> Harm | None:
        """What ``work`` did in a child; its result, if there is one, says what raised."""
        self.children += 1

        def limited() -> bytes:
            seconds = math.ceil(self._limit_s)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            return work()

        harm = _harm(run_in_child(limited, limit_s=WAITING_FACTOR * self._limit_s, niceness=0), self._limit_s)
        self.hung += harm is not None and harm.cause == "hung"
        return harm


class _Search:
    """For the guilty plan, then for its rows."""

    def __init__(self, trial: SuspectTrial, entry: LogEntry, known: tuple[Quarantine, ...], harm: Harm) -> None:
        self._trial = trial
        self._entry = entry
        self._known = known
        self._harm = harm
        self._hung_max = trial.hung + HUNG_MAX
        self._children_max = trial.children + TRIALS_MAX

    def result(self) -> Quarantine:
        plan = self._harm.plan or self._guilty_plan()
        body = self._entry.body
        if not plan:
            return self._left_out("", ())
        if isinstance(body, DeployPlan | RemovePlan | TableStatement):
            return self._left_out(plan, (), suspends=plan != body.plan)
        if not isinstance(body, Publications):
            return self._left_out(plan, (), suspends=True)  # a timer of the plan, which would fire again at once
        everything = [RowRange(place, 0, each.rows) for place, each in enumerate(body.items) if each.rows]
        if self._is_over():
            return self._left_out(plan, ())
        if self._fails_without(plan, everything):
            # not its rows: it fails on time that passes, and would again with the next entry
            return self._left_out(plan, (), suspends=True)
        found = self._guilty_rows(plan, everything)
        return self._left_out(plan, () if found is None else tuple(sorted(found, key=lambda each: (
            each.publication, each.first))))  # fmt: skip

    def _left_out(self, plan: str, rows: tuple[RowRange, ...], *, suspends: bool = False) -> Quarantine:
        return Quarantine(self._entry.sequence, plan, rows, suspends, self._harm.cause, self._harm.reason)

    def _guilty_plan(self) -> str:
        names = list(self._trial.plans())
        if len(names) > PLANS_TRIED_MAX:
            return ""
        for name in names:
            if self._is_over():
                return ""
            if not self._trial.does_harm(self._entry, (*self._known, self._left_out(name, ()))):
                return name
        return ""

    def _fails_without(self, plan: str, rows: list[RowRange]) -> bool:
        extra = (self._left_out(plan, tuple(rows)),) if rows else ()
        return self._trial.does_harm(self._entry, (*self._known, *extra))

    def _is_over(self) -> bool:
        trial = self._trial
        return trial.children >= self._children_max or trial.hung >= self._hung_max or not trial.may_go_on()

    def _guilty_rows(self, plan: str, everything: list[RowRange]) -> list[RowRange] | None:
        """Rows without which the entry does no harm; None: not found within the bounds, or nearly all."""
        guilty: list[RowRange] = []
        rest = everything
        while True:
            found = self._one_guilty(plan, rest, everything)
            if found is None:
                return None
            guilty += found
            rest = minus(rest, found)
            if not rest or len(guilty) > QUARANTINED_RANGES_MAX:
                return None
            if self._is_over():
                return None
            if not self._fails_without(plan, guilty):
                return guilty

    def _one_guilty(self, plan: str, among: list[RowRange], everything: list[RowRange]) -> list[RowRange] | None:
        """A row of ``among`` that does harm, by halving: where the first half does none, one of the second is at fault,
        alone or with others. Whether the entry does no harm without it is for the caller to see; None: out of bounds.
        """
        while (count := sum(each.end - each.first for each in among)) > 1:
            if self._is_over():
                return None
            left, right = halves(among, count // 2)
            if self._fails_without(plan, minus(everything, left)):
                among = left
            else:
                among = right
        return among


def _applied(engine: AskedEngine, entry: LogEntry, quarantined: tuple[Quarantine, ...]) -> bytes:
    """In the child: apply; what was raised, empty for nothing."""
    try:
        engine.apply(entry, quarantined)
    except PlanFailed as failure:
        return pickle.dumps((failure.plan, failure.reason))
    return b""


def _harm(outcome: Outcome, limit_s: float) -> Harm | None:
    match outcome:
        case Returned(value):
            if not value:
                return None
            plan, reason = pickle.loads(value)  # noqa: S301  written by this very program a moment ago
            return Harm("raised", plan, reason)
        case Raised(kind, message):
            return Harm("raised", "", f"{kind}: {message}")
        case Died(signal.SIGXCPU):
            return Harm("hung", "", f"not done within {limit_s:g} s of processor time")
        case Died(number):
            return Harm("killed", "", f"ended by {_signal_name(number)}")
        case Exited(status):
            return Harm("killed", "", f"ended the process with status {status}")
        case TookTooLong(waited_s):
            return Harm("hung", "", f"not done within {waited_s:g} s")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def halves(ranges: list[RowRange], count: int) -> tuple[list[RowRange], list[RowRange]]:
    """The first ``count`` rows, and the others."""
    left: list[RowRange] = []
    right: list[RowRange] = []
    for each in ranges:
        size = each.end - each.first
        taken = max(0, min(size, count))
        count -= taken
        middle = each.first + taken
        if taken:
            left.append(RowRange(each.publication, each.first, middle))
        if taken < size:
            right.append(RowRange(each.publication, middle, each.end))
    return left, right


def minus(ranges: list[RowRange], taken: list[RowRange]) -> list[RowRange]:
    """The rows of ``ranges`` that are not in ``taken``."""
    rest = ranges
    for hole in taken:
        pieces: list[RowRange] = []
        for each in rest:
            if each.publication != hole.publication or hole.end <= each.first or each.end <= hole.first:
                pieces.append(each)
                continue
            if each.first < hole.first:
                pieces.append(RowRange(each.publication, each.first, hole.first))
            if hole.end < each.end:
                pieces.append(RowRange(each.publication, hole.end, each.end))
        rest = pieces
    return rest
