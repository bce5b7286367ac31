"""The unit of work: rows of one schema as columns, with timestamps, kinds and chunks."""

from __future__ import annotations

import enum
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.events.column import Column, Indices, concatenate
from eiha.events.light import light_dataclass
from eiha.events.repeated import multiples, taken
from eiha.events.schema import Schema

Timestamps = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]
Chunks = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int64]


CHUNK_STRIDE: Final = 1024
"""Distance between the numbers of two chunks that come from outside: these are multiples of it. The numbers between
belong to what timers put out just before the next multiple: in ``c - CHUNK_STRIDE + 1 .. c - 1`` for chunk ``c``."""


class Kind(enum.IntEnum):
    """What a row means to an operator (Siddhi's ComplexEvent.Type)."""

    CURRENT = 0
    EXPIRED = 1
    TIMER = 2
    RESET = 3


@light_dataclass(frozen=True, slots=True)
class EventBatch:
    """Rows of one schema.

    ``timestamps`` int64[n], event time in ms. ``kinds`` uint8[n] of ``Kind``, None: all current.
    ``chunks`` int64[n], never decreasing: rows with the same number form one *chunk*, which is one call of a
    listener and the span of order by, limit and the ``batch`` window (Siddhi's ComplexEventChunk). None: every
    row is a chunk of its own, numbered by its position times ``CHUNK_STRIDE``. The number also tells which input row
    of the log entry caused the rows, so that the outputs of several queries into one stream are merged in the order
    that feeding one event at a time gives.
    ``collapses`` marks chunks put out by a batch window: aggregates then give one row a chunk (or a group).
    ``keys`` int64[n]: the instance of a partition in which each row lives; None outside of partitions.
    """

    schema: Schema
    timestamps: Timestamps
    columns: tuple[Column, ...]
    kinds: Kinds | None = None
    chunks: Chunks | None = None
    collapses: bool = False
    keys: Keys | None = None

    def check(self) -> None:
        """Assert what its makers promise."""
        rows = len(self.timestamps)
        assert len(self.columns) == len(self.schema)
        for column in self.columns:
            assert len(column.values) == rows
        assert self.kinds is None or len(self.kinds) == rows
        assert self.chunks is None or len(self.chunks) == rows
        assert self.keys is None or len(self.keys) == rows

    def __len__(self) -> int:
        return len(self.timestamps)

    def take(self, indices: Indices) -> EventBatch:
        """The rows at ``indices``, which must not decrease in chunk number."""
        return EventBatch(
            self.schema,
            taken(self.timestamps, indices),
            tuple([column.take(indices) for column in self.columns]),
            None if self.kinds is None else self.kinds.take(indices),
            indices * CHUNK_STRIDE if self.chunks is None else self.chunks.take(indices),
            self.collapses,
            None if self.keys is None else self.keys.take(indices),
        )

    def of_columns(self, schema: Schema, columns: tuple[Column, ...]) -> EventBatch:
        """What a query makes of these rows, row by row, all of them current: the same chunks, no partition's."""
        return EventBatch(schema, self.timestamps, columns, None, self.chunks)

    def chunk_numbers(self) -> Chunks:
        """``chunks`` as an array, also when every row is its own; not to be written to."""
        return multiples(CHUNK_STRIDE, len(self)) if self.chunks is None else self.chunks

    def kind_array(self) -> Kinds:
        """``kinds`` as an array, also when all rows are current."""
        return np.zeros(len(self), dtype=np.uint8) if self.kinds is None else self.kinds


def no_rows(schema: Schema) -> EventBatch:
    """A batch of ``schema`` without rows."""
    columns = tuple(Column(each.type, np.empty(0, dtype=each.type.dtype)) for each in schema.attributes)
    return EventBatch(schema, np.empty(0, dtype=np.int64), columns)


def concatenate_batches(batches: list[EventBatch]) -> EventBatch:
    """The rows of several batches of one schema, one after the other; chunk numbers are kept as they are.

    Either all of them have ``keys``, or none.
    """
    assert batches
    first = batches[0]
    if len(batches) == 1:
        return first
    keys = [batch.keys for batch in batches if batch.keys is not None]
    assert not keys or len(keys) == len(batches)
    kinds = None
    if any(batch.kinds is not None for batch in batches):
        kinds = np.concatenate([batch.kind_array() for batch in batches])
    return EventBatch(
        schema=first.schema,
        timestamps=np.concatenate([batch.timestamps for batch in batches]),
        columns=tuple(concatenate([batch.columns[index] for batch in batches]) for index in range(len(first.columns))),
        kinds=kinds,
        chunks=np.concatenate([batch.chunk_numbers() for batch in batches]),
        collapses=first.collapses,
        keys=np.concatenate(keys) if keys else None,
    )
