"""One connection to one node: hello, streams, publications within the credit, what comes back."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol, cast

from eiha.client.session import Pending, Session
from eiha.errors import ProtocolError
from eiha.kernel.ids import ClientSequence
from eiha.protocol import client_messages as messages
from eiha.protocol.client_codec import decode_client_message, encode_client_message
from eiha.protocol.framing import PROTOCOL_VERSION, FrameDecoder, encode_frame, encode_frame_parts
from eiha.protocol.limits import CLIENT_FRAME_BYTES_MAX, STREAMS_PER_CONNECTION_MAX
from eiha.transport.tls_refusal import CLOSED_AFTER_HANDSHAKE, tls_remedy

Attributes = tuple[tuple[str, str], ...]


class ConnectionOwner(Protocol):
    """What a connection tells the client. Called on the loop."""

    session: Session

    def known_attributes(self, stream: str) -> Attributes | None:
        """The attributes the client encodes ``stream`` with, if it asked before."""

    def stream_opened(self, stream: str, attributes: Attributes) -> None:
        """The node told a stream's attributes."""

    def stream_refused(self, stream: str, code: str, reason: str) -> None:
        """The node has no such stream, or another one."""

    def acked(self, through: int) -> None:
        """Committed through here."""

    def refused(self, sequence: int, code: str, reason: str, whole_stream: bool) -> None:
        """Refused for good. ``whole_stream``: so is everything else for its stream."""

    def session_forgotten(self, *, certain: bool) -> None:
        """A node does not know what the cluster acknowledged of the session."""


class NodeConnection(asyncio.Protocol):
    """A connection. ``welcomed`` resolves to the Welcome or fails; ``closed`` to the reason it ended.

    Nothing is published before ``start``: a client may leave after the Welcome, for the node it names.
    """

    def __init__(self, owner: ConnectionOwner, *, token: str, duplicated: bool) -> None:
        loop = asyncio.get_running_loop()
        self.welcomed: asyncio.Future[messages.Welcome] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self.last_heard = loop.time()
        self.redirect = ""
        self.acks = 0
        self._loop = loop
        self._owner = owner
        self.client_id = owner.session.client_id
        self._hello = messages.Hello(PROTOCOL_VERSION, PROTOCOL_VERSION, self.client_id, token, duplicated)
        self._decoder = FrameDecoder(CLIENT_FRAME_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._numbers: dict[str, int] = {}
        self._refused_streams: set[str] = set()
        self._asked_streams: set[str] = set()
        self._started = False
        self._credit_rows = 0
        self._credit_bytes = 0
        self._sent_through = 0
        self._writable = True
        self._retry: asyncio.TimerHandle | None = None
        self._reason = ""
        self._is_encrypted = False

    @property
    def is_ready(self) -> bool:
        """Started, and not yet closing."""
        return self._started and self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self._is_encrypted = transport.get_extra_info("ssl_object") is not None
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._send(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        if self._retry is not None:
            self._retry.cancel()
        told = "the node closed the connection" if exc is None else f"connection lost: {exc}"
        if isinstance(exc, ssl.SSLError):
            told = tls_remedy(exc)
        elif self._decoder.holds_tls_record:
            told = "the node speaks TLS, and this client does not: set its tls_ca"
        elif self._is_encrypted and not self.welcomed.done():
            told = CLOSED_AFTER_HANDSHAKE
        reason = self._reason or told
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError(reason))
            self.welcomed.exception()  # whoever waits gets it; nobody waiting is no fault
        if not self.closed.done():
            self.closed.set_result(reason)

    def pause_writing(self) -> None:
        """The socket is full."""
        self._writable = False

    def resume_writing(self) -> None:
        """The socket has room."""
        self._writable = True
        self.pump()

    def start(self) -> None:
        """Publish from here on, beginning with what the Welcome does not cover."""
        self._started = True
        if self._is_current:
            self._owner.acked(self.welcomed.result().acked_through)
            self._resend_from(0)

    def close(self, reason: str) -> None:
        """End the connection, saying goodbye."""
        self._reason = self._reason or reason
        if self._transport is not None and not self._transport.is_closing():
            self._send(messages.Goodbye())
            self._transport.close()

    def abort(self, reason: str) -> None:
        """End the connection at once: nothing waits for a node that does not read."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    # out

    def open_stream(self, stream: str) -> int:
        """The stream's number here, opened with the attributes known, or asking for them."""
        number = self._numbers.get(stream)
        if number is None:
            number = len(self._numbers)
            if number >= STREAMS_PER_CONNECTION_MAX:
                raise ProtocolError(f"more than {STREAMS_PER_CONNECTION_MAX} streams on one connection")
            self._numbers[stream] = number
            self._send(messages.OpenStream(number, stream, self._owner.known_attributes(stream)))
        return number

    def ask_stream(self, stream: str) -> None:
        """Ask for the stream's attributes, unless the answer is on its way."""
        if stream in self._asked_streams:
            return
        self._asked_streams.add(stream)
        self._refused_streams.discard(stream)
        number = self._numbers.setdefault(stream, len(self._numbers))
        self._send(messages.OpenStream(number, stream, None))

    def pump(self) -> None:
        """Send what was not sent yet, as far as credit and the socket allow."""
        session = self._owner.session
        if session.last <= self._sent_through:
            return  # as after each acknowledgement of a client that waits for it
        if not self.is_ready or self._retry is not None or not self._is_current:
            return
        # what another connection was acknowledged for meanwhile is not sent here any more
        self._sent_through = max(self._sent_through, session.first - 1)
        while self._writable and (pending := session.get(self._sent_through + 1)) is not None:
            rows = pending.rows_through - session.settled_rows
            size = pending.bytes_through - session.settled_bytes
            alone = pending.sequence == session.first  # one may always be on its way, whatever its size
            if (
                pending.is_refused
                or self._credit_rows == 0
                or not (alone or (rows <= self._credit_rows and size <= self._credit_bytes))
            ):
                return
            self._send_publication(pending)

    def _send_publication(self, pending: Pending) -> None:
        assert self._transport is not None
        number = self.open_stream(pending.stream)
        type_, body = encode_client_message(pending.make(ClientSequence(pending.sequence), number))
        self._transport.writelines(encode_frame_parts(type_, (body,)))
        self._sent_through = pending.sequence
        pending.sends += 1

    def _send(self, message: messages.ToNode) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode_frame(*encode_client_message(message)))

    # in

    @property
    def _is_current(self) -> bool:
        """Whether the session has not moved to a new id since this connection said hello."""
        return self.client_id == self._owner.session.client_id

    def data_received(self, data: bytes) -> None:
        """Take the node's messages."""
        self.last_heard = self._loop.time()
        self._decoder.receive(data)
        try:
            while (frame := self._decoder.next_frame()) is not None:
                self._take(decode_client_message(frame.type, frame.body))
        except ProtocolError as failure:
            self.abort(f"the node broke the protocol: {failure}")

    def _take(self, message: messages.ClientMessage) -> None:
        match message:
            case messages.Acked(through):
                self._acked(through)
            case messages.Welcome():
                self._welcome(message)
            case messages.StreamOpened(_, stream, attributes):
                self._asked_streams.discard(stream)
                self._owner.stream_opened(stream, attributes)
            case messages.StreamRefused():
                self._stream_refused(message)
            case messages.Rejected():
                self._rejected(message)
            case messages.Credit(rows, size, _):
                self._credit_rows, self._credit_bytes = rows, size
                self.pump()
            case messages.Redirect(address, reason):
                self.redirect = address
                self.close(f"redirected to {address}: {reason}")
            case messages.Failed(code, reason):
                self.abort(f"{code}: {reason}")
            case messages.Goodbye():
                self.close("the node said goodbye")
            case _:
                raise ProtocolError(f"{type(message).__name__} is for nodes, not from them")

    def _welcome(self, welcome: messages.Welcome) -> None:
        if self.welcomed.done():
            raise ProtocolError("a second Welcome")
        self.welcomed.set_result(welcome)
        self._credit_rows, self._credit_bytes = welcome.credit_rows, welcome.credit_bytes

    def _acked(self, through: int) -> None:
        if not self._is_current:
            return
        self.acks += 1
        self._owner.acked(through)

    def _stream_refused(self, message: messages.StreamRefused) -> None:
        stream = next((name for name, number in self._numbers.items() if number == message.number), None)
        if stream is not None:
            self._refused_streams.add(stream)
            self._asked_streams.discard(stream)
            self._owner.stream_refused(stream, message.code, message.reason)

    def _rejected(self, message: messages.Rejected) -> None:
        if not self._is_current:
            return
        session = self._owner.session
        if message.code == messages.CODE_RETRY:
            if 0 < message.expected < session.first and not self._hello.duplicated:
                self._forgotten(message.client_sequence)
            if self._retry is None and len(session):
                self._retry = self._loop.call_later(message.retry_after_ms / 1000, self._resend_from, message.expected)
            return
        pending = session.get(message.client_sequence)
        if pending is not None:
            whole = message.code == messages.CODE_UNKNOWN_STREAM or pending.stream in self._refused_streams
            self._owner.refused(message.client_sequence, message.code, message.reason, whole)

    def _forgotten(self, sequence: int) -> None:
        """A node misses what is acknowledged: it lags behind, or the cluster forgot the session.

        It is certain, and nothing can come to be twice, if the active itself refuses the first unacknowledged
        publication and nobody else ever got it: then nothing after it was accepted either.
        """
        first = self._owner.session.get(sequence)
        is_first = first is not None and sequence == self._owner.session.first
        asked_only_here = first is not None and first.sends == 1
        self._owner.session_forgotten(certain=is_first and asked_only_here and self.welcomed.result().role == "active")

    def _resend_from(self, expected: int) -> None:
        self._retry = None
        if not self._is_current:
            return
        self._sent_through = max(self._owner.session.first, expected) - 1
        self.pump()
