"""Whether the peer seems to be there: round trips, closed links, the progress of its main loop.

Decides only *when* to try something; safety never depends on it.
"""

from __future__ import annotations

from eiha.ha.policy import Policy
from eiha.kernel.ids import MonotonicMs

SILENT_LINK_TIMEOUTS = 3
"""Failure timeouts without a round trip after which links are made anew: well after the peer is suspected, and more
than the round trip of a slow but living link."""


class FailureDetector:
    """One peer as seen from here. A pause of this node itself gives the peer a fresh start."""

    __slots__ = ("_last_tick_ms", "_links_closed_ms", "_loop_progress", "_nonce", "_policy", "_progress_ms",
                 "_round_trip_ms", "_sent_ms")  # fmt: skip

    def __init__(self, policy: Policy, now_ms: MonotonicMs) -> None:
        self._policy = policy
        self._nonce = 0
        self._sent_ms: dict[int, MonotonicMs] = {}
        self._loop_progress = -1
        self._links_closed_ms: MonotonicMs | None = None
        self._last_tick_ms = now_ms
        self._round_trip_ms = now_ms
        self._progress_ms = now_ms

    def restart(self, now_ms: MonotonicMs) -> None:
        """Count everything from now: after a new link, or a pause of this node."""
        self._round_trip_ms = now_ms
        self._progress_ms = now_ms
        if self._links_closed_ms is not None:
            self._links_closed_ms = now_ms

    def tick(self, now_ms: MonotonicMs) -> bool:
        """Time passed. True: this node itself stood still, so what it did not hear says nothing."""
        paused = now_ms - self._last_tick_ms > self._policy.failure_timeout_ms // 2
        self._last_tick_ms = now_ms
        if paused:
            self.restart(now_ms)
        return paused

    def next_nonce(self, now_ms: MonotonicMs) -> int:
        """The nonce of a Ping that is sent now."""
        self._nonce += 1
        self._sent_ms[self._nonce] = now_ms
        if len(self._sent_ms) > 64:
            del self._sent_ms[next(iter(self._sent_ms))]
        return self._nonce

    def pong(self, nonce: int) -> None:
        """A Ping came back: the peer was alive some time after that Ping was sent, and that is all it proves."""
        sent = self._sent_ms.pop(nonce, None)
        if sent is not None:
            self._round_trip_ms = max(self._round_trip_ms, sent)

    def ping(self, loop_progress: int, now_ms: MonotonicMs) -> None:
        """The peer's Ping tells how often its main loop turned."""
        if loop_progress != self._loop_progress:
            self._loop_progress = loop_progress
            self._progress_ms = now_ms

    def links(self, *, any_open: bool, now_ms: MonotonicMs) -> None:
        """How the links to the peer stand."""
        if any_open:
            self._links_closed_ms = None
        elif self._links_closed_ms is None:
            self._links_closed_ms = now_ms

    def dead_link(self, now_ms: MonotonicMs) -> str | None:
        """Why the links should be closed and made anew; None: they carry something, or are new.

        TCP doubles the pauses between its attempts: after a silent partition of a minute, an old connection may need
        another minute, a new one needs a round trip.
        """
        silence_ms = now_ms - self._round_trip_ms
        if silence_ms <= SILENT_LINK_TIMEOUTS * self._policy.failure_timeout_ms:
            return None
        return f"no round trip for {silence_ms} ms"

    def suspicion(self, now_ms: MonotonicMs, *, grace_ms: int, timeout_ms: int) -> str | None:
        """Why the peer must be taken for gone; None: it is there, as far as can be told."""
        if self._links_closed_ms is not None and now_ms - self._links_closed_ms >= grace_ms:
            return f"both links closed for {now_ms - self._links_closed_ms} ms"
        if now_ms - self._round_trip_ms > timeout_ms:
            return f"no round trip for {now_ms - self._round_trip_ms} ms"
        if now_ms - self._progress_ms > timeout_ms:
            return f"its main loop made no progress for {now_ms - self._progress_ms} ms"
        return None
