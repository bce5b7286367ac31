"""order by, limit and offset: all within one chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.kernels.limits import rows_within
from eiha.events.batch import Chunks, Kinds
from eiha.events.column import Column, Indices
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.nodes import OrderKey

Numbers = npt.NDArray[np.int64]

_NO_LIMIT: Final = 1 << 62


def ordered(
    keys: tuple[OrderKey, ...], values: Sequence[Column], chunks: Chunks, kinds: Kinds, strings: StringTable
) -> Indices:
    """Rows in order, by the keys within each run of rows of one chunk and kind; stable, nulls last both ways.

    ``values``: the column of each key.

    Siddhi orders runs: as a rule the expired rows of a chunk and then the current ones, but with group by over batches
    a current row that took the place of an expired one keeps it.
    """
    columns: list[npt.NDArray[Any]] = []
    for key, column in reversed(list(zip(keys, values, strict=True))):
        columns.append(_sort_key(column, strings, is_descending=key.descending))
        if column.valid is not None:
            columns.append(~column.valid)
    changes = (chunks[1:] != chunks[:-1]) | (kinds[1:] != kinds[:-1])
    if changes.any():
        columns.append(np.concatenate(([0], np.cumsum(changes))))
    return np.lexsort(columns).astype(np.int64, copy=False)


def within_limits(limit: int | None, offset: int | None, chunks: Chunks, kinds: Kinds) -> Indices:
    """Rows that stay: offset drops the first of a chunk of either kind; limit counts both and drops current ones."""
    rows = np.empty(len(chunks), dtype=np.int64)
    count = rows_within(chunks, kinds, offset or 0, _NO_LIMIT if limit is None else limit, rows)
    return rows[:count]


def _sort_key(column: Column, strings: StringTable, *, is_descending: bool) -> npt.NDArray[Any]:
    """Numbers that order as the values do, or the other way round."""
    values: npt.NDArray[Any] = column.values
    kind = values.dtype.kind
    if column.type is AttributeType.STRING or kind not in "if" or (kind == "f" and bool(np.isnan(values).any())):
        values = _ranks(column, strings)
    if values.dtype.kind == "f":
        values = _in_java(values)
    return ~values if is_descending else values  # minus the least of all ints is no int


def _in_java(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole numbers in the order that Java gives to floats and doubles: -0.0 comes before 0.0."""
    kind = np.int64 if values.dtype.itemsize == np.dtype(np.int64).itemsize else np.int32
    bits: npt.NDArray[Any] = values.view(kind)
    return np.where(bits < 0, bits ^ np.iinfo(kind).max, bits)


def _ranks(column: Column, strings: StringTable) -> Numbers:
    distinct, inverse = np.unique(column.values, return_inverse=True)
    inverse = inverse.reshape(-1)
    if column.type is not AttributeType.STRING or not len(strings):
        return inverse.astype(np.int64, copy=False)
    texts = [strings.text(number) for number in distinct.tolist()]
    ranks = np.empty(len(texts), dtype=np.int64)
    ranks[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    return ranks.take(inverse)
