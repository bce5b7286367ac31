"""Membership by multicast: nodes announce where they are; what they announce is dialled like a well-known member.

::

    datagram     = announcement ‖ HMAC-SHA256(secret, announcement)
    announcement = msgpack [1, domain, node, incarnation, management host, management port,
                            eventSync host, eventSync port, http port, ingest port]

An announcement only says where to dial: who is there is proven by the handshake, so a replayed one does no harm.
Clusters of other domains may share the group; their announcements are passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgpack

from eiha.errors import AddressUnavailable
from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.member_address import MemberLocation
from eiha.observability.logs import EventLog

FORMAT_VERSION: Final = 1
PROOF_BYTES: Final = 32
DATAGRAM_BYTES_MAX: Final = 1_400


@dataclass(frozen=True, slots=True)
class MulticastGroup:
    """Where announcements go. ``interface``: address of the interface, ``0.0.0.0`` leaves it to the system."""

    address: str
    port: int
    ttl: int
    interface: str
    interval_s: float


def encode_announcement(domain: str, me: MemberLocation, incarnation: Incarnation, secret: bytes) -> bytes:
    """The datagram that announces ``me``."""
    body: bytes = msgpack.packb(
        [
            FORMAT_VERSION,
            domain,
            me.node,
            incarnation,
            me.host,
            me.management_port,
            me.event_sync_host,
            me.event_sync_port,
            me.http_port,
            me.ingest_port,
        ]
    )
    return body + hmac.new(secret, body, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a datagram said."""

    location: MemberLocation
    incarnation: Incarnation


def decode_announcement(datagram: bytes, domain: str, secret: bytes) -> Announcement | str | None:
    """The announcement; None when it is of another domain or not ours at all; a text when it must be refused."""
    if not PROOF_BYTES < len(datagram) <= DATAGRAM_BYTES_MAX:
        return None
    body, proof = datagram[:-PROOF_BYTES], datagram[-PROOF_BYTES:]
    try:
        parts = msgpack.unpackb(body, raw=False, max_array_len=16, max_str_len=256)
    except Exception:  # noqa: BLE001  msgpack raises many kinds; anybody may send anything to a group
        return None
    types = (int, str, str, str, str, int, str, int, int, int)
    if not isinstance(parts, list) or len(parts) != len(types):
        return None
    if not all(isinstance(part, type_) for part, type_ in zip(parts, types, strict=True)):
        return None
    version, named, node, incarnation, host, management, event_sync_host, event_sync, http, ingest = parts
    if named != domain:
        return None
    if not hmac.compare_digest(proof, hmac.new(secret, body, hashlib.sha256).digest()):
        return f"{node!r} announces itself for domain {domain!r} with another secret: check cluster.secret on each node"
    if version != FORMAT_VERSION:
        return f"{node!r} announces itself in format {version}, this build speaks {FORMAT_VERSION}"
    location = MemberLocation(NodeId(node), host, event_sync_host, management, event_sync, http, ingest)
    return Announcement(location, Incarnation(incarnation))


class MulticastDiscovery(asyncio.DatagramProtocol):
    """Announces this node and remembers where the other one is.

    Args:
        group: where to announce.
        domain: the cluster's name.
        me: what to announce.
        incarnation: tells this process's own announcements from those of another node with the same id.
        secret: signs announcements.
        found: called when the other node is heard of for the first time, or from another place.
        log: for what an operator must see.
        previous_secret: accepted and announced under, too, while the secret is changed; empty: none.
    """

    def __init__(
        self,
        group: MulticastGroup,
        domain: str,
        me: MemberLocation,
        incarnation: Incarnation,
        secret: bytes,
        found: Callable[[MemberLocation], None],
        log: EventLog,
        *,
        previous_secret: bytes = b"",
    ) -> None:
        self._previous_secret = previous_secret
        self._group = group
        self._domain = domain
        self._me = me
        self._incarnation = incarnation
        self._secret = secret
        self._found = found
        self._log = log
        self._transport: asyncio.DatagramTransport | None = None
        self._complained: set[str] = set()
        self.peer: MemberLocation | None = None

    async def run(self) -> None:
        """Announce until cancelled. Raises ``AddressUnavailable`` when the group cannot be joined."""
        group = self._group
        loop = asyncio.get_running_loop()
        try:
            sock = _multicast_socket(group)
        except OSError as cause:
            raise AddressUnavailable(
                f"cannot join multicast group {group.address}:{group.port} on interface {group.interface}: {cause}; "
                'set cluster.multicast_interface to an address of this machine, or membership_scheme = "wka"'
            ) from cause
        secrets = [self._secret, self._previous_secret] if self._previous_secret else [self._secret]
        datagrams = [encode_announcement(self._domain, self._me, self._incarnation, secret) for secret in secrets]
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)
        try:
            while True:
                for datagram in datagrams:
                    transport.sendto(datagram, (group.address, group.port))
                await asyncio.sleep(group.interval_s)
        finally:
            transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """Take what is for this cluster."""
        heard = decode_announcement(data, self._domain, self._secret)
        if isinstance(heard, str) and self._previous_secret:
            heard = decode_announcement(data, self._domain, self._previous_secret)
        if heard is None:
            return
        if isinstance(heard, str):
            self._complain(f"{heard} (heard from {addr[0]})")
        elif heard.location.node == self._me.node:
            if heard.location != self._me:
                self._complain(
                    f"another node at {heard.location.host}:{heard.location.management_port} also calls itself "
                    f"{self._me.node!r}: give each its own cluster.node"
                )
        elif heard.location != self.peer:
            self.peer = heard.location
            self._found(heard.location)

    def error_received(self, exc: Exception) -> None:
        """Announcements are repeated; a lost one is only worth a line."""
        self._complain(f"multicast: {exc}")

    def _complain(self, text: str) -> None:
        if text not in self._complained and len(self._complained) < 100:
            self._complained.add(text)
            self._log.error("announcement_refused", text)


def _multicast_socket(group: MulticastGroup) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((group.address, group.port))
        interface = socket.inet_aton(group.interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, group.ttl)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        membership = struct.pack("4s4s", socket.inet_aton(group.address), interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
