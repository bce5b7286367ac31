"""When a peer that was put out of the synced set may come in again: a flapping peer waits longer each time."""

from __future__ import annotations

from collections import deque

from eiha.ha.policy import Policy
from eiha.kernel.ids import MonotonicMs

DOUBLINGS_MAX = 16


class Readmission:
    """Counts what puts the peer out, over all epochs of this process, and holds it off accordingly.

    Each way out costs clients a compare-and-set, each way in a transfer: some in a minute are accidents and cost
    nothing more, further ones in that minute double the wait.
    """

    __slots__ = ("_policy", "_recent", "put_out_count", "until_ms")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._recent: deque[MonotonicMs] = deque()
        self.put_out_count = 0
        self.until_ms = 0

    def put_out(self, now_ms: MonotonicMs, *, slow: bool) -> int:
        """The peer is not in the synced set any more. Returns how long it is held off; 0: not at all."""
        policy, recent = self._policy, self._recent
        self.put_out_count += 1
        recent.append(now_ms)
        while recent and now_ms - recent[0] > policy.flapping_window_ms:
            recent.popleft()
        hold_ms = policy.slow_peer_hold_ms if slow else 0
        beyond = len(recent) - policy.flapping_allowed
        if beyond > 0:
            doubled = policy.flapping_hold_ms << min(beyond - 1, DOUBLINGS_MAX)
            hold_ms = max(hold_ms, min(doubled, policy.flapping_hold_max_ms))
        self.until_ms = now_ms + hold_ms
        while len(recent) > policy.flapping_allowed + DOUBLINGS_MAX:
            recent.popleft()
        return hold_ms

    def held_ms(self, now_ms: MonotonicMs) -> int:
        """For how much longer the peer is held off."""
        return max(0, self.until_ms - now_ms)
