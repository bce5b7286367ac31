"""Rows to numbers: equal rows have one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.key_index import LongIndex, ValueIndex
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable

Numbers = npt.NDArray[np.int64]


class RowNumbers:
    """Compares some columns, null equal to null and NaN to NaN. Numbers count up and are never given back."""

    __slots__ = ("_columns", "_pairs", "_values")

    def __init__(self, schema: Schema, columns: tuple[int, ...], strings: StringTable) -> None:
        assert columns
        self._columns = columns
        self._values = [ValueIndex(schema.attributes[column].type, strings) for column in columns]
        self._pairs = [LongIndex() for _ in columns[1:]]

    @property
    def count(self) -> int:
        """A bound for numbers (exclusive)."""
        return self._pairs[-1].count if self._pairs else self._values[0].count

    def find(self, rows: EventBatch) -> Numbers:
        """The number of each row."""
        numbers = self._values[0].find(rows.columns[self._columns[0]])
        for column, values, pairs in zip(self._columns[1:], self._values[1:], self._pairs, strict=True):
            numbers = pairs.find((numbers << 32) | values.find(rows.columns[column]))
        return numbers
