"""Memory, processor time, snapshot and restore of one engine whose state has one size; in a process of its own.

    python -m benchmarks.scale.state_cost SHAPE SIZE

prints one JSON object. A process that held a larger state before would hide what a smaller one takes.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from benchmarks.scale.shapes import SHAPES, SMALL_PLAN
from eiha.engine.runtime import EngineRuntime
from eiha.engine.warm import warm_kernels
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.node.process_memory import resident_bytes
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications

BATCH: Final = 10_000
STEADY_BATCHES: Final = 20
ONE_EVENT_ENTRIES: Final = 200
WARM_ROWS: Final = 1_000
DIGEST_POSITIONS: Final = 20


class Fed:
    """An engine with its log's position, fed with random rows."""

    def __init__(self, engine: EngineRuntime, *, text_keys: bool = True) -> None:
        self.engine = engine
        self._sequence = 0
        self._draw = np.random.default_rng(1)
        self._text_keys = text_keys

    def apply(self, body: EntryBody) -> None:
        self._sequence += 1
        applied = self.engine.apply(LogEntry(Epoch(1), Sequence(self._sequence), LogTimeMs(1_000), body))
        assert applied.faults == (), applied.faults

    def rows(self, keys: np.ndarray[Any, Any]) -> Publications:
        """One publication with a row for each of ``keys``."""
        count = len(keys)
        columns = (
            self._key_column(keys),
            WireColumn(AttributeType.DOUBLE, self._draw.random(count)),
            WireColumn(AttributeType.INT, self._draw.integers(0, 1_000, count).astype("<i4")),
        )
        payload = encode(WireBatch(count, None, columns))
        client_sequence = ClientSequence(self._sequence + 1)
        return Publications((Publication(ClientId("c"), client_sequence, "S", count, payload),))

    def _key_column(self, keys: np.ndarray[Any, Any]) -> WireColumn:
        if not self._text_keys:
            return WireColumn(AttributeType.LONG, keys.astype("<i8"))
        distinct, codes = np.unique(keys, return_inverse=True)
        return WireColumn(AttributeType.STRING, codes.astype("<i4"), None, tuple(f"key-{key:09d}" for key in distinct))

    def fill(self, size: int, keys: int) -> None:
        """As many rows, the keys in turn."""
        for first in range(0, size, BATCH):
            self.apply(self.rows(np.arange(first, min(first + BATCH, size)) % keys))

    def ns_per_event(self, keys: int) -> float:
        """Median processor time of an event in batches, over random keys that are known."""
        times = []
        for _ in range(STEADY_BATCHES):
            body = self.rows(self._draw.integers(0, keys, BATCH))
            times.append(cpu_s(partial(self.apply, body)) / BATCH)
        return statistics.median(times) * 1e9

    def us_per_entry(self, keys: int) -> float:
        """Median processor time of an entry of one event."""
        bodies = [self.rows(self._draw.integers(0, keys, 1)) for _ in range(ONE_EVENT_ENTRIES)]
        return statistics.median(cpu_s(partial(self.apply, body)) for body in bodies) * 1e6


def cpu_s(work: Callable[[], object]) -> float:
    """Processor time of this thread."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def of_shape(name: str, size: int) -> dict[str, float]:
    """All costs of a state of ``size``."""
    shape = next(each for each in SHAPES if each.name == name)
    keys = shape.keys or size
    warm = Fed(EngineRuntime(), text_keys=shape.text_keys)
    warm.apply(DeployPlan("p", shape.plan.format(size=WARM_ROWS)))
    warm.fill(WARM_ROWS, min(keys, WARM_ROWS))
    del warm
    before = resident_bytes()
    fed = Fed(EngineRuntime(), text_keys=shape.text_keys)
    fed.apply(DeployPlan("p", shape.plan.format(size=size)))
    fed.fill(size, keys)
    held = resident_bytes() - before
    cost = {"size": size, "memory_bytes": held, "event_ns": fed.ns_per_event(keys)}
    engine = fed.engine
    for position in range(len(engine.digest_at(0).names)):
        engine.digest_at(position)
    digests = [cpu_s(partial(engine.digest_at, at)) for at in range(DIGEST_POSITIONS)]
    states: list[bytes] = []
    cost["snapshot_s"] = cpu_s(lambda: states.append(engine.snapshot()))
    cost["snapshot_bytes"] = len(states[0])
    cost["digest_s"] = statistics.median(digests)
    cost["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    other = EngineRuntime()
    cost["restore_s"] = cpu_s(lambda: other.restore(states[0]))
    return cost


def of_plans(count: int) -> dict[str, float]:
    """What ``count`` small plans on one stream name cost."""
    warm = Fed(EngineRuntime())
    warm.apply(DeployPlan("p", SMALL_PLAN))
    warm.fill(WARM_ROWS, 100)
    before = resident_bytes()
    fed = Fed(EngineRuntime())
    began = time.thread_time()
    for number in range(count):
        fed.apply(DeployPlan(f"p{number}", SMALL_PLAN))
    deploy_s = time.thread_time() - began
    fed.fill(WARM_ROWS, 100)
    held = resident_bytes() - before
    return {
        "size": count,
        "memory_bytes": held,
        "event_ns": fed.ns_per_event(100),
        "entry_us": fed.us_per_entry(100),
        "deploy_s": deploy_s,
    }


def main() -> int:
    """Measure what the command line names."""
    name, size = sys.argv[1], int(float(sys.argv[2]))
    warm_kernels()
    print(json.dumps(of_plans(size) if name == "plans" else of_shape(name, size)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
