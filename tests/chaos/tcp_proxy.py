"""A TCP proxy that delays, stalls, duplicates, flips, cuts and closes, as networks and broken middle boxes do.

    python -m tests.chaos.tcp_proxy

A process of its own, told what to do by lines of JSON on its standard input, one answer a line: ``listen`` a route,
``delay`` or ``stall`` a direction of it until ``mend``, ``damage`` the next bytes that pass. What TCP cannot do, it
does not do: bytes never overtake one another. ``up`` is from the side that connected to the proxy, ``down`` the way
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

DIRECTIONS: Final = ("up", "down")
DAMAGES: Final = ("flip", "duplicate", "drop", "truncate", "reset", "half_close")
CHUNK_BYTES: Final = 65_536
QUEUE_CHUNKS: Final = 256
"""What a delayed direction holds; beyond it the sender's window closes, as it would over a long line."""


@dataclass(slots=True)
class Direction:
    """What happens to the bytes of one direction of a route; all its connections share it."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    damage: str = ""
    """Done to the next chunk that passes, then forgotten."""
    damaged: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        self.flowing.set()


class Broken(Exception):
    """A damage ended the connection."""


class Route:
    """One listening port and where it leads. ``target``: host and port, or the path of a Unix socket."""

    def __init__(self, target: tuple[str, int] | str, seed: int) -> None:
        self._target = target
        self._chance = random.Random(seed)
        self._connections: set[asyncio.Task[None]] = set()
        self.directions = {name: Direction() for name in DIRECTIONS}
        self.accepted = 0
        self.server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Listen; the port."""
        self.server = await asyncio.start_server(self._serve, host, port)
        found: int = self.server.sockets[0].getsockname()[1]
        return found

    def close_all(self, *, reset: bool) -> int:
        """End every connection; how many there were."""
        count = len(self._connections)
        for connection in list(self._connections):
            connection.cancel("reset" if reset else "close")
        return count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.accepted += 1
        self._connections.add(task)
        ends = [writer]
        try:
            if isinstance(self._target, str):
                far_reader, far_writer = await asyncio.open_unix_connection(self._target)
            else:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(self.directions["up"], reader, far_writer))
                group.create_task(self._carry(self.directions["down"], far_reader, writer))
        except* (OSError, Broken):
            for end in ends:
                _reset(end)
        except* asyncio.CancelledError:
            for end in ends:
                _reset(end)
        finally:
            self._connections.discard(task)
            for end in ends:
                end.transport.abort()

    async def _carry(self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read and pass on; the delay is a pipe, so that it does not cost throughput."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE_CHUNKS)
        passing = asyncio.create_task(self._pass_on(direction, waiting, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                late_s = direction.delay_s + self._chance.uniform(0, direction.jitter_s)
                await self._put(waiting, (time.monotonic() + late_s, data), passing)
            await self._put(waiting, (0.0, b""), passing)
            await passing
        finally:
            passing.cancel()

    @staticmethod
    async def _put(
        waiting: asyncio.Queue[tuple[float, bytes]], item: tuple[float, bytes], passing: asyncio.Task[None]
    ) -> None:
        """Queue ``item``, unless whoever takes from the queue has ended: then raise what ended it."""
        putting = asyncio.ensure_future(waiting.put(item))
        done, _ = await asyncio.wait({putting, passing}, return_when=asyncio.FIRST_COMPLETED)
        if putting not in done:
            putting.cancel()
        if passing in done:
            passing.result()
            raise Broken

    async def _pass_on(
        self, direction: Direction, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await direction.flowing.wait()
            if not data:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            direction.bytes += len(data)
            if direction.damage:
                damage, direction.damage = direction.damage, ""
                direction.damaged += 1
                if await self._do_damage(damage, data, writer):
                    return
            else:
                writer.write(data)
            await writer.drain()

    async def _do_damage(self, damage: str, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Pass ``data`` on, damaged; whether nothing more passes in this direction."""
        middle = self._chance.randrange(len(data))
        match damage:
            case "flip":
                writer.write(
                    data[:middle] + bytes([data[middle] ^ 1 << self._chance.randrange(8)]) + data[middle + 1 :]
                )
            case "duplicate":
                writer.write(data + data)
            case "drop":
                pass
            case "truncate":
                writer.write(data[:middle])
                await writer.drain()
                raise Broken
            case "reset":
                raise Broken
            case _:
                assert damage == "half_close", damage
                writer.write(data)
                writer.write_eof()
                return True
        return False


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the kernel send a reset rather than an orderly end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0 and connection.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy:
    """Routes by name, and the orders for them."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order; the answer."""
        name = order.get("route", "")
        if order["do"] == "listen":
            target = order["target"]
            route = Route(target if isinstance(target, str) else (target[0], target[1]), order["seed"])
            self._routes[name] = route
            return {"port": await route.listen(order["host"], order["port"])}
        route = self._routes[name]
        directions = [route.directions[each] for each in order.get("directions", DIRECTIONS)]
        match order["do"]:
            case "delay":
                for direction in directions:
                    direction.delay_s, direction.jitter_s = order["delay_s"], order["jitter_s"]
            case "stall":
                for direction in directions:
                    direction.flowing.clear()
            case "damage":
                assert order["damage"] in DAMAGES, order
                for direction in directions:
                    direction.damage = order["damage"]
            case "close":
                return {"closed": route.close_all(reset=order["reset"])}
            case "mend":
                for direction in directions:
                    direction.delay_s = direction.jitter_s = 0.0
                    direction.damage = ""
                    direction.flowing.set()
            case _:
                assert order["do"] == "count", order
        return {
            "accepted": route.accepted,
            "damaged": sum(direction.damaged for direction in directions),
            "bytes": sum(direction.bytes for direction in directions),
        }


async def _main() -> None:
    proxy = Proxy()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await proxy.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
