"""What users have, as batches: rows, mappings of columns, pandas and polars frames, Arrow tables.

Data frame libraries are never imported here: their objects are known by the module that they come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.kernels.code_places import ids_of_codes
from eiha.errors import WrongSchema, WrongValue
from eiha.events.column import Column, Mask, make_column
from eiha.events.repeated import repeated
from eiha.events.rows import columns_to_batch, objects_to_batch, rows_to_batch, values_to_column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.events.wire import WireBatch, WireColumn

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of strings as codes into a dictionary of distinct texts: the form that costs nothing per row.

    ``codes`` int32[rows]; a negative code is null. Send the same ``dictionary`` object again and again: its texts are
    then looked up once.
    """

    codes: npt.NDArray[np.int32]
    dictionary: tuple[str, ...]
    has_nulls: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.codes.dtype.kind not in "iu" or self.codes.ndim != 1:
            raise WrongSchema(f"codes are whole numbers in a row, not {self.codes.dtype}{self.codes.shape}")
        object.__setattr__(self, "has_nulls", bool(len(self.codes)) and int(self.codes.min()) < 0)
        if len(self.codes) and int(self.codes.max()) >= len(self.dictionary):
            raise WrongSchema(f"codes point outside their dictionary of {len(self.dictionary)} texts")
        if self.has_nulls:
            object.__setattr__(self, "codes", np.maximum(self.codes, -1))
        object.__setattr__(self, "codes", np.ascontiguousarray(self.codes, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.codes)


_KINDS: Final[dict[AttributeType, str]] = {
    AttributeType.INT: "iu",
    AttributeType.LONG: "iu",
    AttributeType.FLOAT: "fiu",
    AttributeType.DOUBLE: "fiu",
    AttributeType.BOOL: "b",
}
"""NumPy dtype kinds that are taken for an attribute type."""

_BY_ID: Final = (AttributeType.STRING, AttributeType.OBJECT)
"""Types whose values are not those of an array of numbers."""


class Incoming:
    """Makes columns for one plan: strings become ids of its string table."""

    __slots__ = ("_codes_are_ids", "_dictionary", "_ids", "_strings")

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self._dictionary: tuple[str, ...] = ()
        self._ids: npt.NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._codes_are_ids = True

    def columns(self, data: Any, schema: Schema) -> tuple[tuple[Column, ...], int]:
        """The columns of ``data`` in the order of ``schema``, and how many rows there are.

        ``data``: rows (sequences of values or mappings), a mapping from names to arrays, lists or ``Texts``, a pandas
        or polars frame, or an Arrow table or record batch.

        Raises:
            WrongSchema: attributes are missing, or lengths differ.
            WrongValue: a value does not fit its attribute.
        """
        if type(data) is dict:
            return self._of_mapping(data, schema)
        kind = type(data).__module__.partition(".")[0]
        if kind == "pandas":
            data = {str(name): data[name] for name in data.columns}
        elif kind == "polars":
            data = {name: data[name] for name in data.columns}
        elif kind == "pyarrow":
            data = {name: data.column(index) for index, name in enumerate(data.schema.names)}
        if isinstance(data, Mapping):
            return self._of_mapping(data, schema)
        rows: Sequence[Any] = data if isinstance(data, list | tuple) else list(data)
        if rows and isinstance(rows[0], Mapping):
            return self._of_wire(objects_to_batch(rows, schema)), len(rows)
        return self._of_wire(rows_to_batch(rows, schema)), len(rows)

    def _of_mapping(self, data: Mapping[str, Any], schema: Schema) -> tuple[tuple[Column, ...], int]:
        attributes = schema.attributes
        try:
            values = [data[each.name] for each in attributes]
        except KeyError as missing:
            raise WrongSchema(f"attribute {missing.args[0]!r} is missing; the stream is {schema}") from None
        if len(data) != len(values):
            unknown = next(name for name in data if schema.position(str(name)) is None)
            raise WrongSchema(f"there is no attribute {unknown!r}; the stream is {schema}")
        columns = tuple(map(self._column, values, attributes))
        rows = len(columns[0].values)
        for column in columns:
            if len(column.values) != rows:
                shown = ", ".join(f"{each.name}: {len(data[each.name])}" for each in attributes)
                raise WrongSchema(f"columns must be equally long; they are {shown}")
        return columns, rows

    def _of_wire(self, batch: WireBatch) -> tuple[Column, ...]:
        return tuple(self._of_wire_column(column) for column in batch.columns)

    def _of_wire_column(self, column: WireColumn) -> Column:
        if column.type is not AttributeType.STRING:
            return make_column(column.type, column.values, column.valid)
        return self._texts(column.values, column.valid, column.dictionary)

    def _column(self, values: Any, attribute: Attribute) -> Column:
        if isinstance(values, np.ndarray):
            type_ = attribute.type
            if values.dtype == type_.dtype and values.ndim == 1 and type_ not in _BY_ID:
                return Column(type_, np.ascontiguousarray(values))  # kernels take no strides
            return self._array(values, None, attribute)
        if isinstance(values, Texts):
            _expect(attribute.type is AttributeType.STRING, "texts", attribute)
            return self._texts(values.codes, values.codes >= 0 if values.has_nulls else None, values.dictionary)
        match type(values).__module__.partition(".")[0]:
            case "pandas":
                return self._pandas(values, attribute)
            case "polars":
                return self._polars(values, attribute)
            case "pyarrow":
                return self._arrow(values, attribute)
            case _:
                return self._of_wire_column(values_to_column(list(values), attribute.type, attribute.name))

    def _array(self, values: npt.NDArray[Any], valid: Mask | None, attribute: Attribute) -> Column:
        _expect(values.ndim == 1, f"an array of {values.ndim} dimensions", attribute)
        type_ = attribute.type
        values = np.ascontiguousarray(values)  # compiled loops walk arrays without gaps
        if values.dtype == type_.dtype and type_ not in _BY_ID:
            values = np.ascontiguousarray(values)
            return Column(type_, values) if valid is None else make_column(type_, values, valid)
        if type_ in _BY_ID or values.dtype.kind == "O":
            listed = values.tolist()
            if valid is not None:
                listed = [value if ok else None for value, ok in zip(listed, valid.tolist(), strict=True)]
            return self._of_wire_column(values_to_column(listed, type_, attribute.name))
        _expect(values.dtype.kind in _KINDS[type_], f"an array of {values.dtype}", attribute)
        with np.errstate(over="ignore", invalid="ignore"):
            converted = values.astype(type_.dtype)
        if type_ in (AttributeType.INT, AttributeType.LONG) and not np.array_equal(converted, values):
            row = int(np.flatnonzero(converted != values)[0])
            message = f"row {row}: attribute {attribute.name!r} is {type_.value}: {values[row]} does not fit"
            raise WrongValue(message, row=row, attribute=attribute.name)
        return make_column(type_, converted, valid)

    def _texts(self, codes: npt.NDArray[np.int32], valid: Mask | None, dictionary: tuple[str, ...]) -> Column:
        if dictionary is not self._dictionary:
            self._ids = self._strings.intern_all(dictionary)
            self._dictionary = dictionary
            self._codes_are_ids = np.array_equal(self._ids, np.arange(len(dictionary)))
        if valid is None:
            codes = np.ascontiguousarray(codes, dtype=np.int32)
            if self._codes_are_ids:
                return Column(AttributeType.STRING, codes)
            ids = np.empty(len(codes), dtype=np.int32)
            ids_of_codes(codes, self._ids, ids)
            return Column(AttributeType.STRING, ids)
        if not len(dictionary):
            return make_column(AttributeType.STRING, np.zeros(len(codes), dtype=np.int32), valid)
        return make_column(AttributeType.STRING, self._ids.take(np.where(valid, codes, 0)), valid)

    # --- data frames

    def _pandas(self, series: Any, attribute: Attribute) -> Column:
        if str(series.dtype) == "category" and attribute.type is AttributeType.STRING:
            codes = series.cat.codes.to_numpy().astype(np.int32)
            return self._column(Texts(codes, tuple(map(str, series.cat.categories))), attribute)
        present = series.notna().to_numpy()
        valid = None if present.all() else present
        if attribute.type is AttributeType.STRING or series.dtype.kind not in "iufb":
            listed = [value if ok else None for value, ok in zip(series.tolist(), present.tolist(), strict=True)]
            return self._of_wire_column(values_to_column(listed, attribute.type, attribute.name))
        if valid is not None and attribute.type in (AttributeType.INT, AttributeType.LONG, AttributeType.BOOL):
            # without nulls of its own, pandas keeps whole numbers beside NaN as floats
            listed = [
                _whole(value) if ok else None for value, ok in zip(series.tolist(), present.tolist(), strict=True)
            ]
            return self._of_wire_column(values_to_column(listed, attribute.type, attribute.name))
        dtype = attribute.type.dtype if valid is not None else series.dtype
        values = series.to_numpy(dtype=dtype, na_value=0) if valid is not None else series.to_numpy()
        return self._array(values, valid, attribute)

    def _polars(self, series: Any, attribute: Attribute) -> Column:
        is_null = series.is_null().to_numpy()
        if is_null.any() or attribute.type in (AttributeType.STRING, AttributeType.OBJECT):
            return self._of_wire_column(values_to_column(series.to_list(), attribute.type, attribute.name))
        return self._array(series.to_numpy(), None, attribute)

    def _arrow(self, array: Any, attribute: Attribute) -> Column:
        if hasattr(array, "combine_chunks"):
            array = array.combine_chunks()
        chunks = array.chunks if hasattr(array, "chunks") else [array]
        _expect(len(chunks) <= 1, "an array of several chunks", attribute)
        if attribute.type is AttributeType.STRING and hasattr(array, "dictionary_encode"):
            coded = array if hasattr(array, "dictionary") else array.dictionary_encode()
            codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
            return self._column(Texts(codes, tuple(coded.dictionary.to_pylist())), attribute)
        if array.null_count or attribute.type in (AttributeType.OBJECT, AttributeType.STRING):
            return self._of_wire_column(values_to_column(array.to_pylist(), attribute.type, attribute.name))
        return self._array(array.to_numpy(zero_copy_only=False), None, attribute)


def timestamps_of(given: Any, rows: int, default_ms: int) -> Longs:
    """Event times, int64[rows]: an array or list of them, one for all rows, or None for ``default_ms``.

    Raises:
        WrongSchema: there are not as many as rows, or they are no whole numbers.
    """
    if given is None or isinstance(given, int):
        return repeated(default_ms if given is None else given, rows)
    if isinstance(given, np.ndarray) and given.dtype == np.int64:
        stamps: Longs = np.ascontiguousarray(given)
    elif isinstance(given, np.ndarray) and given.dtype.kind == "M":
        stamps = given.astype("datetime64[ms]").astype(np.int64)
    else:
        batch = columns_to_batch([], len(given), Schema(()), list(given))
        assert batch.timestamps is not None
        stamps = batch.timestamps
    if len(stamps) != rows:
        raise WrongSchema(f"{rows} rows need as many timestamps, not {len(stamps)}")
    return stamps


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _expect(holds: bool, got: str, attribute: Attribute) -> None:
    if not holds:
        raise WrongSchema(f"attribute {attribute.name!r} is {attribute.type.value} and cannot be made from {got}")
