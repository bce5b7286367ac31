"""Snapshots and state transfer of a pair under load: what they cost clients, how long they take, what is written.

    python -m benchmarks.snapshot [--bytes 1000000000] [--seconds 20] [--rounds 3] [--json FILE]

A pair of real nodes holds a table of so many bytes. A client publishes batches of 100 events, one each 10 ms, and
measures the time to each acknowledgement: quiet, while the first snapshot (of everything) is written, while `--rounds`
more (each after 1 % changed) are, and while the other node, whose disk was wiped, is sent the state and joins. Quiet
stretches of ``--seconds`` stand before, between and after them: other work on the machine comes and goes, so each phase
is compared with the quiet ones beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.local_pair import SECRET, LocalPair, NodeProcess
from eiha.client import Client
from eiha.node.admin_signature import SIGNATURE_HEADER, TIME_HEADER, sign

DOUBLES: Final = 60
ROW_BYTES: Final = 8 * (1 + DOUBLES)
FILL_ROWS: Final = 2_000
PROBE_ROWS: Final = 100
PROBE_EVERY_S: Final = 0.01
SETTLE_S: Final = 2.0
TIMEOUT_S: Final = 600.0
HTTP_NOT_YET: Final = 409
"""The node answers so when a snapshot takes longer than it waits with an answer; it goes on all the same."""
LOOK_EVERY_S: Final = 0.2
_NAMES: Final = [f"v{number}" for number in range(DOUBLES)]
_COLUMNS: Final = ", ".join(f"{name} double" for name in _NAMES)
PLAN: Final = f"""@Plan:name('large')
define stream Fill (id long, {_COLUMNS});
@PrimaryKey('id') define table Held (id long, {_COLUMNS});
define stream Beat (x long, y double);
from Fill select * update or insert into Held on Held.id == id;
from Beat[x > 0]#window.length(1000) select avg(y) as mean insert into Means;
"""
_SAVED: Final = re.compile(r"as of (\d+): (\d+) bytes, (\d+) of them new; the engine paused ([\d.]+) ms")


@dataclass(frozen=True, slots=True)
class Phase:
    """What clients felt. ``seconds``: how long it went on; ``share``: of quiet p99, 1 for the quiet ones."""

    name: str
    seconds: float
    batches: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class Saved:
    """A snapshot that a node wrote."""

    sequence: int
    bytes_total: int
    bytes_new: int
    pause_ms: float


class Probe:
    """Publishes without end and notes when what was published is acknowledged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._times: list[tuple[float, float]] = []
        self._columns = {
            "x": np.arange(PROBE_ROWS, dtype=np.int64) % 2,
            "y": np.arange(PROBE_ROWS, dtype=np.float64),
        }

    async def run(self) -> None:
        """Until cancelled. A batch is due each ``PROBE_EVERY_S`` whatever became of those before."""
        due_s = time.perf_counter()
        while True:
            due_s += PROBE_EVERY_S
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            began_s = due_s
            future = await self._client.publish_columns("Beat", self._columns)
            future.add_done_callback(lambda _done, began_s=began_s: self._note(began_s))

    def _note(self, began_s: float) -> None:
        self._times.append((began_s, time.perf_counter() - began_s))

    async def measure(self, work: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
        """When ``work`` began and ended, with everything acknowledged that was published meanwhile."""
        began_s = time.perf_counter()
        await work()
        ended_s = time.perf_counter()
        await self._client.flush()
        return began_s, ended_s

    def phase(self, name: str, spans: list[tuple[float, float]], quiet: list[tuple[float, float]]) -> Phase:
        """What clients felt in ``spans``, compared with ``quiet``."""
        times_ms, quiet_ms = self._within_ms(spans), self._within_ms(quiet)
        p50, p99 = (round(float(np.percentile(times_ms, share)), 2) for share in (50, 99))
        share = round(p99 / float(np.percentile(quiet_ms, 99)), 2)
        seconds = round(sum(ended_s - began_s for began_s, ended_s in spans), 1)
        return Phase(name, seconds, len(times_ms), p50, p99, round(max(times_ms), 2), share)

    def _within_ms(self, spans: list[tuple[float, float]]) -> list[float]:
        """How long each acknowledgement took of what was due within ``spans``."""
        return [
            1e3 * took_s
            for at_s, took_s in self._times
            if any(began_s <= at_s <= ended_s for began_s, ended_s in spans)
        ]


async def fill(client: Client, first: int, last: int, seed: int = 0) -> None:
    """Rows ``first`` to ``last``, without the last, with values that no other ``seed`` gives."""
    rng = np.random.default_rng(seed)
    for start in range(first, last, FILL_ROWS):
        ids = np.arange(start, min(start + FILL_ROWS, last), dtype=np.int64)
        values = rng.random((DOUBLES, len(ids)))
        await client.publish_columns("Fill", {"id": ids, **dict(zip(_NAMES, values, strict=True))})
    await client.flush()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it, looking from a thread now and then: the loop measures."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not await asyncio.to_thread(condition):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {TIMEOUT_S:g} s for {what}")
        await asyncio.sleep(LOOK_EVERY_S)


def saved(node: NodeProcess) -> list[Saved]:
    """The snapshots that the node's log tells of."""
    found = []
    for match in _SAVED.finditer(node.log.read_text(errors="replace")):
        sequence, total, new, pause = match.groups()
        found.append(Saved(int(sequence), int(total), int(new), float(pause)))
    return found


async def snapshot(node: NodeProcess) -> None:
    """Have the active take one; done when it is durable."""
    before = len(saved(node))
    await asyncio.to_thread(_ask_for_snapshot, node)
    await until(lambda: len(saved(node)) > before, "the snapshot")


def _ask_for_snapshot(node: NodeProcess) -> None:
    """As ``eiha snapshot`` does, without a process that takes processor time while the phase is measured."""
    path, time_ms = "/v1/admin/snapshot", int(time.time() * 1_000)
    headers = {TIME_HEADER: str(time_ms), SIGNATURE_HEADER: sign(SECRET, "POST", path, time_ms, b"")}
    try:
        urllib.request.urlopen(urllib.request.Request(node.url + path, b"", headers), timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        if error.code != HTTP_NOT_YET:
            raise


def has_applied_all(pair: LocalPair) -> bool:
    """Whether both nodes are through with what was published."""
    ends = set()
    for node in pair.nodes:
        _, status = node.get("/status")
        if not isinstance(status, dict) or status["applied_through"] != status["log_end"]:
            return False
        ends.add(status["log_end"])
    return len(ends) == 1


async def measure(pair: LocalPair, size: int, seconds: float, rounds: int) -> dict[str, Any]:
    """All phases, on a pair that runs."""
    rows = size // ROW_BYTES
    async with Client(pair.ingest) as client:
        began_s = time.perf_counter()
        await fill(client, 0, rows)
        await until(lambda: has_applied_all(pair), "the table")
        filled_s = time.perf_counter() - began_s
        active, joiner = pair.active(), pair.passive()
        assert active is not None
        assert joiner is not None
        probe = Probe(client)
        beating = asyncio.create_task(probe.run())
        try:
            await asyncio.sleep(SETTLE_S)
            quiet = [await probe.measure(lambda: asyncio.sleep(seconds))]
            everything = [await probe.measure(lambda: snapshot(active))]
            quiet.append(await probe.measure(lambda: asyncio.sleep(seconds)))
            changed = []
            for number in range(rounds):
                await fill(client, 0, rows // 100, seed=1 + number)
                await until(lambda: has_applied_all(pair), "the changes")
                await asyncio.sleep(SETTLE_S)
                changed.append(await probe.measure(lambda: snapshot(active)))
            quiet.append(await probe.measure(lambda: asyncio.sleep(seconds)))
            await asyncio.to_thread(joiner.kill)
            shutil.rmtree(joiner.location)
            await asyncio.to_thread(joiner.start)
            await until(lambda: joiner.role()[1] == "joining", "the joining node")
            joining = [await probe.measure(lambda: until(pair.covered, "the joining node"))]
            quiet.append(await probe.measure(lambda: asyncio.sleep(seconds)))
        finally:
            beating.cancel()
        phases = [
            probe.phase("quiet", quiet, quiet),
            probe.phase("snapshot of everything", everything, quiet[:2]),
            probe.phase("snapshots after 1 % changed", changed, quiet[1:3]),
            probe.phase("transfer to a joining node", joining, quiet[2:]),
        ]
    sent = re.findall(r'"event": "snapshot_sent".*?"message": "([^"]*)"', active.log.read_text(errors="replace"))
    return {
        "bytes": rows * ROW_BYTES,
        "rows": rows,
        "filled_s": round(filled_s, 1),
        "phases": [asdict(phase) for phase in phases],
        "snapshots": [asdict(each) for each in saved(active)[-rounds - 2 :]],
        "sent": sent,
        "joined_s": round(joining[0][1] - joining[0][0], 1),
    }


def show(found: dict[str, Any]) -> None:
    """Print it."""
    console = Console()
    console.print(f"table of {found['rows']:,} rows, {found['bytes'] / 1e9:.2f} GB, filled in {found['filled_s']} s")
    table = Table("", "seconds", "batches", "p50 ms", "p99 ms", "max ms", "p99 / quiet")
    for phase in found["phases"]:
        table.add_row(*map(str, phase.values()))
    console.print(table)
    for each in found["snapshots"]:
        total, new = each["bytes_total"] / 1e6, each["bytes_new"] / 1e6
        console.print(f"snapshot: {total:,.0f} MB, {new:,.1f} MB written, the engine paused {each['pause_ms']} ms")
    for line in found["sent"]:
        console.print(f"transfer {line}; synced {found['joined_s']} s after it was asked for")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshot", description=__doc__.splitlines()[0])
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of the table (default 1 GB)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each quiet stretch (default 20)")
    parser.add_argument("--rounds", type=int, default=3, help="snapshots after 1 %% changed (default 3)")
    parser.add_argument("--directory", type=Path, default=None, help="where the nodes keep their data")
    parser.add_argument("--json", type=Path, default=None, help="write the figures to this file")
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp(prefix="eiha-snapshot-"))
    plans = directory / "plans"
    plans.mkdir(parents=True, exist_ok=True)
    (plans / "large.siddhi").write_text(PLAN)
    overrides = {
        "persistence": "interval_s = 0\ninterval_bytes = 1000000000000",  # only those that are asked for
        "cluster": "failure_timeout_ms = 2000",  # client and both nodes share this machine, and all its disk
    }
    try:
        with LocalPair(directory / "pair", plans, overrides=overrides) as pair:
            pair.start()
            found = asyncio.run(measure(pair, options.bytes, options.seconds, options.rounds))
    finally:
        if options.directory is None:
            shutil.rmtree(directory, ignore_errors=True)
    show(found)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
