"""``unique:externalTimeBatch`` without a timeout: then only rows move it, and what went out does not go out again."""

from __future__ import annotations

import numpy as np

from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.external_time_batch import ExternalPeriods
from eiha.engine.windows.unique_batch_kernels import START, run_unique_periods
from eiha.engine.windows.unique_rows import UniqueRows
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable


class UniquePeriodsWindow(Untimed):
    """Holds the batch that was put out last and the rows of the period that runs; a row without a time is refused."""

    __slots__ = ("_held", "_periods")

    def __init__(self, schema: Schema, key: int, periods: ExternalPeriods, strings: StringTable) -> None:
        assert periods.timeout_ms <= 0
        self._periods = periods
        self._held = UniqueRows(schema, key, strings)
        self._held.counters[START] = periods.start_ms or 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:  # noqa: ARG002 - rows have their times
        """The batch of the period that ends, when a row of a later one comes."""
        held, periods = self._held, self._periods
        first, keys, _ = held.add(batch)
        emission = held.emission(len(batch))
        mask = batch.columns[periods.attribute].mask() if len(batch) else np.zeros(0, dtype=np.bool_)
        rows = run_unique_periods(
            held.ids, held.rows, held.place_of, held.sent, held.counters, periods.length_ms,
            periods.start_ms is None, periods.replaces, first, keys, held.store.column(periods.attribute), mask,
            held.store.timestamps, batch.chunk_numbers(),
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        return held.put_out(emission, rows)

    def content(self) -> EventBatch:
        """The batch that was put out last."""
        return self._held.content(filling=False)

    def snapshot(self) -> OperatorState:
        """Both batches, and where the period stands."""
        return self._held.snapshot()

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._held.restore(state)
