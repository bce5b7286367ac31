"""The witness as the network sees it: one row changed by compare-and-set, requests and replies that get lost.

A request may be lost, may be carried out after its sender gave up (``Unknown``), or be carried out in time with the
reply lost. Only the row itself is beyond doubt.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from eiha.ha.witness_row import CasOutcome, Mine, Others, Read, ReadOutcome, Unknown, WitnessRow
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import MS, Scheduler

TIMEOUT_US = 400 * MS
"""After this long without an answer a node's shell reports ``Unknown``."""

LATE_US_MAX = 3000 * MS
"""A request may be carried out this long after it was sent."""


class SimulatedWitness:
    """One row. Two planted bugs: ``version_is_checked`` False, ``silence_is_consent`` True.

    Without the version, only epoch and active are compared (rule R6); with consent, no answer is told as success.
    """

    def __init__(
        self, scheduler: Scheduler, rng: random.Random, changed: Callable[[WitnessRow | None, WitnessRow], None]
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._changed = changed
        self.row: WitnessRow | None = None
        self.history: list[WitnessRow] = []
        self.up = True
        self.loss_odds = 0.0
        self.late_odds = 0.0
        self.latency_us = (300, 3 * MS)
        self.unreachable: dict[str, bool] = {}
        self.version_is_checked = True
        self.silence_is_consent = False
        self._void_before: dict[str, int] = {}

    def read(self, node: str, answer: Callable[[ReadOutcome], None]) -> None:
        """Read the row for ``node``; ``answer`` gets the outcome later."""
        once = _Once(answer)
        self._scheduler.after(TIMEOUT_US, once, Unknown("no answer in time"))
        if self._lost(node):
            return
        self._scheduler.after(self._delay(), self._do_read, node, once)

    def compare_and_set(
        self, node: str, expected_version: int | None, row: WitnessRow, answer: Callable[[CasOutcome], None]
    ) -> None:
        """Try to replace the row for ``node``; ``answer`` gets the outcome later."""
        once = _Once(answer)
        silence = Mine(row) if self.silence_is_consent else Unknown("no answer in time")
        self._scheduler.after(TIMEOUT_US, once, silence)
        if self._lost(node):
            return
        delay = self._delay()
        if self._rng.random() < self.late_odds:
            delay = microseconds(self._rng, 0, LATE_US_MAX)
        self._scheduler.after(delay, self._do_cas, node, self._scheduler.now_us, expected_version, row, once)

    def forget_requests_of(self, node: str) -> None:
        """Requests that ``node`` has sent so far never arrive (its machine is gone)."""
        self._void_before[node] = self._scheduler.now_us

    def _do_read(self, node: str, once: _Once) -> None:
        if self._is_up_for(node) and self._rng.random() >= self.loss_odds:
            self._scheduler.after(self._delay(), once, Read(self.row))

    def _do_cas(self, node: str, sent_us: int, expected_version: int | None, row: WitnessRow, once: _Once) -> None:
        if not self.up or sent_us <= self._void_before.get(node, -1):
            return
        outcome: CasOutcome
        if self._matches(expected_version, row):
            before, self.row = self.row, row
            self.history.append(row)
            self._changed(before, row)
            outcome = Mine(row)
        else:
            outcome = Others(self.row)
        if self._is_up_for(node) and self._rng.random() >= self.loss_odds:
            self._scheduler.after(self._delay(), once, outcome)

    def _matches(self, expected_version: int | None, row: WitnessRow) -> bool:
        if self.row is None:
            return expected_version is None
        if self.version_is_checked:
            return expected_version == self.row.version
        same_active = row.epoch == self.row.epoch and row.active == self.row.active
        return expected_version is not None and (same_active or row.epoch == self.row.epoch + 1)

    def _is_up_for(self, node: str) -> bool:
        return self.up and not self.unreachable.get(node, False)

    def _lost(self, node: str) -> bool:
        return not self._is_up_for(node) or self._rng.random() < self.loss_odds

    def _delay(self) -> int:
        return microseconds(self._rng, *self.latency_us)


class _Once:
    """Passes on the first answer and drops the others: a reply after the timeout is nobody's."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Callable[..., None]) -> None:
        self._answer: Callable[..., None] | None = answer

    def __call__(self, outcome: ReadOutcome | CasOutcome) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(outcome)
