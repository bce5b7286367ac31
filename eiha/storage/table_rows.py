"""Output batches as rows of a table: tuples for SQLite, text for MySQL. Works a column at a time.

NaN and the infinities, which MySQL cannot hold, are written as NULL to every database, and counted. Objects are JSON
text, in which bytes are base64 and numbers that are not finite are null.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from eiha.events.column import Mask
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn
from eiha.protocol.outputs import OutputBatch
from eiha.storage.sql_tables import StreamTable, TableColumn

SLICE_ROWS: Final = 8_192

_ESCAPES: Final = str.maketrans(
    {"\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z", '"': '\\"', "'": "\\'", "\\": "\\\\"}
)
_LINE_ESCAPES: Final = str.maketrans({"\0": "\\0", "\n": "\\n", "\t": "\\t", "\\": "\\\\"})


@dataclass(slots=True)
class RowCounts:
    """What was changed on the way into the database."""

    non_finite_as_null: int = 0
    strings_cut: int = 0


def in_slices(outputs: Iterable[OutputBatch]) -> Iterator[OutputBatch]:
    """The same rows in batches that take some milliseconds to write out, so that an event loop is not held up.

    A slice has at least as many rows as its dictionaries have strings, which are written out once a slice.
    """
    for output in outputs:
        batch = output.batch
        step = max(SLICE_ROWS, *(len(column.dictionary) for column in batch.columns), 0)
        if batch.rows <= step:
            yield output
            continue
        assert batch.timestamps is not None
        for start in range(0, batch.rows, step):
            part = slice(start, min(start + step, batch.rows))
            columns = tuple(
                replace(c, values=c.values[part], valid=None if c.valid is None else c.valid[part])
                for c in batch.columns
            )
            sliced = WireBatch(part.stop - start, batch.timestamps[part], columns)
            yield replace(output, first_ordinal=output.first_ordinal + start, batch=sliced)


def sqlite_rows(output: OutputBatch, table: StreamTable, counts: RowCounts) -> list[tuple[Any, ...]]:
    """The rows of ``output`` as tuples, in the order of ``SYSTEM_COLUMNS`` and the table's columns."""
    batch = output.batch
    assert batch.timestamps is not None
    columns = [_values(column, place, counts) for column, place in zip(batch.columns, table.columns, strict=True)]
    rows = batch.rows
    first = output.first_ordinal
    return list(
        zip(
            [output.plan] * rows,
            [int(output.sequence)] * rows,
            range(first, first + rows),
            batch.timestamps.tolist(),
            [int(output.log_time_ms)] * rows,
            *columns,
            strict=True,
        )
    )


def mysql_rows(output: OutputBatch, table: StreamTable, counts: RowCounts) -> list[str]:
    """The rows of ``output`` as ``(literal,literal,…)``, in the order of ``SYSTEM_COLUMNS`` and the table's columns.

    Literals are written for the session that ``datasource`` sets up: utf8mb4, backslash escapes, strict mode.
    """
    return _text_rows(output, table, counts, LITERALS)


def mysql_lines(output: OutputBatch, table: StreamTable, counts: RowCounts) -> list[str]:
    """The same rows as lines of LOAD DATA in its default format: tabs, newline, backslash escapes, ``\\N`` for NULL."""
    return _text_rows(output, table, counts, LINES)


def _text_rows(output: OutputBatch, table: StreamTable, counts: RowCounts, form: TextForm) -> list[str]:
    batch = output.batch
    assert batch.timestamps is not None
    last = len(table.columns) - 1
    columns = [
        _texts(column, place, counts, form, form.closing if number == last else "")
        for number, (column, place) in enumerate(zip(batch.columns, table.columns, strict=True))
    ]
    head = f"{form.opening}{form.string(output.plan)}{form.separator}{int(output.sequence)}"
    log_time = str(int(output.log_time_ms)) + ("" if columns else form.closing)
    ordinals = np.arange(output.first_ordinal, output.first_ordinal + batch.rows)
    # what is the same in each row is repeated, what closes a row is part of its last text: joining is all that is left
    parts = (_number_texts(ordinals), _number_texts(batch.timestamps), repeat(log_time, batch.rows), *columns)
    return list(map(form.separator.join, zip(repeat(head, batch.rows), *parts, strict=True)))


def mysql_string(text: str) -> str:
    """``text`` as a literal."""
    return "'" + text.translate(_ESCAPES) + "'"


def _line_string(text: str) -> str:
    return text.translate(_LINE_ESCAPES)


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a row is written as text."""

    string: Callable[[str], str]
    null: str
    opening: str
    separator: str
    closing: str


LITERALS: Final = TextForm(mysql_string, "NULL", "(", ",", ")")
LINES: Final = TextForm(_line_string, "\\N", "", "\t", "\n")


def _values(column: WireColumn, place: TableColumn, counts: RowCounts) -> list[Any]:
    """Python values for a driver's parameters, None for NULL."""
    match column.type:
        case AttributeType.STRING:
            texts = [*(_cut(text, place, counts) for text in column.dictionary), None]
            return [texts[code] for code in _codes(column)]
        case AttributeType.OBJECT:
            return list(_documents(column))
        case AttributeType.FLOAT | AttributeType.DOUBLE:
            valid = _finite(column, counts)
        case _:
            valid = column.valid
    values: list[Any] = column.values.tolist()
    if valid is None:
        return values
    return [value if ok else None for value, ok in zip(values, valid.tolist(), strict=True)]


def _texts(column: WireColumn, place: TableColumn, counts: RowCounts, form: TextForm, tail: str) -> list[str]:
    """The column's values as text, each followed by ``tail``."""
    match column.type:
        case AttributeType.STRING:
            texts = [*(form.string(_cut(text, place, counts)) + tail for text in column.dictionary), form.null + tail]
            return [texts[code] for code in _codes(column)]
        case AttributeType.OBJECT:
            return [(form.null if text is None else form.string(text)) + tail for text in _documents(column)]
        case AttributeType.FLOAT | AttributeType.DOUBLE:
            valid = _finite(column, counts)
            # as doubles, so that the text of a float is that of the double it becomes
            numbers = _number_texts(column.values.astype(np.float64), tail)
        case AttributeType.BOOL:
            valid, numbers = column.valid, _number_texts(column.values.astype(np.uint8), tail)
        case _:
            valid, numbers = column.valid, _number_texts(column.values, tail)
    if valid is None:
        return numbers
    null = form.null + tail
    return [number if ok else null for number, ok in zip(numbers, valid.tolist(), strict=True)]


def _number_texts(values: npt.NDArray[Any], tail: str = "") -> list[str]:
    """Shortest texts that read back as the same numbers, each followed by ``tail``; a tenth of the time of ``repr``."""
    if not len(values):
        return []
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    listed = orjson.dumps(native, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode("ascii")
    if not tail:
        return listed.split(",")
    # parted by what no number holds; the tail may hold a comma itself
    return (listed.replace(",", tail + "\0") + tail).split("\0")


def _codes(column: WireColumn) -> list[int]:
    """Positions in the dictionary; the one after its end for nulls."""
    codes = column.values if column.valid is None else np.where(column.valid, column.values, len(column.dictionary))
    listed: list[int] = codes.tolist()
    return listed


def _cut(text: str, place: TableColumn, counts: RowCounts) -> str:
    if place.length_max is not None and len(text) > place.length_max:
        counts.strings_cut += 1
        return text[: place.length_max]
    return text


def _finite(column: WireColumn, counts: RowCounts) -> Mask | None:
    """Where there is a value that a database can hold."""
    finite = np.isfinite(column.values)
    if finite.all():
        return column.valid
    valid: Mask = finite if column.valid is None else finite & column.valid
    present = len(column.values) if column.valid is None else int(column.valid.sum())
    counts.non_finite_as_null += present - int(valid.sum())
    return valid


def _documents(column: WireColumn) -> list[str | None]:
    valid = [True] * len(column.values) if column.valid is None else column.valid.tolist()
    return [
        _document(value) if ok and value is not None else None
        for value, ok in zip(column.values.tolist(), valid, strict=True)
    ]


def _document(value: Any) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)
