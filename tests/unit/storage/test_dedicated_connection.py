"""A connection whose other side hangs up."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop

from eiha.storage.datasource import DataSource, parse_datasource
from eiha.storage.dedicated_connection import DATABASE_ERRORS, DedicatedConnection, Session

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset."""


async def nothing(_: Session) -> None:
    """Work that asks for nothing."""


@asynccontextmanager
async def resetting_server() -> AsyncIterator[DataSource]:
    """A server that resets each connection once it is made, as balancers do while nothing stands behind them."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)

        async def serve() -> None:
            while True:
                connection, _ = await loop.sock_accept(listening)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.close()

        serving = asyncio.create_task(serve())
        yield parse_datasource(f"mysql://eiha:secret@127.0.0.1:{listening.getsockname()[1]}/eiha")
        serving.cancel()


@pytest.mark.parametrize("runner", [uvloop.run, asyncio.run])
def test_a_server_that_resets_connections_as_they_are_made_is_a_database_that_is_away(runner: object) -> None:
    async def connect_often() -> None:
        async with resetting_server() as source:
            connection = DedicatedConnection(source, nothing)
            for _ in range(20):
                with pytest.raises(DATABASE_ERRORS):
                    await connection.run(nothing, timeout_s=10.0)
            await connection.close()

    runner(connect_often())  # type: ignore[operator]
