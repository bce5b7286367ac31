"""Rows of Python values → columns, once, at the edge where they come in.

Values are what msgpack and JSON give: int, float, bool, str, None (null) and, for object attributes, anything. Types
are checked, not guessed: a whole number is a double, but a text is not a number, true is not 1, and 1.0 is not an
int. Checking and converting run over whole columns in C; only an error looks at single values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.errors import WrongSchema, WrongValue
from eiha.events.column import Mask
from eiha.events.schema import AttributeType, Schema
from eiha.events.wire import ROWS_MAX, WIRE_DTYPES, WireBatch, WireColumn
from eiha.kernel.container_budget import DEPTH_MAX, nests_too_deep

_NULL: Final = type(None)
_ALLOWED: Final[dict[AttributeType, frozenset[type]]] = {
    AttributeType.STRING: frozenset({str, _NULL}),
    AttributeType.INT: frozenset({int, _NULL}),
    AttributeType.LONG: frozenset({int, _NULL}),
    AttributeType.FLOAT: frozenset({float, int, _NULL}),
    AttributeType.DOUBLE: frozenset({float, int, _NULL}),
    AttributeType.BOOL: frozenset({bool, _NULL}),
}
_VALID_TEXT: Final = {
    AttributeType.STRING: "a text",
    AttributeType.INT: "a whole number from -2147483648 to 2147483647",
    AttributeType.LONG: "a whole number of 64 bits",
    AttributeType.FLOAT: "a number within the range of a 32-bit float",
    AttributeType.DOUBLE: "a number",
    AttributeType.BOOL: "true or false",
}


def rows_to_batch(rows: Sequence[Any], schema: Schema, timestamps: Sequence[Any] | None = None) -> WireBatch:
    """Rows, each a list of values in the order of the attributes, as columns.

    ``timestamps``: event time in ms, one whole number a row; None: the log time will be the event time.

    Raises:
        WrongSchema: the number of timestamps or rows is wrong.
        WrongValue: a row is not a list of as many values as there are attributes, or a value does not fit.
    """
    _check_count(len(rows))
    width = len(schema)
    if rows and not (set(map(type, rows)) <= {list, tuple} and set(map(len, rows)) == {width}):
        raise _wrong_row(rows, schema)
    columns = [list(map(itemgetter(index), rows)) for index in range(width)]
    return columns_to_batch(columns, len(rows), schema, timestamps)


def objects_to_batch(
    objects: Sequence[Any], schema: Schema, event_time: str | None = None, event_time_key: str | None = None
) -> WireBatch:
    """Rows, each a mapping from attribute name to value, as columns.

    Every attribute must be there (null is a value), and no other. ``event_time``: the int or long attribute that
    holds the event time in ms, if one does. ``event_time_key``: a key beside the attributes that holds it.

    Raises:
        WrongSchema: there is no such attribute for the event time, or its key is an attribute, or both are given.
        WrongValue: a row is not a mapping, lacks an attribute or has one too many, or a value does not fit.
    """
    _check_count(len(objects))
    names = schema.names
    beside: list[Any] | None = None
    if event_time_key is not None:
        if event_time is not None:
            raise WrongSchema("the event time comes from an attribute or from a key beside them, not from both")
        objects, beside = _without_times(objects, schema, event_time_key)
    if objects and not (set(map(type, objects)) == {dict} and set(map(len, objects)) == {len(names)}):
        raise _wrong_object(objects, schema)
    try:
        columns = [list(map(itemgetter(name), objects)) for name in names]
    except KeyError:
        raise _wrong_object(objects, schema) from None
    stamps = beside if event_time is None else columns[_event_time_position(schema, event_time)]
    return columns_to_batch(columns, len(objects), schema, stamps)


def columns_to_batch(
    columns: Sequence[Sequence[Any]], rows: int, schema: Schema, timestamps: Sequence[Any] | None = None
) -> WireBatch:
    """Lists of ``rows`` values, one list per attribute in order, as a batch. Raises as ``rows_to_batch``."""
    stamps: npt.NDArray[np.int64] | None = None
    if timestamps is not None:
        if len(timestamps) != rows:
            raise WrongSchema(f"{rows} rows need as many timestamps, not {len(timestamps)}")
        stamps = _timestamps(timestamps)
    converted = tuple(
        values_to_column(values, attribute.type, attribute.name)
        for values, attribute in zip(columns, schema.attributes, strict=True)
    )
    return WireBatch(rows, stamps, converted)


def values_to_column(values: Sequence[Any], type_: AttributeType, name: str) -> WireColumn:
    """Python values as a column of ``type_``. Raises ``WrongValue``."""
    if type_ is AttributeType.OBJECT:
        return _object_column(values, name)
    types = set(map(type, values))
    if not types <= _ALLOWED[type_]:
        raise _wrong_value(values, type_, name)
    valid: Mask | None = None
    if _NULL in types:
        valid = np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values))
    if type_ is AttributeType.STRING:
        return text_column(values, valid)
    if valid is not None:
        values = [0 if value is None else value for value in values]
    return WireColumn(type_, _numbers(values, type_, name), valid)


def text_column(texts: Sequence[Any], valid: Mask | None = None) -> WireColumn:
    """Texts (None where ``valid`` is false) as dictionary and codes, in order of first sight."""
    distinct = dict.fromkeys(texts)
    distinct.pop(None, None)
    dictionary = tuple(distinct)
    codes: dict[Any, int] = {text: code for code, text in enumerate(dictionary)}
    codes[None] = 0
    array = np.fromiter(map(codes.__getitem__, texts), dtype=np.int32, count=len(texts))
    return WireColumn(AttributeType.STRING, array, valid, dictionary)


def _numbers(values: Sequence[Any], type_: AttributeType, name: str) -> npt.NDArray[Any]:
    dtype = WIRE_DTYPES[type_]
    try:
        match type_:
            case AttributeType.BOOL:
                return np.array(values, dtype=np.bool_)
            case AttributeType.FLOAT:
                wide = np.array(values, dtype=np.float64)
                with np.errstate(over="ignore"):
                    narrow = wide.astype(dtype)
                if not np.array_equal(np.isinf(narrow), np.isinf(wide)):
                    raise OverflowError
                return narrow
            case _:
                # NumPy refuses whole numbers that do not fit the dtype with OverflowError
                return np.array(values, dtype=dtype)
    except OverflowError:
        raise _wrong_value(values, type_, name) from None


def _object_column(values: Sequence[Any], name: str) -> WireColumn:
    array = np.empty(len(values), dtype=np.object_)
    for index, value in enumerate(values):  # an array made from nested lists would become two-dimensional
        if nests_too_deep(value):
            text = f"row {index}: attribute {name!r}: lists and maps lie more than {DEPTH_MAX} deep in one another"
            raise WrongValue(text, row=index, attribute=name)
        array[index] = value
    valid: Mask | None = np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values))
    if valid is not None and valid.all():
        valid = None
    return WireColumn(AttributeType.OBJECT, array, valid)


def _timestamps(values: Sequence[Any]) -> npt.NDArray[np.int64]:
    if set(map(type, values)) <= {int}:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            pass  # the search below names the row
    for row, value in enumerate(values):
        if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
            raise WrongValue(
                f"row {row}: the event time must be a whole number of milliseconds, not {_shown(value)}",
                row=row,
                attribute="",
            )
    raise AssertionError("no wrong timestamp found")


def _check_count(rows: int) -> None:
    if rows > ROWS_MAX:
        raise WrongSchema(f"a publication must have at most {ROWS_MAX} rows, not {rows}: send it in parts")


def _event_time_position(schema: Schema, name: str) -> int:
    position = schema.position(name)
    if position is None or schema.attributes[position].type not in (AttributeType.LONG, AttributeType.INT):
        raise WrongSchema(f"the event time must come from an attribute of type long; {name!r} is none of {schema}")
    return position


def _without_times(objects: Sequence[Any], schema: Schema, key: str) -> tuple[list[Any], list[Any]]:
    """The objects without ``key``, and what they had there; those that are none stay, to be named with the others."""
    if schema.position(key) is not None:
        raise WrongSchema(f"{key!r} is an attribute of {schema}: choose another key for the event time")
    rest: list[Any] = []
    times: list[Any] = []
    for each in objects:
        is_object = type(each) is dict
        rest.append({name: value for name, value in each.items() if name != key} if is_object else each)
        times.append(each.get(key) if is_object else None)
    return rest, times


def _wrong_value(values: Sequence[Any], type_: AttributeType, name: str) -> WrongValue:
    for row, value in enumerate(values):
        if type(value) not in _ALLOWED[type_] or not _fits(value, type_):
            return WrongValue(
                f"row {row}: attribute {name!r} is {type_.value}: expected {_VALID_TEXT[type_]}, not {_shown(value)}",
                row=row,
                attribute=name,
            )
    raise AssertionError("no wrong value found")


def _fits(value: Any, type_: AttributeType) -> bool:
    if value is None:
        return True
    match type_:
        case AttributeType.INT:
            return bool(-(1 << 31) <= value < 1 << 31)
        case AttributeType.LONG:
            return bool(-(1 << 63) <= value < 1 << 63)
        case AttributeType.FLOAT | AttributeType.DOUBLE:
            try:
                wide = np.float64(value)
            except OverflowError:
                return False
            with np.errstate(over="ignore"):
                return bool(type_ is AttributeType.DOUBLE or np.isinf(np.float32(wide)) == np.isinf(wide))
        case _:
            return True


def _wrong_row(rows: Sequence[Any], schema: Schema) -> WrongValue:
    for row, values in enumerate(rows):
        if type(values) not in (list, tuple):
            return WrongValue(
                f"row {row} must be a list of values, not {_shown(values)}; attributes are {schema}",
                row=row,
                attribute="",
            )
        if len(values) != len(schema):
            return WrongValue(
                f"row {row} has {len(values)} values, the stream {len(schema)} attributes {schema}",
                row=row,
                attribute="",
            )
    raise AssertionError("no wrong row found")


def _wrong_object(objects: Sequence[Any], schema: Schema) -> WrongValue:
    names = schema.names
    for row, value in enumerate(objects):
        if not isinstance(value, Mapping):
            return WrongValue(
                f"row {row} must be an object of attributes {schema}, not {_shown(value)}", row=row, attribute=""
            )
        unknown = next((key for key in value if key not in names), None)
        if unknown is not None:
            near = get_close_matches(str(unknown), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"attributes are {schema}"
            return WrongValue(
                f"row {row} has an unknown attribute {_shown(unknown)}: {hint}", row=row, attribute=unknown
            )
        missing = next((name for name in names if name not in value), None)
        if missing is not None:
            return WrongValue(
                f"row {row} lacks attribute {missing!r}; null says that it has no value", row=row, attribute=missing
            )
    raise AssertionError("no wrong object found")


def _shown(value: Any) -> str:
    shown = repr(value) if isinstance(value, (int, float, bool, str, type(None))) else f"a {type(value).__name__}"
    return shown if len(shown) <= 60 else shown[:57] + "..."
