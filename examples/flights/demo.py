"""The demo: 27,004 real departures through a pair whose active is killed half-way, and the proof that nothing happened.

    make demo            on embedded SQLite
    make demo-mysql      the same on MariaDB or MySQL (EIHA_TEST_MYSQL_URL, else a private MariaDB)

What it does: starts two nodes, sends every departure of January 2013 at a steady rate, kills the active with
``kill -9`` in the middle, starts it again, waits until it has joined, and compares the stores with an undisturbed run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.csv_events import read_csv
from benchmarks.load import Tally, cut, send
from benchmarks.local_pair import LocalPair, NodeProcess, PairError
from benchmarks.proof import Proof, from_single_node, prove
from eiha.client import Client
from eiha.events.schema import StreamDefinition
from eiha.events.wire import WireBatch
from eiha.plan.compilation import compile_plan

HERE = Path(__file__).parent
FLIGHTS = HERE / "data" / "flights-2013-01.csv.gz"
PLAN = HERE / "plans" / "departures.siddhi"
STREAM = "Departures"
KILL_AT = 0.4
"""Share of the departures acknowledged when the active is killed: late enough for full windows."""
REJOIN_AT = 0.6
"""Share at which the killed node is started again, while the load goes on."""


@dataclass(slots=True)
class Story:
    """What happened, for the verdict."""

    killed: str = ""
    killed_at: float = 0.0
    takeover_ms: float = 0.0
    rejoined_ms: float = 0.0
    load_ran_on: bool = False


async def run(arguments: argparse.Namespace, console: Console, database_url: str | None) -> bool:
    """The whole demo; whether the proof holds."""
    directory: Path = arguments.directory
    shutil.rmtree(directory, ignore_errors=True)
    pair = LocalPair(directory, PLAN.parent, database_url=database_url)
    console.print("making the engine's kernels ready; the first time they are compiled, for a minute or two")
    await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "eiha.cli.main", "prepare"], check=True)
    with pair:
        console.rule("[bold]1  two nodes")
        console.print(f"starting, logs in {directory}/node1.log and node2.log")
        await asyncio.to_thread(pair.start)
        for node in pair.nodes:
            console.print(f"  {node.name}  {' · '.join(node.role())}  http://127.0.0.1:{node.ports.http}/status")
        console.rule("[bold]2  the load, and kill -9")
        tally = Tally()
        story = Story()
        async with Client(pair.ingest) as client:
            definition = await client.definition(STREAM)
            flights = read_csv(FLIGHTS, definition.schema, "event_time_ms")
            await _load_and_kill(arguments, console, pair, client, definition, flights, tally, story)
        console.rule("[bold]3  the proof")
        console.print("an undisturbed run: one node alone, with stores of its own, over the same departures")
        alone = LocalPair(directory / "alone", PLAN.parent, nodes=1)
        expected = await from_single_node(alone, compile_plan(PLAN.read_text()), STREAM, cut(flights, 200, 0))
        console.print("comparing the pair's stores with it")
        proof = await prove(pair, expected, STREAM, acked_rows=tally.acked_rows, console=console)
    _verdict(console, tally, story, proof)
    return proof.holds and tally.acked_rows == flights.rows


async def _load_and_kill(
    arguments: argparse.Namespace,
    console: Console,
    pair: LocalPair,
    client: Client,
    definition: StreamDefinition,
    flights: WireBatch,
    tally: Tally,
    story: Story,
) -> None:
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with progress:
        task = progress.add_task("departures acknowledged", total=flights.rows)
        publications = cut(flights, arguments.batch, arguments.rate)
        loading = asyncio.create_task(
            send(
                client,
                definition,
                publications,
                tally,
                on_ack=lambda: progress.update(task, completed=tally.acked_rows),
            )
        )
        await _until(lambda: tally.acked_rows >= KILL_AT * flights.rows, loading)
        victim = await asyncio.to_thread(pair.active)
        assert victim is not None
        story.killed, story.killed_at = victim.name, time.monotonic()
        victim.kill()
        progress.console.print(f"[bold red]kill -9 {victim.name}[/], the active, after {tally.acked_rows:,} departures")
        await _until(lambda: tally.first_ack_after(story.killed_at) is not None, loading)
        first = tally.first_ack_after(story.killed_at)
        assert first is not None
        story.takeover_ms = (first - story.killed_at) * 1000
        progress.console.print(f"[bold green]next acknowledgement after {story.takeover_ms:.0f} ms")
        await _until(lambda: tally.acked_rows >= REJOIN_AT * flights.rows, loading)
        await _rejoin(pair, victim, story, progress.console)
        story.load_ran_on = not loading.done()
        await loading


async def _rejoin(pair: LocalPair, victim: NodeProcess, story: Story, console: Console) -> None:
    begin = time.monotonic()
    console.print(f"starting {victim.name} again")
    victim.start()
    await asyncio.to_thread(pair.wait_until_covered, 60.0)
    story.rejoined_ms = (time.monotonic() - begin) * 1000
    console.print(f"[bold green]{victim.name} has joined after {story.rejoined_ms / 1000:.1f} s[/], the pair is synced")


async def _until(condition: object, loading: asyncio.Task[None]) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        if loading.done():
            await loading
        if time.monotonic() > deadline:
            raise PairError("the load does not get on: nothing acknowledged as expected for a minute")
        await asyncio.sleep(0.005)


def _verdict(console: Console, tally: Tally, story: Story, proof: Proof) -> None:
    table = Table(title="the active was killed; what the stores say", show_header=False)
    table.add_row("departures acknowledged", f"{tally.acked_rows:,}")
    table.add_row("in the event store", f"{proof.stored:,}")
    table.add_row("lost / stored twice", f"{proof.lost} / {proof.doubled}")
    for stream, rows, different in proof.streams:
        table.add_row(f"outputs {stream}", f"{rows:,}, {different} differ from the undisturbed run")
    table.add_row("time to takeover", f"{story.takeover_ms:.0f} ms from kill -9 to the next acknowledgement")
    table.add_row("rejoin", f"{story.rejoined_ms / 1000:.1f} s from start to synced, under load")
    latency = tally.report()["latency_ms"]
    table.add_row("latency", "  ".join(f"{name} {value:,} ms" for name, value in latency.items()))
    console.print(table)
    if proof.holds:
        console.print("[bold green]VERDICT: every acknowledged departure is there once, every output is as it must be.")
    else:
        console.print("[bold red]VERDICT: the stores are not as they must be.")


@contextmanager
def database(wanted: bool, directory: Path, console: Console) -> Iterator[str | None]:
    """A database URL for the demo: ``EIHA_TEST_MYSQL_URL``, or a private MariaDB for its duration; None for SQLite."""
    if not wanted:
        yield None
        return
    given = os.environ.get("EIHA_TEST_MYSQL_URL")
    if given:
        yield given
        return
    console.print("starting a private MariaDB")
    tool = [sys.executable, str(HERE.parents[1] / "tools" / "mariadb.py")]
    where = directory.parent / "demo-mariadb"
    shutil.rmtree(where, ignore_errors=True)
    started = subprocess.run([*tool, "start", "--dir", str(where)], check=True, capture_output=True, text=True)
    try:
        yield started.stdout.strip().splitlines()[-1]
    finally:
        subprocess.run([*tool, "stop", "--dir", str(where)], check=True)


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="python -m examples.flights.demo", description=__doc__)
    parser.add_argument("--mysql", action="store_true", help="witness and stores on MariaDB or MySQL")
    parser.add_argument("--rate", type=float, default=1_500.0, help="departures per second")
    parser.add_argument("--batch", type=int, default=10, help="departures per publication")
    parser.add_argument("--directory", type=Path, default=Path("var/demo"))
    arguments = parser.parse_args()
    console = Console()
    with ExitStack() as stack:
        url = stack.enter_context(database(arguments.mysql, arguments.directory, console))
        try:
            return 0 if asyncio.run(run(arguments, console, url)) else 1
        except PairError as error:
            console.print(f"[bold red]the demo failed[/]: {error}", highlight=False)
            return 1


if __name__ == "__main__":
    sys.exit(main())
