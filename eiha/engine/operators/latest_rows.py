"""Of each group's rows the latest one, as columns by place: what is put out of a batch, with its aggregates behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Schema

Longs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class LatestRows:
    """Timestamps and some columns of rows, by place from 0 on.

    Args:
        schema: of the rows.
        read: positions of the attributes that somebody will read; of the others nothing is kept.
    """

    __slots__ = ("_columns", "_read", "_schema", "_timestamps", "_unread", "_valid")

    def __init__(self, schema: Schema, read: frozenset[int]) -> None:
        self._schema = schema
        self._read = sorted(read)
        self._clear()

    def _clear(self) -> None:
        types = [each.type.dtype for each in self._schema.attributes]
        self._timestamps: Longs = np.zeros(0, dtype=np.int64)
        self._columns: dict[int, npt.NDArray[Any]] = {at: np.zeros(0, dtype=types[at]) for at in self._read}
        self._valid: dict[int, Mask] = {}
        self._unread: dict[int, npt.NDArray[Any]] = {
            at: np.zeros(0, dtype=type_) for at, type_ in enumerate(types) if at not in self._columns
        }

    def add(self, batch: EventBatch, first: int, rows: Longs) -> None:
        """The rows of ``batch`` at ``rows`` come to the places from ``first`` on, which were free."""
        stop = first + len(rows)
        self._timestamps = grown(self._timestamps, stop)
        batch.timestamps.take(rows, out=self._timestamps[first:stop], mode="clip")
        for at in self._read:
            column = batch.columns[at]
            held = self._columns[at] = grown(self._columns[at], stop)
            column.values.take(rows, out=held[first:stop], mode="clip")
            valid = self._mask(at, column, stop)
            if valid is not None:
                valid[first:stop] = True if column.valid is None else column.valid.take(rows)

    def replace(self, batch: EventBatch, places: Longs, rows: Longs) -> None:
        """The rows of ``batch`` at ``rows`` take the place of those at ``places``."""
        self._timestamps[places] = batch.timestamps.take(rows)
        for at in self._read:
            column = batch.columns[at]
            self._columns[at][places] = column.values.take(rows)
            valid = self._mask(at, column, 0)
            if valid is not None:
                valid[places] = True if column.valid is None else column.valid.take(rows)

    def _mask(self, at: int, column: Column, room: int) -> Mask | None:
        """Which values are there; None while none was null."""
        valid = self._valid.get(at)
        if valid is None:
            if column.valid is None:
                return None
            valid = np.ones(len(self._columns[at]), dtype=np.bool_)
        valid = self._valid[at] = grown(valid, max(room, len(self._columns[at])), True)
        return valid

    def rows(self, count: int) -> EventBatch:
        """The first ``count`` rows, as views; columns that nobody reads hold anything."""
        columns: list[Column] = []
        for at, attribute in enumerate(self._schema.attributes):
            if at in self._columns:
                valid = self._valid.get(at)
                mask = None if valid is None or bool(valid[:count].all()) else valid[:count]
                columns.append(Column(attribute.type, self._columns[at][:count], mask))
                continue
            columns.append(Column(attribute.type, self._anything(at, count)))
        return EventBatch(self._schema, self._timestamps[:count], tuple(columns))

    def leave(self, count: int, stop: int) -> EventBatch:
        """Take the first ``count`` of ``stop`` rows out; those behind come to the places from 0 on."""
        columns: list[Column] = []
        for at, attribute in enumerate(self._schema.attributes):
            held = self._columns.get(at)
            if held is None:
                columns.append(Column(attribute.type, self._anything(at, count)))
                continue
            valid = self._valid.get(at)
            mask = None if valid is None or bool(valid[:count].all()) else valid[:count].copy()
            columns.append(Column(attribute.type, held[:count].copy(), mask))
        left = EventBatch(self._schema, self._timestamps[:count].copy(), tuple(columns))
        if stop > count:
            for held in (self._timestamps, *self._columns.values(), *self._valid.values()):
                held[: stop - count] = held[count:stop]
        return left

    def _anything(self, at: int, count: int) -> npt.NDArray[Any]:
        """Values of a column that nobody reads."""
        held = self._unread[at]
        if count > len(held):
            held = self._unread[at] = grown(held, count)
        return held[:count]

    def snapshot(self, count: int) -> OperatorState:
        """The first ``count`` rows."""
        rows = self.rows(count)
        columns = []
        for at in self._read:
            column = rows.columns[at]
            values: Any = column.values
            columns.append({"values": values.tolist() if values.dtype.kind == "O" else values, "valid": column.valid})
        return {"timestamps": rows.timestamps, "columns": columns}

    def restore(self, state: OperatorState) -> int:
        """Hold the rows of a snapshot; how many there are."""
        self._clear()
        count = len(state["timestamps"])
        self._timestamps = grown(self._timestamps, count)
        self._timestamps[:count] = state["timestamps"]
        for at, saved in zip(self._read, state["columns"], strict=True):
            held = self._columns[at] = grown(self._columns[at], count)
            held[:count] = saved["values"]
            if saved["valid"] is not None:
                self._valid[at] = np.ones(len(held), dtype=np.bool_)
                self._valid[at][:count] = saved["valid"]
        return count
