"""What TLS costs in processor time: ``python -m benchmarks.tls``. Plain and TLS in turn, both ends in one process.

Processor time, so that other load on the machine matters little. ``python -m benchmarks.pair --tls`` is the whole pair.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import uvloop
from rich.console import Console
from rich.table import Table

from eiha.transport.gated_listener import Admission, GatedListener
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import TlsFiles, dialling_context, listening_context

ROUNDS = 5
BULK_BYTES = 256 << 10
BULK_COUNT = 400
SMALL_BYTES = 200
SMALL_COUNT = 3_000
CONNECTIONS = 60


class Echo(asyncio.Protocol):
    """Answers each ``size`` bytes with one."""

    def __init__(self, admission: Admission, size: int) -> None:
        self.admission, self.size, self.received = admission, size, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        whole, self.received = divmod(self.received, self.size)
        if whole:
            self.transport.write(b"." * whole)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio gives it
        self.admission.end()


async def cpu_ns(size: int, count: int, listening: ssl.SSLContext | None, dialling: ssl.SSLContext | None) -> float:
    """Processor time of sending ``size`` bytes and getting an answer, both ends together."""
    gate = GatedListener(
        lambda admission: Echo(admission, size), tls=(lambda: listening) if listening is not None else None
    )
    address = await gate.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*address, ssl=dialling)
    data = bytes(size)
    begun = time.process_time_ns()
    for _ in range(count):
        writer.write(data)
        await reader.readexactly(1)
    spent = time.process_time_ns() - begun
    writer.close()
    gate.close()
    await gate.wait_closed()
    return spent / count


async def handshake_ns(listening: ssl.SSLContext | None, dialling: ssl.SSLContext | None) -> float:
    """Processor time of a connection, one message and its answer, both ends together."""
    gate = GatedListener(lambda admission: Echo(admission, 1), tls=(lambda: listening) if listening else None)
    address = await gate.start("127.0.0.1", 0)
    begun = time.process_time_ns()
    for _ in range(CONNECTIONS):
        reader, writer = await asyncio.open_connection(*address, ssl=dialling)
        writer.write(b".")
        await reader.readexactly(1)
        writer.close()
    spent = time.process_time_ns() - begun
    gate.close()
    await gate.wait_closed()
    return spent / CONNECTIONS


async def measure(directory: Path) -> dict[str, list[float]]:
    """The least of some rounds, plain and TLS."""
    make_authority(directory, "authority")
    issue(directory, Wanted("node1", "bench", ("127.0.0.1",)))
    own = directory / "node1"
    files = TlsFiles(f"{own}.pem", f"{own}.key", str(directory / "ca.pem"))
    ways: list[tuple[Any, Any]] = [
        (None, None),
        (listening_context(files, "required"), dialling_context(files, check_host=True)),
    ]
    best: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for position, way in enumerate(ways):
            for name, value in (
                (f"{BULK_BYTES >> 10} KiB sent and answered", await cpu_ns(BULK_BYTES, BULK_COUNT, *way)),
                (f"{SMALL_BYTES} bytes sent and answered", await cpu_ns(SMALL_BYTES, SMALL_COUNT, *way)),
                ("a connection, certificates both ways", await handshake_ns(*way)),
            ):
                found = best.setdefault(name, [float("inf")] * 2)
                found[position] = min(found[position], value)
    return best


def main() -> None:
    """Measure and show."""
    with tempfile.TemporaryDirectory() as directory:
        best = uvloop.run(measure(Path(directory)))
    table = Table(title="processor time of both ends together, µs")
    for heading in ("what", "plain", "TLS 1.3", "more"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, (plain, encrypted) in best.items():
        table.add_row(name, f"{plain / 1e3:.1f}", f"{encrypted / 1e3:.1f}", f"{(encrypted - plain) / 1e3:.1f}")
    Console().print(table)
    more = best[f"{BULK_BYTES >> 10} KiB sent and answered"]
    per_event = (more[1] - more[0]) / BULK_BYTES * 28
    Console().print(f"for an event of 28 bytes in columns, encrypted once and decrypted once: {per_event:.1f} ns")


if __name__ == "__main__":
    main()
