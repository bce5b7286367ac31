"""``time``, ``timeLength`` and ``externalTime`` for all instances of a partition at once, where nobody sees rows leave.

A row that is due leaves just before the next one of its instance, in the order in which it would have left on time; so
no timer is needed, and what the rows that are put out add up to is the same.
"""

from __future__ import annotations

import numpy as np

from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.partitions.keyed_length import moved_rows
from eiha.engine.partitions.slot_rows import NO_LIMIT, SlotChains, SlotColumn, Slots
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


class KeyedTime(Untimed):
    """Holds the rows of the latest ``length_ms`` of each instance.

    Args:
        schema: of the rows.
        length_ms: how long a row stays, 1 or more.
        attribute: position of the long by which time goes, and without which a row is left out; None: the clock, and
            the rows' timestamps.
        rows_max: so many rows stay at most, 1 or more.
    """

    __slots__ = ("_attribute", "_chains", "_columns", "_length_ms", "_rows_max", "_schema", "_times", "refused")

    def __init__(
        self, schema: Schema, length_ms: int, *, attribute: int | None = None, rows_max: int = NO_LIMIT
    ) -> None:
        assert length_ms > 0 and rows_max > 0
        self._schema = schema
        self._length_ms = length_ms
        self._attribute = attribute
        self._rows_max = rows_max
        self._chains = SlotChains()
        self._columns = [SlotColumn(each.type.dtype) for each in schema.attributes]
        self._times: Slots = np.zeros(0, dtype=np.int64)  # by slot
        self.refused = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Current rows, each behind those of its instance that are due."""
        if self._attribute is not None:
            valid = batch.columns[self._attribute].valid
            if valid is not None:
                rows = np.flatnonzero(valid)
                self.refused += len(batch) - len(rows)
                batch, clock = batch.take(rows), RowClock(clock.now_ms.take(rows), clock.ticks_ms)
        if not len(batch):
            return batch
        keys, chains = batch.keys, self._chains
        assert keys is not None
        chains.reserve(int(keys.max()) + 1)
        slots = chains.claim(len(keys))
        self._times = grown(self._times, chains.room)
        now_ms = clock.now_ms
        if self._attribute is None:
            self._times[slots] = batch.timestamps
        else:
            now_ms = batch.columns[self._attribute].values
            self._times[slots] = now_ms
        slid = chains.slide_by_time(keys, slots, self._times, now_ms, self._length_ms, self._rows_max)
        for held, column in zip(self._columns, batch.columns, strict=True):
            held.reserve(chains.room)
            held.values[slots] = column.values
            held.valid[slots] = column.mask()
        out = moved_rows(self._schema, self._columns, batch, slid, clock)
        chains.release(slid.left)
        return out

    def forget(self, instances: Slots) -> None:
        """See ``Forgetful``."""
        self._chains.forget(instances)

    def snapshot(self) -> OperatorState:
        """The rows held, instance by instance."""
        slots = self._chains.in_order()
        return {
            "chains": self._chains.snapshot(),
            "times": self._times.take(slots),
            "columns": [held.snapshot(slots) for held in self._columns],
            "refused": self.refused,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._chains.restore(state["chains"])
        self._times = np.array(state["times"], dtype=np.int64)
        for held, part in zip(self._columns, state["columns"], strict=True):
            held.restore(part)
        self.refused = state["refused"]
