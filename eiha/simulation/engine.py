"""A cheap engine whose outputs are a function of the log, for volume; the real one can take its place.

It keeps a running sum per key of the stream ``Ticks``, puts out one row per event with the sum so far, arms a timer
per new key that puts out a row when log time passes it, multiplies by a factor that plans set, and adds to all sums
what statements say. So order, a lost or doubled event, and a timer, a deployment or a statement at another place all
show in its rows.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections.abc import Mapping
from typing import Final

import msgpack
import numpy as np

from eiha.errors import CorruptFile
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn
from eiha.kernel.ids import LogTimeMs, Sequence
from eiha.ports import AppliedEntry
from eiha.protocol.log_entry import (
    DeployPlan,
    LogEntry,
    Publication,
    Publications,
    Quarantine,
    RemovePlan,
    TableStatement,
)
from eiha.protocol.outputs import OutputBatch
from eiha.protocol.snapshot_format import StateReader, StateWriter
from eiha.protocol.state_digest import DIGEST_BYTES, PartDigest, StateDigest, names_digest
from eiha.simulation.poison import POISONS, do_harm, left_out_rows

TICKS: Final = "Ticks"
EVENTS_SINK: Final = "events"
PROCESSED_SINK: Final = "processed"
ERRORS_SINK: Final = "errors"
TIMER_DELAY_MS: Final = 700
_NAMES: Final = ("sums",)
_NAMES_DIGEST: Final = names_digest(_NAMES)
_ROW = struct.Struct("<ii")
_INPUT = StreamDefinition(TICKS, Schema((Attribute("key", AttributeType.INT), Attribute("value", AttributeType.INT))))
_OUTPUT = StreamDefinition(
    "Sums", Schema((Attribute("key", AttributeType.INT), Attribute("total", AttributeType.LONG)))
)


def encode_rows(rows: list[tuple[int, int]]) -> bytes:
    """A payload of ``Ticks`` rows for this engine."""
    return b"".join(_ROW.pack(key, value) for key, value in rows)


class SummingEngine:
    """Implements ``ports.Engine``."""

    def __init__(self) -> None:
        self._totals: dict[int, int] = {}
        self._timers: list[tuple[int, int]] = []
        self._factor = 1
        self._plans: dict[str, str] = {}
        self._digest = 0

    def apply(self, entry: LogEntry, quarantined: tuple[Quarantine, ...] = ()) -> AppliedEntry:
        """Sum up, fire what is due by the entry's log time first.

        Raises:
            PlanFailed, ProcessKilled, NeverEnds: a row is poison; the state is spoilt.
        """
        bad = left_out_rows(entry, quarantined)
        if bad is None:
            return self._leave_out(entry)
        rows = self._fire(entry.log_time_ms)
        outputs: list[OutputBatch] = []
        match entry.body:
            case Publications(items):
                placed = [
                    ((at, row), pair) for at, item in enumerate(items) for row, pair in enumerate(decode_rows(item))
                ]
                events = [pair for place, pair in placed if place not in bad]
                rows.extend(self._sum(events, entry.log_time_ms))
                if events:
                    outputs.append(_output(EVENTS_SINK, _INPUT, entry, events))
                if bad:
                    outputs.append(
                        _output(ERRORS_SINK, _INPUT, entry, [pair for place, pair in placed if place in bad])
                    )
            case DeployPlan(plan, text):
                self._plans[plan] = text
                self._factor = len(text) % 7 + 1
            case RemovePlan(plan):
                self._plans.pop(plan, None)
                self._factor = 1
            case TableStatement(text=text):
                self._totals = {key: total + len(text) for key, total in self._totals.items()}
            case _:
                pass
        if rows:
            outputs.append(_output(PROCESSED_SINK, _OUTPUT, entry, rows))
        self._digest = zlib.crc32(repr((entry.sequence, rows)).encode(), self._digest)
        return AppliedEntry(tuple(outputs), self.next_timer_ms())

    def _leave_out(self, entry: LogEntry) -> AppliedEntry:
        items = entry.body.items if isinstance(entry.body, Publications) else ()
        errors = [pair for item in items for pair in decode_rows(item)]
        outputs = (_output(ERRORS_SINK, _INPUT, entry, errors),) if errors else ()
        return AppliedEntry(outputs, self.next_timer_ms())

    def snapshot(self) -> bytes:
        """The whole state as msgpack."""
        packed: bytes = msgpack.packb(
            [
                sorted(self._totals.items()),
                sorted(self._timers),
                self._factor,
                sorted(self._plans.items()),
                self._digest,
            ]
        )
        return packed

    def restore(self, content: bytes) -> None:
        """Take over a state that ``snapshot`` gave."""
        try:
            totals, timers, factor, plans, digest = msgpack.unpackb(content)
        except (ValueError, msgpack.UnpackException) as cause:
            raise CorruptFile(f"this is not a state of the simulator's engine: {cause}") from cause
        self._totals = dict(totals)
        self._timers = [(due, key) for due, key in timers]
        self._factor = factor
        self._plans = dict(plans)
        self._digest = digest

    def write_state(self, writer: StateWriter) -> None:
        """The same bytes."""
        writer.write(self.snapshot())

    def read_state(self, reader: StateReader) -> None:
        """Take over a state that ``write_state`` gave."""
        self.restore(reader.read(reader.remaining))

    def streams(self) -> Mapping[str, StreamDefinition]:
        """Its one input stream."""
        return {TICKS: _INPUT}

    def digest(self) -> bytes:
        """Of the state, and of all rows ever put out."""
        state = zlib.crc32(repr(sorted(self._totals.items())).encode(), self._digest)
        return state.to_bytes(4, "little") * 4

    def digest_at(self, position: int) -> StateDigest:  # noqa: ARG002 - all of it, always
        """The sums are one part."""
        return StateDigest(_NAMES_DIGEST, (PartDigest(0, 0, 1, self.digest()[:DIGEST_BYTES]),), _NAMES)

    def next_timer_ms(self) -> LogTimeMs | None:
        """When the earliest timer is due."""
        return LogTimeMs(self._timers[0][0]) if self._timers else None

    def totals(self) -> dict[int, int]:
        """The sums by key."""
        return dict(self._totals)

    def flip(self) -> None:
        """A planted fault: the memory of one key changes by itself."""
        for key in self._totals:
            self._totals[key] += 1_000_000
            return

    def _fire(self, now_ms: int) -> list[tuple[int, int]]:
        rows: list[tuple[int, int]] = []
        while self._timers and self._timers[0][0] <= now_ms:
            due, key = heapq.heappop(self._timers)
            rows.append((-key - 1, due))
        return rows

    def _sum(self, events: list[tuple[int, int]], now_ms: int) -> list[tuple[int, int]]:
        rows: list[tuple[int, int]] = []
        for key, value in events:
            if key in POISONS:
                do_harm(key)
            if key not in self._totals:
                self._totals[key] = 0
                heapq.heappush(self._timers, (now_ms + TIMER_DELAY_MS, key))
            self._totals[key] += value * self._factor
            rows.append((key, self._totals[key]))
        return rows


def decode_rows(publication: Publication) -> list[tuple[int, int]]:
    """The rows in a payload of ``encode_rows``."""
    return [(key, value) for key, value in _ROW.iter_unpack(publication.payload)]


def _output(sink: str, stream: StreamDefinition, entry: LogEntry, rows: list[tuple[int, int]]) -> OutputBatch:
    first, second = stream.schema.attributes
    keys, values = zip(*rows, strict=True)
    batch = WireBatch(
        rows=len(rows),
        timestamps=np.full(len(rows), entry.log_time_ms, dtype=np.int64),
        columns=(
            WireColumn(first.type, np.array(keys, dtype=first.type.dtype)),
            WireColumn(second.type, np.array(values, dtype=second.type.dtype)),
        ),
    )
    return OutputBatch(sink, "sums", stream, Sequence(entry.sequence), entry.log_time_ms, 0, batch)
