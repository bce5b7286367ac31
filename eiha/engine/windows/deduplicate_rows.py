"""``#unique:deduplicate(key, t)``: of rows with one key the first passes, then none until one over t ms later."""

from __future__ import annotations

import numpy as np

from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.counted_keys import key_ids
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Schema
from eiha.events.strings import StringTable


class DeduplicateRows(Untimed):
    """Knows the keys of the rows that passed within the latest ``length_ms``, by the rows' own timestamps."""

    __slots__ = ("_key", "_length_ms", "_passed", "_schema", "_strings")

    def __init__(self, schema: Schema, key: int, length_ms: int, strings: StringTable) -> None:
        self._schema = schema
        self._key = key
        self._length_ms = length_ms
        self._strings = strings
        self._passed: dict[int, int] = {}  # time by key, in the order in which they passed

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:  # noqa: ARG002 - rows have their times
        """The rows that are no doubles."""
        if not len(batch):
            return batch
        passed, passing = self._passed, []
        keys = key_ids([batch.columns[self._key]], self._strings).tolist()
        for row, (key, time_ms) in enumerate(zip(keys, batch.timestamps.tolist(), strict=True)):
            while passed:
                oldest = next(iter(passed))
                if time_ms - passed[oldest] <= self._length_ms:
                    break
                del passed[oldest]
            if key not in passed:
                passed[key] = time_ms
                passing.append(row)
        return batch.take(np.array(passing, dtype=np.int64))

    def content(self) -> EventBatch:
        """Nothing: this is no window."""
        columns = tuple(Column(each.type, np.empty(0, dtype=each.type.dtype)) for each in self._schema.attributes)
        return EventBatch(self._schema, np.empty(0, dtype=np.int64), columns)

    def snapshot(self) -> OperatorState:
        """The keys."""
        return {"keys": list(self._passed), "times": list(self._passed.values())}

    def restore(self, state: OperatorState) -> None:
        """Know the keys of a snapshot."""
        self._passed = dict(zip(state["keys"], state["times"], strict=True))
