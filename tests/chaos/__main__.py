"""Campaigns of faults on a real pair under load, judged by what its clients and stores hold.

    python -m tests.chaos --kills 50 --pauses 20 --partitions 10 --outages 5 --seed 1 --report var/chaos/one
    python -m tests.chaos --merge var/chaos/one/report.json var/chaos/two/report.json --report var/chaos/both

Writes ``report.json`` (everything) and ``report.html`` (one file, opens anywhere). Ends with 0 only if every promise
held in every act. ``docs/failures.md`` tells how to read the report.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.campaign import ActReport, run_act
from tests.chaos.catalogue import FAULTS
from tests.chaos.fault import Kind
from tests.chaos.report_html import html_of
from tests.chaos.schedule import make_schedule
from tests.chaos.summary import Document, document_of, merge

COUNTS = {
    "kills": Kind.KILL,
    "pauses": Kind.PAUSE,
    "partitions": Kind.PARTITION,
    "outages": Kind.OUTAGE,
    "disks": Kind.DISK,
    "clocks": Kind.CLOCK,
    "operations": Kind.OPERATION,
}


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, kind in COUNTS.items():
        options.add_argument(f"--{name}", type=int, default=0, metavar="N", help=f"faults of kind {kind.value}")
    options.add_argument("--seed", type=int, default=1, help="of every choice")
    options.add_argument("--act", type=int, action="append", default=[], help="only this act of the schedule; repeats")
    options.add_argument("--fault", action="append", default=[], help="draw from this fault only, by name; repeats")
    options.add_argument("--sqlite", action="store_true", help="SQLite files in place of a MariaDB; no outages then")
    options.add_argument("--minutes", type=float, default=0.0, help="strike no more faults after this time; 0: all")
    options.add_argument("--report", type=Path, default=Path("var/chaos"), help="directory of the report")
    options.add_argument("--scene", type=Path, help="directory of the pairs; default: scene/ beside the report")
    options.add_argument("--list", action="store_true", help="show every fault there is, and which are available here")
    options.add_argument("--merge", nargs="+", type=Path, metavar="JSON", help="merge reports instead of running")
    return options


def main() -> int:
    """Run, or merge."""
    arguments = parser().parse_args()
    console = Console(highlight=False, soft_wrap=True)
    if arguments.list:
        console.print(faults_there_are())
        return 0
    if arguments.merge:
        document = merge(json.loads(path.read_text()) for path in arguments.merge)
    else:
        document = run(arguments, console)
    arguments.report.mkdir(parents=True, exist_ok=True)
    (arguments.report / "report.json").write_text(json.dumps(document) + "\n")
    (arguments.report / "report.html").write_text(html_of(document))
    show(document, console)
    console.print(f"report: {arguments.report / 'report.html'}")
    return 0 if document["summary"]["passed"] else 1


def run(arguments: argparse.Namespace, console: Console) -> Document:
    """Every act of the schedule, or those asked for."""
    load_before = os.getloadavg()
    wanted = {kind: getattr(arguments, name) for name, kind in COUNTS.items()}
    only = frozenset(arguments.fault)
    schedule = make_schedule(wanted, arguments.seed, mariadb=not arguments.sqlite, only=only)
    for each in schedule.unavailable:
        console.print(f"not on this machine: {each.name}: {each.reason}", markup=False)
    stop = _Stop(arguments.minutes)
    options = command_options(arguments)
    reports: list[ActReport] = []
    for act in schedule.acts:
        if (arguments.act and act.number not in arguments.act) or stop():
            continue
        replay = f"python -m tests.chaos {options} --act {act.number}"
        directory = (arguments.scene or arguments.report / "scene") / f"act-{act.number}"
        report = run_act(
            act,
            arguments.seed,
            directory,
            replay=replay,
            say=lambda text: console.print(text, markup=False),
            enough=stop,
        )
        reports.append(report)
        verdict = "held" if report.passed else "[bold red]BROKEN[/]"
        console.print(f"act {act.number} on {act.stage}, {act.durability}: {verdict}, {report.seconds:.0f} s")
        if not report.passed:
            broken = [f"{check['name']}: {example}" for check in report.checks for example in check["examples"]]
            console.print("\n".join([report.error, *broken]), markup=False)
            console.print(f"replay: {replay}\nleft as it was: {directory}", markup=False)
    return document_of(f"python -m tests.chaos {options}", reports, schedule.unavailable, load_before)


class _Stop:
    """Whether to strike no more faults: the time is over, or somebody asked (SIGINT, SIGTERM; twice means at once)."""

    def __init__(self, minutes: float) -> None:
        self._deadline = time.monotonic() + minutes * 60 if minutes else float("inf")
        self._is_asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def __call__(self) -> bool:
        return self._is_asked or time.monotonic() > self._deadline

    def _ask(self, number: int, frame: object) -> None:
        if self._is_asked:
            raise KeyboardInterrupt
        self._is_asked = True


def command_options(arguments: argparse.Namespace) -> str:
    """The options that decide the schedule, as on a command line."""
    words = [f"--{name} {count}" for name in COUNTS if (count := getattr(arguments, name))]
    words += [f"--fault {shlex.quote(name)}" for name in arguments.fault]
    words += ["--sqlite"] if arguments.sqlite else []
    return " ".join([*words, f"--seed {arguments.seed}"])


def faults_there_are() -> Table:
    """Every fault: kind, stages, whether it can be had here."""
    table = Table("fault", "kind", "stage", "available")
    for entry in FAULTS:
        fault = entry.make()
        table.add_row(
            fault.name, fault.kind.value, ", ".join(sorted(fault.stages)) or "any", fault.unavailable() or "yes"
        )
    return table


def show(document: Document, console: Console) -> None:
    """The summary."""
    summary = document["summary"]
    counts = ", ".join(f"{count} {kind}" for kind, count in summary["by_kind"].items())
    console.print(f"{summary['faults']} faults in {summary['acts']} acts: {counts}")
    console.print(", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in summary["totals"].items()))
    table = Table("promise", "looked at", "broken")
    for name, check in summary["checks"].items():
        table.add_row(f"{name}: {check['promise']}", f"{check['looked_at']:,}", str(check["broken"]))
    console.print(table)
    table = Table("milliseconds", "count", "p50", "p90", "p99", "max")
    for name, figures in summary["times"].items():
        table.add_row(name, *(f"{figures[key]:,.0f}" for key in ("count", "p50", "p90", "p99", "max")))
    console.print(table)
    for check in summary["checks"].values():
        for example in check["examples"]:
            console.print(f"  {example}", markup=False)
    for failed in summary["acts_failed"]:
        console.print(f"replay: {failed['replay']}", markup=False)
    console.print("[bold green]every promise held[/]" if summary["passed"] else "[bold red]BROKEN[/]")


if __name__ == "__main__":
    sys.exit(main())
