"""Between the JSON of cases and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eiha.engine.conformance.case import MalformedCase
from eiha.engine.expressions.java_text import JavaFloat, JavaLong, object_text
from eiha.events.batch import EventBatch
from eiha.events.column import Column, make_column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_RELATIVE_TOLERANCE = 1e-9


def batch_of(
    schema: Schema, events: Sequence[tuple[int, tuple[Any, ...]]], strings: StringTable, stream: str
) -> EventBatch:
    """Events as columns, strings interned.

    Raises:
        MalformedCase: an event has not as many values as the stream has attributes, or a value of another type.
    """
    for _, values in events:
        if len(values) != len(schema):
            raise MalformedCase(f"an event for {stream!r} has {len(values)} values, the stream is {schema}")
    columns = tuple(
        _column(attribute, [values[index] for _, values in events], strings)
        for index, attribute in enumerate(schema.attributes)
    )
    return EventBatch(schema, np.array([timestamp for timestamp, _ in events], dtype=np.int64), columns)


def _column(attribute: Attribute, values: list[Any], strings: StringTable) -> Column:
    type_ = attribute.type
    array = (
        np.zeros(len(values), dtype=type_.dtype)
        if type_ is not AttributeType.OBJECT
        else np.full(len(values), None, dtype=np.object_)
    )
    valid = np.array([value is not None for value in values], dtype=np.bool_)
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            array[row] = _native(type_, value, strings)
        except (TypeError, ValueError, OverflowError) as cause:
            raise MalformedCase(f"{value!r} is not a value of {attribute.name} {type_.value}") from cause
    return make_column(type_, array, valid)


def _native(type_: AttributeType, value: Any, strings: StringTable) -> Any:
    match type_:
        case AttributeType.STRING:
            return strings.intern(object_text(value))
        case AttributeType.BOOL:
            if not isinstance(value, bool):
                raise TypeError(value)
            return value
        case AttributeType.OBJECT:
            return _object(value)
        case AttributeType.INT | AttributeType.LONG:
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(value)
            return value
        case _:
            if isinstance(value, bool):
                raise TypeError(value)
            return _SPECIAL[value] if isinstance(value, str) and value in _SPECIAL else float(value)


def _object(value: Any) -> Any:
    match value:
        case {"$set": list() as members}:
            return frozenset(_object(member) for member in members)
        case {"$map": list() as entries}:
            return {_object(key): _object(each) for key, each in entries}
        case {"$long": int() as number}:
            return JavaLong(number)
        case {"$float": int() | float() as number}:
            return JavaFloat(number)
        case list():
            return tuple(_object(member) for member in value)
        case _:
            return value


def events_of(batch: EventBatch, strings: StringTable) -> list[list[Any]]:
    """``[timestamp, [values]]`` for each row, values as in the JSON of cases."""
    columns = [_plain(column, strings) for column in batch.columns]
    rows = zip(*columns, strict=True) if columns else ([] for _ in range(len(batch)))
    return [[timestamp, list(row)] for timestamp, row in zip(batch.timestamps.tolist(), rows, strict=True)]


def _plain(column: Column, strings: StringTable) -> list[Any]:
    values: list[Any] = column.values.tolist()
    if column.type is AttributeType.STRING:
        present = column.mask().tolist()
        return [strings.text(value) if ok else None for value, ok in zip(values, present, strict=True)]
    if column.type in (AttributeType.FLOAT, AttributeType.DOUBLE):
        values = [value if math.isfinite(value) else _special_text(value) for value in values]
    elif column.type is AttributeType.OBJECT:
        values = [_json(value) for value in values]
    if column.valid is None:
        return values
    return [value if ok else None for value, ok in zip(values, column.valid.tolist(), strict=True)]


def _special_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _json(value: Any) -> Any:
    match value:
        case frozenset():
            return {"$set": [_json(member) for member in value]}
        case tuple() | list():
            return [_json(member) for member in value]
        case dict():
            return {"$map": [[_json(key), _json(each)] for key, each in value.items()]}
        case JavaLong():
            return {"$long": int(value)}
        case JavaFloat():
            return {"$float": float(value)}
        case float():
            return value if math.isfinite(value) else _special_text(value)
        case _:
            return value


def same(type_: AttributeType, ours: Any, theirs: Any) -> bool:
    """Whether two values of the JSON of cases are equal: floats in 32 bits, doubles within 1e-9."""
    if ours is None or theirs is None:
        return ours is theirs
    match type_:
        case AttributeType.FLOAT | AttributeType.DOUBLE:
            if isinstance(ours, str) or not isinstance(theirs, int | float) or isinstance(theirs, bool):
                return bool(ours == theirs)
            if type_ is AttributeType.FLOAT:
                return bool(np.float32(ours) == np.float32(theirs))
            return math.isclose(ours, theirs, rel_tol=_RELATIVE_TOLERANCE)
        case AttributeType.OBJECT:
            return _same_object(ours, theirs)
        case _:
            return type(ours) is type(theirs) and ours == theirs


def _same_object(ours: Any, theirs: Any) -> bool:
    match ours, theirs:
        case {"$set": list() as mine}, {"$set": list() as other}:
            return len(mine) == len(other) and all(any(_same_object(a, b) for b in other) for a in mine)
        case {"$map": list() as mine}, {"$map": list() as other}:
            return len(mine) == len(other) and all(any(_same_object(a, b) for b in other) for a in mine)
        case list(), list():
            return len(ours) == len(theirs) and all(_same_object(a, b) for a, b in zip(ours, theirs, strict=True))
        case float(), float():
            return math.isclose(ours, theirs, rel_tol=_RELATIVE_TOLERANCE)
        case _:
            return type(ours) is type(theirs) and bool(ours == theirs)
