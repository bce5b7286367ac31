"""The pair: events per second acknowledged as replicated, and latency, with client and both nodes on this machine.

    python -m benchmarks.pair [--seconds 5] [--quick | --singles] [--json FILE]

Three ways in: columns, msgpack rows, HTTP NDJSON; each through a plan with a filter and a window, for a fixed time, as
fast as the nodes take them, and then at 10, 50 and 90 % of the rate that this gave. Those are open loops: publications
are sent when they are due, and latency counts from that moment, so that a stall is not hidden by a client that waits
with it. (The client's timer is as fine as a millisecond, which is in these figures.) Before it single events on the
idle pair, one every few milliseconds and one after the other, and, in the same run, the limits of the machine: a bare
echo over the same two hops, and what these hops carry when nothing is done with it. After each part, both nodes must
have applied everything. What the nodes' threads did meanwhile is told in CPU time per event.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import shutil
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.echo import carried, two_hops
from benchmarks.event_loop import run_fast
from benchmarks.generated import generate
from benchmarks.load import arrays_of, rows_of
from benchmarks.local_pair import LocalPair, make_certificates
from benchmarks.thread_times import Usage, usage_since
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
SHARES = (10, 50, 90)
"""Percent of the highest rate at which latencies are measured."""
WINDOW = 64
"""Publications in flight for each way in."""

EVENT_BYTES = 28
"""About what an event of this stream takes as columns, with its share of everything around it."""

Publish = Callable[[int], Awaitable["asyncio.Future[Any]"]]


@dataclass(frozen=True, slots=True)
class WayIn:
    """One way to publish: ``publish(number)`` gives a future of the acknowledgement of ``rows`` rows."""

    publish: Publish
    rows: int


async def open_loop(way: WayIn, events_per_s: float, seconds: float) -> dict[str, float]:
    """Publish at a fixed rate for ``seconds``; latency from the moment each publication was due."""
    latencies: list[float] = []
    waiting: set[asyncio.Future[Any]] = set()
    interval_s = way.rows / events_per_s
    begin = time.perf_counter()

    def note(due: float, done: asyncio.Future[Any]) -> None:
        waiting.discard(done)
        done.result()
        latencies.append((time.perf_counter() - due) * 1000)

    for number in range(max(1, round(seconds / interval_s))):
        due = begin + number * interval_s
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        future = await way.publish(number)
        waiting.add(future)
        future.add_done_callback(functools.partial(note, due))
    while waiting:
        await asyncio.wait(set(waiting))
    return {"events_per_s": round(events_per_s), **percentiles(latencies)}


def percentiles(latencies_ms: list[float]) -> dict[str, float]:
    """p50 and p99."""
    return {
        name: round(float(np.percentile(latencies_ms, share)), 2) for name, share in (("p50_ms", 50), ("p99_ms", 99))
    }


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
    return {"events_per_s": round(acked / elapsed), **percentiles(latencies)}


def batches(rows: int, count: int = 16) -> list[WireBatch]:
    """Some different batches to send in turn."""
    return [generate(SPEC, first=index * rows, rows=rows, dt_ms=None, seed=3) for index in range(count)]


def options_of(pair: LocalPair, **more: Any) -> ClientOptions:
    """A client's options, with the pair's authority where it speaks TLS."""
    return ClientOptions(tls_ca=str(pair.certificates / "ca.pem") if pair.certificates else "", **more)


@asynccontextmanager
async def columns(pair: LocalPair, rows: int) -> AsyncIterator[WayIn]:
    """NumPy columns over TCP."""
    prepared = [arrays_of(batch, ("symbol", "price", "volume")) for batch in batches(rows)]
    async with Client(pair.ingest, options=options_of(pair, unacked_rows_max=10_000_000)) as client:

        async def publish(number: int) -> asyncio.Future[Any]:
            return await client.publish_columns(STREAM, prepared[number % len(prepared)])

        yield WayIn(publish, rows)


@asynccontextmanager
async def rows(pair: LocalPair, rows_each: int) -> AsyncIterator[WayIn]:
    """Lists of values over TCP, as msgpack rows."""
    prepared = [rows_of(batch) for batch in batches(rows_each)]
    options = options_of(pair, rows_on_wire=True, batch_rows=rows_each)
    async with Client(pair.ingest, options=options) as client:

        async def publish(number: int) -> asyncio.Future[Any]:
            return await client.publish_rows(STREAM, prepared[number % len(prepared)])

        yield WayIn(publish, rows_each)


@asynccontextmanager
async def http(pair: LocalPair, rows_each: int, connections: int = 8) -> AsyncIterator[WayIn]:
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

    yield WayIn(publish, rows_each)
    while not free.empty():
        free.get_nowait()[1].close()


async def single_events(pair: LocalPair, count: int, pause_s: float) -> dict[str, float]:
    """One event at a time, publish to acknowledgement; ``pause_s`` between them lets both engines finish."""
    one = [arrays_of(batch, ("symbol", "price", "volume")) for batch in batches(1)]
    times: list[float] = []
    async with Client(pair.ingest, options=options_of(pair)) as client:
        for number in range(count):
            if pause_s:
                await asyncio.sleep(pause_s)
            begin = time.perf_counter()
            await (await client.publish_columns(STREAM, one[number % len(one)]))
            times.append((time.perf_counter() - begin) * 1000)
    return percentiles(times[count // 10 :])


async def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Start the pair and run everything."""
    directory: Path = arguments.directory
    shutil.rmtree(directory, ignore_errors=True)
    plans = directory / "plans"
    plans.mkdir(parents=True)
    (plans / "bench.siddhi").write_text(PLAN)
    results: dict[str, Any] = {}
    certificates = make_certificates(directory / "certificates") if arguments.tls else None
    with LocalPair(directory, plans, certificates=certificates) as pair:
        await asyncio.to_thread(pair.start)
        results["idle_rss_mb"] = [round(_rss_mb(node.process.pid)) for node in pair.nodes if node.process]
        count = 300 if arguments.quick else 2_000
        for name, pause_s in (("single events, one every 5 ms", 0.005), ("single events, one after the other", 0.0)):
            console.print(f"… {name}", style="dim")
            results[name] = await single_events(pair, count, pause_s)
        if arguments.singles:
            return results
        for name, way_in in (
            ("columns, batches of 8,192", columns(pair, 8_192)),
            ("msgpack rows, batches of 1,000", rows(pair, 1_000)),
            ("HTTP NDJSON, 500 rows a request", http(pair, 500)),
        ):
            console.print(f"… {name}", style="dim")
            await _way(pair, name, way_in, arguments.seconds, results)
        results["rss_after_millions_mb"] = await memory(pair, arguments.millions)
    return results


async def _way(
    pair: LocalPair, name: str, way_in: AbstractAsyncContextManager[WayIn], seconds: float, results: dict[str, Any]
) -> None:
    """Measure one way in: as fast as it goes, then at shares of that."""
    before = {node.name: Usage.of(node.process.pid) for node in pair.nodes if node.process}
    async with way_in as way:
        full = results[name] = await throughput(way.publish, way.rows, seconds)
        await _settled(pair)
        active = pair.active()
        events = full["events_per_s"] * seconds
        results.setdefault("cpu_ns_per_event", {})[name] = {
            "active" if node is active else "passive": usage_since(before[node.name], node.process.pid, events)
            for node in pair.nodes
            if node.process
        }
        for percent in SHARES:
            results[f"{name}, at {percent} %"] = await open_loop(way, full["events_per_s"] * percent / 100, seconds)
            await _settled(pair)


async def _settled(pair: LocalPair) -> None:
    await asyncio.to_thread(pair.wait_for, lambda: _both_applied(pair), "both nodes to apply everything", 60.0)


async def memory(pair: LocalPair, millions: int) -> list[list[int]]:
    """Resident memory of both nodes after each further million of events."""
    prepared = [arrays_of(batch, ("symbol", "price", "volume")) for batch in batches(10_000)]
    readings = []
    async with Client(pair.ingest, options=options_of(pair)) as client:
        for _ in range(millions):
            sent = [await client.publish_columns(STREAM, prepared[number % len(prepared)]) for number in range(100)]
            await asyncio.gather(*sent)
            await _settled(pair)
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


def show(results: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    table = Table(title="client and both nodes on this machine")
    for heading in ("what", "events/s", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, values in results.items():
        if isinstance(values, dict) and name != "cpu_ns_per_event":
            rate = values.get("events_per_s")
            table.add_row(
                name, f"{rate:,}" if rate else "", str(values.get("p50_ms", "")), str(values.get("p99_ms", ""))
            )
    console.print(table)
    if "cpu_ns_per_event" not in results:
        return
    costs = Table(title="CPU time of the nodes' threads at the highest rate, ns per event")
    for heading in ("way in", "node", "thread", "ns"):
        costs.add_column(heading, justify="right" if heading == "ns" else "left")
    for name, nodes in results["cpu_ns_per_event"].items():
        for node, threads in nodes.items():
            for thread, cost in threads.items():
                costs.add_row(name, node, thread, f"{cost:,.0f}")
    console.print(costs)
    console.print(f"resident memory of the nodes, MB: idle {results['idle_rss_mb']}")
    console.print(f"after the above and each further million: {results['rss_after_millions_mb']}")


def main() -> int:
    """Measure the limits, then the pair."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pair", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each way in")
    parser.add_argument("--quick", action="store_true", help="everything once and shortly: does it run at all?")
    parser.add_argument("--singles", action="store_true", help="only single events, and the bare echo beside them")
    parser.add_argument("--millions", type=int, default=8, help="millions of events over which memory is watched")
    parser.add_argument("--directory", type=Path, default=Path("var/pair"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tls", action="store_true", help="all ports but HTTP over TLS: what does it cost?")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.millions = min(arguments.seconds, 0.3), 0
    console = Console()
    echo_p50, echo_p99 = two_hops(300 if arguments.quick else 3_000)
    carried_bytes = carried(0.3 if arguments.quick else 2.0)
    results: dict[str, Any] = {
        "bare echo over two hops": {"p50_ms": round(echo_p50, 3), "p99_ms": round(echo_p99, 3)},
        f"bare bytes over two hops, events of {EVENT_BYTES} bytes": {
            "events_per_s": round(carried_bytes / EVENT_BYTES)
        },
    }
    results |= run_fast(measure(arguments, console))
    show(results, console)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
