"""Events from a CSV file (plain or gzip) as columns, typed by the stream's definition."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from eiha.events.column import Mask
from eiha.events.schema import AttributeType, Schema
from eiha.events.wire import WireBatch, WireColumn

_PARSERS: Final[dict[AttributeType, Callable[[str], Any]]] = {
    AttributeType.INT: int,
    AttributeType.LONG: int,
    AttributeType.FLOAT: float,
    AttributeType.DOUBLE: float,
    AttributeType.BOOL: lambda text: text.strip().lower() in {"true", "1", "yes"},
}


def read_csv(path: Path, schema: Schema, timestamps: str | None) -> WireBatch:
    """All rows of ``path``: the columns that ``schema`` names, nulls where a field is empty.

    ``timestamps``: the CSV column with event times in epoch ms; None leaves them to the sequencer.

    Raises:
        ValueError: a column is missing, or a field is not of its type; the text names column and line.
    """
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    wanted = [*schema.names, *([timestamps] if timestamps else [])]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; it has {', '.join(header)}")
    fields = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns = tuple(_column(path, a.name, a.type, fields[a.name]) for a in schema.attributes)
    times = None if timestamps is None else np.array(fields[timestamps], dtype=np.int64)
    return WireBatch(len(rows), times, columns)


def _column(path: Path, name: str, type_: AttributeType, texts: tuple[str, ...]) -> WireColumn:
    valid: Mask | None = np.array([text != "" for text in texts], dtype=np.bool_)
    assert valid is not None
    if valid.all():
        valid = None
    if type_ is AttributeType.STRING:
        codes: dict[str, int] = {}
        numbers = [codes.setdefault(text, len(codes)) for text in texts]
        return WireColumn(type_, np.array(numbers, dtype=np.int32), valid, tuple(codes))
    parse = _PARSERS.get(type_)
    if parse is None:
        raise ValueError(f"column {name} of {path} is {type_.value}, which a CSV file cannot hold")
    values: list[Any] = []
    for line, text in enumerate(texts, 2):
        try:
            values.append(parse(text) if text else 0)
        except ValueError as cause:
            raise ValueError(f"{path}, line {line}, column {name}: {text!r} is not {type_.value}") from cause
    return WireColumn(type_, np.array(values, dtype=type_.dtype), valid)


def slice_rows(batch: WireBatch, start: int, stop: int) -> WireBatch:
    """Rows ``start`` to ``stop``; string dictionaries are reduced to what the rows use."""
    columns = []
    for column in batch.columns:
        values = column.values[start:stop]
        valid = None if column.valid is None else column.valid[start:stop]
        dictionary = column.dictionary
        if column.type is AttributeType.STRING:
            used, inverse = np.unique(values, return_inverse=True)
            dictionary = tuple(column.dictionary[code] for code in used.tolist())
            values = inverse.astype(np.int32)
        columns.append(WireColumn(column.type, values, valid, dictionary))
    times = None if batch.timestamps is None else batch.timestamps[start:stop]
    return WireBatch(min(stop, batch.rows) - start, times, tuple(columns))
