"""A column: an array of values and, where there are nulls, a mask."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.events.light import light_dataclass
from eiha.events.schema import AttributeType

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_ALL: Final[Mask] = np.ones(8_192, dtype=np.bool_)
_ALL.flags.writeable = False


@light_dataclass(frozen=True, slots=True)
class Column:
    """Values of one attribute, one per row.

    ``values`` has the dtype of ``type`` (strings: int32 ids of the plan's ``StringTable``). ``valid`` is True
    where there is a value; None means that there are no nulls. Under a null, ``values`` holds the zero of its
    dtype (None for objects), so that equal columns have equal bytes. Columns are never changed in place.
    """

    type: AttributeType
    values: Values
    valid: Mask | None = None

    def check(self) -> None:
        """Assert what its makers promise."""
        assert self.values.dtype is self.type.dtype or self.values.dtype == self.type.dtype, (
            self.values.dtype,
            self.type,
        )
        assert self.valid is None or len(self.valid) == len(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indices: Indices) -> Column:
        """The rows at ``indices``, in that order."""
        valid = None if self.valid is None else self.valid.take(indices)
        return Column(self.type, self.values.take(indices), valid)

    def slice(self, start: int, stop: int) -> Column:
        """Rows ``start`` to ``stop`` (exclusive), without a copy."""
        valid = None if self.valid is None else self.valid[start:stop]
        return Column(self.type, self.values[start:stop], valid)

    def mask(self) -> Mask:
        """The validity as an array, also when there are no nulls; not to be written to."""
        if self.valid is not None:
            return self.valid
        rows = len(self.values)
        return _ALL[:rows] if rows <= len(_ALL) else np.ones(rows, dtype=np.bool_)


def make_column(type_: AttributeType, values: Values, valid: Mask | None) -> Column:
    """A column in canonical form: no mask when nothing is null, zeros under nulls."""
    if valid is not None:
        if valid.all():
            valid = None
        else:
            values = values.copy()
            values[~valid] = None if type_ is AttributeType.OBJECT else 0
    return Column(type_, values.astype(type_.dtype, copy=False), valid)


def concatenate(columns: list[Column]) -> Column:
    """The rows of several columns of one type, one after the other."""
    assert columns
    valid: Mask | None = None
    if any(column.valid is not None for column in columns):
        valid = np.concatenate([column.mask() for column in columns])
    return Column(columns[0].type, np.concatenate([column.values for column in columns]), valid)
