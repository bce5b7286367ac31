"""``length(n)`` for all instances of a partition at once."""

from __future__ import annotations

import numpy as np

from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.partitions.slot_rows import Slid, SlotChains, SlotColumn, Slots
from eiha.events.batch import EventBatch, Kind
from eiha.events.column import Column
from eiha.events.schema import AttributeType, Schema


class KeyedLength(Untimed):
    """Holds the latest ``length`` (1 or more) rows of each instance; rows that leave stand before those that push.

    An expired row carries the time at which it left.
    """

    __slots__ = ("_chains", "_columns", "_length", "_schema")

    def __init__(self, schema: Schema, length: int) -> None:
        assert length > 0
        self._schema = schema
        self._length = length
        self._chains = SlotChains()
        self._columns = [SlotColumn(attribute.type.dtype) for attribute in schema.attributes]

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Current rows, each behind the one that it pushes out."""
        keys = batch.keys
        assert keys is not None
        chains = self._chains
        chains.reserve(int(keys.max()) + 1 if len(keys) else 0)
        slid = chains.slide(keys, self._length)
        slots = slid.slots
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
        return {"chains": self._chains.snapshot(), "columns": [held.snapshot(slots) for held in self._columns]}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._chains.restore(state["chains"])
        for held, part in zip(self._columns, state["columns"], strict=True):
            held.restore(part)


def moved_rows(schema: Schema, columns: list[SlotColumn], batch: EventBatch, slid: Slid, clock: RowClock) -> EventBatch:
    """The rows of ``batch``, each behind those that leave before it, which carry the time at which they left."""
    keys = batch.keys
    assert keys is not None
    pushed = np.diff(slid.ends, prepend=0)
    places = np.arange(len(keys)) + slid.ends  # of the current rows
    rows = len(keys) + len(slid.left)
    kinds = np.full(rows, int(Kind.EXPIRED), dtype=np.uint8)
    kinds[places] = int(Kind.CURRENT)
    order = np.empty(rows, dtype=np.int64)
    order[places] = slid.slots
    order[kinds == int(Kind.EXPIRED)] = slid.left
    causes = np.repeat(np.arange(len(keys)), pushed + 1)
    timestamps = clock.now_ms.take(causes)
    timestamps[places] = batch.timestamps
    return EventBatch(
        schema,
        timestamps,
        tuple(_taken(held, order, attribute.type) for held, attribute in zip(columns, schema.attributes, strict=True)),
        kinds,
        batch.chunk_numbers().take(causes),
        keys=keys.take(causes),
    )


def _taken(held: SlotColumn, order: Slots, type_: AttributeType) -> Column:
    valid = held.valid.take(order)
    return Column(type_, held.values.take(order), None if valid.all() else valid)
