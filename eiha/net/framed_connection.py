"""One TCP connection that carries frames: cuts what arrives, gathers what leaves, and is bounded both ways.

What is sent during one turn of the event loop leaves in one vectored write at its end. When more than
``queue_bytes_max`` bytes wait because the other side does not read, the connection is closed with that reason: the
state machines above decide by watermarks and never rely on a queue without end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

from eiha.errors import ProtocolError
from eiha.protocol.framing import SPEAKS_TLS, Frame, FrameDecoder, encode_frame_parts
from eiha.protocol.handshake import refusal
from eiha.protocol.limits import HANDSHAKE_FRAME_BYTES_MAX
from eiha.transport.tls import fingerprint, own_fingerprint, peer_certificate
from eiha.transport.tls_refusal import tls_remedy

WRITE_HIGH_BYTES: Final = 1 << 20
"""asyncio's own high-water mark; below it ``write_buffer_bytes`` is small enough not to matter."""

Buffer = bytes | memoryview
FrameReceiver = Callable[[Frame], None]
LossReceiver = Callable[[str], None]


UNANSWERED_MS: Final = 10_000
"""What was sent and not acknowledged for so long ends a connection. Left to itself, TCP tries for a quarter of an hour,
ever more rarely, on a connection that one side or something in between has forgotten; a new one is made at once."""


class FramedConnection(asyncio.Protocol):
    """A connection from its first byte to its last.

    ``on_frame`` gets each frame and may raise ``ProtocolError``: the connection is closed with its text.
    ``on_lost`` is called exactly once after the connection was made, with the reason. Frames may be views of
    received bytes: whoever keeps one keeps these alive.
    """

    def __init__(
        self, *, queue_bytes_max: int, socket_buffer_bytes: int = 0, ended: Callable[[], None] | None = None
    ) -> None:
        self._ended = ended
        self._decoder = FrameDecoder(HANDSHAKE_FRAME_BYTES_MAX)
        self._queue_bytes_max = queue_bytes_max
        self._socket_buffer_bytes = socket_buffer_bytes
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_frame: FrameReceiver | None = None
        self._on_lost: LossReceiver | None = None
        self._early: list[Frame] = []
        self._outgoing: list[Buffer] = []
        self._outgoing_bytes = 0
        self._flush_due = False
        self._reason = ""
        self._lost = False
        self.failure: ProtocolError | None = None
        """How the other side broke the protocol; None if it did not."""
        self.tls_failure = ""
        """Why TLS ended the connection, with the remedy; empty if it did not."""
        self.made = asyncio.get_running_loop().create_future()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and set the socket up for small frames and large windows."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are not subclasses of asyncio's
        self._loop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            _tune(raw, self._socket_buffer_bytes)
        if not self.made.done():
            self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Cut frames and hand them on."""
        self._decoder.receive(data)
        try:
            while not self._reason and (frame := self._decoder.next_frame()) is not None:
                if self._on_frame is None:
                    self._early.append(frame)
                else:
                    self._on_frame(frame)
        except ProtocolError as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end once."""
        self._lost = True
        if self._ended is not None:
            self._ended()
        if isinstance(exc, ssl.SSLError):
            self.tls_failure = tls_remedy(exc)
        elif self._decoder.holds_tls_record:
            self.tls_failure = SPEAKS_TLS
        if not self._reason:
            truncated = self._decoder.buffered_bytes
            cut = f" in the middle of a frame ({truncated} bytes of it arrived)" if truncated else ""
            plain = f"{exc}{cut}" if exc is not None else f"closed by the other side{cut}"
            self._reason = self.tls_failure or plain
        if self._on_lost is not None:
            self._on_lost(self._reason)

    # -- for the owner

    def attach(self, on_frame: FrameReceiver, on_lost: LossReceiver) -> None:
        """Hand frames to ``on_frame`` from now on; those that came before are handed over at once."""
        self._on_frame = on_frame
        self._on_lost = on_lost
        early, self._early = self._early, []
        try:
            for frame in early:
                on_frame(frame)
        except ProtocolError as error:
            self._refuse(error)
        if self._lost:
            on_lost(self._reason)

    def allow_frames_of(self, frame_bytes_max: int) -> None:
        """Accept longer frames: the other side is authenticated."""
        self._decoder.frame_bytes_max = frame_bytes_max

    def send(self, type_: int, body: Buffer, *, hold: bool = False) -> None:
        """Send one frame; ignored after the connection is gone. ``hold``: the caller will ``flush``."""
        self.send_bytes(*encode_frame_parts(type_, (body,)), hold=hold)

    def send_bytes(self, *parts: Buffer, hold: bool = False) -> None:
        """Send bytes that are whole frames; ignored after the connection is gone."""
        if self._lost or self._reason:
            return
        for part in parts:
            self._outgoing.append(part)
            self._outgoing_bytes += len(part)
        if not hold and not self._flush_due:
            assert self._loop is not None
            self._flush_due = True
            self._loop.call_soon(self._flush)

    @property
    def queue_bytes(self) -> int:
        """Bytes that the operating system did not take yet."""
        written = self._transport.get_write_buffer_size() if self._transport is not None and not self._lost else 0
        return self._outgoing_bytes + written

    @property
    def peer_address(self) -> str:
        """``host:port`` of the other side."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{name[0]}:{name[1]}" if name else "unknown"

    @property
    def peer_host(self) -> str:
        """The other side's address, without the port."""
        return self.peer_address.rpartition(":")[0]

    @property
    def certificates(self) -> tuple[bytes, bytes]:
        """Fingerprints of the certificates that this side and the other one showed; empty without."""
        if self._transport is None:
            return b"", b""
        return own_fingerprint(self._transport), fingerprint(self.peer_certificate)

    @property
    def peer_certificate(self) -> bytes:
        """The other side's certificate in DER; empty without one."""
        return peer_certificate(self._transport) if self._transport is not None else b""

    @property
    def is_open(self) -> bool:
        """Whether frames can still be sent."""
        return not self._lost and not self._reason

    def close(self, reason: str) -> None:
        """Send what is queued, then close; ``on_lost`` will say ``reason``."""
        if self._reason or self._lost:
            return
        self._flush()
        self._reason = reason
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once, without what is queued."""
        if not self._lost:
            self._reason = self._reason or reason
            if self._transport is not None:
                self._transport.abort()

    def _refuse(self, failure: ProtocolError) -> None:
        """The other side broke the protocol: tell it why, and close."""
        self.failure = failure
        self.send_bytes(refusal(failure))
        self.close(str(failure))

    def flush(self) -> None:
        """Write what is queued now: what was held, and what would be written at the end of the event loop's turn."""
        if self._outgoing:
            self._write()

    def _flush(self) -> None:
        self._flush_due = False
        self._write()

    def _write(self) -> None:
        if not self._outgoing or self._transport is None or self._lost or self._reason:
            return
        parts, self._outgoing = self._outgoing, []
        self._outgoing_bytes = 0
        self._transport.writelines(parts)
        waiting = self._transport.get_write_buffer_size()
        if waiting > self._queue_bytes_max:
            self.abort(f"the other side does not read: {waiting} bytes wait, {self._queue_bytes_max} may")


def _tune(raw: socket.socket, buffer_bytes: int) -> None:
    """No Nagle delay, keepalive, an end of trying, buffers as asked. A socket that refuses one works without it."""
    if raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on every system
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
        if buffer_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
