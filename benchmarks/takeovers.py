"""Kill the active again and again under load, and prove from the stores that nothing was lost and nothing doubled.

    python -m benchmarks.takeovers --kills 50 [--switchovers 20] [--mysql URL]

``--switchovers``: before the kills, hand over in order so many times, and measure how long no acknowledgement comes.
Real processes, ``kill -9`` at random moments, one client that goes on sending through every failover. At the end every
row the client was told is safe must be in the event store once, the outputs must be those of an undisturbed engine
over the same rows, and no node may have seen a state digest differ. Prints the distribution of the time from the kill
to the first new acknowledgement.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.generated import generate
from benchmarks.load import Tally, TimedBatch, send
from benchmarks.local_pair import SECRET, LocalPair, NodeProcess
from benchmarks.proof import Proof, from_engine, prove
from eiha.cli.node_client import Target, act
from eiha.client import Client

STREAM = "Trades"
SPEC = "seq;sym(20);double(0,1000);int(1,1000)"
PLAN = """@app:name('trades')
@app:playback
@store(type='events')
define stream Trades (number long, symbol string, price double, volume int);

@info(name='average')
from Trades#window.length(500)
select number, symbol, avg(price) as average, sum(volume) as volume group by symbol
insert into Average;

@info(name='recent')
from Trades[volume > 500]#window.time(2 sec)
select symbol, count() as trades, max(price) as highest group by symbol
insert into Recent;

@info(name='jump')
from every low=Trades[price < 20] -> high=Trades[symbol == low.symbol and price > 980] within 5 sec
select low.number as low_number, high.number as high_number, high.price - low.price as jump
insert into Jump;
"""
SETTLE_S = (0.2, 1.5)
"""Undisturbed time before each kill: from just after a rejoin to some hundred entries later."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """One kill: when, and how long until the first new acknowledgement and until both nodes were there again."""

    takeover_ms: float
    covered_again_ms: float


async def disturb(pair: LocalPair, tally: Tally, kills: int, seed: int, console: Console) -> list[Takeover]:
    """Kill the active ``kills`` times, each time bringing the killed node back."""
    chance = random.Random(seed)
    takeovers: list[Takeover] = []
    for number in range(kills):
        await asyncio.sleep(chance.uniform(*SETTLE_S))
        victim = await asyncio.to_thread(pair.active)
        assert victim is not None
        moment = time.monotonic()
        victim.kill()
        await _first_ack(tally, moment, pair)
        first = tally.first_ack_after(moment)
        assert first is not None
        victim.start()
        await asyncio.to_thread(pair.wait_until_covered, 60.0)
        takeovers.append(Takeover((first - moment) * 1000, (time.monotonic() - moment) * 1000))
        console.print(
            f"kill {number + 1:3d}/{kills}  {victim.name}  takeover {takeovers[-1].takeover_ms:6.0f} ms  "
            f"covered again {takeovers[-1].covered_again_ms:6.0f} ms  acknowledged {tally.acked_rows:,}"
        )
    return takeovers


async def hand_over(pair: LocalPair, tally: Tally, switchovers: int, seed: int, console: Console) -> list[float]:
    """Switch over ``switchovers`` times; for each the longest time without an acknowledgement around it, in ms."""
    chance = random.Random(seed)
    target = Target([f"http://127.0.0.1:{node.ports.http}" for node in pair.nodes], SECRET)
    gaps = []
    for number in range(switchovers):
        await asyncio.sleep(chance.uniform(*SETTLE_S))
        begin = time.monotonic()
        answer = await asyncio.to_thread(act, target, "POST", "/v1/admin/switchover")
        # the acknowledgements go on while the old active rejoins
        await asyncio.to_thread(pair.wait_until_covered, 60.0)
        times = np.array([at for at, _ in tally.acks if at > begin - 1.0] + [time.monotonic()])
        ended = np.flatnonzero(times[1:] > begin)
        gaps.append(float(np.diff(times)[ended].max() * 1000))
        console.print(f"switchover {number + 1:3d}/{switchovers}  to {answer['active']}  gap {gaps[-1]:6.0f} ms")
    return gaps


async def _first_ack(tally: Tally, moment: float, pair: LocalPair) -> None:
    deadline = moment + 30
    while tally.first_ack_after(moment) is None:
        if time.monotonic() > deadline:
            raise SystemExit("no acknowledgement for 30 s after a kill\n" + "\n".join(n.tail() for n in pair.nodes))
        await asyncio.sleep(0.002)


def endless(rate: float, rows: int) -> Iterator[TimedBatch]:
    """Publications of ``rows`` rows at ``rate`` rows/s, without an end."""
    for number in itertools.count():
        batch = generate(SPEC, first=number * rows, rows=rows, dt_ms=1000 / rate, seed=7)
        yield TimedBatch(batch, number * rows / rate)


async def campaign(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Start the pair, load it, disturb it, stop the load, prove."""
    directory: Path = arguments.directory
    shutil.rmtree(directory, ignore_errors=True)
    plans = directory / "plans"
    plans.mkdir(parents=True)
    (plans / "trades.siddhi").write_text(PLAN)
    pair = LocalPair(directory, plans, database_url=arguments.mysql)
    with pair:
        await asyncio.to_thread(pair.start)
        tally = Tally()
        publications = endless(arguments.rate, arguments.batch)
        sent: list[TimedBatch] = []
        async with Client(pair.ingest) as client:
            definition = await client.definition(STREAM)
            stopping = asyncio.Event()
            loading = asyncio.create_task(send(client, definition, publications, tally, stop=stopping, sent=sent))
            gaps = await hand_over(pair, tally, arguments.switchovers, arguments.seed, console)
            takeovers = await disturb(pair, tally, arguments.kills, arguments.seed, console)
            stopping.set()
            await loading
        digests = sum(_mismatches(node) for node in pair.nodes)
        expected = await asyncio.to_thread(from_engine, PLAN, STREAM, [publication.batch for publication in sent])
        proof = await prove(pair, expected, STREAM, acked_rows=tally.acked_rows, console=console)
    return _report(takeovers, gaps, tally, proof, digests)


def _mismatches(node: NodeProcess) -> int:
    """How often the node said that the digests differed, over all its starts."""
    return node.log.read_text(errors="replace").count('"event": "digest_mismatch"')


def _report(takeovers: list[Takeover], gaps: list[float], tally: Tally, proof: Proof, digests: int) -> dict[str, Any]:
    return {
        "kills": len(takeovers),
        "takeover_ms": _spread([each.takeover_ms for each in takeovers]),
        "covered_again_ms": _spread([each.covered_again_ms for each in takeovers]),
        "switchovers": len(gaps),
        "switchover_gap_ms": _spread(gaps),
        "acknowledged": tally.acked_rows,
        "lost": proof.lost,
        "twice": proof.doubled,
        "outputs": proof.outputs,
        "outputs_differ": proof.outputs_differ,
        "digest_differences": digests,
    }


def _spread(times_ms: list[float]) -> dict[str, int]:
    if not times_ms:
        return {}
    points = (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100))
    return {name: round(float(np.percentile(times_ms, share))) for name, share in points}


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.takeovers", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--switchovers", type=int, default=0, help="planned ones, before the kills")
    parser.add_argument("--rate", type=float, default=4_000.0, help="rows per second")
    parser.add_argument("--batch", type=int, default=20, help="rows per publication")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mysql", help="SQLAlchemy URL of a MySQL or MariaDB for witness and stores")
    parser.add_argument("--directory", type=Path, default=Path("var/takeovers"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    console = Console()
    report = asyncio.run(campaign(arguments, console))
    table = Table(show_header=False)
    for key, value in report.items():
        table.add_row(key.replace("_", " "), str(value))
    console.print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    clean = not (report["lost"] or report["twice"] or report["outputs_differ"] or report["digest_differences"])
    console.print("[bold green]nothing lost, nothing twice[/]" if clean else "[bold red]FAILED[/]")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
