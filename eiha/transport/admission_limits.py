"""Who may connect, and how often: bounds by port and by address. Pure; time is given.

An address costs a few numbers, and the table of addresses is bounded: the one that was quiet longest is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

ADDRESSES_MAX: Final = 16_384
"""Addresses remembered for their rates and failures; about 300 bytes each."""

FAILURES_FREE: Final = 3
"""Failed authentications of an address that are answered at once: somebody tries a new secret by hand."""

DELAY_FIRST_S: Final = 0.25
DELAY_MAX_S: Final = 5.0
"""A failed authentication is answered this late, at most; the right one never waits for the wrong ones."""

FORGIVEN_AFTER_S: Final = 60.0
"""Without a failure for so long, an address begins anew."""


class TokenBucket:
    """``rate`` a second, saved up to ``burst``; may go below zero, so that one large take is not refused for ever."""

    __slots__ = ("_at_s", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now_s: float) -> None:
        assert rate > 0
        assert burst > 0
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at_s = now_s

    def take(self, amount: float, now_s: float) -> None:
        """Take ``amount``, whatever is there."""
        self._refill(now_s)
        self._tokens -= amount

    def try_take(self, amount: float, now_s: float) -> bool:
        """Take ``amount`` if there is as much."""
        self._refill(now_s)
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True

    def wait_s(self, now_s: float) -> float:
        """How long until something may be taken again; 0: now."""
        self._refill(now_s)
        return max(0.0, -self._tokens / self._rate)

    def _refill(self, now_s: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._at_s) * self._rate)
        self._at_s = max(now_s, self._at_s)


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Bounds of one port; 0: no bound. ``handshakes_max``: TLS handshakes under way, the oldest makes room."""

    connections_max: int = 0
    connections_per_address_max: int = 0
    connections_per_s_max: int = 0
    handshakes_max: int = 256


class AdmissionBook:
    """Connections of one port by address. ``admit`` says why not, empty if admitted; then ``release`` is due."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._connected: dict[str, int] = {}
        self._rates: OrderedDict[str, TokenBucket] = OrderedDict()
        self.connections = 0

    def admit(self, address: str, now_s: float) -> str:
        """The reason why ``address`` may not connect now; empty: it may, and is counted."""
        limits = self._limits
        if limits.connections_max and self.connections >= limits.connections_max:
            return "connections-max"
        if limits.connections_per_address_max and (
            self._connected.get(address, 0) >= limits.connections_per_address_max
        ):
            return "connections-per-address"
        if limits.connections_per_s_max and not self._bucket(address, now_s).try_take(1, now_s):
            return "connections-per-second"
        self.connections += 1
        self._connected[address] = self._connected.get(address, 0) + 1
        return ""

    def release(self, address: str) -> None:
        """One connection of ``address`` has ended."""
        self.connections -= 1
        left = self._connected[address] - 1
        assert left >= 0
        if left:
            self._connected[address] = left
        else:
            del self._connected[address]

    def _bucket(self, address: str, now_s: float) -> TokenBucket:
        bucket = self._rates.get(address)
        if bucket is None:
            rate = self._limits.connections_per_s_max
            bucket = self._rates[address] = TokenBucket(rate, rate, now_s)
            if len(self._rates) > ADDRESSES_MAX:
                self._rates.popitem(last=False)
        else:
            self._rates.move_to_end(address)
        return bucket


class FailedLogins:
    """How late the next failed authentication of an address is answered. Who knows the secret never waits."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def failed(self, address: str, now_s: float) -> float:
        """Count a failure; the seconds after which it is to be answered."""
        count, at_s = self._failures.get(address, (0, now_s))
        count = 1 if now_s - at_s > FORGIVEN_AFTER_S else count + 1
        self._failures[address] = (count, now_s)
        self._failures.move_to_end(address)
        if len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
        if count <= FAILURES_FREE:
            return 0.0
        return float(min(DELAY_MAX_S, DELAY_FIRST_S * 2 ** min(count - FAILURES_FREE - 1, 16)))
