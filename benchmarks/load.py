"""The load generator: events from a CSV file or generated ones into a pair, at a rate, over failovers.

    python -m benchmarks.load --nodes 127.0.0.1:11225,127.0.0.1:11226 --stream Departures \\
        --csv examples/flights/data/flights-2013-01.csv.gz --timestamps event_time_ms --rate 2000

Shows progress, rate and latency (publish to acknowledgement) while it runs, percentiles at the end, and writes them as
JSON with ``--json``. Latencies are measured from the moment a publication was *due*, so a stall is not hidden by the
generator waiting with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.csv_events import read_csv, slice_rows
from benchmarks.generated import generate
from eiha.client import Client, Coded
from eiha.errors import EihaError
from eiha.events.schema import AttributeType, StreamDefinition
from eiha.events.wire import WireBatch

FORMS: Final = ("columns", "rows")


@dataclass(slots=True)
class Tally:
    """What happened so far. Times are ``time.monotonic()`` seconds."""

    sent_rows: int = 0
    acked_rows: int = 0
    begin: float = 0.0
    end: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    acks: list[tuple[float, float]] = field(default_factory=list)

    def acked(self, sent: float, due: float, rows: int) -> None:
        """Count one acknowledged publication."""
        now = time.monotonic()
        self.acked_rows += rows
        self.latencies_ms.append((now - due) * 1000)
        self.acks.append((now, sent))

    def first_ack_after(self, moment: float) -> float | None:
        """When the first publication that was sent after ``moment`` was acknowledged.

        Acknowledgements of earlier ones do not count: a dead node's may still be on their way.
        """
        found = None
        for at, sent in reversed(self.acks):
            if at <= moment:
                break
            if sent > moment:
                found = at
        return found

    def longest_pause_ms(self) -> float:
        """The longest time without an acknowledgement while some were due."""
        times = np.array([self.begin, *(at for at, _ in self.acks)])
        return float(np.diff(times).max(initial=0.0) * 1000)

    def report(self) -> dict[str, Any]:
        """Figures for people and for JSON."""
        latencies = np.array(self.latencies_ms or [0.0])
        seconds = max(self.end - self.begin, 1e-9)
        return {
            "events_sent": self.sent_rows,
            "events_acknowledged": self.acked_rows,
            "seconds": round(seconds, 3),
            "events_per_s": round(self.acked_rows / seconds),
            "publications": len(self.latencies_ms),
            "latency_ms": {
                name: round(float(np.percentile(latencies, share)), 3)
                for name, share in (("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("max", 100))
            },
            "longest_pause_ms": round(self.longest_pause_ms(), 1),
        }


@dataclass(frozen=True, slots=True)
class TimedBatch:
    """A publication to send: rows of ``batch`` and the time it is due, in seconds from the start."""

    batch: WireBatch
    due_s: float


def cut(batch: WireBatch, rows: int, rate: float) -> list[TimedBatch]:
    """``batch`` in publications of ``rows`` rows, evenly spread at ``rate`` rows/s (0: all due at once)."""
    return [
        TimedBatch(slice_rows(batch, start, start + rows), start / rate if rate else 0.0)
        for start in range(0, batch.rows, rows)
    ]


async def send(
    client: Client,
    definition: StreamDefinition,
    publications: Iterable[TimedBatch],
    tally: Tally,
    *,
    form: str = "columns",
    on_ack: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
    sent: list[TimedBatch] | None = None,
) -> None:
    """Publish everything (until ``stop``) and wait for every acknowledgement; waits when the client's window is full.

    ``sent`` receives each publication that was handed to the client.
    """
    names = definition.schema.names
    pending: set[asyncio.Future[Any]] = set()
    tally.begin = time.monotonic()
    for publication in publications:
        if stop is not None and stop.is_set():
            break
        delay = tally.begin + publication.due_s - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        due = tally.begin + publication.due_s if publication.due_s else time.monotonic()
        batch = publication.batch
        if form == "rows":
            acknowledged = await client.publish_rows(definition.name, rows_of(batch), timestamps=batch.timestamps)
        else:
            columns = arrays_of(batch, names)
            acknowledged = await client.publish_columns(definition.name, columns, timestamps=batch.timestamps)
        tally.sent_rows += batch.rows
        if sent is not None:
            sent.append(publication)
        pending.add(acknowledged)
        acknowledged.add_done_callback(_counter(tally, time.monotonic(), due, batch.rows, pending, on_ack))
    while pending:
        await asyncio.wait(set(pending))
    tally.end = time.monotonic()


def _counter(
    tally: Tally, sent: float, due: float, rows: int, pending: set[asyncio.Future[Any]], on_ack: Callable[[], None]
) -> Callable[[asyncio.Future[Any]], None]:
    def count(done: asyncio.Future[Any]) -> None:
        pending.discard(done)
        done.result()
        tally.acked(sent, due, rows)
        on_ack()

    return count


def arrays_of(batch: WireBatch, names: Sequence[str]) -> dict[str, Any]:
    """The batch as a program with columns would have it: arrays, masked where there are nulls, coded texts."""
    arrays: dict[str, Any] = {}
    for name, column in zip(names, batch.columns, strict=True):
        if column.type is AttributeType.STRING:
            codes = column.values if column.valid is None else np.where(column.valid, column.values, -1)
            arrays[name] = Coded(codes, column.dictionary)
        elif column.valid is None:
            arrays[name] = column.values
        else:
            arrays[name] = np.ma.MaskedArray(column.values, mask=~column.valid)
    return arrays


def rows_of(batch: WireBatch) -> list[list[Any]]:
    """The batch as rows, as a client without columns would have them."""
    return [list(row) for row in zip(*(column.to_list() for column in batch.columns), strict=True)]


async def run(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Connect, send, report."""
    tally = Tally()
    async with Client(arguments.nodes.split(","), client_id=arguments.client_id) as client:
        definition = await client.definition(arguments.stream)
        if arguments.csv:
            batch = read_csv(Path(arguments.csv), definition.schema, arguments.timestamps)
            if arguments.events:
                batch = slice_rows(batch, 0, arguments.events)
        else:
            dt_ms = 1000 / arguments.rate if arguments.event_time and arguments.rate else None
            batch = generate(arguments.gen, first=0, rows=arguments.events, dt_ms=dt_ms, seed=arguments.seed)
        publications = cut(batch, arguments.batch, arguments.rate)
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=console,
            disable=arguments.quiet,
        )
        with progress:
            task = progress.add_task("acknowledged", total=batch.rows, rate="")

            def show() -> None:
                rate = tally.acked_rows / max(time.monotonic() - tally.begin, 1e-9)
                progress.update(task, completed=tally.acked_rows, rate=f"{rate:,.0f}/s")

            await send(client, definition, publications, tally, form=arguments.form, on_ack=show)
    return tally.report()


def show_report(report: dict[str, Any], console: Console) -> None:
    """The figures as a table."""
    table = Table(show_header=False)
    for key, value in report.items():
        if isinstance(value, dict):
            text = "  ".join(f"{name} {figure:,}" for name, figure in value.items())
        else:
            text = f"{value:,}"
        table.add_row(key.replace("_", " "), text)
    console.print(table)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    options.add_argument("--nodes", default="127.0.0.1:11225,127.0.0.1:11226", help="host:port of each node's ingest")
    options.add_argument("--stream", required=True)
    source = options.add_mutually_exclusive_group(required=True)
    source.add_argument("--csv", help="file with a header line, plain or gzip")
    source.add_argument("--gen", help="generator, e.g. 'sym(100);float(0,1000);int(1,1000)'")
    options.add_argument("--timestamps", help="CSV column with event times in epoch ms")
    options.add_argument("--event-time", action="store_true", help="generated events carry event times at the rate")
    options.add_argument("--events", type=int, default=0, help="rows to send; 0: all of the CSV file")
    options.add_argument("--rate", type=float, default=0.0, help="rows per second; 0: as fast as they are taken")
    options.add_argument("--batch", type=int, default=20, help="rows per publication")
    options.add_argument("--form", choices=FORMS, default="columns")
    options.add_argument("--client-id", help="keeps its number over runs; default: a new one each time")
    options.add_argument("--seed", type=int, default=42)
    options.add_argument("--json", type=Path, help="write the report to this file")
    options.add_argument("--quiet", action="store_true", help="no progress bar")
    return options


def main() -> int:
    """Run the load generator."""
    arguments = parser().parse_args()
    if arguments.gen and not arguments.events:
        parser().error("--gen needs --events")
    console = Console()
    try:
        report = asyncio.run(run(arguments, console))
    except (EihaError, OSError, ValueError) as error:
        console.print(f"[bold red]the load was not sent[/]: {error}", highlight=False)
        return 1
    show_report(report, console)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["events_acknowledged"] == report["events_sent"] else 1


if __name__ == "__main__":
    sys.exit(main())
