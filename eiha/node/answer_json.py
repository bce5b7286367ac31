"""Answers to questions as JSON: one document, or one line a row. Numbers that JSON does not know are texts."""

from __future__ import annotations

import math
from typing import Any, Final

import orjson

from eiha.events.schema import AttributeType
from eiha.events.wire import WireColumn
from eiha.protocol.answers import RowsFound

_LONG_MAX: Final = (1 << 63) - 1


def as_document(found: RowsFound, node: str) -> bytes:
    """``{"columns": [...], "types": [...], "rows": [[...], ...], "node": ..., "sequence": ...}``."""
    return orjson.dumps(
        {
            "columns": list(found.schema.names),
            "types": [each.type.value for each in found.schema.attributes],
            "rows": _rows(found),
            "node": node,
            "sequence": found.sequence,
        }
    )


def as_lines(found: RowsFound) -> bytes:
    """An object a row."""
    names = found.schema.names
    return b"".join(
        orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE) for row in _rows(found)
    )


def _rows(found: RowsFound) -> list[tuple[Any, ...]]:
    return list(zip(*(_values(column) for column in found.batch.columns), strict=True))


def _values(column: WireColumn) -> list[Any]:
    values = column.to_list()
    match column.type:
        case AttributeType.FLOAT:
            # the shortest text that is this float, not the 17 digits of the double nearest to it
            shown = [_number(float(str(value))) for value in column.values]
            return [None if value is None else shown[row] for row, value in enumerate(values)]
        case AttributeType.DOUBLE:
            return [None if value is None else _number(value) for value in values]
        case AttributeType.OBJECT:
            return [_object(value) for value in values]
        case _:
            return values


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _object(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case float():
            return _number(value)
        case int():
            return value if -_LONG_MAX - 1 <= value <= _LONG_MAX else str(value)
        case list() | tuple():
            return [_object(each) for each in value]
        case dict():
            return {key if isinstance(key, str) else str(key): _object(each) for key, each in value.items()}
        case _:
            return str(value)
