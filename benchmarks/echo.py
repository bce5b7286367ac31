"""The limit: a bare echo client → A → B → A → client over loopback, with the same loop and no work at all."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast

import numpy as np

from benchmarks.event_loop import run_fast

CHUNK_BYTES = 200_000
"""About a batch of 8,192 events as columns."""
WINDOW = 64


class _Hop(asyncio.Protocol):
    """Passes bytes on: to the next hop if there is one, else back."""

    def __init__(self, next_port: int | None) -> None:
        self._next_port = next_port
        self._forward: asyncio.Transport | None = None
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        _no_delay(transport)
        # uvloop's transports are not subclasses of asyncio's
        self._back = cast("asyncio.Transport", transport)
        if self._next_port is not None:
            self._connecting = asyncio.ensure_future(self._connect(self._next_port))

    async def _connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: _Return(self._back), "127.0.0.1", port)
        _no_delay(transport)
        self._forward = transport
        for data in self._waiting:
            transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._next_port is None:
            self._back.write(data)
        elif self._forward is None:
            self._waiting.append(data)
        else:
            self._forward.write(data)


class _Return(asyncio.Protocol):
    def __init__(self, back: asyncio.Transport) -> None:
        self._back = back

    def data_received(self, data: bytes) -> None:
        if not self._back.is_closing():  # the run may be over
            self._back.write(data)


def _no_delay(transport: asyncio.BaseTransport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _serve(next_port: int | None, report: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Hop(next_port), "127.0.0.1", 0)
        report.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    run_fast(serve())


def two_hops(rounds: int = 3_000, size: int = 200) -> tuple[float, float]:
    """p50 and p99 in ms of ``rounds`` echoes of ``size`` bytes over two hops, one at a time."""
    with _hops() as port:
        return run_fast(_measure(port, rounds, size))


def carried(seconds: float) -> float:
    """Bytes per second over two hops and back, ``WINDOW`` chunks on their way at a time."""
    with _hops() as port:
        return run_fast(_carry(port, seconds))


@contextmanager
def _hops() -> Iterator[int]:
    """Two processes that pass bytes on and back; the port of the first."""
    context = multiprocessing.get_context("spawn")
    processes = []
    port: int | None = None
    for _ in range(2):
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(port, sending), daemon=True)
        process.start()
        processes.append(process)
        port = receiving.recv()
    assert port is not None
    try:
        yield port
    finally:
        for process in processes:
            process.terminate()
            process.join()


async def _carry(port: int, seconds: float) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * WINDOW * CHUNK_BYTES)
    _no_delay(writer.transport)
    chunk = bytes(CHUNK_BYTES)
    for _ in range(WINDOW):
        writer.write(chunk)
    begin = time.perf_counter()
    carried_bytes = 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        carried_bytes += len(await reader.readexactly(CHUNK_BYTES))
        writer.write(chunk)
    writer.close()
    return carried_bytes / elapsed


async def _measure(port: int, rounds: int, size: int) -> tuple[float, float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _no_delay(writer.transport)
    times = np.empty(rounds)
    for number in range(rounds):
        begin = time.perf_counter()
        writer.write(struct.pack("<Q", number).ljust(size, b"."))
        await reader.readexactly(size)
        times[number] = (time.perf_counter() - begin) * 1000
    writer.close()
    return float(np.percentile(times, 50)), float(np.percentile(times, 99))
