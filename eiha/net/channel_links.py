"""The links of one channel (eventSync or management): dial or accept, prove, carry messages, reconnect.

The node whose id sorts first dials; the other accepts, so that two nodes never make two links of one channel at once.
Should a second link come up nevertheless (the first is half open after a network fault), it replaces the first.

This decides nothing: it reports links and messages to its ``LinkObserver``, and closes what breaks the protocol.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from eiha.errors import AuthenticationFailed, NodeIdInUse, ProtocolError
from eiha.ha.inputs import Channel
from eiha.kernel.ids import Incarnation, LinkId, NodeId
from eiha.net.framed_connection import FramedConnection
from eiha.net.listening import listen
from eiha.net.member_address import MemberLocation
from eiha.observability.logs import EventLog
from eiha.protocol.framing import Frame
from eiha.protocol.handshake import HANDSHAKE_TABLE, Handshake, HandshakeIdentity, Refused, Side, refusal
from eiha.protocol.limits import NONCE_BYTES, PEER_FRAME_BYTES_MAX
from eiha.protocol.peer_codec import decode_peer_message, encode_peer_message
from eiha.protocol.peer_messages import PeerIdentity, PeerMessage
from eiha.transport.admission_limits import AdmissionLimits, FailedLogins
from eiha.transport.gated_listener import Admission, GatedListener, MakeContext
from eiha.transport.tls import certificate_facts, node_name
from eiha.transport.tls_refusal import CLOSED_AFTER_HANDSHAKE, tls_remedy

FIRST_RETRY_S: Final = 0.02
REFUSED_RETRY_MAX_S: Final = 0.2
"""A refused connection costs nothing, and the other process may come up at any moment."""

STRANGERS_MAX: Final = 64
"""Connections that have proven nothing yet; the oldest makes room, so that nobody keeps the member out with them."""

CONNECTIONS_MAX: Final = 1_024
"""Of one channel in all, those that are just being refused included."""

FRAME_TYPES: Final = {Channel.EVENT_SYNC: range(16, 32), Channel.MANAGEMENT: range(32, 64)}
"""Which frame types a channel carries (``protocol.peer_codec``)."""


class LinkObserver(Protocol):
    """Who is told what happens on the links. Called on the event loop."""

    def link_up(self, channel: Channel, link: LinkId, peer: PeerIdentity) -> None:
        """A link is proven and open."""

    def link_down(self, channel: Channel, link: LinkId, reason: str) -> None:
        """The link is gone; nothing more comes over it."""

    def peer_message(self, channel: Channel, link: LinkId, message: PeerMessage) -> None:
        """A message of the peer."""


@dataclass(frozen=True, slots=True)
class PeerTls:
    """TLS between the members. ``pins`` by node: public keys accepted; without, the certificate must name the node."""

    listening: MakeContext
    dialling: MakeContext
    pins: Mapping[NodeId, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What the links of one channel need to know. ``members``: ids allowed to connect; empty: any with the secret.

    ``secret_previous``: accepted, too, while the secret is changed. ``tls``: None: not encrypted.
    """

    cluster: str
    node: NodeId
    incarnation: Incarnation
    secret: bytes
    host: str
    port: int
    port_key: str
    members: frozenset[NodeId]
    connect_timeout_s: float
    retry_max_s: float
    queue_bytes_max: int
    socket_buffer_bytes: int
    secret_previous: bytes = b""
    tls: PeerTls | None = None


@dataclass(slots=True)
class _Link:
    number: LinkId
    peer: PeerIdentity
    connection: FramedConnection
    ended: asyncio.Future[None]


class ChannelLinks:
    """All connections of one channel of this node; at most one of them is the link.

    Args:
        channel: which channel.
        settings: see ``LinkSettings``.
        observer: told of links and messages.
        locate: where the peer is, or None while nobody knows.
        next_link: gives link numbers that are unique in the process.
        log: for what an operator must see.
    """

    def __init__(
        self,
        channel: Channel,
        settings: LinkSettings,
        observer: LinkObserver,
        locate: Callable[[], MemberLocation | None],
        next_link: Callable[[], LinkId],
        log: EventLog,
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._observer = observer
        self._locate = locate
        self._next_link = next_link
        self._log = log
        tls = settings.tls
        self._listener = GatedListener(
            self._accept,
            limits=AdmissionLimits(connections_max=CONNECTIONS_MAX, handshakes_max=STRANGERS_MAX),
            tls=tls.listening if tls is not None else None,
            handshake_timeout_s=settings.connect_timeout_s,
            refused=self._refused_at_the_gate,
        )
        self._failed_logins = FailedLogins()
        self._link: _Link | None = None
        self._unproven: dict[_Session, None] = {}
        self._last_complaint = ""
        self._stopping = False

    # -- lifecycle

    async def start(self) -> None:
        """Listen. Raises ``AddressUnavailable``."""
        settings = self._settings
        await listen(self._listener, settings.host, settings.port, settings.port_key)

    async def dial_forever(self) -> None:
        """Keep a link to the peer, if it is this node that dials. Runs until cancelled."""
        wait_s = FIRST_RETRY_S
        while True:
            location = self._locate()
            if self._link is not None:
                await asyncio.wait([self._link.ended])
                wait_s = FIRST_RETRY_S
                continue
            if location is None or location.node < self._settings.node:
                # at the start it is known within moments: look soon, then less often
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, REFUSED_RETRY_MAX_S)
                continue
            refused = await self._dial(location)
            if self._link is None:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, REFUSED_RETRY_MAX_S if refused else self._settings.retry_max_s)

    async def stop(self, reason: str) -> None:
        """Close everything."""
        self._stopping = True
        self._listener.close()
        for session in list(self._unproven):
            session.connection.abort(reason)
        if self._link is not None:
            self._link.connection.close(reason)
            await asyncio.wait([self._link.ended], timeout=1.0)
        await self._listener.wait_closed()

    # -- for the owner

    def send(self, link: LinkId, message: PeerMessage) -> None:
        """Send over this very link with the next ``flush``; dropped when it is gone."""
        if self._link is not None and self._link.number == link:
            self._link.connection.send(*encode_peer_message(message), hold=True)

    def flush(self) -> None:
        """Write what was sent."""
        if self._link is not None:
            self._link.connection.flush()

    def close(self, link: LinkId, reason: str) -> None:
        """Close this very link, if it is still there."""
        if self._link is not None and self._link.number == link:
            self._link.connection.abort(reason)

    @property
    def is_up(self) -> bool:
        """Whether there is a link."""
        return self._link is not None

    @property
    def queue_bytes(self) -> int:
        """Bytes waiting to be sent."""
        return self._link.connection.queue_bytes if self._link is not None else 0

    @property
    def refused_by_code(self) -> dict[str, int]:
        """Connections refused, by reason."""
        return self._listener.refused_by_code

    # -- making a link

    def _accept(self, admission: Admission) -> FramedConnection:
        strangers = [session for session in self._unproven if session.location is None]
        if len(strangers) >= STRANGERS_MAX:
            strangers[0].connection.abort("too many connections that prove nothing")
            self._listener.count("strangers-max", admission.address)
        return _Session(self, Side.RESPONDER, None, admission).connection

    def _refused_at_the_gate(self, _code: str, address: str, sentence: str) -> None:
        if sentence:
            self._complain("error", "peer_refused", sentence, f"{self._channel.value} with {address}: {sentence}")

    async def _dial(self, location: MemberLocation) -> bool:
        """One attempt; returns whether the connection was refused."""
        host, port = location.of(self._channel)
        session = _Session(self, Side.INITIATOR, location)
        tls = self._settings.tls
        context = tls.dialling() if tls is not None else None
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: session.connection, host, port, ssl=context)
                await session.finished
        except TimeoutError:
            session.connection.abort("no answer in time")
            self._complain(
                "warning", "member_unreachable", "timeout", f"{location.node} at {host}:{port} does not answer in time"
            )
        except ConnectionRefusedError:
            self._complain(
                "info", "member_awaited", "refused", f"nobody listens for {location.node} at {host}:{port} yet"
            )
            return True
        except ssl.SSLError as error:
            remedy = tls_remedy(error)
            text = f"{self._channel.value} with {location.node} at {host}:{port}: {remedy}"
            self._complain("error", "peer_refused", remedy, text)
        except OSError as error:
            self._complain("warning", "member_unreachable", str(error), f"{location.node} at {host}:{port}: {error}")
        finally:
            session.end()
        return False

    def _identity(self) -> HandshakeIdentity:
        settings = self._settings
        return HandshakeIdentity(settings.cluster, self._channel.value, settings.node, settings.incarnation)

    def _check_certificate(self, peer: PeerIdentity, encoded: bytes) -> None:
        """Raise if the certificate shown is not that of the node that ``peer`` says to be."""
        settings = self._settings
        if settings.tls is None:
            return
        try:
            facts = certificate_facts(encoded)
        except ValueError as cause:
            raise AuthenticationFailed(f"the certificate of {peer.node} cannot be read: {cause}") from cause
        pins = settings.tls.pins.get(peer.node, ())
        if pins and facts.pin not in pins:
            raise AuthenticationFailed(
                f"the certificate of {peer.node} has the pin {facts.pin}, which is not among those that "
                f"{settings.node} has for it in cluster.members: was the certificate changed, or is it somebody else?"
            )
        name = node_name(settings.cluster, peer.node)
        if not pins and name not in facts.names:
            raise AuthenticationFailed(
                f"the certificate of {peer.node} does not name it as {name} (it names {', '.join(facts.names)}): make "
                f"one that does (eiha certificates --node {peer.node}), or set its pins in cluster.members"
            )

    def _check_peer(self, peer: PeerIdentity, location: MemberLocation | None) -> None:
        """Raise if the proven ``peer`` is not the one this node forms a pair with."""
        if location is not None and peer.node != location.node:
            raise NodeIdInUse(
                f"{location.node} was expected at {location.of(self._channel)}, but the node there is called "
                f"{peer.node}: check cluster.members"
            )
        if self._settings.members and peer.node not in self._settings.members:
            raise AuthenticationFailed(
                f"{peer.node} is not among cluster.members ({', '.join(sorted(self._settings.members))}) of "
                f"{self._settings.node}"
            )
        if self._link is not None and self._link.peer.node != peer.node:
            raise AuthenticationFailed(
                f"a pair has two nodes, and {self._settings.node} is connected with {self._link.peer.node}; "
                f"{peer.node} would be a third"
            )

    def _established(self, session: _Session, peer: PeerIdentity) -> None:
        """Take a proven connection as the link."""
        self._check_peer(peer, session.location)
        if self._link is not None:
            self._drop(self._link, "replaced by a newer connection")
        connection = session.connection
        link = _Link(self._next_link(), peer, connection, asyncio.get_running_loop().create_future())
        self._link = link
        self._last_complaint = ""
        connection.allow_frames_of(PEER_FRAME_BYTES_MAX)
        connection.attach(partial(self._on_frame, link), partial(self._on_link_lost, link))
        self._observer.link_up(self._channel, link.number, peer)

    def _on_frame(self, link: _Link, frame: Frame) -> None:
        if self._link is not link:
            return
        if frame.type not in FRAME_TYPES[self._channel]:
            message = HANDSHAKE_TABLE.decode(frame.type, frame.body)
            reason = message.reason if isinstance(message, Refused) else f"{type(message).__name__} after the handshake"
            raise AuthenticationFailed(f"the other side refused: {reason}")
        self._observer.peer_message(self._channel, link.number, decode_peer_message(frame.type, frame.body))

    def _on_link_lost(self, link: _Link, reason: str) -> None:
        if self._link is link:
            self._link = None
            self._observer.link_down(self._channel, link.number, reason)
        if not link.ended.done():
            link.ended.set_result(None)

    def _drop(self, link: _Link, reason: str) -> None:
        self._link = None
        self._observer.link_down(self._channel, link.number, reason)
        link.connection.abort(reason)

    def _failed(self, session: _Session, failure: ProtocolError) -> None:
        self._listener.refused_by_code[type(failure).__name__] = (
            self._listener.refused_by_code.get(type(failure).__name__, 0) + 1
        )
        where = session.connection.peer_address
        text = f"{self._channel.value} with {where}: {failure}"
        self._complain("error", "peer_refused", str(failure), text, error=failure)

    def _answer_after_s(self, failure: ProtocolError, admission: Admission | None) -> float:
        """How late a stranger is told of ``failure``: in time for one who means well to hear it."""
        if admission is None or not isinstance(failure, AuthenticationFailed):
            return 0.0
        delay_s = self._failed_logins.failed(admission.address, asyncio.get_running_loop().time())
        return min(delay_s, self._settings.connect_timeout_s / 2)

    def _proven_by_previous_secret(self, peer: PeerIdentity) -> None:
        self._log.info(
            "secret_previous_used",
            f"{peer.node} and this node met under cluster.secret_previous: remove it when both have the new secret",
            channel=self._channel.value,
            member=peer.node,
        )

    def _complain(self, level: str, event: str, cause: str, text: str, *, error: ProtocolError | None = None) -> None:
        """Write a line, but not for the same cause again at each retry."""
        if cause == self._last_complaint or self._stopping:
            return
        self._last_complaint = cause
        kind = {"error": type(error).__name__} if error is not None else {}
        self._log.write(level, event, text, channel=self._channel.value, **kind)


class _Session:
    """A connection until the other side is proven."""

    def __init__(
        self, owner: ChannelLinks, side: Side, location: MemberLocation | None, admission: Admission | None = None
    ) -> None:
        settings = owner._settings
        self.location = location
        self.connection = FramedConnection(
            queue_bytes_max=settings.queue_bytes_max,
            socket_buffer_bytes=settings.socket_buffer_bytes,
            ended=admission.end if admission is not None else None,
        )
        loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[None] = loop.create_future()
        self._owner = owner
        self._admission = admission
        self._late_answer: asyncio.TimerHandle | None = None
        self._handshake = Handshake(
            side,
            owner._identity(),
            settings.secret,
            secrets.token_bytes(NONCE_BYTES),
            previous_secret=settings.secret_previous,
        )
        self._deadline = loop.call_later(settings.connect_timeout_s, self._expire)
        self.connection.made.add_done_callback(self._begin)
        owner._unproven[self] = None

    def _begin(self, _made: asyncio.Future[None]) -> None:
        if _made.cancelled():
            return
        self._handshake.bind(*self.connection.certificates)
        first = self._handshake.start()
        if first:
            self.connection.send_bytes(first)
        self.connection.attach(self._on_frame, self._on_lost)

    def _on_frame(self, frame: Frame) -> None:
        if self._late_answer is not None:
            return
        step = self._handshake.receive(frame)
        claimed = self._handshake.claimed
        if step.failure is None and claimed is not None:
            try:
                self._owner._check_certificate(claimed, self.connection.peer_certificate)
            except ProtocolError as failure:
                self._refuse(failure, refusal(failure))
                return
        if step.failure is not None:
            self._refuse(step.failure, step.send)
            return
        if step.send:
            self.connection.send_bytes(step.send)
        if step.peer is not None:
            self.end()
            if step.by_previous_secret:
                self._owner._proven_by_previous_secret(step.peer)
            try:
                self._owner._established(self, step.peer)
            except ProtocolError as failure:
                self.connection.send_bytes(refusal(failure))
                self._fail(failure)

    def _on_lost(self, _reason: str) -> None:
        if not self.finished.done() and self.connection.failure is not None:
            self._owner._failed(self, self.connection.failure)
        elif not self.finished.done() and self.connection.tls_failure:
            self._owner._failed(self, AuthenticationFailed(self.connection.tls_failure))
        elif not self.finished.done() and self._owner._settings.tls is not None and self.location is not None:
            self._owner._failed(self, AuthenticationFailed(CLOSED_AFTER_HANDSHAKE))
        self.end()

    def _refuse(self, failure: ProtocolError, answer: bytes) -> None:
        """Say why not, the later the more often a stranger failed to prove the secret; nobody else waits for that."""
        self._owner._failed(self, failure)
        delay_s = self._owner._answer_after_s(failure, self._admission) if answer else 0.0
        if delay_s:
            loop = asyncio.get_running_loop()
            self._late_answer = loop.call_later(delay_s, self._answer_and_close, failure, answer)
        else:
            self._answer_and_close(failure, answer)

    def _answer_and_close(self, failure: ProtocolError, answer: bytes) -> None:
        if answer:
            self.connection.send_bytes(answer)
        self.end()
        self.connection.close(str(failure))

    def _fail(self, failure: ProtocolError) -> None:
        self._owner._failed(self, failure)
        self.end()
        self.connection.close(str(failure))

    def _expire(self) -> None:
        self.connection.abort("the handshake was not finished in time")
        self.end()

    def end(self) -> None:
        """The handshake is over, one way or the other."""
        self._deadline.cancel()
        if self._late_answer is not None:
            self._late_answer.cancel()
        self._owner._unproven.pop(self, None)
        if not self.finished.done():
            self.finished.set_result(None)
