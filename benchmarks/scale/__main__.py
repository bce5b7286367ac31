"""What a pair of a given size takes, or the measurements that say so.

    python -m benchmarks.scale --keys 1e7 --rate 1e6
    python -m benchmarks.scale --print
    python -m benchmarks.scale --measure [--largest 1e7]

The first is a calculator over ``measured.json``; ``--measure`` makes that file anew on this machine (minutes), and
``--print`` prints what it holds, with the fitted lines and their errors.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from dataclasses import fields
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.scale import client_cost
from benchmarks.scale.model import MEASURED, STATES, Costs, Load, Model
from benchmarks.scale.shapes import SHAPES

SIZES: Final = (1e3, 1e4, 1e5, 1e6, 1e7)
PLANS: Final = (1, 10, 50, 200)
CLIENTS: Final = (1, 100, 300, 1_000)
LARGEST: Final = 1e6
WHAT: Final = {**{shape.name: shape.what for shape in SHAPES}, "plans": "small plans", "clients": "connected clients"}


def main() -> int:
    """Calculate, print or measure."""
    options = _parser().parse_args()
    if options.measure or options.point:
        measured = add_point(*options.point) if options.point else measure(options.largest)
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n")
        print(f"written to {MEASURED}")
        return 0
    model = Model.load()
    if options.print:
        print_table(model)
        return 0
    load = Load(**{each.name: getattr(options, each.name) for each in fields(Load)})
    costs = model.costs(load)
    if options.json:
        print(json.dumps({each.name: getattr(costs, each.name) for each in fields(Costs)}, indent=1))
    else:
        print_costs(costs)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").splitlines()[0])
    size = float
    parser.add_argument("--keys", dest="groups", type=size, default=0, help="group keys (texts), over all plans")
    parser.add_argument("--number-keys", dest="numbers", type=size, default=0, help="group keys that are numbers")
    parser.add_argument("--table-rows", dest="table", type=size, default=0, help="rows of tables with a primary key")
    parser.add_argument("--partitions", type=size, default=0, help="partitions by value")
    parser.add_argument("--window-rows", dest="window", type=size, default=0, help="rows of windows of few keys")
    parser.add_argument("--plans", type=int, default=1)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--rate", type=size, default=10_000, help="events a second")
    parser.add_argument("--batch-rows", type=size, default=1_000, help="events that arrive together")
    parser.add_argument("--row-bytes", type=size, default=16, help="of one event as columns")
    parser.add_argument("--memory", dest="memory_bytes", type=size, default=16e9, help="bytes of each node")
    parser.add_argument("--link", dest="link_bytes_per_s", type=size, default=125e6, help="bytes/s between the nodes")
    parser.add_argument("--disk", dest="disk_bytes_per_s", type=size, default=300e6, help="bytes/s of each disk")
    parser.add_argument("--snapshot-interval", dest="snapshot_interval_s", type=size, default=60, help="seconds")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", action="store_true", help="measure this machine")
    parser.add_argument("--largest", type=size, default=LARGEST, help="largest size measured")
    parser.add_argument("--point", nargs=2, metavar=("WHAT", "SIZE"), help="measure one point and put it to the others")
    parser.add_argument("--print", action="store_true", help="print what was measured, with the fitted lines")
    return parser


def measure(largest: float) -> dict[str, Any]:
    """All points, each state in a process of its own."""
    points: dict[str, list[dict[str, float]]] = {}
    for name in STATES:
        points[name] = [_state_cost(name, size) for size in SIZES if size <= largest]
    points["plans"] = [_state_cost("plans", count) for count in PLANS]
    points["clients"], idle_bytes, publications_per_s = client_cost.measure(list(CLIENTS))
    return {
        "machine": f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}",
        "idle_bytes": idle_bytes,
        "publications_per_s": publications_per_s,
        "points": points,
    }


def add_point(name: str, size: str) -> dict[str, Any]:
    """The measurements there are, with one point made anew; ``clients`` means all that is measured with them."""
    measured: dict[str, Any] = json.loads(MEASURED.read_text())
    if name == "clients":
        found = client_cost.measure(list(CLIENTS))
        measured["points"]["clients"], measured["idle_bytes"], measured["publications_per_s"] = found
        return measured
    point = _state_cost(name, float(size))
    points = [each for each in measured["points"][name] if each["size"] != point["size"]]
    measured["points"][name] = sorted([*points, point], key=lambda each: each["size"])
    return measured


def _state_cost(name: str, size: float) -> dict[str, float]:
    print(f"{name} {size:,.0f}", file=sys.stderr)
    command = [sys.executable, "-m", "benchmarks.scale.state_cost", name, str(int(size))]
    cost: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return cost


def print_table(model: Model) -> None:
    """What was measured, and the lines through it."""
    console = Console(width=150)
    points = model.measured["points"]
    console.print(
        f"{model.measured['machine']}; an idle active holds {model.idle_bytes / 2**20:.0f} MiB and takes "
        f"{model.publications_per_s:,.0f} publications of one event for a second of processor time\n"
    )
    table = Table(
        "what",
        "size",
        "memory MiB",
        "ns/event",
        "snapshot MiB",
        "s",
        "peak MiB",
        "restore s",
        "digest ms",
        box=None,
        header_style="bold",
    )
    for name in STATES:
        for point in points[name]:
            table.add_row(
                name,
                f"{point['size']:,.0f}",
                f"{point['memory_bytes'] / 2**20:,.1f}",
                f"{point['event_ns']:,.0f}",
                f"{point['snapshot_bytes'] / 2**20:,.1f}",
                f"{point['snapshot_s']:.3f}",
                f"{point['peak_bytes'] / 2**20:,.0f}",
                f"{point['restore_s']:.3f}",
                f"{point['digest_s'] * 1e3:.2f}",
            )
    console.print(table)
    table = Table("what", "size", "memory MiB", "ns/event", "µs an entry of one event", box=None)
    for name in ("plans", "clients"):
        for point in points[name]:
            table.add_row(
                name,
                f"{point['size']:,.0f}",
                f"{point['memory_bytes'] / 2**20:,.1f}",
                f"{point['event_ns']:,.0f}" if "event_ns" in point else "",
                f"{point['entry_us']:,.0f}" if "entry_us" in point else "",
            )
    console.print(table)
    table = Table("fitted line", "fixed", "for each", "error at worst", box=None)
    for title, lines in (
        ("memory", model.memory),
        ("snapshot size", model.snapshot_bytes),
        ("peak at a snapshot", model.peak),
    ):
        for name, line in lines.items():
            table.add_row(
                f"{title}, {WHAT[name]}",
                f"{line.fixed / 2**10:,.1f} KiB",
                f"{line.per_unit:,.2f} bytes",
                f"{line.error:.0%}",
            )
    console.print(table)


def _rejoin(costs: Costs) -> str:
    """How long until the node that comes back is synced."""
    if math.isinf(costs.rejoin_s):
        return "never: the engine takes less than what comes in"
    return (
        f"{costs.rejoin_s:.1f} s: snapshot {costs.snapshot_cpu_s:.1f}, transfer {costs.transfer_s:.1f}, "
        f"restore {costs.restore_s:.1f}, replay {costs.replay_s:.1f}"
    )


def print_costs(costs: Costs) -> None:
    """The answer of the calculator."""
    mib = 2**20
    rows = (
        ("state of the engine", f"{costs.state_bytes / mib:,.0f} MiB"),
        ("memory of a node", f"{costs.memory_bytes / mib:,.0f} MiB, {costs.peak_bytes / mib:,.0f} at a snapshot"),
        ("an event in the engine", f"{costs.event_ns:,.0f} ns"),
        ("engine thread", f"{costs.engine_share:.1%} of a processor, on each node"),
        ("event loop of the active", f"{costs.publication_share:.1%} of a processor for publications"),
        ("between the nodes", f"{costs.link_bytes_per_s / 1e6:,.1f} MB/s"),
        (
            "snapshot",
            (
                f"{costs.snapshot_bytes / mib:,.0f} MiB, {costs.snapshot_cpu_s:.2f} s of processor time, "
                f"{costs.snapshot_disk_s:.1f} s of disk"
            ),
        ),
        ("digest", f"{costs.digest_ms:.1f} ms each time"),
        ("rejoin with an empty disk", _rejoin(costs)),
    )
    for what, value in rows:
        print(f"{what:28} {value}")
    for limit in costs.limits:
        print(f"ONE PAIR IS NOT ENOUGH: {limit}")
    if not costs.limits:
        print("one pair is enough")


if __name__ == "__main__":
    sys.exit(main())
