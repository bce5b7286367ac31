"""How far the peer's log is, and what may be sent to it next (after the tracker of etcd's raft)."""

from __future__ import annotations

import enum
from collections import deque

from eiha.kernel.ids import BEFORE_FIRST, Epoch, MonotonicMs, Sequence
from eiha.protocol.peer_messages import PeerIdentity


class Phase(enum.Enum):
    """What the active knows of the peer's log."""

    PROBE = "probe"
    """Where it ends is not known: nothing is sent until an acknowledgement tells."""
    REPLICATE = "replicate"
    """Its end is known: entries flow ahead of acknowledgements, within the window."""
    SNAPSHOT = "snapshot"
    """Its log starts anew behind a snapshot: nothing is sent until it acknowledges the snapshot's position."""


class PeerProgress:
    """Progress of one incarnation of the peer within one epoch.

    Invariant: ``acked < next``; what is in flight is contiguous from ``acked + 1`` to ``next - 1``.
    """

    __slots__ = (
        "_bytes_max",
        "_entries_max",
        "_inflight",
        "_owed_through",
        "_sent_ms",
        "acked",
        "advanced_ms",
        "applied_through",
        "epoch",
        "inflight_bytes",
        "next",
        "peer",
        "phase",
        "snapshot_position",
    )

    def __init__(
        self, peer: PeerIdentity, epoch: Epoch, now_ms: MonotonicMs, *, entries_max: int, bytes_max: int
    ) -> None:
        self.peer = peer
        self.epoch = epoch
        self.phase = Phase.PROBE
        self.acked: Sequence = BEFORE_FIRST
        self.next: Sequence = Sequence(1)
        self.applied_through: Sequence = BEFORE_FIRST
        self.snapshot_position: Sequence = BEFORE_FIRST
        self.advanced_ms = now_ms
        self.inflight_bytes = 0
        self._owed_through: Sequence = BEFORE_FIRST
        self._sent_ms = now_ms
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._inflight: deque[tuple[Sequence, int]] = deque()  # (last sequence, bytes) of each message sent

    @property
    def inflight_entries(self) -> int:
        """Entries sent and not acknowledged."""
        return self.next - 1 - self.acked if self.phase is Phase.REPLICATE else 0

    def probe(self) -> None:
        """The link is new: what was in flight may be lost. What was acknowledged stays so."""
        if self.phase is Phase.REPLICATE:
            self.phase = Phase.PROBE
        self._forget_inflight()

    def await_snapshot(self, position: Sequence) -> None:
        """The peer's log starts anew after ``position``; what it acknowledged before does not count any more."""
        self.phase = Phase.SNAPSHOT
        self.snapshot_position = position
        self.acked = BEFORE_FIRST
        self.next = Sequence(1)
        self.applied_through = BEFORE_FIRST
        self._forget_inflight()

    def acknowledge(self, through: Sequence, applied_through: Sequence, now_ms: MonotonicMs) -> bool:
        """The peer holds everything through here. Returns whether that is news."""
        if self.phase is Phase.SNAPSHOT and through < self.snapshot_position:
            return False
        self.applied_through = max(self.applied_through, applied_through)
        if self.phase is not Phase.REPLICATE:
            self.phase = Phase.REPLICATE
            self._forget_inflight()
            self.next = Sequence(max(through, self.acked) + 1)
        news = through > self.acked
        if news:
            self.acked = through
            self.advanced_ms = self._sent_ms = now_ms
            self.next = max(self.next, Sequence(through + 1))
            while self._inflight and self._inflight[0][0] <= through:
                self.inflight_bytes -= self._inflight.popleft()[1]
        return news

    def reject(self, hint: Sequence) -> None:
        """The peer has a gap after ``hint``: send again from there."""
        self._forget_inflight()
        self.phase = Phase.REPLICATE
        self.next = Sequence(max(hint, self.acked) + 1)

    def rewind_if_silent(self, now_ms: MonotonicMs, limit_ms: int) -> None:
        """What is in flight and brought no news for ``limit_ms`` is sent again.

        The channels are not ordered with one another: entries can reach a joiner before the reply that lets it follow.
        """
        if self.phase is Phase.REPLICATE and self._inflight and now_ms - self._sent_ms > limit_ms:
            self.reject(self.acked)

    def room(self) -> int:
        """How many entries may be sent now."""
        if self.phase is not Phase.REPLICATE or self.inflight_bytes >= self._bytes_max:
            return 0
        return max(0, self._entries_max - self.inflight_entries)

    def sent(self, last: Sequence, size: int, now_ms: MonotonicMs) -> None:
        """Entries from ``next`` through ``last``, ``size`` bytes in all, are on their way."""
        assert self.phase is Phase.REPLICATE
        assert last >= self.next, (last, self.next)
        if self.acked >= self._owed_through:
            self.advanced_ms = now_ms  # nothing was owed until now; sending again does not count
        self._owed_through = max(self._owed_through, last)
        self._sent_ms = now_ms
        self.next = Sequence(last + 1)
        self._inflight.append((last, size))
        self.inflight_bytes += size

    def silence_ms(self, log_end: Sequence, now_ms: MonotonicMs) -> int:
        """How long the peer has owed acknowledgements without giving a new one; 0 when it owes none."""
        return now_ms - self.advanced_ms if self.acked < log_end else 0

    def stalled(self, log_end: Sequence, now_ms: MonotonicMs, limit_ms: int) -> bool:
        """Whether the peer owes acknowledgements and gave no new one for ``limit_ms``."""
        return self.silence_ms(log_end, now_ms) > limit_ms

    def _forget_inflight(self) -> None:
        self._inflight.clear()
        self.inflight_bytes = 0
