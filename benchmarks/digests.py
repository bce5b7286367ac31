"""What a digest of the state costs the engine's thread, by size of the state.

    python -m benchmarks.digests [--rows 10000 --rows 100000 --rows 1000000] [--json]

The plan holds the rows of a window, the sums of as many keys, a table and a partition. ``whole`` encodes and hashes all
of the state; ``position`` is what the pair does: at each position a bounded share, with all of it covered in
``positions``. Milliseconds of CPU time: the median and the most over all positions, which is how long events wait. The
second table is the cost of hash functions over 16 MiB that are in memory already, in milliseconds per MiB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256

import numpy as np
from rich.console import Console
from rich.table import Table

from eiha.engine.runtime import EngineRuntime
from eiha.engine.warm import warm_kernels
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications

PLAN = """
define stream S (key string, value double, number int);
@PrimaryKey('key') define table Latest (key string, value double);
@info(name='window') from S#window.length({rows}) select key, avg(value) as a group by key insert into Averages;
@info(name='held') from S#window.time(1 hour) select key, number, max(value) as m insert expired events into Old;
@info(name='latest') from S select key, value update or insert into Latest on Latest.key == key;
partition with (key of S) begin
  @info(name='by key') from S#window.length(2) select key, sum(number) as s insert into Sums;
end;
"""
BATCH = 10_000
HASHED_BYTES = 16 << 20
POSITIONS_MAX = 400


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU time."""

    rows: int
    state_mib: float
    whole_ms: float
    position_ms: float
    most_ms: float
    positions: int
    covered_parts: int


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, action="append", help="rows and keys held; may be given several times")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warm_kernels()
    costs = [measure(rows) for rows in arguments.rows or (10_000, 100_000, 1_000_000)]
    hashes = hash_costs()
    if arguments.json:
        print(json.dumps({"digests": [asdict(cost) for cost in costs], "ms_per_mib": hashes}, indent=1))
    else:
        _print(costs, hashes)
    return 0


def measure(rows: int) -> Cost:
    """The cost with ``rows`` rows of as many keys in the state."""
    engine = engine_with(rows)
    state = engine.snapshot()
    whole_ms = _cpu_ms(engine.digest)
    # until all sizes are known, as after a restore
    for position in range(len(engine.digest_at(0).names)):
        engine.digest_at(position)
    positions = engine.digest_at(0).positions
    times = []
    covered = 0
    for position in range(min(positions, POSITIONS_MAX)):
        began = time.thread_time()
        covered = len(engine.digest_at(position).covered)
        times.append((time.thread_time() - began) * 1_000)
    return Cost(
        rows,
        round(len(state) / 2**20, 1),
        round(whole_ms, 2),
        round(statistics.median(times), 2),
        round(max(times), 2),
        positions,
        covered,
    )


def engine_with(rows: int) -> EngineRuntime:
    """An engine that holds as many rows and keys."""
    engine = EngineRuntime()
    _apply(engine, 1, DeployPlan("digested", PLAN.format(rows=rows)))
    draw = np.random.default_rng(1)
    for number, first in enumerate(range(0, rows, BATCH)):
        count = min(BATCH, rows - first)
        texts = tuple(f"key-{key:08d}" for key in range(first, first + count))
        columns = (
            WireColumn(AttributeType.STRING, np.arange(count, dtype="<i4"), None, texts),
            WireColumn(AttributeType.DOUBLE, draw.random(count)),
            WireColumn(AttributeType.INT, draw.integers(0, 1_000, count).astype("<i4")),
        )
        payload = encode(WireBatch(count, None, columns))
        publication = Publication(ClientId("c"), ClientSequence(number + 1), "S", count, payload)
        _apply(engine, number + 2, Publications((publication,)))
    return engine


def _apply(engine: EngineRuntime, sequence: int, body: EntryBody) -> None:
    applied = engine.apply(LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(1_000), body))
    assert applied.faults == (), applied.faults


def hash_costs() -> dict[str, float]:
    """Milliseconds per MiB of hash functions, the least of five."""
    data = np.random.default_rng(1).integers(0, 256, HASHED_BYTES, dtype=np.uint8).data
    functions: dict[str, Callable[[], object]] = {
        "blake2b": lambda: blake2b(data, digest_size=8).digest(),
        "sha256": lambda: sha256(data).digest(),
        "crc32": lambda: zlib.crc32(data),
        "adler32": lambda: zlib.adler32(data),
    }
    per_mib = HASHED_BYTES / 2**20
    return {name: round(min(_cpu_ms(function) for _ in range(5)) / per_mib, 3) for name, function in functions.items()}


def _cpu_ms(function: Callable[[], object]) -> float:
    began = time.thread_time()
    function()
    return (time.thread_time() - began) * 1_000


def _print(costs: list[Cost], hashes: dict[str, float]) -> None:
    console = Console()
    table = Table("rows and keys", "state MiB", "whole ms", "position ms", "most ms", "positions for all", box=None)
    for cost in costs:
        table.add_row(
            f"{cost.rows:,}",
            f"{cost.state_mib:,}",
            f"{cost.whole_ms:,}",
            f"{cost.position_ms:,}",
            f"{cost.most_ms:,}",
            f"{cost.positions:,}",
        )
    console.print(table)
    hashed = Table("hash", "ms per MiB", box=None)
    for name, cost_ms in hashes.items():
        hashed.add_row(name, str(cost_ms))
    console.print(hashed)


if __name__ == "__main__":
    sys.exit(main())
