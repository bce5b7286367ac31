"""Rows a second through the loops of windows, alone: batches of three sizes, medians of repeats.

python benchmarks/kernels.py [--rows 400000] [--repeats 5]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from eiha.engine import jit
from eiha.engine.operator import RowClock
from eiha.engine.windows.factory import make_window
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.nodes import Window

SCHEMA = Schema((Attribute("key", AttributeType.STRING), Attribute("value", AttributeType.DOUBLE)))


def batch(rows: int, start_ms: int, rows_per_ms: int, keys: int) -> EventBatch:
    numbers = np.arange(rows)
    return EventBatch(
        SCHEMA,
        start_ms + numbers // rows_per_ms,
        (
            Column(AttributeType.STRING, (numbers * 7919 % keys).astype(np.int32)),
            Column(AttributeType.DOUBLE, numbers * 0.5),
        ),
    )


def window(name: str, *arguments: Expression) -> Callable[[EventBatch], object]:
    operator = make_window(Window(name, arguments), SCHEMA, True, strings=StringTable())
    return lambda rows: operator.process(rows, RowClock(rows.timestamps))


def number(value: int) -> Literal:
    return Literal(value, AttributeType.INT)


CASES: dict[str, Callable[[], Callable[[EventBatch], object]]] = {
    "length(1000)": lambda: window("length", number(1000)),
    "time(1000), 100 rows a ms": lambda: window("time", number(1000)),
    "lengthBatch(1000)": lambda: window("lengthBatch", number(1000)),
    "timeBatch(100), 100 rows a ms": lambda: window("timeBatch", number(100)),
    "sort(100)": lambda: window("sort", number(100), AttributeRef(0, 1, "value", AttributeType.DOUBLE)),
}


def rate(make: Callable[[], Callable[[EventBatch], object]], rows: int, size: int, repeats: int) -> float:
    batches = [batch(size, start // 100, 100, 1000) for start in range(0, rows, size)]
    rates = []
    for _ in range(repeats):
        run = make()
        run(batches[0])
        began = time.perf_counter()
        for each in batches[1:]:
            run(each)
        rates.append(size * (len(batches) - 1) / (time.perf_counter() - began))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    began = time.perf_counter()
    kernels = jit.warm()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{kernels} kernels warm in {time.perf_counter() - began:.2f} s, {megabytes:.0f} MB resident at most")
    print(f"{'M rows/s, batches of':32}{'100':>8}{'1,000':>8}{'8,192':>8}")
    for name, make in CASES.items():
        rates = [rate(make, arguments.rows, size, arguments.repeats) / 1e6 for size in (100, 1000, 8192)]
        print(f"{name:32}" + "".join(f"{each:8.2f}" for each in rates))


if __name__ == "__main__":
    main()
