"""Between columns and plain Python values, for functions that work row by row.

A long is a ``JavaLong`` and a float a ``JavaFloat``, so that objects keep their types; strings are text, null is None.
Objects are numbers, text, bools, tuples (lists), dicts (maps) and frozensets (sets), and are never changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eiha.engine.expressions.java_text import INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, JavaFloat, JavaLong
from eiha.engine.faults import EngineFault
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable


def boxed(column: Column, strings: StringTable) -> list[Any]:
    """The values, None for null."""
    values: list[Any] = column.values.tolist()
    match column.type:
        case AttributeType.STRING:
            if column.valid is None:
                return list(strings.texts_of(values))
            return [
                strings.text(value) if ok else None for value, ok in zip(values, column.valid.tolist(), strict=True)
            ]
        case AttributeType.LONG:
            values = [JavaLong(value) for value in values]
        case AttributeType.FLOAT:
            values = [JavaFloat(value) for value in values]
        case _:
            pass
    if column.valid is None:
        return values
    return [value if ok else None for value, ok in zip(values, column.valid.tolist(), strict=True)]


def unboxed(type_: AttributeType, values: list[Any], strings: StringTable, source: str) -> Column:
    """The column of ``values``, None for null.

    Raises:
        EngineFault: a value is not one of ``type_``; ``source`` is who gave it.
    """
    valid = np.array([value is not None for value in values], dtype=np.bool_)
    match type_:
        case AttributeType.STRING:
            texts = ["" if value is None else _checked(value, str, type_, source) for value in values]
            return make_column(type_, strings.intern_all(texts), valid)
        case AttributeType.OBJECT:
            array = np.empty(len(values), dtype=np.object_)
            for row, value in enumerate(values):
                array[row] = plain_object(value, source)
            return make_column(type_, array, valid)
        case AttributeType.BOOL:
            plain: list[Any] = [value is not None and _checked(value, bool, type_, source) for value in values]
        case AttributeType.INT:
            plain = [0 if value is None else _whole(value, INT_MIN, INT_MAX, type_, source) for value in values]
        case AttributeType.LONG:
            plain = [0 if value is None else _whole(value, LONG_MIN, LONG_MAX, type_, source) for value in values]
        case _:
            plain = [0.0 if value is None else _fraction(value, type_, source) for value in values]
    with np.errstate(all="ignore"):
        return make_column(type_, np.array(plain, dtype=type_.dtype), valid)


def plain_object(value: Any, source: str) -> Any:
    """``value`` as objects are held: lists as tuples, sets frozen, maps copied.

    Raises:
        EngineFault: something that is no such value.
    """
    match value:
        case None | str() | bool() | int() | float():
            return value
        case list() | tuple():
            return tuple([plain_object(each, source) for each in value])
        case set() | frozenset():
            return frozenset(plain_object(each, source) for each in value)
        case dict():
            return {plain_object(key, source): plain_object(each, source) for key, each in value.items()}
        case np.generic():
            return value.item()
        case _:
            raise EngineFault(
                f"{source} gave a {type(value).__name__}; objects are numbers, text, bools, lists, maps and sets"
            )


def _checked(value: Any, wanted: type, type_: AttributeType, source: str) -> Any:
    if not isinstance(value, wanted):
        raise EngineFault(f"{source} gave {value!r}, which is no {type_.value}")
    return value


def _whole(value: Any, low: int, high: int, type_: AttributeType, source: str) -> int:
    if isinstance(value, np.integer):
        value = value.item()
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise EngineFault(f"{source} gave {value!r}, which is no {type_.value}")
    return value


def _fraction(value: Any, type_: AttributeType, source: str) -> float:
    if isinstance(value, np.floating | np.integer):
        value = value.item()
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise EngineFault(f"{source} gave {value!r}, which is no {type_.value}")
    return float(value)
