"""Keys as words of 64 bits: equal keys have equal words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.conversion import to_text
from eiha.events.column import Column, Mask
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

Words = npt.NDArray[np.int64]


def words_of(columns: Sequence[Column], strings: StringTable) -> Words:
    """The keys of all rows, one after the other: a word for each column, and one that tells which are null.

    NaN equals NaN and 0.0 equals -0.0, so that rows with equal values have equal keys; objects are told by their text.
    """
    rows = len(columns[0])
    words = np.empty((rows, len(columns) + 1), dtype=np.int64)
    nulls = words[:, -1]
    nulls[:] = 0
    for place, column in enumerate(columns):
        words[:, place] = _bits(column, strings)
        if column.valid is not None:
            nulls |= (~column.valid).astype(np.int64) << place
    return words.reshape(-1)


def comparable(columns: Sequence[Column]) -> Mask:
    """Rows whose values can equal something: none is null or NaN."""
    whole = np.ones(len(columns[0]), dtype=np.bool_)
    for column in columns:
        if column.valid is not None:
            whole &= column.valid
        if column.type in (AttributeType.FLOAT, AttributeType.DOUBLE):
            whole &= ~np.isnan(column.values)
    return whole


def _bits(column: Column, strings: StringTable) -> npt.NDArray[np.generic]:
    match column.type:
        case AttributeType.FLOAT | AttributeType.DOUBLE:
            # adding zero makes -0.0 a plain zero; all NaN become the same one
            values = np.where(np.isnan(column.values), np.nan, column.values.astype(np.float64) + 0.0)
            return values.view(np.int64)
        case AttributeType.OBJECT:
            return to_text(column, strings).values
        case _:
            return column.values
