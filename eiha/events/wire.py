"""The form a batch has between processes: columns as little-endian bytes inside one msgpack array.

::

    payload    = [rows, timestamps, [column, ...]]
    timestamps = bin(int64[rows]) | nil             nil: the sequencer's log time is the event time
    column     = [validity, data]
    validity   = bin(uint8[rows], 1 = value) | nil  nil: no nulls
    data       = bin(values[rows])                  int i4, long i8, float f4, double f8, bool u1
               | [[text, ...], bin(int32[rows])]    string: dictionary and codes into it
               | [value, ...]                       object: plain msgpack values

The bytes a client made ride unchanged through the active, its log, eventSync and the passive's log.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import numpy as np
import numpy.typing as npt

from eiha.errors import MalformedBatch, WrongSchema
from eiha.events.column import Mask, Values
from eiha.events.schema import AttributeType, Schema
from eiha.kernel.container_budget import DEPTH_MAX, SMALL_BYTES, container_hooks, nests_too_deep
from eiha.kernel.packing import pack

ROWS_MAX: Final = 1_000_000
"""Rows a payload may claim: far above any useful batch, low enough to bound what a header can make us allocate."""

_NO_HOOKS: Final[dict[str, Any]] = {}

WIRE_DTYPES: Final[dict[AttributeType, np.dtype[Any]]] = {
    AttributeType.INT: np.dtype("<i4"),
    AttributeType.LONG: np.dtype("<i8"),
    AttributeType.FLOAT: np.dtype("<f4"),
    AttributeType.DOUBLE: np.dtype("<f8"),
    AttributeType.BOOL: np.dtype("u1"),
}

_VALUE_BYTES: Final = {type_: dtype.itemsize for type_, dtype in WIRE_DTYPES.items()}
_STRINGS: Final = frozenset({str})

FEW_ROWS: Final = 64
"""Up to here to look at values one by one costs less than to make arrays of them (measured)."""


@dataclass(frozen=True, slots=True)
class WireColumn:
    """One column of a ``WireBatch``.

    ``values``: the type's dtype; strings: int32 codes into ``dictionary``. ``valid`` as in ``Column``.
    """

    type: AttributeType
    values: Values
    valid: Mask | None = None
    dictionary: tuple[str, ...] = ()

    def to_list(self) -> list[Any]:
        """The values as Python objects, None for nulls. For edges, not for hot paths."""
        values: list[Any] = self.values.tolist()
        valid = [True] * len(values) if self.valid is None else self.valid.tolist()
        if self.type is AttributeType.STRING:  # the code of a null may be anything
            return [self.dictionary[code] if ok else None for code, ok in zip(values, valid, strict=True)]
        return [value if ok else None for value, ok in zip(values, valid, strict=True)]


@dataclass(frozen=True, slots=True)
class WireBatch:
    """A batch outside any plan: strings are local to it. ``timestamps`` int64[rows] or None (log time)."""

    rows: int
    timestamps: npt.NDArray[np.int64] | None
    columns: tuple[WireColumn, ...]


def encode(batch: WireBatch) -> bytes:
    """The payload bytes of ``batch``; equal batches give equal bytes."""
    columns: list[Any] = []
    for column in batch.columns:
        validity = None if column.valid is None else column.valid.astype("u1").tobytes()
        data: Any
        if column.type is AttributeType.STRING:
            data = [list(column.dictionary), column.values.astype("<i4", copy=False).tobytes()]
        elif column.type is AttributeType.OBJECT:
            data = column.values.tolist()
        else:
            data = column.values.astype(WIRE_DTYPES[column.type], copy=False).tobytes()
        columns.append([validity, data])
    timestamps = None if batch.timestamps is None else batch.timestamps.astype("<i8", copy=False).tobytes()
    return pack([batch.rows, timestamps, columns])


def decode(payload: bytes | memoryview, schema: Schema) -> WireBatch:
    """The batch in ``payload``, checked against ``schema``; arrays are read-only views of the payload's parts.

    Raises:
        MalformedBatch: the bytes are not a payload, or columns disagree about the number of rows.
        WrongSchema: the number of columns or a column's data does not fit ``schema``.
    """
    rows, stamps, columns = _parts(payload, schema)
    timestamps = None if stamps is None else _array(stamps, np.dtype("<i8"), rows, "timestamps")
    decoded = tuple(
        _column(column, attribute.type, rows, attribute.name)
        for column, attribute in zip(columns, schema.attributes, strict=True)
    )
    return WireBatch(rows, timestamps, decoded)


def check(payload: bytes | memoryview, schema: Schema) -> int:
    """How many rows ``payload`` has; raises what ``decode`` raises. Makes no arrays where there are few rows.

    For whoever passes the payload on: to make an array takes longer than to look at a few values.
    """
    rows, stamps, columns = _parts(payload, schema)
    if rows > FEW_ROWS:
        if stamps is not None:
            _array(stamps, np.dtype("<i8"), rows, "timestamps")
        for column, attribute in zip(columns, schema.attributes, strict=True):
            _column(column, attribute.type, rows, attribute.name)
        return rows
    if stamps is not None:
        _check_size(stamps, 8 * rows, rows, "timestamps")
    for column, attribute in zip(columns, schema.attributes, strict=True):
        _check_column(column, attribute.type, rows, attribute.name)
    return rows


def _parts(payload: bytes | memoryview, schema: Schema) -> tuple[int, Any, list[Any]]:
    size = len(payload)
    hooks = container_hooks(size) if size > SMALL_BYTES else _NO_HOOKS
    try:
        outer = msgpack.unpackb(payload, raw=False, strict_map_key=True, max_ext_len=0, **hooks)
    except Exception as cause:
        # msgpack raises ValueError, its own subclasses, UnpackException and UnicodeDecodeError alike
        raise MalformedBatch(f"a batch payload is not msgpack: {cause}") from cause
    if not (isinstance(outer, list) and len(outer) == 3 and isinstance(outer[2], list)):
        raise MalformedBatch("a batch payload must be [rows, timestamps, columns]")
    rows, stamps, columns = outer
    if not isinstance(rows, int) or isinstance(rows, bool) or not 0 <= rows <= ROWS_MAX:
        raise MalformedBatch(f"a batch must have 0 to {ROWS_MAX} rows, not {rows!r}")
    if len(columns) != len(schema.attributes):
        raise WrongSchema(f"the stream has {len(schema)} attributes {schema}, the batch {len(columns)} columns")
    return rows, stamps, columns


def _column(column: Any, type_: AttributeType, rows: int, name: str) -> WireColumn:
    validity, data = _halves(column, name)
    valid = None if validity is None else _array(validity, np.dtype("u1"), rows, f"validity of {name!r}") != 0
    if type_ is AttributeType.STRING:
        return _string_column(data, valid, rows, name)
    if type_ is AttributeType.OBJECT:
        _check_objects(data, rows, name)
        values = np.empty(rows, dtype=np.object_)
        values[:] = data
        return WireColumn(type_, values, valid)
    _check_bytes(data, type_, name)
    array = _array(data, WIRE_DTYPES[type_], rows, f"column {name!r} ({type_.value})")
    return WireColumn(type_, array != 0 if type_ is AttributeType.BOOL else array, valid)


def _check_column(column: Any, type_: AttributeType, rows: int, name: str) -> None:
    """As ``_column``, without arrays."""
    validity, data = column if isinstance(column, list) and len(column) == 2 else _halves(column, name)
    if validity is not None:
        _check_size(validity, rows, rows, f"validity of {name!r}")
    if type_ is AttributeType.STRING:
        texts, codes = _texts_and_codes(data, name)
        _check_size(codes, 4 * rows, rows, f"codes of {name!r}")
        known = len(texts)
        for row, code in enumerate(struct.unpack(f"<{rows}I", codes)):
            if code >= known and (validity is None or validity[row]):
                raise _points_outside(name, known)
    elif type_ is AttributeType.OBJECT:
        _check_objects(data, rows, name)
    else:
        size = _VALUE_BYTES[type_] * rows
        if type(data) is not bytes or len(data) != size:
            _check_bytes(data, type_, name)
            _check_size(data, size, rows, f"column {name!r} ({type_.value})")


def _string_column(data: Any, valid: Mask | None, rows: int, name: str) -> WireColumn:
    texts, codes = _texts_and_codes(data, name)
    array = _array(codes, np.dtype("<i4"), rows, f"codes of {name!r}")
    used = array if valid is None else array[valid]
    # seen as unsigned, a negative code is beyond every dictionary: one look for both ends
    if len(used) and int(used.view("<u4").max()) >= len(texts):
        raise _points_outside(name, len(texts))
    return WireColumn(AttributeType.STRING, array, valid, tuple(texts))


def _halves(column: Any, name: str) -> list[Any]:
    if not (isinstance(column, list) and len(column) == 2):
        raise MalformedBatch(f"column {name!r} must be [validity, data]")
    return column


def _texts_and_codes(data: Any, name: str) -> list[Any]:
    if not (isinstance(data, list) and len(data) == 2 and isinstance(data[0], list)):
        raise WrongSchema(f"column {name!r} is string: its data must be [dictionary, codes]")
    if not _STRINGS.issuperset(map(type, data[0])):
        raise WrongSchema(f"the dictionary of column {name!r} must hold strings only")
    return data


def _points_outside(name: str, known: int) -> MalformedBatch:
    return MalformedBatch(f"codes of {name!r} point outside its dictionary of {known}")


def _check_objects(data: Any, rows: int, name: str) -> None:
    if not isinstance(data, list) or len(data) != rows:
        raise WrongSchema(f"column {name!r} is object: its data must be a list of {rows} values")
    if nests_too_deep(data, DEPTH_MAX + 1):
        raise MalformedBatch(f"column {name!r}: lists and maps lie more than {DEPTH_MAX} deep in one another")


def _check_bytes(data: Any, type_: AttributeType, name: str) -> None:
    if not isinstance(data, bytes):
        raise WrongSchema(f"column {name!r} is {type_.value}: its data must be bytes, not {type(data).__name__}")


def _check_size(data: Any, size: int, rows: int, what: str) -> None:
    if not isinstance(data, bytes) or len(data) != size:
        got = len(data) if isinstance(data, bytes) else type(data).__name__
        raise MalformedBatch(f"{what}: expected {size} bytes for {rows} rows, got {got}")


def _array(data: Any, dtype: np.dtype[Any], rows: int, what: str) -> npt.NDArray[Any]:
    _check_size(data, rows * dtype.itemsize, rows, what)
    return np.frombuffer(data, dtype=dtype)
