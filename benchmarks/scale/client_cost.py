"""What connected clients, and publications of one event, cost the active of a real pair."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks.local_pair import LocalPair, NodeProcess
from benchmarks.scale.shapes import SMALL_PLAN
from eiha.client import Client, ClientOptions

PUBLICATIONS: Final = 20_000


def measure(counts: list[int]) -> tuple[list[dict[str, float]], float, float]:
    """Memory with as many connections; resident bytes of an idle active; publications of one event for each second of
    the active's processor time, over all its threads, while they come as fast as they can.
    """
    with tempfile.TemporaryDirectory(prefix="eiha-scale-") as name:
        directory = Path(name)
        plans = directory / "plans"
        plans.mkdir()
        (plans / "small.siddhi").write_text(SMALL_PLAN)
        with LocalPair(directory / "pair", plans) as pair:
            pair.start()
            active = pair.active()
            assert active is not None
            idle_bytes = _resident_bytes(active)
            return asyncio.run(_measure_all(active, counts)), idle_bytes, asyncio.run(_publications_per_cpu_s(active))


async def _measure_all(node: NodeProcess, counts: list[int]) -> list[dict[str, float]]:
    await _with_clients(node, counts[0])  # what the first clients make a node load stays out
    before = _resident_bytes(node)
    return [{"size": count, "memory_bytes": await _with_clients(node, count) - before} for count in counts]


async def _with_clients(node: NodeProcess, count: int) -> int:
    """Resident bytes with ``count`` clients that have each published."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client([node.ingest])) for _ in range(count)]
        for number, client in enumerate(clients):
            await client.publish_rows("S", [["key-1", 0.7, number]])
        for client in clients:
            await client.flush()
        return _resident_bytes(node)


async def _publications_per_cpu_s(node: NodeProcess) -> float:
    async with Client([node.ingest], options=ClientOptions(batch_rows=1, give_up_s=60)) as client:
        await client.publish_rows("S", [["key-1", 0.7, 0]])
        await client.flush()
        cpu = _cpu_s(node)
        for number in range(PUBLICATIONS):
            await client.publish_rows("S", [["key-1", 0.7, number]])
        await client.flush()
        return PUBLICATIONS / (_cpu_s(node) - cpu)


def _pid(node: NodeProcess) -> int:
    assert node.process is not None
    return node.process.pid


def _resident_bytes(node: NodeProcess) -> int:
    pages = int(Path(f"/proc/{_pid(node)}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cpu_s(node: NodeProcess) -> float:
    fields = Path(f"/proc/{_pid(node)}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
