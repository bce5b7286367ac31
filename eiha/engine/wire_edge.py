"""Where batches enter and leave a plan: wire dictionaries to ids of the plan's strings, and back.

A string costs one lookup per entry of the batch's dictionary; per row there are only array operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.expressions.java_text import object_text
from eiha.engine.kernels.local_codes import local_codes
from eiha.events.batch import EventBatch
from eiha.events.column import Column, make_column
from eiha.events.repeated import repeated
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.events.wire import WireBatch, WireColumn


class WireEdge:
    """The edge of one plan."""

    __slots__ = ("_codes", "_stamp", "_stamps", "_strings")

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        # scratch of local_codes: what is in it does not outlive a call
        self._stamps: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._codes: npt.NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._stamp = 0

    def enter(self, wire: WireBatch, schema: Schema, log_time_ms: int) -> EventBatch:
        """The rows as the plan sees them; without timestamps of their own they have the log time."""
        timestamps = wire.timestamps
        if timestamps is None:
            timestamps = repeated(log_time_ms, wire.rows)
        return EventBatch(schema, timestamps, tuple(self._entered(column) for column in wire.columns))

    def leave(self, batch: EventBatch) -> WireBatch:
        """The rows as anyone can read them: each string column with a dictionary of its own."""
        return WireBatch(len(batch), batch.timestamps, tuple(self._left(column) for column in batch.columns))

    def _entered(self, column: WireColumn) -> Column:
        valid = column.valid
        if column.type is not AttributeType.STRING:
            return make_column(column.type, column.values, valid)
        ids = self._strings.intern_all(column.dictionary)
        if valid is None:
            return Column(column.type, ids.take(column.values))
        codes = np.where(valid, column.values, 0)
        values = ids.take(codes) if len(ids) else np.zeros(len(codes), dtype=np.int32)
        return make_column(column.type, values, valid)

    def _left(self, column: Column) -> WireColumn:
        if column.type is AttributeType.OBJECT:
            return WireColumn(column.type, _plain_objects(column), column.valid)
        if column.type is not AttributeType.STRING:
            return WireColumn(column.type, column.values, column.valid)
        self._stamps = grown(self._stamps, len(self._strings))
        self._codes = grown(self._codes, len(self._strings))
        self._stamp += 1
        out = np.empty(len(column), dtype=np.int32)
        used = np.empty(len(column), dtype=np.int32)
        count = local_codes(column.values, column.mask(), self._stamps, self._codes, self._stamp, out, used)
        dictionary = self._strings.texts_of(used[:count].tolist())
        return WireColumn(column.type, out, column.valid, dictionary)


def _plain_objects(column: Column) -> npt.NDArray[np.object_]:
    """Objects as msgpack has them: sets as lists, ordered by their text."""
    values = np.empty(len(column), dtype=np.object_)
    for row, value in enumerate(column.values.tolist()):
        values[row] = _plain(value)
    return values


def _plain_key(key: Any) -> Any:
    """A key that any reader of msgpack can hold: text, numbers, bools and null stay, the rest is its text."""
    return object_text(key) if isinstance(key, tuple | frozenset) else key


def _plain(value: Any) -> Any:
    match value:
        case frozenset():
            return [_plain(each) for each in sorted(value, key=object_text)]
        case tuple() | list():
            return [_plain(each) for each in value]
        case dict():
            return {_plain_key(key): _plain(each) for key, each in value.items()}
        case np.generic():
            return value.item()
        case _:
            return value
