"""uvicorn inside the node's own event loop: it binds nothing, handles no signals, and writes no log of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from eiha.net.listening import unavailable

STOP_TIMEOUT_S: Final = 2
KEEP_ALIVE_S: Final = 30
BACKLOG: Final = 512


class _Server(uvicorn.Server):
    """Leaves signals to the node."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class HttpServer:
    """Serves one application on one port.

    Args:
        app: the application.
        host: address to bind.
        port: port to bind.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
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
        self._server = _Server(config)

    def bind(self) -> None:
        """Take the port. Raises ``AddressUnavailable``."""
        try:
            self._socket = socket.create_server((self._host, self._port), backlog=BACKLOG)
        except OSError as cause:
            raise unavailable(cause, self._host, self._port, "http.port") from cause
        self._socket.setblocking(False)

    async def run(self) -> None:
        """Serve until ``stop``, or until cancelled."""
        assert self._socket is not None
        await self._server.serve(sockets=[self._socket])

    async def stop(self) -> None:
        """Take no more requests, let those under way end."""
        self._server.should_exit = True
        if self._socket is not None:
            await asyncio.sleep(0)
            self._socket.close()
