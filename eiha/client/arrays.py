"""NumPy arrays → columns of a stream: checked and cast as whole arrays, no row is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.errors import WrongSchema, WrongValue
from eiha.events.column import Mask
from eiha.events.rows import text_column, values_to_column
from eiha.events.schema import AttributeType, StreamDefinition
from eiha.events.wire import ROWS_MAX, WIRE_DTYPES, WireBatch, WireColumn

_KINDS: Final = {
    AttributeType.INT: "iu",
    AttributeType.LONG: "iu",
    AttributeType.FLOAT: "iuf",
    AttributeType.DOUBLE: "iuf",
    AttributeType.BOOL: "b",
}


@dataclass(frozen=True, slots=True)
class Coded:
    """Texts as codes into a dictionary: the fastest form of a string column. A negative code is null."""

    codes: npt.NDArray[Any]
    dictionary: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)


def arrays_to_batch(
    columns: Mapping[str, Any], definition: StreamDefinition, timestamps: Sequence[int] | npt.NDArray[Any] | None
) -> WireBatch:
    """Columns by name as a batch of the stream.

    A column is a NumPy array (masked: null where masked), ``Coded`` or anything with ``codes`` and ``categories`` for
    texts, or a list of Python values. Every attribute must be there, all of one length.

    Raises:
        WrongSchema: an attribute is missing or unknown, or lengths differ.
        WrongValue: a column's type or range does not fit.
    """
    schema = definition.schema
    names = schema.names
    if len(columns) != len(names) or not all(map(columns.__contains__, names)):
        listed = ", ".join(repr(name) for name in sorted(set(columns) ^ set(names)))
        raise WrongSchema(f"stream {definition.name!r} has attributes {schema}; missing or unknown: {listed}")
    lengths = [len(columns[name]) for name in names]
    rows = lengths[0] if lengths else 0
    if lengths.count(rows) != len(lengths):
        shown = dict(zip(names, lengths, strict=True))
        raise WrongSchema(f"columns of stream {definition.name!r} differ in length: {shown}")
    if rows > ROWS_MAX:
        raise WrongSchema(f"a publication must have at most {ROWS_MAX} rows, not {rows}: send it in parts")
    stamps = None
    if timestamps is not None:
        stamps = np.asarray(timestamps)
        if stamps.dtype.kind not in "iu" or stamps.shape != (rows,):
            raise WrongSchema(f"timestamps must be {rows} whole numbers of milliseconds")
        stamps = stamps.astype(np.int64, copy=False)
    converted = tuple([_column(columns[a.name], a.type, a.name) for a in schema.attributes])
    return WireBatch(rows, stamps, converted)


def _column(values: Any, type_: AttributeType, name: str) -> WireColumn:
    if type_ is AttributeType.STRING:
        return _texts(values, name)
    if not isinstance(values, np.ndarray) or type_ is AttributeType.OBJECT or values.dtype.kind == "O":
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        return values_to_column(plain, type_, name)
    valid: Mask | None = None
    if isinstance(values, np.ma.MaskedArray):
        valid = ~np.ma.getmaskarray(values)
        values = values.filled(0)
        if valid.all():
            valid = None
    if values.ndim != 1 or values.dtype.kind not in _KINDS[type_]:
        raise WrongValue(
            f"attribute {name!r} is {type_.value}: an array of {values.ndim} dimensions and dtype {values.dtype} "
            "does not fit",
            row=-1,
            attribute=name,
        )
    return WireColumn(type_, _cast(values, type_, name), valid)


def _cast(values: npt.NDArray[Any], type_: AttributeType, name: str) -> npt.NDArray[Any]:
    dtype = WIRE_DTYPES[type_]
    if values.dtype == dtype and type_ is not AttributeType.BOOL:
        return values
    if type_ in (AttributeType.INT, AttributeType.LONG) and len(values) and not np.can_cast(values.dtype, dtype):
        bounds = np.iinfo(dtype)
        if int(values.min()) < bounds.min or int(values.max()) > bounds.max:
            raise WrongValue(
                f"attribute {name!r} is {type_.value}: values from {values.min()} to {values.max()} do not fit",
                row=-1,
                attribute=name,
            )
    return values.astype(np.bool_ if type_ is AttributeType.BOOL else dtype, copy=False)


def _texts(values: Any, name: str) -> WireColumn:
    codes = getattr(values, "codes", None)
    if codes is not None:
        dictionary = values.dictionary if isinstance(values, Coded) else values.categories
        return _coded(np.asarray(codes), dictionary, name)
    valid: Mask | None = None
    if isinstance(values, np.ma.MaskedArray):
        valid = ~np.ma.getmaskarray(values)
        values = [text if ok else None for text, ok in zip(values.data.tolist(), valid.tolist(), strict=True)]
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "UT":
            return text_column(values.tolist())
        values = values.tolist()
    return values_to_column(values, AttributeType.STRING, name)


def _coded(codes: npt.NDArray[Any], dictionary: Sequence[Any], name: str) -> WireColumn:
    """A column of codes; of a dictionary with more texts than there are rows only those that are used go along."""
    if codes.dtype.kind not in "iu" or codes.ndim != 1:
        raise WrongValue(f"the codes of {name!r} must be whole numbers, not {codes.dtype}", row=-1, attribute=name)
    if not len(codes):
        return WireColumn(AttributeType.STRING, codes.astype(np.int32, copy=False))
    is_long = len(dictionary) > len(codes)
    listed = codes.tolist() if is_long else []
    low, high = (min(listed), max(listed)) if is_long else (int(codes.min()), int(codes.max()))
    if high >= len(dictionary):
        raise WrongValue(
            f"the codes of {name!r} go up to {high}, its dictionary has {len(dictionary)} texts",
            row=-1,
            attribute=name,
        )
    valid: Mask | None = None
    if low < 0:
        valid = codes >= 0
        codes = np.where(valid, codes, 0)
    if is_long:
        used = list(dict.fromkeys(listed if low >= 0 else [code for code in listed if code >= 0]))
        if len(used) > 1:
            places = {code: place for place, code in enumerate(used)}
            codes = np.array([places.get(code, 0) for code in listed], np.int32)
        else:
            codes = np.zeros(len(listed), np.int32)
        dictionary = [dictionary[code] for code in used]
    return WireColumn(
        AttributeType.STRING, codes.astype(np.int32, copy=False), valid, tuple([str(text) for text in dictionary])
    )
