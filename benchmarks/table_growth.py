"""How long single entries take while a table grows to millions of rows: the slowest is what a client may wait for.

    python -m benchmarks.table_growth [--rows 4000000] [--columns 8] [--batch 1000] [--text]

One engine, one table with a primary key; each entry inserts ``--batch`` new rows. Processor time of each entry; the
slowest ones are told with the number of rows that were there.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

import numpy as np

from eiha.engine.runtime import EngineRuntime
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications

WARM_ENTRIES: Final = 20
SLOWEST: Final = 5


def main() -> None:
    """Print the median, the 99th percentile and the slowest entries."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table_growth", description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--columns", type=int, default=8, help="doubles beside the key")
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--text", action="store_true", help="the key is a text, not a number")
    options = parser.parse_args()
    times_ms = np.array(_run(options.rows, options.columns, options.batch, is_text=options.text))
    measured = times_ms[WARM_ENTRIES:]
    print(
        f"{len(times_ms):,} entries of {options.batch:,} rows, {options.columns} doubles beside the key: "
        f"median {np.median(measured):.2f} ms, 99 % {np.quantile(measured, 0.99):.2f} ms"
    )
    for place in np.argsort(-measured)[:SLOWEST].tolist():
        rows = (place + WARM_ENTRIES) * options.batch
        print(f"  {measured[place]:>9.1f} ms with {rows:>12,} rows there")


def _run(rows: int, columns: int, batch: int, *, is_text: bool) -> list[float]:
    """Processor time of each entry, in milliseconds."""
    doubles = ", ".join(f"v{number} double" for number in range(columns))
    key = "string" if is_text else "long"
    plan = (
        f"define stream Fill (id {key}, {doubles}); @PrimaryKey('id') define table Held (id {key}, {doubles}); "
        "from Fill select * update or insert into Held on Held.id == id;"
    )
    engine = EngineRuntime()
    applied = engine.apply(_entry(1, DeployPlan("growing", plan)))
    assert not applied.faults, applied.faults
    values = tuple(WireColumn(AttributeType.DOUBLE, np.arange(batch) * 0.5) for _ in range(columns))
    times_ms = []
    for number in range(rows // batch):
        first = number * batch
        if is_text:
            texts = tuple(f"key {each}" for each in range(first, first + batch))
            keys = WireColumn(AttributeType.STRING, np.arange(batch, dtype=np.int32), None, texts)
        else:
            keys = WireColumn(AttributeType.LONG, np.arange(first, first + batch, dtype=np.int64) * 7)
        payload = encode(WireBatch(batch, None, (keys, *values)))
        entry = _entry(
            number + 2, Publications((Publication(ClientId("c"), ClientSequence(number), "Fill", batch, payload),))
        )
        began_s = time.thread_time()
        engine.apply(entry)
        times_ms.append(1e3 * (time.thread_time() - began_s))
    return times_ms


def _entry(sequence: int, body: EntryBody) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(1_000), body)


if __name__ == "__main__":
    main()
