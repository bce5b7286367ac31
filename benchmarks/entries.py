"""What one log entry costs the engine, by plan and rows per entry, in CPU time.

    python -m benchmarks.entries [--rows 1 --rows 20] [--entries 2000] [--json]

A live pair applies many small entries; what counts then is the cost of an entry, not of a row. Each figure is the
median (and the least) over blocks of 50 entries, in microseconds of process time, after a warm-up of 200 entries.
Process time makes the figures usable, if not exact, on a machine that has other work.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import pair, takeovers
from benchmarks.generated import generate
from eiha.engine.runtime import EngineRuntime
from eiha.engine.warm import warm_kernels
from eiha.events import wire
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications

FLIGHTS = Path(__file__).parent.parent / "examples" / "flights" / "plans" / "departures.siddhi"
FLIGHTS_SPEC = "seq;sym(16);int(1,9000);sym(4000);sym(3);sym(100);int(-20,120);int(-60,180);int(20,600);int(80,4900)"
BLOCK = 50
WARM_UP = 200


@dataclass(frozen=True, slots=True)
class Workload:
    """A plan and what it is fed. ``dt_ms`` None: live clock; else event time advances by that much per event."""

    name: str
    plan: str
    stream: str
    spec: str
    dt_ms: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU time per entry."""

    plan: str
    rows: int
    median_us: float
    least_us: float


def workloads() -> tuple[Workload, ...]:
    """Filter, window and aggregate; three queries of all kinds; the plan of the demo."""
    return (
        Workload("filter, length(1000), avg by key", pair.PLAN, "Trades", pair.SPEC, None),
        Workload("takeovers: length, time, pattern", takeovers.PLAN, takeovers.STREAM, takeovers.SPEC, 1.0),
        Workload("flights: two times, pattern", FLIGHTS.read_text(), "Departures", FLIGHTS_SPEC, 60_000.0),
    )


def measure(workload: Workload, rows: int, entries: int) -> Cost:
    """Apply ``entries`` entries of ``rows`` rows each, after the warm-up."""
    engine = EngineRuntime()

    def entry(number: int, body: EntryBody) -> LogEntry:
        return LogEntry(Epoch(1), Sequence(number + 1), LogTimeMs(1000 + number), body)

    applied = engine.apply(entry(0, DeployPlan("plan", workload.plan)))
    assert not applied.faults, applied.faults
    made: list[LogEntry] = []
    for number in range(1, WARM_UP + entries + 1):
        batch = _compact(generate(workload.spec, first=number * rows, rows=rows, dt_ms=workload.dt_ms, seed=1))
        publication = Publication(ClientId("client"), ClientSequence(number), workload.stream, rows, wire.encode(batch))
        made.append(entry(number, Publications((publication,))))
    for each in made[:WARM_UP]:
        engine.apply(each)
    gc.collect()
    blocks: list[float] = []
    for start in range(WARM_UP, len(made), BLOCK):
        block = made[start : start + BLOCK]
        begin = time.process_time_ns()
        for each in block:
            engine.apply(each)
        blocks.append((time.process_time_ns() - begin) / len(block) / 1000)
    return Cost(workload.name, rows, round(statistics.median(blocks), 1), round(min(blocks), 1))


def _compact(batch: WireBatch) -> WireBatch:
    """Only the strings that occur in each dictionary, as a client sends them."""
    columns: list[WireColumn] = []
    for column in batch.columns:
        if column.type is AttributeType.STRING:
            used, codes = np.unique(column.values, return_inverse=True)
            texts = tuple(column.dictionary[code] for code in used.tolist())
            columns.append(replace(column, values=codes.astype(np.int32), dictionary=texts))
        else:
            columns.append(column)
    return replace(batch, columns=tuple(columns))


def main() -> int:
    """Parse arguments; see the module docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.entries", description=__doc__)
    parser.add_argument("--rows", type=int, action="append", default=[], help="rows per entry (repeatable)")
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="the last line printed is one JSON object")
    arguments = parser.parse_args()
    warm_kernels()
    costs = [
        measure(workload, rows, arguments.entries) for workload in workloads() for rows in arguments.rows or (1, 10, 20)
    ]
    table = Table(title="CPU time per log entry, µs")
    for heading in ("plan", "rows", "median", "least"):
        table.add_column(heading, justify="left" if heading == "plan" else "right")
    for cost in costs:
        table.add_row(cost.plan, str(cost.rows), f"{cost.median_us:,.0f}", f"{cost.least_us:,.0f}")
    Console(file=sys.stderr if arguments.json else sys.stdout).print(table)
    if arguments.json:
        print(json.dumps({"costs": [asdict(cost) for cost in costs]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
