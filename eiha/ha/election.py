"""Asking the witness: one request at a time, three outcomes, nothing assumed from a reply that did not come.

Knows how to ask, not what for: the member decides on the row that it gets.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from eiha.ha.effects import CompareAndSet, ReadWitness
from eiha.ha.policy import Policy
from eiha.ha.witness_row import CasOutcome, Mine, Others, Read, ReadOutcome, Unknown, WitnessRow
from eiha.kernel.ids import MonotonicMs


class Asking(enum.Enum):
    """What is on its way to the witness."""

    NOTHING = "nothing"
    READ = "read"
    SWAP = "swap"


@dataclass(frozen=True, slots=True)
class RowSeen:
    """What the row is now, read or told by a refused swap."""

    row: WitnessRow | None
    refused: bool


@dataclass(frozen=True, slots=True)
class Won:
    """The swap was applied."""

    row: WitnessRow


@dataclass(frozen=True, slots=True)
class Unclear:
    """No answer: the swap may or may not be applied, now or later. Read again before anything."""

    cause: str
    swap: bool


@dataclass(frozen=True, slots=True)
class WentBackwards:
    """The witness shows an older version than it showed before: it lost what it had promised to keep."""

    seen: int
    shown: int


Verdict = RowSeen | Won | Unclear | WentBackwards


class Election:
    """The conversation with the witness. At most one request counts; answers to others are ignored."""

    __slots__ = ("_attempts", "_deadline_ms", "_floor", "_policy", "_request", "_retry_ms", "asking", "seen_version",
                 "unclear")  # fmt: skip

    def __init__(self, policy: Policy, seen_version: int) -> None:
        self._policy = policy
        self._request = 0
        self._floor = 0
        self._attempts = 0
        self._deadline_ms = 0
        self._retry_ms = 0
        self.asking = Asking.NOTHING
        self.seen_version = seen_version
        self.unclear = False
        """Whether a swap's outcome is unknown: only a read, not another swap, may follow."""

    def ready(self, now_ms: MonotonicMs) -> bool:
        """Whether a request may be made now: none is under way and no backoff runs."""
        return self.asking is Asking.NOTHING and now_ms >= self._retry_ms

    @property
    def is_failing(self) -> bool:
        """Whether the latest request got no answer: the witness was away then, and may be back."""
        return self._attempts > 0

    def read(self, now_ms: MonotonicMs) -> ReadWitness:
        """Ask for the row."""
        self._begin(Asking.READ, now_ms)
        return ReadWitness(self._request)

    def swap(self, expected: WitnessRow | None, row: WitnessRow, now_ms: MonotonicMs) -> CompareAndSet:
        """Ask to replace ``expected`` by ``row``."""
        assert not self.unclear, "a swap after an unclear one, without reading in between"
        self._begin(Asking.SWAP, now_ms)
        return CompareAndSet(self._request, None if expected is None else expected.version, row)

    def read_done(self, request: int, outcome: ReadOutcome, now_ms: MonotonicMs) -> Verdict | None:
        """The answer to a read; None: not one that is waited for."""
        if request != self._request or self.asking is not Asking.READ:
            return None
        self.asking = Asking.NOTHING
        match outcome:
            case Unknown(cause):
                return self._failed(cause, swap=False, now_ms=now_ms)
            case Read(row):
                return self._row(row, refused=False)

    def swap_done(self, request: int, outcome: CasOutcome, now_ms: MonotonicMs) -> Verdict | None:
        """The answer to a swap; None: not one that is waited for."""
        if request != self._request or self.asking is not Asking.SWAP:
            return None
        self.asking = Asking.NOTHING
        match outcome:
            case Unknown(cause):
                return self._failed(cause, swap=True, now_ms=now_ms)
            case Others(row):
                return self._row(row, refused=True)
            case Mine(row):
                self._attempts = 0
                self.seen_version = max(self.seen_version, row.version)
                return Won(row)

    def tick(self, now_ms: MonotonicMs) -> Verdict | None:
        """Give up waiting for an answer that is overdue."""
        if self.asking is Asking.NOTHING or now_ms < self._deadline_ms:
            return None
        swap = self.asking is Asking.SWAP
        self.asking = Asking.NOTHING
        return self._failed(f"no answer within {self._policy.witness_timeout_ms} ms", swap=swap, now_ms=now_ms)

    def _begin(self, asking: Asking, now_ms: MonotonicMs) -> None:
        assert self.asking is Asking.NOTHING
        self.asking = asking
        self._request += 1
        # a reply shows the row as it was after this moment, so nothing older than what is known now
        self._floor = self.seen_version
        self._deadline_ms = now_ms + self._policy.witness_timeout_ms

    def _failed(self, cause: str, *, swap: bool, now_ms: MonotonicMs) -> Unclear:
        self.unclear = self.unclear or swap
        delay = min(self._policy.witness_retry_ms << min(self._attempts, 10), self._policy.witness_retry_max_ms)
        self._attempts += 1
        self._retry_ms = now_ms + delay
        return Unclear(cause, swap)

    def _row(self, row: WitnessRow | None, *, refused: bool) -> Verdict:
        self._attempts = 0
        self.unclear = False
        version = 0 if row is None else row.version
        if version < self._floor:
            return WentBackwards(self._floor, version)
        self.seen_version = max(self.seen_version, version)
        return RowSeen(row, refused)
