"""Rows that a condition kept: whole columns, but chunk numbers only for who asks.

Most filters stand before a select whose rows go out: nobody asks there.
"""

from __future__ import annotations

import numpy as np

from eiha.engine.column_pruning import KeepColumns
from eiha.engine.kernels.compress import compress, kept_multiples
from eiha.events.batch import CHUNK_STRIDE, Chunks, EventBatch
from eiha.events.column import Column, Mask, Values
from eiha.events.repeated import is_repeated
from eiha.events.schema import AttributeType, Schema

_NOT_NUMBERS = frozenset({AttributeType.BOOL, AttributeType.OBJECT})


def kept_rows(batch: EventBatch, passes: Mask, count: int, narrow: KeepColumns | None = None) -> EventBatch:
    """The rows of ``batch`` at which ``passes`` is true, ``count`` of them; ``narrow``: only these columns."""
    stamps, columns = batch.timestamps, batch.columns
    kept = KeptRows(
        batch.schema if narrow is None else narrow.schema,
        stamps[:count] if is_repeated(stamps) else _compressed(stamps, passes, count),
        tuple([_column(column, passes, count) for column in columns])
        if narrow is None
        else tuple([_column(columns[position], passes, count) for position in narrow.positions]),
        None if batch.kinds is None else batch.kinds.compress(passes),
        None,
        batch.collapses,
        None if batch.keys is None else _compressed(batch.keys, passes, count),
    )
    kept.numbering = _Numbering(batch, passes, count)
    return kept


class KeptRows(EventBatch):
    """A batch as any other, whose chunk numbers are made when they are first read."""

    numbering: _Numbering
    """Where the numbers come from, unless they were given."""

    __slots__ = ("_given", "numbering")

    @property
    def chunks(self) -> Chunks:
        """See ``EventBatch``."""
        return self.numbering.numbers() if self._given is None else self._given

    @chunks.setter
    def chunks(self, given: Chunks | None) -> None:
        self._given = given

    def of_columns(self, schema: Schema, columns: tuple[Column, ...]) -> EventBatch:
        """See ``EventBatch``."""
        others = KeptRows(schema, self.timestamps, columns, None, self._given)
        if self._given is None:
            others.numbering = self.numbering
        return others

    def numbering_or_chunks(self) -> _Numbering | Chunks:
        """The numbers, or where they come from."""
        return self.numbering if self._given is None else self._given

    def check(self) -> None:
        """Numbers that are not there yet are not asked for."""
        assert len(self.columns) == len(self.schema)
        for column in self.columns:
            assert len(column.values) == len(self.timestamps)
        for other in (self.kinds, self._given, self.keys):
            assert other is None or len(other) == len(self.timestamps)


class _Numbering:
    """The numbers of the chunks of those rows of a batch that were kept; made once for all who have these rows."""

    __slots__ = ("_before", "_count", "_numbers", "_passes")

    def __init__(self, before: EventBatch, passes: Mask, count: int) -> None:
        # not the batch itself: its columns may go
        self._before = before.numbering_or_chunks() if isinstance(before, KeptRows) else before.chunks
        self._passes = passes
        self._count = count
        self._numbers: Chunks | None = None

    def numbers(self) -> Chunks:
        """One for each row."""
        if self._numbers is None:
            before = self._before.numbers() if isinstance(self._before, _Numbering) else self._before
            if before is None:
                out = np.empty(self._count + 1, dtype=np.int64)
                kept_multiples(self._passes, CHUNK_STRIDE, out)
                self._numbers = out[: self._count]
            else:
                self._numbers = _compressed(before, self._passes, self._count)
            self._before = None
        return self._numbers


def _column(column: Column, passes: Mask, count: int) -> Column:
    values, valid = column.values, column.valid
    if column.type in _NOT_NUMBERS:
        return Column(column.type, values.compress(passes), None if valid is None else valid.compress(passes))
    return Column(column.type, _compressed(values, passes, count), None if valid is None else valid.compress(passes))


def _compressed(values: Values, passes: Mask, count: int) -> Values:
    out = np.empty(count + 1, dtype=values.dtype)
    compress(passes, values, out)
    return out[:count]
