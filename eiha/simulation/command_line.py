"""The command line of the simulator."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from eiha.errors import PlanError
from eiha.simulation.engines import choose_workload
from eiha.simulation.fault_profiles import PROFILES
from eiha.simulation.many import Summary, run_seed, run_seeds
from eiha.simulation.mutations import MUTATIONS
from eiha.simulation.options import DURABILITIES, SimulationOptions
from eiha.simulation.verdict import Verdict

PROGRESS_S = 0.5
FAILURES_SHOWN = 5


def main(arguments: Sequence[str]) -> int:
    """Run; 0: all promises held (or, with ``--mutation``, the planted bug was found), 1: not, 2: bad usage."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.plan and not given.real_engine:
        parser.error("--plan needs --real-engine: the cheap engine runs no plans")
    try:
        options = SimulationOptions(
            faults=given.faults or (MUTATIONS[given.mutation].faults if given.mutation else "swarm"),
            durability=given.durability or (MUTATIONS[given.mutation].durability if given.mutation else None),
            safety_ms=given.safety_ms,
            healing_ms=given.healing_ms,
            clients=given.clients,
            publications=given.publications,
            mutation=given.mutation,
            real_engine=given.real_engine,
            plan=given.plan.read_text(encoding="utf-8") if given.plan else "",
            trace=given.trace,
        )
        choose_workload(options)
    except (ValueError, OSError, PlanError) as problem:
        parser.error(str(problem))
    if given.seed is not None:
        return _run_single(given.seed, options)
    return _run_many(given.seeds, options, given.jobs)


def _run_single(seed: int, options: SimulationOptions) -> int:
    verdict = run_seed(seed, options)
    for line in verdict.timeline:
        print(line)
    print(f"seed {seed}: {verdict.violation or 'all promises held'}")
    print(f"checksum {verdict.checksum:08x}  {verdict.figures}")
    return 0 if verdict.passed else 1


def _run_many(seeds: range, options: SimulationOptions, jobs: int) -> int:
    summary = Summary()
    began = shown = time.monotonic()
    for verdict in run_seeds(seeds, options, jobs):
        summary.add(verdict)
        if not verdict.passed and len(summary.failed) <= FAILURES_SHOWN:
            _clear_line()
            print(_failure(verdict), flush=True)
        now = time.monotonic()
        if now - shown >= PROGRESS_S:
            shown = now
            _progress(summary, len(seeds), now - began)
        if options.mutation and summary.failed:
            break
    _clear_line()
    print(summary.text(time.monotonic() - began))
    found = bool(summary.failed)
    if options.mutation:
        print(f"planted bug {options.mutation}: " + (f"found after {summary.seeds} seeds" if found else "NOT FOUND"))
        return 0 if found else 1
    return 1 if found else 0


def _failure(verdict: Verdict) -> str:
    command = dataclasses.replace(verdict, options=verdict.options).replay_command
    return f"seed {verdict.seed} failed {verdict.violation}\n  replay: {command}"


def _progress(summary: Summary, total: int, elapsed_s: float) -> None:
    if not sys.stderr.isatty():
        return
    rate = summary.seeds / elapsed_s
    left_s = (total - summary.seeds) / rate if rate else 0
    sys.stderr.write(
        f"\r{summary.seeds:,}/{total:,} seeds  {rate:.1f}/s  {left_s:.0f} s left  "
        f"{summary.failovers:,} failovers  {len(summary.failed)} failed "
    )
    sys.stderr.flush()


def _clear_line() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eiha.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="run this one seed")
    which.add_argument("--seeds", type=_seed_range, metavar="A..B", help="run the seeds from A to B, without B")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    parser.add_argument("--faults", choices=tuple(PROFILES), help="fault profile (default swarm)")
    parser.add_argument("--durability", choices=DURABILITIES, help="default: the seed decides")
    parser.add_argument("--mutation", choices=tuple(MUTATIONS), help="plant a bug; stop when it is found")
    parser.add_argument("--safety-ms", type=int, default=10_000, help="virtual time with faults (default %(default)s)")
    parser.add_argument("--healing-ms", type=int, default=30_000, help="virtual time to converge (default %(default)s)")
    parser.add_argument("--clients", type=int, help="default: the seed decides")
    parser.add_argument("--publications", type=int, help="of each client; default: the seed decides")
    parser.add_argument("--real-engine", action="store_true", help="run the columnar engine instead of the cheap one")
    parser.add_argument("--plan", type=Path, help="a SiddhiQL file for the real engine")
    parser.add_argument("--trace", action="store_true", help="print the timeline (with --seed)")
    return parser


def _seed_range(text: str) -> range:
    first, dots, last = text.partition("..")
    if not (dots and first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range such as 0..2000")
    return range(int(first), int(last))
