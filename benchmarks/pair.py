"""The pair: events per second acknowledged as replicated, and latency, with client and both nodes on this machine.

    python -m benchmarks.pair [--seconds 5] [--json FILE]

Three ways in: columns, msgpack rows, HTTP NDJSON; each through a plan with a filter and a window, for a fixed time, as
fast as the nodes take them. Before it single events one at a time on the idle pair and, in the same run, the limit: a
bare echo over the same two hops. After each, both nodes must have applied everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.echo import two_hops
from benchmarks.event_loop import run_fast
from benchmarks.generated import generate
from benchmarks.load import arrays_of, rows_of
from benchmarks.local_pair import LocalPair
from eiha.client import Client, ClientOptions
from eiha.events.wire import WireBatch

STREAM = "Trades"
SPEC = "sym(100);float(0,1000);int(1,1000)"
PLAN = """@app:name('bench')
define stream Trades (symbol string, price float, volume int);

@info(name='average')
from Trades[volume > 500]#window.length(1000)
select symbol, avg(price) as average group by symbol having average > 990.0
insert into Average;
"""
WINDOW = 64
"""Publications in flight for each way in."""

Publish = Callable[[int], Awaitable["asyncio.Future[Any]"]]


async def throughput(publish: Publish, rows: int, seconds: float) -> dict[str, float]:
    """Publish batch after batch for ``seconds``; rows acknowledged per second and the latency under that load."""
    waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
    latencies: list[float] = []
    acked = 0
    begin = time.perf_counter()
    number = 0
    while time.perf_counter() - begin < seconds or waiting:
        if time.perf_counter() - begin < seconds and len(waiting) < WINDOW:
            waiting.append((time.perf_counter(), await publish(number)))
            number += 1
            if len(waiting) < WINDOW and not waiting[0][1].done():
                continue
        at, oldest = waiting.popleft()
        await oldest
        acked += rows
        latencies.append((time.perf_counter() - at) * 1000)
    elapsed = time.perf_counter() - begin
    return {
        "events_per_s": round(acked / elapsed),
        "p50_ms": round(float(np.percentile(latencies, 50)), 2),
        "p99_ms": round(float(np.percentile(latencies, 99)), 2),
    }


def batches(rows: int, count: int = 16) -> list[WireBatch]:
    """Some different batches to send in turn."""
    return [generate(SPEC, first=index * rows, rows=rows, dt_ms=None, seed=3) for index in range(count)]


async def columns(pair: LocalPair, seconds: float, rows: int) -> dict[str, float]:
    """NumPy columns over TCP."""
    prepared = [arrays_of(batch, ("symbol", "price", "volume")) for batch in batches(rows)]
    async with Client(pair.ingest, options=ClientOptions(unacked_rows_max=10_000_000)) as client:

        async def publish(number: int) -> asyncio.Future[Any]:
            return await client.publish_columns(STREAM, prepared[number % len(prepared)])

        return await throughput(publish, rows, seconds)


async def rows(pair: LocalPair, seconds: float, rows_each: int) -> dict[str, float]:
    """Lists of values over TCP, as msgpack rows."""
    prepared = [rows_of(batch) for batch in batches(rows_each)]
    options = ClientOptions(rows_on_wire=True, batch_rows=rows_each)
    async with Client(pair.ingest, options=options) as client:

        async def publish(number: int) -> asyncio.Future[Any]:
            return await client.publish_rows(STREAM, prepared[number % len(prepared)])

        return await throughput(publish, rows_each, seconds)


async def http(pair: LocalPair, seconds: float, rows_each: int, connections: int = 8) -> dict[str, float]:
    """NDJSON bodies over keep-alive connections, to the active."""
    active = pair.active()
    assert active is not None
    names = ("symbol", "price", "volume")
    bodies = [
        b"\n".join(orjson.dumps(dict(zip(names, row, strict=True))) for row in rows_of(batch))
        for batch in batches(rows_each)
    ]
    head = f"POST /v1/streams/{STREAM} HTTP/1.1\r\nHost: eiha\r\nContent-Type: application/x-ndjson\r\n"
    requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", active.ports.http))

    async def exchange(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> None:
        reader, writer = connection
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        status, _, headers = answer.partition(b"\r\n")
        length = next(int(h.split(b":")[1]) for h in headers.split(b"\r\n") if h.lower().startswith(b"content-length"))
        body = await reader.readexactly(length)
        if b" 200 " not in status:
            raise SystemExit(f"{status.decode()}: {body.decode()}")
        free.put_nowait(connection)

    async def publish(number: int) -> asyncio.Future[Any]:
        return asyncio.ensure_future(exchange(await free.get(), requests[number % len(requests)]))

    result = await throughput(publish, rows_each, seconds)
    while not free.empty():
        free.get_nowait()[1].close()
    return result


async def single_events(pair: LocalPair, count: int) -> dict[str, float]:
    """One event at a time on the idle pair, publish to acknowledgement."""
    one = [arrays_of(batch, ("symbol", "price", "volume")) for batch in batches(1)]
    times = []
    async with Client(pair.ingest) as client:
        for number in range(count):
            begin = time.perf_counter()
            await (await client.publish_columns(STREAM, one[number % len(one)]))
            times.append((time.perf_counter() - begin) * 1000)
    kept = np.array(times[count // 10 :])
    return {name: round(float(np.percentile(kept, share)), 3) for name, share in (("p50_ms", 50), ("p99_ms", 99))}


async def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Start the pair and run everything."""
    directory: Path = arguments.directory
    shutil.rmtree(directory, ignore_errors=True)
    plans = directory / "plans"
    plans.mkdir(parents=True)
    (plans / "bench.siddhi").write_text(PLAN)
    results: dict[str, Any] = {}
    with LocalPair(directory, plans) as pair:
        await asyncio.to_thread(pair.start)
        results["idle_rss_mb"] = [round(_rss_mb(node.process.pid)) for node in pair.nodes if node.process]
        for name, run in (
            ("single events", single_events(pair, 3_000)),
            ("columns, batches of 8,192", columns(pair, arguments.seconds, 8_192)),
            ("msgpack rows, batches of 1,000", rows(pair, arguments.seconds, 1_000)),
            ("HTTP NDJSON, 500 rows a request", http(pair, arguments.seconds, 500)),
        ):
            console.print(f"… {name}", style="dim")
            results[name] = await run
            await asyncio.to_thread(pair.wait_for, lambda: _both_applied(pair), "both nodes to apply everything", 60.0)
        results["rss_after_millions_mb"] = await memory(pair, arguments.millions)
    return results


async def memory(pair: LocalPair, millions: int) -> list[list[int]]:
    """Resident memory of both nodes after each further million of events."""
    prepared = [arrays_of(batch, ("symbol", "price", "volume")) for batch in batches(10_000)]
    readings = []
    async with Client(pair.ingest) as client:
        for _ in range(millions):
            sent = [await client.publish_columns(STREAM, prepared[number % len(prepared)]) for number in range(100)]
            await asyncio.gather(*sent)
            await asyncio.to_thread(pair.wait_for, lambda: _both_applied(pair), "both nodes to apply everything", 60.0)
            readings.append([round(_rss_mb(node.process.pid)) for node in pair.nodes if node.process])
    return readings


def _both_applied(pair: LocalPair) -> bool:
    ends = set()
    for node in pair.nodes:
        _, status = node.get("/status")
        if not isinstance(status, dict):
            return False
        if status["applied_through"] != status["committed_through"]:
            return False
        ends.add(status["applied_through"])
    return len(ends) == 1


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Measure the limit, then the pair."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pair", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each way in")
    parser.add_argument("--millions", type=int, default=8, help="millions of events over which memory is watched")
    parser.add_argument("--directory", type=Path, default=Path("var/pair"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    console = Console()
    echo_p50, echo_p99 = two_hops()
    results = {"bare echo over two hops": {"p50_ms": round(echo_p50, 3), "p99_ms": round(echo_p99, 3)}}
    results |= run_fast(measure(arguments, console))
    table = Table(title="client and both nodes on this machine")
    for heading in ("what", "events/s", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, values in results.items():
        if isinstance(values, dict):
            rate = values.get("events_per_s")
            table.add_row(name, f"{rate:,}" if rate else "", str(values["p50_ms"]), str(values["p99_ms"]))
    console.print(table)
    console.print(f"resident memory of the nodes, MB: idle {results['idle_rss_mb']}")
    console.print(f"after the above and each further million: {results['rss_after_millions_mb']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
