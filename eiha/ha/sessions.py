"""What is committed of each client: replicated state, so that a resend after a failover is recognised (R10).

Changes only by committed entries, in log order, so that it is equal on both nodes; forgetting too goes by log time
and order of use, never by a clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from eiha.kernel.ids import ClientId, ClientSequence, LogTimeMs


class Sessions:
    """The highest committed sequence of each client, at most ``sessions_max`` clients no older than ``age_ms``."""

    __slots__ = ("_age_ms", "_sessions", "_sessions_max")

    def __init__(self, sessions_max: int, age_ms: int) -> None:
        assert sessions_max > 0
        assert age_ms > 0
        self._sessions_max = sessions_max
        self._age_ms = age_ms
        # client -> (sequence, log time of last use), least recently used first
        self._sessions: OrderedDict[ClientId, tuple[ClientSequence, LogTimeMs]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def committed(self, client_id: ClientId) -> ClientSequence:
        """Everything of the client through here is committed; 0 for a client that is not known."""
        known = self._sessions.get(client_id)
        return known[0] if known is not None else ClientSequence(0)

    def commit(self, client_id: ClientId, sequence: ClientSequence, log_time_ms: LogTimeMs) -> None:
        """A publication of the client is committed. Log times never regress from call to call."""
        known = self._sessions.get(client_id)
        assert known is None or sequence > known[0], (client_id, sequence, known)
        self._sessions[client_id] = (sequence, log_time_ms)
        self._sessions.move_to_end(client_id)

    def expire(self, log_time_ms: LogTimeMs) -> tuple[ClientId, ...]:
        """Forget what is beyond the bounds as of ``log_time_ms``, least recently used first; returns whom."""
        forgotten: list[ClientId] = []
        while self._sessions:
            client_id, (_, used_ms) = next(iter(self._sessions.items()))
            if len(self._sessions) <= self._sessions_max and log_time_ms - used_ms <= self._age_ms:
                break
            del self._sessions[client_id]
            forgotten.append(client_id)
        return tuple(forgotten)

    def rows(self) -> tuple[tuple[ClientId, ClientSequence, LogTimeMs], ...]:
        """The whole state, least recently used first."""
        return tuple((client_id, sequence, used) for client_id, (sequence, used) in self._sessions.items())

    def load(self, rows: Iterable[tuple[ClientId, ClientSequence, LogTimeMs]]) -> None:
        """Replace the whole state by what ``rows`` gave."""
        self._sessions = OrderedDict((client_id, (sequence, used)) for client_id, sequence, used in rows)
