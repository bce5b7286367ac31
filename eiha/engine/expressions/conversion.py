"""``convert`` and ``cast``: between types, as Java does it; text is made and read once per distinct value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from eiha.engine.expressions.java_text import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    floating_text,
    object_text,
    parse_double,
    parse_float,
    parse_integer,
)
from eiha.engine.expressions.numeric import narrowed
from eiha.engine.expressions.values import result
from eiha.engine.faults import EngineFault
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable


def conversion(target: AttributeType, strings: StringTable) -> Callable[[Column], Column]:
    """``convert(x, target)``. Text that does not parse gives null; to bool, it and null give false."""

    def run(column: Column) -> Column:
        if target is AttributeType.BOOL:
            return _to_bool(column, strings)
        if column.type is target:
            return column
        if target is AttributeType.STRING:
            return to_text(column, strings)
        if column.type is AttributeType.STRING:
            return _parsed(column, target, strings)
        if column.type is AttributeType.OBJECT:
            raise EngineFault(f"an object cannot be converted to {target.value}")
        source = AttributeType.INT if column.type is AttributeType.BOOL else column.type
        with np.errstate(all="ignore"):
            values = narrowed(column.values.astype(source.dtype, copy=False), source, target)
        return Column(target, values, column.valid)

    return run


def is_castable(source: AttributeType, target: AttributeType) -> bool:
    """Whether every value of ``source`` is one of ``target``, as numbers are of each other."""
    return source is target or (source.is_numeric and target.is_numeric)


def cast(target: AttributeType, strings: StringTable) -> Callable[[Column], Column]:
    """``cast(x, target)``: numbers are converted, an object must hold a value of ``target``; null to bool is false.

    Siddhi lets any value pass under the new type and fails where it is used; here it fails in the cast.

    Raises:
        EngineFault: by the function, for a value that is not one of ``target``.
    """
    convert = conversion(target, strings)

    def run(column: Column) -> Column:
        if column.type is AttributeType.OBJECT and target is not AttributeType.OBJECT:
            return _unboxed(column, target, strings)
        if not is_castable(column.type, target) and column.mask().any():
            raise EngineFault(f"a {column.type.value} cannot be cast to {target.value}; convert() converts it")
        return convert(column)

    return run


def to_text(column: Column, strings: StringTable) -> Column:
    """Each value as Java writes it."""
    if column.type is AttributeType.STRING:
        return column
    texts: list[str]
    inverse: Any
    if column.type is AttributeType.OBJECT:
        texts = [object_text(value) for value in column.values.tolist()]
        return result(AttributeType.STRING, strings.intern_all(texts), column.valid)
    bits = column.values
    if column.type is AttributeType.DOUBLE:
        bits = bits.view(np.int64)
    elif column.type is AttributeType.FLOAT:
        bits = bits.view(np.int32)
    _, first, inverse = np.unique(bits, return_index=True, return_inverse=True)
    distinct = column.values.take(first)
    if column.type is AttributeType.BOOL:
        texts = ["true" if value else "false" for value in distinct]
    elif column.type in (AttributeType.FLOAT, AttributeType.DOUBLE):
        texts = [floating_text(value) for value in distinct]
    else:
        texts = [str(value) for value in distinct.tolist()]
    ids = strings.intern_all(texts)
    return result(AttributeType.STRING, ids.take(inverse.reshape(-1)), column.valid)


def per_distinct_text(
    column: Column, strings: StringTable, target: AttributeType, function: Callable[[str], Any]
) -> Column:
    """``function`` of each string, called once per distinct one; None gives null."""
    ids, inverse = np.unique(column.values, return_inverse=True)
    answers = [function(strings.text(number)) for number in ids.tolist()] if len(strings) else [None] * len(ids)
    values = np.array([0 if answer is None else answer for answer in answers], dtype=target.dtype)
    known = np.array([answer is not None for answer in answers], dtype=np.bool_)
    places = inverse.reshape(-1)
    valid = known.take(places)
    if column.valid is not None:
        valid &= column.valid
    return make_column(target, values.take(places), valid)


def _parsed(column: Column, target: AttributeType, strings: StringTable) -> Column:
    match target:
        case AttributeType.INT:
            return per_distinct_text(column, strings, target, lambda text: parse_integer(text, INT_MIN, INT_MAX))
        case AttributeType.LONG:
            return per_distinct_text(column, strings, target, lambda text: parse_integer(text, LONG_MIN, LONG_MAX))
        case AttributeType.FLOAT:
            return per_distinct_text(column, strings, target, parse_float)
        case AttributeType.DOUBLE:
            return per_distinct_text(column, strings, target, parse_double)
        case _:
            raise AssertionError(target)


def _to_bool(column: Column, strings: StringTable) -> Column:
    type_ = AttributeType.BOOL
    if column.type is AttributeType.BOOL:
        return Column(type_, column.values & column.mask())
    if column.type is AttributeType.OBJECT:
        raise EngineFault("an object cannot be converted to bool")
    if column.type is AttributeType.STRING:
        parsed = per_distinct_text(column, strings, type_, lambda text: text.lower() == "true")
        return Column(type_, parsed.values & parsed.mask())
    return Column(type_, (column.values == 1) & column.mask())


def _unboxed(column: Column, target: AttributeType, strings: StringTable) -> Column:
    values = np.zeros(len(column), dtype=target.dtype)
    valid = np.zeros(len(column), dtype=np.bool_)
    for row, value in enumerate(column.values.tolist()):
        if value is None:
            continue
        match target, value:
            case AttributeType.BOOL, bool():
                values[row] = value
            case AttributeType.STRING, str():
                values[row] = strings.intern(value)
            case ((AttributeType.INT | AttributeType.LONG), int()) if not isinstance(value, bool):
                values[row] = narrowed(np.array([value], dtype=np.int64), AttributeType.LONG, target)[0]
            case ((AttributeType.FLOAT | AttributeType.DOUBLE), float()):
                values[row] = value
            case _:
                raise EngineFault(f"{value!r} cannot be cast to {target.value}")
        valid[row] = True
    if target is AttributeType.BOOL:
        return Column(target, values)
    return make_column(target, values, valid)
