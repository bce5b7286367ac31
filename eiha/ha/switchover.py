"""A planned change of the active: stop, drain, hand over. Loses nothing and needs no suspicion.

The active drives it: ``APPROACHING`` (clients are served while an engine that is far behind catches up) →
``DRAINING`` (intake closed, everything pending goes through) → ``PROPOSED`` (the peer knows
where the log ends) → ``HANDED_OVER`` (the peer holds and applied all of it and takes the row). The witness decides:
if the peer does not take the row in time, the active goes on with the epoch it still has.
"""

from __future__ import annotations

import enum
from typing import Final

from eiha.ha.policy import Policy
from eiha.kernel.ids import MonotonicMs, Sequence


class Step(enum.Enum):
    """Where the active stands in a switchover."""

    NONE = "none"
    APPROACHING = "approaching"
    DRAINING = "draining"
    PROPOSED = "proposed"
    HANDED_OVER = "handed over"


MOVES: Final[tuple[tuple[Step, Step, str], ...]] = (
    (Step.NONE, Step.APPROACHING, "asked, and an engine is far behind"),
    (Step.NONE, Step.DRAINING, "asked, and the engines are near"),
    (Step.APPROACHING, Step.DRAINING, "they are near, or it took long enough"),
    (Step.DRAINING, Step.PROPOSED, "everything pending is committed"),
    (Step.PROPOSED, Step.HANDED_OVER, "the passive holds and applied all of it"),
    (Step.HANDED_OVER, Step.NONE, "the passive took the row"),
)
"""From, to, and when. From each step it may be called off, back to ``NONE``: the active goes on."""

_ALLOWED: Final = frozenset((before, after) for before, after, _ in MOVES)


class Switchover:
    """The active's side."""

    __slots__ = ("_policy", "began_ms", "position", "step", "stop_after")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.step = Step.NONE
        self.began_ms = MonotonicMs(0)
        self.position = Sequence(0)
        self.stop_after = False

    @property
    def under_way(self) -> bool:
        """Whether clients are not served for it any more."""
        return self.step is not Step.NONE and self.step is not Step.APPROACHING

    @property
    def log_is_frozen(self) -> bool:
        """Whether nothing may be added to the log: the peer was told where it ends."""
        return self.step in (Step.PROPOSED, Step.HANDED_OVER)

    def approach(self, now_ms: MonotonicMs, *, stop_after: bool) -> None:
        """An engine is behind: clients are served while it catches up, since nothing else would be won meanwhile."""
        self._move(Step.APPROACHING)
        self.began_ms = now_ms
        self.stop_after = stop_after

    def approached(self, *, behind: bool, now_ms: MonotonicMs) -> bool:
        """Whether to close the intake now. Under a load that an engine cannot take it catches up only after that."""
        if self.step is not Step.APPROACHING:
            return False
        return not behind or now_ms - self.began_ms >= self._policy.switchover_approach_ms

    def begin(self, now_ms: MonotonicMs, *, stop_after: bool) -> None:
        """Close the intake and drain."""
        self._move(Step.DRAINING)
        self.began_ms = now_ms
        self.stop_after = stop_after

    def drained(self, *, pending: bool, all_committed: bool, publishing: bool, now_ms: MonotonicMs) -> bool:
        """Whether the log may be frozen. Writes to sinks are waited for only a while: their stores fence them."""
        if self.step is not Step.DRAINING or pending or not all_committed:
            return False
        return not publishing or now_ms - self.began_ms >= self._policy.switchover_drain_ms

    def propose(self, position: Sequence) -> None:
        """The peer was told that the log ends at ``position``."""
        self._move(Step.PROPOSED)
        self.position = position

    def hand_over(self) -> None:
        """The peer is ready and takes the row."""
        self._move(Step.HANDED_OVER)

    def overdue(self, now_ms: MonotonicMs) -> bool:
        """Whether it took too long."""
        return self.under_way and now_ms - self.began_ms > self._policy.switchover_timeout_ms

    def end(self) -> bool:
        """It is over, one way or the other. Returns whether the process should stop all the same."""
        self.step = Step.NONE
        return self.stop_after

    def _move(self, after: Step) -> None:
        assert (self.step, after) in _ALLOWED, (self.step, after)
        self.step = after
