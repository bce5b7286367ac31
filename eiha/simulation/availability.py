"""A checker of its own for runs in which one disk at a time is full: the pair must go on, and soon."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from eiha.ha.policy import Policy
from eiha.kernel.ids import ClientId
from eiha.simulation.checkers import Violation
from eiha.simulation.clients import SimulatedClient
from eiha.simulation.scheduler import MS

PATIENCE_MS: Final = 4_000
"""Clients wait up to two seconds for a node that does not answer before they try the other; two rounds of it."""


class Availability:
    """Looks at what clients are owed. With one disk full, nobody waits longer than it takes to notice and to take over.

    Args:
        policy: of the pair.
    """

    def __init__(self, policy: Policy) -> None:
        self._limit_us = (policy.slow_peer_ms + 2 * policy.failure_timeout_ms + PATIENCE_MS) * MS
        self._owed: dict[ClientId, tuple[int, int]] = {}

    def look(self, clients: Iterable[SimulatedClient], now_us: int) -> None:
        """Raise ``Violation`` if a client waited too long for its next acknowledgement."""
        for client in clients:
            if client.acked == client.sent:
                self._owed.pop(client.client, None)
                continue
            acked, since_us = self._owed.get(client.client, (-1, now_us))
            if acked != client.acked:
                self._owed[client.client] = (client.acked, now_us)
            elif now_us - since_us > self._limit_us:
                raise Violation(
                    "availability",
                    f"{client.client} has waited {(now_us - since_us) // MS} ms for number {client.acked + 1} "
                    "although one disk at most was full",
                )
