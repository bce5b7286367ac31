"""Rows kept back until their time comes, in order of arrival."""

from __future__ import annotations

from eiha.engine.operator import OperatorState
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch, concatenate_batches
from eiha.events.schema import Schema


class HeldRows:
    """Batches are kept as they come and put together when they leave, so that adding costs nothing a row."""

    __slots__ = ("_batches", "_count", "_schema")

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._batches: list[EventBatch] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, batch: EventBatch) -> None:
        """Keep the rows of ``batch``."""
        if len(batch):
            self._batches.append(batch)
            self._count += len(batch)

    def take(self) -> EventBatch:
        """All rows, at least one; chunk numbers as they came. Nothing is held any more."""
        assert self._batches
        whole = concatenate_batches(self._batches)
        self._batches = []
        self._count = 0
        return whole

    def snapshot(self) -> OperatorState:
        """The rows held."""
        return rows_snapshot(concatenate_batches(self._batches), self._schema) if self._batches else {"kinds": None}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._batches = []
        self._count = 0
        if state["kinds"] is not None:
            self.add(rows_restored(state, self._schema))


def rows_snapshot(batch: EventBatch, schema: Schema) -> OperatorState:
    """Columns, timestamps and kinds of some rows."""
    store = RowStore(schema)
    store.append(batch)
    return {"rows": store.snapshot(), "kinds": batch.kind_array()}


def rows_restored(state: OperatorState, schema: Schema) -> EventBatch:
    """What ``rows_snapshot`` kept."""
    store = RowStore(schema)
    store.restore(state["rows"])
    rows = store.rows(store.start, store.stop)
    kinds = state["kinds"]
    return EventBatch(rows.schema, rows.timestamps, rows.columns, kinds if kinds.any() else None)
