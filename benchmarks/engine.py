"""The engine alone, in one process, against real Siddhi 5.1.7 on the same events in the same run.

    python -m benchmarks.engine                      the table: every query, both engines, ratios
    python -m benchmarks.engine --app FILE --stream S[,R] --gen SPEC --events N --batch B --json
                                                     any app, eiha only; the last line is one JSON object

Method: both engines get the same generated events (``benchmarks.generated``) in batches of 1,000 and of 8,192, in
memory, warmed up; making the events is not timed; every output row is materialised and counted. Each engine's better
batch size counts. Whether both put out the same is checked beside it, on fewer events that Siddhi gets one by one: a
batch call moves Siddhi's event clock to the end of the batch first, while here a batch is so many single events. eiha
is fed through ``EngineRuntime.apply`` with log entries as they come from the wire, so decoding is part of its time.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import siddhi_peer
from benchmarks.generated import generate
from eiha.engine.runtime import EngineRuntime
from eiha.events import wire
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications

TRADES = "define stream S (symbol string, price float, volume int);\n"
TRADES_SPEC = "sym(100);float(0,1000);int(1,1000)"


@dataclass(frozen=True, slots=True)
class Workload:
    """One query of the table. ``dt_ms`` None: live clock; else event time advances by that much per event."""

    name: str
    app: str
    spec: str = TRADES_SPEC
    streams: str = "S"
    events: int = 500_000
    dt_ms: float | None = None


WORKLOADS = (
    Workload("filter 50 %", TRADES + "from S[price > 500] select symbol, price, volume insert into Out;"),
    Workload(
        "three arithmetic projections",
        TRADES + "from S select symbol, price * 2 as a, price + volume as b, volume % 7 as c insert into Out;",
    ),
    Workload(
        "length(1000) avg by symbol",
        TRADES + "from S#window.length(1000) select symbol, avg(price) as average group by symbol insert into Out;",
    ),
    Workload(
        "time(1 min) sum by symbol",
        TRADES + "from S#window.time(1 min) select symbol, sum(price) as total group by symbol insert into Out;",
        dt_ms=1.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Events per second over the rounds of one run, and what the last round put out."""

    median_events_per_s: int
    min_events_per_s: int
    max_events_per_s: int
    out_events_per_round: int
    out_sum_per_round: float
    runs: int
    feed: str


class Feed:
    """A fresh engine with one app, fed with log entries as a node would."""

    def __init__(self, app: str, *, dt_ms: float | None) -> None:
        self._engine = EngineRuntime()
        self._sequence = 0
        self._now_ms = 1_600_000_000_000
        text = f"@app:name('benchmark')\n{'@app:playback ' if dt_ms is not None else ''}\n{app}"
        applied = self._engine.apply(self._entry(DeployPlan("benchmark", text)))
        if applied.faults:
            raise SystemExit("\n".join(applied.faults))

    def _entry(self, body: EntryBody) -> LogEntry:
        self._sequence += 1
        return LogEntry(Epoch(1), Sequence(self._sequence), LogTimeMs(self._now_ms), body)

    def entry(self, stream: str, payload: bytes, rows: int) -> LogEntry:
        """The log entry that carries one batch."""
        publication = Publication(ClientId("load"), ClientSequence(self._sequence), stream, rows, payload)
        return self._entry(Publications((publication,)))

    def send(self, entries: list[LogEntry]) -> tuple[int, float]:
        """Apply the entries; rows put out and the sum of their numbers."""
        rows = 0
        total = 0.0
        for entry in entries:
            for output in self._engine.apply(entry).outputs:
                rows += output.batch.rows
                for column in output.batch.columns:
                    if column.type.is_numeric:
                        total += float(column.values.sum(dtype=np.float64))
        return rows, total

    def clock_to_now(self) -> None:
        """Live mode: log time is the wall clock."""
        self._now_ms = int(time.time() * 1000)


def measure(workload: Workload, *, batch: int, warmups: int, rounds: int, seed: int) -> Measured:
    """Run one workload on eiha."""
    engine = Feed(workload.app, dt_ms=workload.dt_ms)
    streams = workload.streams.split(",")
    rates: list[int] = []
    rows, total = 0, 0.0
    for number in range(warmups + rounds):
        first = number * workload.events
        if workload.dt_ms is None:
            engine.clock_to_now()
        entries = [
            engine.entry(streams[index % len(streams)], payload, size)
            for index, (payload, size) in enumerate(_payloads(workload, first, batch, seed))
        ]
        gc.collect()
        begin = time.perf_counter()
        rows, total = engine.send(entries)
        seconds = time.perf_counter() - begin
        if number >= warmups:
            rates.append(round(workload.events / seconds))
    return Measured(round(statistics.median(rates)), min(rates), max(rates), rows, total, rounds, "columns")


def _payloads(workload: Workload, first: int, batch: int, seed: int) -> Iterator[tuple[bytes, int]]:
    for start in range(0, workload.events, batch):
        size = min(batch, workload.events - start)
        columns = generate(workload.spec, first=first + start, rows=size, dt_ms=workload.dt_ms, seed=seed)
        yield wire.encode(columns), size


def outputs_agree(workload: Workload, *, seed: int, events: int = 150_000) -> bool:
    """Whether both engines put out as many rows, with the same sum of their numbers, for events fed one by one."""
    few = replace(workload, events=events)
    mine = measure(few, batch=1_000, warmups=0, rounds=1, seed=seed)
    other = _peer(few, batch=1, warmups=0, rounds=1, seed=seed)
    same_sum = np.isclose(mine.out_sum_per_round, other.out_sum, rtol=1e-9)
    return mine.out_events_per_round == other.out_rows and bool(same_sum)


def _peer(workload: Workload, *, batch: int, warmups: int, rounds: int, seed: int) -> siddhi_peer.PeerRun:
    return siddhi_peer.run(
        workload.app,
        inputs=workload.streams,
        output="Out",
        spec=workload.spec,
        events=workload.events,
        batch=batch,
        warmups=warmups,
        rounds=rounds,
        playback=workload.dt_ms is not None,
        dt_ms=workload.dt_ms or 0.0,
        seed=seed,
    )


def compare(names: list[str], *, rounds: int, seed: int, console: Console) -> list[dict[str, object]]:
    """The table: every workload on both engines."""
    results: list[dict[str, object]] = []
    table = Table(title="events/s, median of rounds, better of batches of 1,000 and 8,192")
    for heading in ("query", "eiha", "Siddhi 5.1.7", "ratio", "outputs agree"):
        table.add_column(heading, justify="left" if heading == "query" else "right")
    for workload in WORKLOADS:
        if names and workload.name not in names:
            continue
        console.print(f"… {workload.name}", style="dim")
        ours: list[Measured] = []
        theirs: list[siddhi_peer.PeerRun] = []
        for batch in (1_000, 8_192):
            ours.append(measure(workload, batch=batch, warmups=2, rounds=rounds, seed=seed))
            theirs.append(_peer(workload, batch=batch, warmups=2, rounds=rounds, seed=seed))
        agree = outputs_agree(workload, seed=seed)
        mine = max(m.median_events_per_s for m in ours)
        other = max(round(statistics.median(t.rates)) for t in theirs)
        table.add_row(workload.name, f"{mine:,}", f"{other:,}", f"{mine / other:.1f}", "yes" if agree else "NO")
        results.append({"query": workload.name, "eiha": mine, "siddhi": other, "ratio": mine / other, "agree": agree})
    console.print(table)
    ratios = [float(str(result["ratio"])) for result in results]
    console.print(f"ratio: median {statistics.median(ratios):.1f}, least {min(ratios):.1f}")
    return results


def main() -> int:
    """Parse arguments; see the module docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--query", action="append", default=[], help="only this row of the table (repeatable)")
    parser.add_argument("--app", type=Path, help="measure this app instead of the table")
    parser.add_argument("--stream", default="S", help="input streams; several get the batches in turn")
    parser.add_argument("--gen", default=TRADES_SPEC)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--batch", type=int, default=8_192)
    parser.add_argument("--clock", choices=("live", "playback"), default="live")
    parser.add_argument("--dt", type=float, default=1.0, help="ms of event time per event, with --clock playback")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="the last line printed is one JSON object")
    arguments = parser.parse_args()
    console = Console(file=sys.stderr if arguments.json else sys.stdout)
    if arguments.app is None:
        results = compare(arguments.query, rounds=arguments.runs, seed=arguments.seed, console=console)
        if arguments.json:
            print(json.dumps(results))
        return 0 if all(result["agree"] for result in results) else 1
    workload = Workload(
        arguments.app.name,
        arguments.app.read_text(),
        arguments.gen,
        arguments.stream,
        arguments.events,
        arguments.dt if arguments.clock == "playback" else None,
    )
    measured = measure(workload, batch=arguments.batch, warmups=2, rounds=arguments.runs, seed=arguments.seed)
    answer = asdict(measured)
    del answer["out_sum_per_round"]
    console.print(answer)
    if arguments.json:
        print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
