"""A TCP proxy between a client and MySQL that can lose replies, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url

COM_QUERY = 0x03


class MysqlProxy:
    """Forwards both ways. ``drop_reply_to``: after a query with this text was passed on, replies are swallowed and the
    client's connection is closed once the server has answered, so the server did it and the client does not know.
    ``hold``: passes nothing on, like a cable that was cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.drop_reply_to: bytes | None = None
        self.dropped = 0
        self.closed = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        lost = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, up_writer, lost))
                group.create_task(self._replies(up_reader, writer, lost))
        except* ConnectionError:
            self.closed += 1
        finally:
            for end in (writer, up_writer):
                end.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await reader.read(65536):
            await self.hold.wait()
            if self.drop_reply_to is not None and data[4:5] == bytes([COM_QUERY]) and self.drop_reply_to in data:
                self.drop_reply_to = None
                lost.set()
            server.write(data)
            await server.drain()
        raise ConnectionResetError("the client left")

    async def _replies(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await server.read(65536):
            if lost.is_set():
                self.dropped += 1
                raise ConnectionResetError("the reply was lost")
            await self.hold.wait()
            client.write(data)
            await client.drain()
        raise ConnectionResetError("the server left")

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[MysqlProxy, str]]:
    """A proxy before the server of ``url``, and the URL that goes through it."""
    parts = make_url(url)
    proxy = MysqlProxy(parts.host or "127.0.0.1", parts.port or 3306)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, parts.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    finally:
        server.close()
        await proxy.end()
