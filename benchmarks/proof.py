"""Proof from the stores: every acknowledged row is there once, and the outputs are those of an undisturbed run.

The undisturbed run is either a single node with its own stores, or the same engine in this process, fed with the same
rows in the order the client numbered them. Plans must run on event time (``@app:playback``), so that outputs do not
depend on when rows arrived.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.load import Tally, TimedBatch, send
from benchmarks.local_pair import LocalPair, NodeProcess
from eiha.client import Client
from eiha.engine.runtime import EVENTS_SINK, EngineRuntime
from eiha.events import wire
from eiha.events.wire import WireBatch
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.plan.nodes import Plan
from eiha.protocol.log_entry import DeployPlan, LogEntry, Publication, Publications

Row = tuple[Any, ...]
"""Event time, then the attributes."""

EVENT_TABLE_PREFIX: Final = "event_"
DRAIN_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What the stores hold, against what they must hold.

    ``lost``: acknowledged rows that the event store lacks. ``doubled``: rows it holds more than once, or out of
    order. ``outputs``: rows that the plans must have put out; ``outputs_differ``: how many are missing, added, other.
    """

    stored: int
    lost: int
    doubled: int
    outputs: int
    outputs_differ: int
    streams: tuple[tuple[str, int, int], ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, doubled, or different."""
        return not (self.lost or self.doubled or self.outputs_differ)


@dataclass(frozen=True, slots=True)
class Expected:
    """What an undisturbed run gives: raw rows of the stored stream, and outputs by stream."""

    raw: list[Row]
    outputs: dict[str, list[Row]]


def from_engine(plan: str, stream: str, batches: Iterable[WireBatch]) -> Expected:
    """The undisturbed run in this process."""
    engine = EngineRuntime()
    deployed = engine.apply(LogEntry(Epoch(1), Sequence(1), LogTimeMs(1), DeployPlan("reference", plan)))
    assert not deployed.faults, deployed.faults
    raw: list[Row] = []
    outputs: dict[str, list[Row]] = {}
    for number, batch in enumerate(batches, 1):
        publication = Publication(ClientId("r"), ClientSequence(number), stream, batch.rows, wire.encode(batch))
        entry = LogEntry(Epoch(1), Sequence(number + 1), LogTimeMs(1), Publications((publication,)))
        for output in engine.apply(entry).outputs:
            rows = raw if output.sink == EVENTS_SINK else outputs.setdefault(output.stream.name, [])
            rows.extend(rows_of(output.batch))
    return Expected(raw, outputs)


def rows_of(batch: WireBatch) -> list[Row]:
    """The batch as rows."""
    assert batch.timestamps is not None
    return list(zip(batch.timestamps.tolist(), *(column.to_list() for column in batch.columns), strict=True))


async def stored_rows(url: str, table: str) -> list[Row]:
    """Every row of a store's table in the order of its output ids; none if there is no such table."""
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            statement = text(f"SELECT * FROM {table} ORDER BY eiha_sequence, eiha_ordinal")
            found = await connection.execute(statement)
            names = list(found.keys())
            first = names.index("eiha_log_time") + 1
            time_at = names.index("eiha_event_time")
            return [(row[time_at], *row[first:]) for row in found.fetchall()]
    finally:
        await engine.dispose()


async def from_single_node(pair: LocalPair, plan: Plan, stream: str, publications: list[TimedBatch]) -> Expected:
    """The undisturbed run on a node that is alone: ``pair`` has one, not started yet."""
    with pair:
        await asyncio.to_thread(pair.start)
        async with Client(pair.ingest) as client:
            await send(client, plan.stream(stream), publications, Tally())
        node = pair.nodes[0]
        await asyncio.to_thread(pair.wait_for, lambda: _all_published(node), "the stores to take everything", 60.0)
    raw = await stored_rows(pair.event_store_url, EVENT_TABLE_PREFIX + stream)
    return Expected(raw, {name: await stored_rows(pair.processed_store_url, name) for name in plan.published_streams})


def _all_published(node: NodeProcess) -> bool:
    _, status = node.get("/status")
    return (
        isinstance(status, dict)
        and status["applied_through"] == status["committed_through"]
        and status["outbox_rows"] == 0
    )


async def prove(pair: LocalPair, expected: Expected, stream: str, *, acked_rows: int, console: Console) -> Proof:
    """Wait until the stores have taken everything, and compare."""
    raw, outputs = expected.raw, expected.outputs
    table = EVENT_TABLE_PREFIX + stream
    wanted = {(pair.event_store_url, table): len(raw)}
    wanted |= {(pair.processed_store_url, name): len(rows) for name, rows in outputs.items()}
    await _drained(wanted, console)
    stored = await stored_rows(pair.event_store_url, table)
    acknowledged = Counter(map(_comparable, raw[:acked_rows]))
    found = Counter(map(_comparable, stored))
    lost = sum((acknowledged - found).values())
    doubled = sum((found - Counter(map(_comparable, raw))).values())
    streams = []
    differ = 0
    for name, rows in sorted(outputs.items()):
        written = await stored_rows(pair.processed_store_url, name)
        different = _differences(rows, written)
        streams.append((name, len(rows), different))
        differ += different
    return Proof(len(stored), lost, doubled, sum(map(len, outputs.values())), differ, tuple(streams))


async def _drained(wanted: dict[tuple[str, str], int], console: Console) -> None:
    """Wait until each table has as many rows as wanted, or none has grown for a while: the comparison tells then."""
    deadline = asyncio.get_running_loop().time() + DRAIN_TIMEOUT_S
    while asyncio.get_running_loop().time() < deadline:
        missing = {name: want - await _count(url, name) for (url, name), want in wanted.items()}
        if all(count <= 0 for count in missing.values()):
            return
        await asyncio.sleep(0.05)
    console.print(f"the stores did not take everything within {DRAIN_TIMEOUT_S:.0f} s; missing: {missing}")


async def _count(url: str, table: str) -> int:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            found = await connection.execute(text(f"SELECT COUNT(*) FROM {table}"))
            return int(found.scalar_one())
    finally:
        await engine.dispose()


def _differences(expected: list[Row], written: list[Row]) -> int:
    same = sum(_comparable(mine) == _comparable(theirs) for mine, theirs in zip(expected, written, strict=False))
    return max(len(expected), len(written)) - same


def _comparable(row: Row) -> Row:
    """Databases hold booleans as 0 and 1, and not-a-number as null."""
    return tuple(
        None if isinstance(value, float) and math.isnan(value) else int(value) if isinstance(value, bool) else value
        for value in row
    )
