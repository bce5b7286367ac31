"""The engine alone, in one process, against real Siddhi 5.1.7 on the same events in the same run.

    python -m benchmarks.engine                      the table: every query, both engines, ratios
    python -m benchmarks.engine --breadth            further queries, one or two for each operator
    python -m benchmarks.engine --rows               beside it, eiha fed with rows, and with single events
    python -m benchmarks.engine --app FILE --stream S[,R] --gen SPEC --events N --batch B --json
                                                     any app, eiha only; the last line is one JSON object

Method: both engines get the same generated events (``benchmarks.generated``), in memory, in batches of 1,000 and of
8,192, warmed up; each one's better batch size counts. Siddhi gets arrays of events, as its API wants them; eiha gets
columns (NumPy arrays, strings as codes and dictionary) through ``eiha.Plan``, or rows, which are lists of tuples.
Making the events is not timed; every output row is materialised and counted. State lives on from round to round.
Whether both put out the same is checked beside it, on fewer events that Siddhi gets one by one: a batch call moves
Siddhi's event clock to the end of the batch first, while here a batch is so many single events.
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
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks import siddhi_peer
from benchmarks.breadth import BREADTH
from benchmarks.generated import generate
from benchmarks.workloads import TRADES_SPEC, WORKLOADS, Workload
from eiha import Output, Plan, Texts
from eiha.events.schema import AttributeType
from eiha.plan.compilation import compile_plan

Longs = npt.NDArray[np.int64]
BATCHES: Final = (1_000, 8_192)
"""Each engine's better one counts: one that suits the peer, and one that suits columns."""


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


@dataclass(frozen=True, slots=True)
class Call:
    """One batch, ready to be sent."""

    stream: str
    data: Any
    timestamps: Longs | None


class Feed:
    """A plan, and the calls that bring it generated events."""

    def __init__(self, workload: Workload, feed: str) -> None:
        self.outputs = compile_plan(workload.app).published_streams
        self.plan = Plan(workload.app, playback=workload.dt_ms is not None, outputs=self.outputs)
        self._workload = workload
        self._is_rows = feed == "rows"
        self._dictionaries: dict[tuple[str, ...], tuple[str, ...]] = {}

    def calls(self, first: int, batch: int, seed: int) -> list[Call]:
        """The calls of one round, made before the clock runs."""
        streams = self._workload.streams.split(",")
        return [self._call(streams[number % len(streams)], *part) for number, part in self._parts(first, batch, seed)]

    def _parts(self, first: int, batch: int, seed: int) -> Iterator[tuple[int, tuple[list[Any], Longs | None]]]:
        workload = self._workload
        for number, start in enumerate(range(0, workload.events, batch)):
            size = min(batch, workload.events - start)
            made = generate(workload.spec, first=first + start, rows=size, dt_ms=workload.dt_ms, seed=seed)
            columns = [
                Texts(column.values, self._dictionary(column.dictionary))
                if column.type is AttributeType.STRING
                else column.values
                for column in made.columns
            ]
            yield number, (columns, made.timestamps)

    def _dictionary(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """The same tuple for the same texts, as a source has it that sends codes."""
        return self._dictionaries.setdefault(texts, texts)

    def _call(self, stream: str, columns: list[Any], timestamps: Longs | None) -> Call:
        if self._is_rows:
            listed = [
                [column.dictionary[code] for code in column.codes.tolist()]
                if isinstance(column, Texts)
                else column.tolist()
                for column in columns
            ]
            return Call(stream, list(zip(*listed, strict=True)), timestamps)
        return Call(stream, dict(zip(self.plan.streams[stream].names, columns, strict=True)), timestamps)

    def send(self, calls: list[Call], *, sums: bool) -> tuple[int, float]:
        """Send them all; rows that came out and, if asked for, the sum of their numbers."""
        rows = 0
        total = 0.0
        send = self.plan.send
        for call in calls:
            now_ms = None if call.timestamps is not None else time.time_ns() // 1_000_000
            for output in send(call.stream, call.data, timestamps=call.timestamps, now_ms=now_ms).values():
                rows += len(output)
                if sums:
                    total += _sum(output)
        return rows, total


def measure(
    workload: Workload,
    *,
    batch: int,
    warmups: int,
    rounds: int,
    seed: int,
    feed: str = "columns",
    sums: bool = False,
) -> Measured:
    """Run one workload on eiha. ``sums``: add up the numbers put out, too, those of the question among them."""
    source = Feed(workload, feed)
    rates: list[int] = []
    rows, total = 0, 0.0
    for number in range(warmups + rounds):
        calls = source.calls(number * workload.events, batch, seed)
        gc.collect()
        begin = time.perf_counter()
        rows, total = source.send(calls, sums=sums)
        seconds = time.perf_counter() - begin
        if number >= warmups:
            rates.append(round(workload.events / seconds))
    faults = source.plan.take_faults()
    if faults:
        raise SystemExit("\n".join(faults))
    if sums and workload.question:
        answer = source.plan.ask(workload.question)
        rows, total = rows + len(answer), total + _sum(answer)
    return Measured(round(statistics.median(rates)), min(rates), max(rates), rows, total, rounds, feed)


def _sum(output: Output) -> float:
    """Of all numbers put out."""
    numeric = [each.name for each in output.schema.attributes if each.type.is_numeric]
    return sum(float(output.array(name).sum(dtype=np.float64, where=output.valid(name))) for name in numeric)


def outputs_agree(workload: Workload, *, seed: int) -> bool:
    """Whether both engines put out as many rows, with the same sum of their numbers, for events fed one by one."""
    few = replace(workload, events=min(workload.events, 100_000))
    size = 1 if len(workload.streams) == 1 else 1_000
    mine = measure(few, batch=1_000, warmups=0, rounds=1, seed=seed, sums=True)
    other = _peer(few, batch=size, warmups=0, rounds=1, seed=seed, sums=True)
    same_sum = np.isclose(mine.out_sum_per_round, other.out_sum, rtol=1e-9)
    return mine.out_events_per_round == other.out_rows and bool(same_sum)


def _peer(
    workload: Workload, *, batch: int, warmups: int, rounds: int, seed: int, sums: bool = False
) -> siddhi_peer.PeerRun:
    return siddhi_peer.run(
        workload.app,
        inputs=workload.streams,
        outputs=",".join(compile_plan(workload.app).published_streams),
        spec=workload.spec,
        events=workload.events,
        batch=batch,
        warmups=warmups,
        rounds=rounds,
        playback=workload.dt_ms is not None,
        dt_ms=workload.dt_ms or 0.0,
        seed=seed,
        sums=sums,
        question=workload.question if sums else "",
    )


def _best(workload: Workload, *, rounds: int, seed: int) -> int:
    """The median rate at the better batch size."""
    measured = (measure(workload, batch=batch, warmups=2, rounds=rounds, seed=seed) for batch in BATCHES)
    return max(each.median_events_per_s for each in measured)


def _best_peer(workload: Workload, *, rounds: int, seed: int) -> int:
    measured = (_peer(workload, batch=batch, warmups=2, rounds=rounds, seed=seed) for batch in BATCHES)
    return max(round(statistics.median(each.rates)) for each in measured)


def compare(
    workloads: list[Workload], *, rounds: int, seed: int, with_rows: bool, console: Console
) -> list[dict[str, object]]:
    """The table: every workload on both engines."""
    results: list[dict[str, object]] = []
    table = Table(title="events/s, median of rounds, better of batches of 1,000 and 8,192")
    headings = ["query", "eiha", "Siddhi 5.1.7", "ratio", "outputs agree"]
    for heading in [*headings, *(["rows", "single events"] if with_rows else [])]:
        table.add_column(heading, justify="left" if heading == "query" else "right")
    for workload in workloads:
        mine = _best(workload, rounds=rounds, seed=seed)
        result: dict[str, object] = {"query": workload.name, "eiha": mine}
        cells = [workload.name, f"{mine:,}"]
        if workload.has_peer:
            other = _best_peer(workload, rounds=rounds, seed=seed)
            agree = outputs_agree(workload, seed=seed)
            result |= {"siddhi": other, "ratio": mine / other, "agree": agree}
            cells += [f"{other:,}", f"{mine / other:.1f}", "yes" if agree else "NO"]
        else:
            cells += ["", "", ""]
        if with_rows:
            rows = measure(workload, batch=8_192, warmups=1, rounds=rounds, seed=seed, feed="rows")
            few = replace(workload, events=20_000)
            single = measure(few, batch=1, warmups=1, rounds=rounds, seed=seed, feed="rows")
            result |= {"rows": rows.median_events_per_s, "single": single.median_events_per_s}
            cells += [f"{rows.median_events_per_s:,}", f"{single.median_events_per_s:,}"]
        console.print(" · ".join(cells), style="dim")  # the table comes when all is measured
        table.add_row(*cells)
        results.append(result)
    console.print(table)
    ratios = [float(str(result["ratio"])) for result in results if "ratio" in result]
    if ratios:
        console.print(f"ratio: median {statistics.median(ratios):.1f}, least {min(ratios):.1f}")
    return results


def main() -> int:
    """Parse arguments; see the module docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--query", action="append", default=[], help="only rows of the table with this in their name")
    parser.add_argument("--breadth", action="store_true", help="the further queries instead of those of the table")
    parser.add_argument("--rows", action="store_true", help="measure rows and single events beside columns")
    parser.add_argument("--app", type=Path, help="measure this app instead of the table")
    parser.add_argument("--stream", default="S", help="input streams; several get the batches in turn")
    parser.add_argument("--gen", default=TRADES_SPEC)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--batch", type=int, default=8_192)
    parser.add_argument("--feed", choices=("columns", "rows"), default="columns")
    parser.add_argument("--clock", choices=("live", "playback"), default="live")
    parser.add_argument("--dt", type=float, default=1.0, help="ms of event time per event, with --clock playback")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="the last line printed is one JSON object")
    arguments = parser.parse_args()
    console = Console(file=sys.stderr if arguments.json else sys.stdout)
    if arguments.app is None:
        chosen = [
            each
            for each in (BREADTH if arguments.breadth else WORKLOADS)
            if not arguments.query or any(part in each.name for part in arguments.query)
        ]
        results = compare(chosen, rounds=arguments.runs, seed=arguments.seed, with_rows=arguments.rows, console=console)
        if arguments.json:
            print(json.dumps(results))
        return 0 if all(result.get("agree", True) for result in results) else 1
    workload = Workload(
        arguments.app.name,
        arguments.app.read_text(encoding="utf-8"),
        arguments.gen,
        arguments.stream,
        arguments.events,
        arguments.dt if arguments.clock == "playback" else None,
    )
    measured = measure(
        workload, batch=arguments.batch, warmups=2, rounds=arguments.runs, seed=arguments.seed, feed=arguments.feed
    )
    answer = asdict(measured)
    del answer["out_sum_per_round"]
    console.print(answer)
    if arguments.json:
        print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
