"""The rows that windows of all instances hold: columns by slot, and a chain of slots for each instance."""

from __future__ import annotations

import numpy as np

from eiha.engine.operator import OperatorState
from eiha.engine.partitions.slot_rows import SlotChains, SlotColumn, Slots
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Schema


class HeldRows:
    """Rows of ``schema`` with their timestamps. ``chains``: which instance holds which; windows append and drop."""

    __slots__ = ("_columns", "_schema", "_timestamps", "chains")

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.chains = SlotChains()
        self._timestamps = SlotColumn(np.int64)
        self._columns = [SlotColumn(attribute.type.dtype) for attribute in schema.attributes]

    def claim(self, batch: EventBatch) -> Slots:
        """Slots for the rows of ``batch``, written; they are in no chain yet."""
        if not len(batch):
            return np.empty(0, dtype=np.int64)
        keys = batch.keys
        assert keys is not None
        self.chains.reserve(int(keys.max()) + 1)
        slots = self.chains.claim(len(batch))
        room = self.chains.room
        self._timestamps.reserve(room)
        self._timestamps.values[slots] = batch.timestamps
        for held, column in zip(self._columns, batch.columns, strict=True):
            held.reserve(room)
            held.values[slots] = column.values
            held.valid[slots] = True if column.valid is None else column.valid
        return slots

    @property
    def count(self) -> int:
        """How many rows there are in chains."""
        return int(self.chains.counts[: self.chains.instances].sum())

    def rows(self, slots: Slots) -> EventBatch:
        """The rows in ``slots``, in this order."""
        columns = []
        for held, attribute in zip(self._columns, self._schema.attributes, strict=True):
            valid = held.valid.take(slots)
            columns.append(Column(attribute.type, held.values.take(slots), None if valid.all() else valid))
        return EventBatch(self._schema, self._timestamps.values.take(slots), tuple(columns))

    def snapshot(self) -> OperatorState:
        """The rows held, instance by instance."""
        slots = self.chains.in_order()
        return {
            "chains": self.chains.snapshot(),
            "timestamps": self._timestamps.values.take(slots),
            "columns": [held.snapshot(slots) for held in self._columns],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self.chains.restore(state["chains"])
        self._timestamps.values = np.array(state["timestamps"], dtype=np.int64)
        self._timestamps.valid = np.zeros(len(self._timestamps.values), dtype=np.bool_)
        for held, part in zip(self._columns, state["columns"], strict=True):
            held.restore(part)
