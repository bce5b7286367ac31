"""HTTP's own bounds, over real sockets: headers, time, connections, bodies, rates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eiha.node.http_connection import HEADER_BYTES_MAX, BoundedHttpConnection, HttpBounds
from eiha.node.http_server import HttpServer
from eiha.receivers.client_budgets import ClientRates
from eiha.receivers.http import HttpLimits, HttpReceiver, build_app
from eiha.transport.admission_limits import AdmissionLimits
from eiha.transport.gated_listener import GatedListener
from tests.unit.receivers.memory_intake import MemoryIntake, MemoryLog

ROW = b'{"symbol": "IBM", "price": 1.5, "volume": 10}'


@contextlib.asynccontextmanager
async def serving(
    *,
    timeout_s: float = 5.0,
    limits: AdmissionLimits | None = None,
    rates: ClientRates | None = None,
    **http: Any,
) -> AsyncIterator[tuple[HttpReceiver, HttpServer]]:
    receiver = HttpReceiver(MemoryIntake(MemoryLog()), HttpLimits(**http), rates)
    server = HttpServer(
        build_app(receiver),
        "127.0.0.1",
        0,
        HttpBounds(timeout_s, receiver.count_rejection),
        lambda serve: GatedListener(serve, limits=limits),
    )
    server.bind()
    running = asyncio.create_task(server.run())
    try:
        yield receiver, server
    finally:
        await receiver.close()
        await server.stop()
        await running


async def said(server: HttpServer, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Everything that is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def request(body: bytes, *headers: bytes) -> bytes:
    head = (b"POST /v1/streams/Trades HTTP/1.1", b"Host: h", b"Connection: close", b"Content-Length: %d" % len(body))
    return b"\r\n".join((*head, *headers, b"", b"")) + body


async def test_headers_without_end_are_refused() -> None:
    async with serving() as (receiver, server):
        pieces = [
            b"GET / HTTP/1.1\r\n",
            *[b"X-%d: %s\r\n" % (n, b"y" * 4_000) for n in range(HEADER_BYTES_MAX // 4_000 + 2)],
        ]
        assert (await said(server, *pieces, pause_s=0.001)).startswith(b"HTTP/1.1 431")
        assert receiver.rejected_by_code == {"headers-too-large": 1}


@pytest.mark.parametrize(
    ("piece", "answer"),
    [(b"", b"HTTP/1.1 408"), (b"POST /v1/streams/Trades HT", b"HTTP/1.1 408"), (request(ROW)[:-5], b"")],
    ids=["nothing", "half a head", "half a body"],
)
async def test_a_request_that_does_not_become_whole_is_ended(piece: bytes, answer: bytes) -> None:
    async with serving(timeout_s=0.2) as (receiver, server):
        got = await said(server, piece)
        assert got.startswith(answer) if answer else got == b""
        assert receiver.rejected_by_code["request-too-slow"] == 1
        assert receiver.bodies_bytes == 0
        assert server.gate.book.connections == 0


async def test_a_connection_that_waits_for_its_next_request_is_not_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[BoundedHttpConnection] = []
    connection_made = BoundedHttpConnection.connection_made

    def noted(self: BoundedHttpConnection, transport: asyncio.Transport) -> None:
        connection_made(self, transport)
        assert self._alarm is not None, "the first request is awaited"
        made.append(self)

    monkeypatch.setattr(BoundedHttpConnection, "connection_made", noted)
    async with serving(timeout_s=60) as (receiver, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        kept = request(ROW).replace(b"Connection: close\r\n", b"")
        for _ in range(2):
            writer.write(kept)
            assert b"200" in await reader.readuntil(b"}")
            assert made[0]._alarm is None, "no alarm that would end it"
        assert receiver.rejected_by_code == {}
        writer.close()


async def test_connections_of_one_address_are_bounded() -> None:
    async with serving(limits=AdmissionLimits(connections_per_address_max=1)) as (_, server):
        _, kept = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(10):
            while not server.gate.book.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert await said(server) == b""
        assert server.gate.refused_by_code == {"connections-per-address": 1}
        kept.close()


async def test_bodies_of_all_requests_together_are_bounded() -> None:
    async with serving(bodies_bytes_max=len(ROW) + 10) as (receiver, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(ROW)[:-1])
        async with asyncio.timeout(10):
            while not receiver.bodies_bytes:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        refused = await said(server, request(ROW))
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"bodies-too-large" in refused
        writer.write(ROW[-1:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        assert receiver.bodies_bytes == 0
        writer.close()


async def test_a_client_over_its_rate_is_told_when_to_come_back() -> None:
    async with serving(rates=ClientRates(events_per_s=1)) as (_, server):
        answers = [await said(server, request(b"[" + ROW + b"," + ROW + b"]")) for _ in range(2)]
        assert answers[0].startswith(b"HTTP/1.1 200")
        assert answers[1].startswith(b"HTTP/1.1 429")
        assert b"retry-after: 1" in answers[1].lower()
