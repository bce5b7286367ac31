"""uvicorn inside the node's own event loop: it binds nothing, handles no signals, and writes no log of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from eiha.net.listening import unavailable
from eiha.node.http_connection import BoundedHttpConnection, HttpBounds
from eiha.transport.gated_listener import Admission, GatedListener

STOP_TIMEOUT_S: Final = 2
KEEP_ALIVE_S: Final = 30
BACKLOG: Final = 512


class _Server(uvicorn.Server):
    """Leaves signals to the node, and the listening socket to the gate."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.gate: GatedListener | None = None
        self.bound: socket.socket | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve what the gate lets in."""
        assert sockets is None
        assert self.gate is not None
        assert self.bound is not None
        await self.lifespan.startup()
        self.servers = []
        self.gate.serve_bound(self.bound)
        self.started = True


class HttpServer:
    """Serves one application on one port.

    Args:
        app: the application.
        host: address to bind.
        port: port to bind.
        bounds: of one connection.
        gate: makes the port's gate of what serves an admitted connection.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        bounds: HttpBounds,
        gate: Callable[[Callable[[Admission], asyncio.BaseProtocol]], GatedListener],
    ) -> None:
        self._bounds = bounds
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
            server_header=False,
        )
        self._config = config
        self._server = _Server(config)
        self.gate = self._server.gate = gate(self._serve)

    def bind(self) -> None:
        """Take the port. Raises ``AddressUnavailable``."""
        try:
            self._socket = socket.create_server((self._host, self._port), backlog=BACKLOG)
        except OSError as cause:
            raise unavailable(cause, self._host, self._port, "http.port") from cause
        self._socket.setblocking(False)
        self._server.bound = self._socket

    @property
    def port(self) -> int:
        """The port that was bound."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    async def run(self) -> None:
        """Serve until ``stop``, or until cancelled."""
        assert self._socket is not None
        await self._server.serve()

    def _serve(self, admission: Admission) -> asyncio.BaseProtocol:
        return BoundedHttpConnection(
            config=self._config,
            server_state=self._server.server_state,
            app_state={},
            admission=admission,
            bounds=self._bounds,
        )

    async def stop(self) -> None:
        """Take no more requests, let those under way end."""
        self._server.should_exit = True
        self.gate.close()
        await self.gate.wait_closed()
        if self._socket is not None:
            self._socket.close()
