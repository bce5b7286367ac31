"""What one client may send, and what all of them may leave unfinished. No I/O; time is given.

A client is named by what it cannot choose: the certificate it showed, else its address.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from eiha.transport.admission_limits import ADDRESSES_MAX, TokenBucket
from eiha.transport.tls import fingerprint, peer_certificate

BURST_S: Final = 1.0
"""What a client may send at once after a pause: this long's worth of its rate."""

C = TypeVar("C")


def client_key(transport: asyncio.BaseTransport) -> str:
    """Whom limits by client are kept for."""
    certificate = peer_certificate(transport)
    if certificate:
        return "certificate:" + fingerprint(certificate).hex()
    name = transport.get_extra_info("peername")
    return str(name[0]) if name else ""


class ClientRates:
    """Events and bytes a second of each client, over all its connections; 0: no bound."""

    def __init__(self, events_per_s: int = 0, bytes_per_s: int = 0) -> None:
        self._rates = (events_per_s, bytes_per_s)
        self._buckets: OrderedDict[str, tuple[TokenBucket | None, TokenBucket | None]] = OrderedDict()
        self.is_bounded = bool(events_per_s or bytes_per_s)

    def take(self, client: str, events: int, size: int, now_s: float) -> float:
        """Count what came; how long nothing more is to be taken of the client."""
        if not self.is_bounded:
            return 0.0
        for bucket, amount in zip(self._of(client, now_s), (events, size), strict=True):
            if bucket is not None:
                bucket.take(amount, now_s)
        return self.wait_s(client, now_s)

    def wait_s(self, client: str, now_s: float) -> float:
        """How long nothing is to be taken of the client; 0: it may send."""
        if not self.is_bounded:
            return 0.0
        return max(bucket.wait_s(now_s) if bucket is not None else 0.0 for bucket in self._of(client, now_s))

    def _of(self, client: str, now_s: float) -> tuple[TokenBucket | None, TokenBucket | None]:
        buckets = self._buckets.get(client)
        if buckets is None:
            events, size = self._rates
            buckets = self._buckets[client] = (
                TokenBucket(events, events * BURST_S, now_s) if events else None,
                TokenBucket(size, size * BURST_S, now_s) if size else None,
            )
            if len(self._buckets) > ADDRESSES_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
        return buckets


@dataclass(slots=True)
class _Unfinished:
    size: int
    since_s: float


class UnfinishedFrames(Generic[C]):
    """Bytes of frames that have begun and not ended, of all connections together."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.size = 0
        self._by_connection: dict[C, _Unfinished] = {}

    def note(self, connection: C, size: int, now_s: float, *, new_frame: bool) -> C | None:
        """``connection`` now holds ``size`` bytes; ``new_frame``: of another frame than when it was last noted.

        Returns who is to be closed because all together hold too much: whose frame is unfinished longest.
        """
        if not size:
            self.forget(connection)
            return None
        held = self._by_connection.get(connection)
        if held is None:
            held = self._by_connection[connection] = _Unfinished(0, now_s)
        elif new_frame:
            held.since_s = now_s
        self.size += size - held.size
        held.size = size
        if self.size <= self.bytes_max:
            return None
        return min(self._by_connection, key=lambda each: self._by_connection[each].since_s)

    def touch(self, connection: C, now_s: float) -> None:
        """It was this side that did not read: the frame's time begins anew."""
        if connection in self._by_connection:
            self._by_connection[connection].since_s = now_s

    def forget(self, connection: C) -> None:
        """Nothing of ``connection`` is held any more."""
        held = self._by_connection.pop(connection, None)
        if held is not None:
            self.size -= held.size

    def older_than(self, limit_s: float, now_s: float) -> list[C]:
        """Connections whose frame began longer ago than ``limit_s``."""
        return [each for each, held in self._by_connection.items() if now_s - held.since_s > limit_s]
