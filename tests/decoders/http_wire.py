"""The node's HTTP connection without a socket: bytes in, whatever it answers out."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from eiha.events.schema import StreamDefinition
from eiha.node.http_connection import BoundedHttpConnection, HttpBounds
from eiha.receivers.http import HttpReceiver, build_app
from eiha.transport.admission_limits import AdmissionBook, AdmissionLimits
from eiha.transport.gated_listener import Admission
from tests.unit.receivers.memory_intake import MemoryIntake, MemoryLog

SETTLE_TURNS = 60
"""Turns of the event loop after which a request that can be answered is."""


class Wire(asyncio.Transport):
    """A transport that remembers what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.9", 1), "sockname": ("10.0.0.1", 9763)})
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing is read here anyway."""

    def resume_reading(self) -> None:
        """Nothing is read here anyway."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """All is taken."""


class HttpWire:
    """One connection that is given ``data`` in two pieces and then lost."""

    def __init__(self, definition: StreamDefinition) -> None:
        self._definition = definition

    async def serve(self, data: bytes) -> bytes:
        """What was answered."""
        problems: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        intake = MemoryIntake(MemoryLog())
        intake.definitions = {self._definition.name: self._definition}
        receiver = HttpReceiver(intake)
        config = uvicorn.Config(build_app(receiver), log_config=None, lifespan="off", ws="none")
        config.load()
        book = AdmissionBook(AdmissionLimits())
        assert not book.admit("10.0.0.9", 0.0)
        connection = BoundedHttpConnection(
            config=config,
            server_state=ServerState(),
            app_state={},
            admission=Admission(book, "10.0.0.9", None),
            bounds=HttpBounds(5.0, receiver.count_rejection),
        )
        wire = Wire()
        connection.connection_made(cast("asyncio.Transport", wire))
        half = len(data) // 2
        for piece in (data[:half], data[half:]):
            if not wire.closed and piece:
                connection.data_received(piece)
            for _ in range(SETTLE_TURNS):
                await asyncio.sleep(0)
        connection.connection_lost(None)
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)
        await receiver.close()
        assert not problems, problems
        assert book.connections == 0
        assert receiver.bodies_bytes == 0
        assert b"500" not in bytes(wire.written[:20]), bytes(wire.written[:200])
        return bytes(wire.written)
