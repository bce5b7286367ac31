"""What a plan put out, for people: columns as arrays, rows as tuples, data frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eiha.embedded.incoming import Texts
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringView


class Output:
    """The rows that a stream got, in order. Nothing is converted before it is asked for."""

    __slots__ = ("_batch", "_strings")

    def __init__(self, batch: EventBatch, strings: StringView) -> None:
        self._batch = batch
        self._strings = strings

    def __len__(self) -> int:
        return len(self._batch)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows())

    def __repr__(self) -> str:
        return f"Output({len(self)} rows of {self.schema})"

    @property
    def schema(self) -> Schema:
        """Names and types of the attributes."""
        return self._batch.schema

    @property
    def timestamps(self) -> npt.NDArray[np.int64]:
        """Event times in ms, int64[rows]."""
        return self._batch.timestamps

    def array(self, name: str) -> npt.NDArray[Any]:
        """One attribute as an array of its type; strings as an object array of ``str``. Nulls: see ``valid``.

        Raises:
            KeyError: there is no such attribute.
        """
        column = self._column(name)
        if column.type is not AttributeType.STRING:
            return column.values
        if len(column) < len(self._strings):
            found: npt.NDArray[Any] = np.array(self._strings.texts_of(column.values.tolist()), dtype=object)
        else:
            found = np.array([*self._strings.texts(), ""], dtype=object).take(column.values)
        if column.valid is not None:
            found[~column.valid] = None
        return found

    def valid(self, name: str) -> npt.NDArray[np.bool_]:
        """Where attribute ``name`` is not null, bool[rows]."""
        return self._column(name).mask()

    def texts(self, name: str) -> Texts:
        """A string attribute as codes and dictionary; null is -1."""
        column = self._column(name)
        assert column.type is AttributeType.STRING, name
        used, codes = np.unique(column.values, return_inverse=True)
        if column.valid is not None:
            codes = np.where(column.valid, codes, -1)
        return Texts(codes.astype(np.int32), self._strings.texts_of(used.tolist()))

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows as tuples of Python values, null as None."""
        columns: Sequence[list[Any]] = [self._listed(column) for column in self._batch.columns]
        return list(zip(*columns, strict=True)) if columns else [()] * len(self)

    def dicts(self) -> list[dict[str, Any]]:
        """All rows as mappings."""
        names = self.schema.names
        return [dict(zip(names, row, strict=True)) for row in self.rows()]

    def to_pandas(self) -> Any:
        """A pandas frame; strings are categorical, numbers with nulls are of pandas' nullable types.

        Raises:
            ImportError: pandas is not installed (``pip install eiha[frames]``).
        """
        import pandas as pd

        return pd.DataFrame({each.name: self._pandas(pd, each.name) for each in self.schema.attributes})

    def to_polars(self) -> Any:
        """A polars frame. Raises ``ImportError`` as ``to_pandas``."""
        import polars as pl

        return pl.DataFrame({name: self._listed(self._column(name)) for name in self.schema.names})

    def to_arrow(self) -> Any:
        """An Arrow table; strings are dictionary-coded. Raises ``ImportError`` as ``to_pandas``."""
        import pyarrow as pa

        arrays = []
        for each in self.schema.attributes:
            column = self._column(each.name)
            if column.type is AttributeType.STRING:
                coded = self.texts(each.name)
                indices = pa.array(coded.codes, mask=coded.codes < 0)
                arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array(coded.dictionary, "string")))
            elif column.type is AttributeType.OBJECT:
                arrays.append(pa.array(self._listed(column)))
            else:
                arrays.append(pa.array(column.values, mask=None if column.valid is None else ~column.valid))
        return pa.table(arrays, names=list(self.schema.names))

    def _pandas(self, pandas: Any, name: str) -> Any:
        column = self._column(name)
        if column.type is AttributeType.STRING:
            coded = self.texts(name)
            return pandas.Categorical.from_codes(coded.codes, list(coded.dictionary))
        if column.type is AttributeType.OBJECT or column.valid is None:
            return column.values
        kind = {"i": "Int", "f": "Float"}.get(column.values.dtype.kind)
        dtype = "boolean" if kind is None else f"{kind}{column.values.dtype.itemsize * 8}"
        return pandas.array(self._listed(column), dtype=dtype)

    def _column(self, name: str) -> Column:
        position = self.schema.position(name)
        if position is None:
            raise KeyError(f"there is no attribute {name!r}; there are {', '.join(self.schema.names)}")
        return self._batch.columns[position]

    def _listed(self, column: Column) -> list[Any]:
        values: list[Any]
        if column.type is AttributeType.STRING:
            values = (
                list(self._strings.texts_of(column.values.tolist())) if len(self._strings) else [None] * len(column)
            )
        else:
            values = column.values.tolist()
        if column.valid is not None:
            values = [value if ok else None for value, ok in zip(values, column.valid.tolist(), strict=True)]
        return values
