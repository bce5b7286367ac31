"""order by, limit and offset: all within one chunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eiha.events.batch import Chunks, Kind, Kinds
from eiha.events.column import Column, Indices
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.nodes import OrderKey

Numbers = npt.NDArray[np.int64]


def ordered(
    keys: tuple[OrderKey, ...], values: Sequence[Column], chunks: Chunks, kinds: Kinds, strings: StringTable
) -> Indices:
    """Rows in order, by the keys within each run of rows of one chunk and kind; stable, nulls last both ways.

    ``values``: the column of each key.

    Siddhi orders runs: as a rule the expired rows of a chunk and then the current ones, but with group by over batches
    a current row that took the place of an expired one keeps it.
    """
    columns: list[npt.NDArray[np.generic]] = []
    for key, column in reversed(list(zip(keys, values, strict=True))):
        ranks = _ranks(column, strings)
        columns.append(-ranks if key.descending else ranks)
        columns.append(~column.mask())
    changes = (chunks[1:] != chunks[:-1]) | (kinds[1:] != kinds[:-1])
    columns.append(np.concatenate(([0], np.cumsum(changes))))
    return np.lexsort(columns).astype(np.int64, copy=False)


def within_limits(limit: int | None, offset: int | None, chunks: Chunks, kinds: Kinds) -> Indices:
    """Rows that stay: offset drops the first of a chunk of either kind; limit counts both and drops current ones."""
    starts = np.flatnonzero(np.concatenate(([True], chunks[1:] != chunks[:-1])))
    lengths = np.diff(np.append(starts, len(chunks)))
    ranks = np.arange(len(chunks)) - np.repeat(starts, lengths) - (offset or 0)
    stays = ranks >= 0
    if limit is not None:
        stays &= (ranks < limit) | (kinds != Kind.CURRENT)
    return np.flatnonzero(stays)


def _ranks(column: Column, strings: StringTable) -> Numbers:
    distinct, inverse = np.unique(column.values, return_inverse=True)
    inverse = inverse.reshape(-1)
    if column.type is not AttributeType.STRING or not len(strings):
        return inverse.astype(np.int64, copy=False)
    texts = [strings.text(number) for number in distinct.tolist()]
    ranks = np.empty(len(texts), dtype=np.int64)
    ranks[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    return ranks.take(inverse)
