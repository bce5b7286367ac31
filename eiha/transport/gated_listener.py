"""A listening port with a gate: bounds before anything is read, TLS with a time limit, then the protocol.

Connections are accepted here and not by ``loop.create_server``: so that one that is over a bound costs a ``close``
and no TLS handshake, that handshakes under way are counted and bounded, that a failed one is told to the operator
with its remedy, and that a reload of certificates holds for the next connection without touching those that are open.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final

from eiha.transport.admission_limits import AdmissionBook, AdmissionLimits
from eiha.transport.tls_refusal import refusal_code, tls_remedy

BACKLOG: Final = 512
OUT_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
OUT_OF_DESCRIPTORS_PAUSE_S: Final = 0.2
"""With no descriptor left, accepting again at once would only burn the processor."""

MakeContext = Callable[[], ssl.SSLContext]


class Admission:
    """One admitted connection. Whoever serves it calls ``end`` when the connection is lost; more than once is fine."""

    __slots__ = ("_book", "_ended", "address", "raw")

    def __init__(self, book: AdmissionBook, address: str, raw: socket.socket | None) -> None:
        self._book = book
        self._ended = False
        self.address = address
        self.raw = raw
        """The socket until a transport has it."""

    def end(self) -> None:
        """Give the place back."""
        if not self._ended:
            self._ended = True
            self._book.release(self.address)


class GatedListener:
    """One port.

    Args:
        serve: makes the protocol of an admitted connection; it must call the admission's ``end`` in
            ``connection_lost``.
        limits: see ``AdmissionLimits``.
        tls: gives the context of the next connection; None: the port is not encrypted.
        handshake_timeout_s: for the TLS handshake.
        refused: told of each refusal before the protocol: a code to count by, the address, and a sentence (empty
            where the bound says it all).
    """

    def __init__(
        self,
        serve: Callable[[Admission], asyncio.BaseProtocol],
        *,
        limits: AdmissionLimits | None = None,
        tls: MakeContext | None = None,
        handshake_timeout_s: float = 5.0,
        refused: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self._serve = serve
        self._limits = limits or AdmissionLimits()
        self._tls = tls
        self._handshake_timeout_s = handshake_timeout_s
        self._refused = refused
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._making: dict[asyncio.Task[None], None] = {}
        self.book = AdmissionBook(self._limits)
        self.refused_by_code: dict[str, int] = {}

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; the first address that was bound. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                self._sockets.append(_bound(family, kind, protocol, address))
        except OSError:
            for each in self._sockets:
                each.close()
            self._sockets = []
            raise
        return self.serve_bound()

    def serve_bound(self, bound: socket.socket | None = None) -> tuple[str, int]:
        """Accept on what is bound, or on the listening socket ``bound``; its address."""
        if bound is not None:
            self._sockets.append(bound)
        for each in self._sockets:
            each.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._accept_forever(each))
            task.add_done_callback(lambda _, bound=each: bound.close())  # type: ignore[misc]
            self._accepting.append(task)
        name = self._sockets[0].getsockname()
        return str(name[0]), int(name[1])

    def close(self) -> None:
        """Listen no more; connections stay. It may be started again after ``wait_closed``."""
        self._sockets = []
        for task in [*self._accepting, *self._making]:
            task.cancel()

    async def wait_closed(self) -> None:
        """Until nothing is accepted any more, after ``close``."""
        tasks = [*self._accepting, *self._making]
        if tasks:
            await asyncio.wait(tasks)
        self._accepting = []

    def count(self, code: str, address: str, sentence: str = "") -> None:
        """One more refusal under ``code``."""
        self.refused_by_code[code] = self.refused_by_code.get(code, 0) + 1
        if self._refused is not None:
            self._refused(code, address, sentence)

    async def _accept_forever(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                raw, name = await loop.sock_accept(listening)
            except OSError as cause:
                if cause.errno in OUT_OF_DESCRIPTORS:
                    self.count("no-descriptors", "", f"no connection can be accepted: {cause.strerror}")
                    await asyncio.sleep(OUT_OF_DESCRIPTORS_PAUSE_S)
                continue  # else: that one connection ended before it was accepted
            self._admit(raw, str(name[0]))

    def _admit(self, raw: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        code = self.book.admit(address, loop.time())
        if code:
            raw.close()
            self.count(code, address)
            return
        if self._tls is not None and len(self._making) >= self._limits.handshakes_max:
            oldest = next(iter(self._making))
            del self._making[oldest]
            oldest.cancel()
            self.count("handshakes-max", address)
        admission = Admission(self.book, address, raw)
        task = loop.create_task(self._connect(admission))
        self._making[task] = None
        task.add_done_callback(lambda done: self._connected(done, admission))

    async def _connect(self, admission: Admission) -> None:
        """Until the protocol has the connection. A transport that was begun closes itself when this fails."""
        loop = asyncio.get_running_loop()
        raw, admission.raw = admission.raw, None
        assert raw is not None
        if self._tls is None:
            await loop.connect_accepted_socket(lambda: self._serve(admission), raw)
            return
        try:
            await loop.connect_accepted_socket(
                lambda: _AfterHandshake(lambda: self._serve(admission)),
                raw,
                ssl=self._tls(),
                ssl_handshake_timeout=self._handshake_timeout_s,
            )
        except OSError as cause:
            admission.end()
            self.count(refusal_code(cause), admission.address, tls_remedy(cause))

    def _connected(self, task: asyncio.Task[None], admission: Admission) -> None:
        self._making.pop(task, None)
        if task.cancelled():
            admission.end()
            if admission.raw is not None:
                admission.raw.close()
        elif (cause := task.exception()) is not None:
            admission.end()
            self.count("connection-lost", admission.address, f"{type(cause).__name__}: {cause}")


class _AfterHandshake(asyncio.Protocol):
    """Stands in for the real protocol until the TLS handshake is done: before, there is nobody to serve."""

    def __init__(self, make: Callable[[], asyncio.BaseProtocol]) -> None:
        self._make = make

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand over."""
        protocol = self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as cause:
        listening.close()
        text = f"error while attempting to bind on address {address}: {(cause.strerror or '').lower()}"
        raise OSError(cause.errno, text) from cause
    return listening
