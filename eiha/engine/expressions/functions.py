"""Scalar functions: each name's array form. Which names exist, and with which types, is ``plan``'s to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeGuard

import numpy as np

from eiha.engine.expressions.conversion import cast, conversion, is_castable
from eiha.engine.expressions.java_text import INT_MAX, INT_MIN, JavaFloat, JavaLong
from eiha.engine.expressions.numeric import as_number, narrowed
from eiha.engine.expressions.row_wise import Build, Evaluate, row_wise
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, Value, column_of, lifted, lifted_one
from eiha.engine.faults import EngineFault
from eiha.engine.functions import (
    json_functions,
    list_functions,
    map_functions,
    math_functions,
    regex_functions,
    str_functions,
    time_functions,
)
from eiha.engine.functions.extension_functions import extension_function, extension_may_fail
from eiha.errors import UnsupportedConstruct
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import ARGUMENTS, Call, Literal

_KEYWORDS: Final = {type_.value: type_ for type_ in AttributeType}


def function(call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
    """The array form of a call.

    Raises:
        UnsupportedConstruct: the plan knows a function that the engine does not.
    """
    build = _FUNCTIONS.get(call.function) or extension_function(call)
    if build is None:
        raise UnsupportedConstruct(f"function.{call.function}", line=call.span.line, column=call.span.column)
    return build(call, arguments, scope)


def may_fail(call: Call) -> bool:
    """Whether the function can raise ``EngineFault`` for some row, by its argument types alone."""
    first = call.arguments[0].type if call.arguments else None
    if call.function == "cast":
        return not is_castable(call.arguments[0].type, call.type)
    return extension_may_fail(call) or (call.function in _CHECKING and first is AttributeType.OBJECT)


_CHECKING: Final = frozenset({"convert", "sizeOfSet"})


def _target(call: Call) -> AttributeType:
    keyword = call.arguments[1]
    assert isinstance(keyword, Literal)
    return _KEYWORDS[str(keyword.value).lower()]


def _convert(call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
    operand, run = arguments[0], conversion(_target(call), scope.strings)
    return lambda rows: lifted_one(run, operand(rows))


def _cast(call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
    operand, run = arguments[0], cast(_target(call), scope.strings)
    return lambda rows: lifted_one(run, operand(rows))


def _first_of(left: Column, right: Column) -> Column:
    if left.valid is None:
        return left if len(left) != 1 or len(right) == 1 else column_of_row(left, len(right))
    values = np.where(left.valid, left.values, right.values)
    return make_column(left.type, values, left.valid | right.mask())


def column_of_row(column: Column, rows: int) -> Column:
    """A column of one row, repeated."""
    return column.take(np.zeros(rows, dtype=np.int64))


def _coalesce(_call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
    def run(rows: Rows) -> Value:
        value = arguments[0](rows)
        for argument in arguments[1:]:
            value = lifted(_first_of, value, argument(rows))
        return value

    return run


_MAXIMUM_STARTS: Final = {
    AttributeType.INT: 0,
    AttributeType.LONG: 0,
    AttributeType.FLOAT: 0.0,
    AttributeType.DOUBLE: 5e-324,
}
_MINIMUM_STARTS: Final = {
    AttributeType.INT: 2**31 - 1,
    AttributeType.LONG: 2**63 - 1,
    AttributeType.FLOAT: np.inf,
    AttributeType.DOUBLE: float(np.finfo(np.float64).max),
}


def _extreme(pick: Callable[[Any, Any], Any], starts: Mapping[AttributeType, Any]) -> Build:
    """As recorded: of two or more arguments, nulls are passed over and the search begins with a constant."""

    def two(left: Column, right: Column) -> Column:
        # longs are compared, and come out, as doubles
        type_ = AttributeType.DOUBLE if left.type is AttributeType.LONG else left.type
        a, b = as_number(left, type_, None), as_number(right, type_, None)
        picked = pick(a, b)
        values = narrowed(picked if right.valid is None else np.where(right.valid, picked, a), type_, left.type)
        return Column(left.type, values)

    def build(call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
        start = Constant(call.type, call.type.dtype.type(starts[call.type]))

        def run(rows: Rows) -> Value:
            value: Value = start
            for argument in arguments:
                value = lifted(two, value, argument(rows))
            return value

        return arguments[0] if len(arguments) == 1 else run

    return build


def _uuid(_call: Call, _arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
    """A version 8 UUID: 48 bits of a digest of the plan's name, the sequence and the ordinal within the entry."""
    identity, strings = scope.identity, scope.strings

    def text(ordinal: int) -> str:
        seed = f"{identity.plan}\0{identity.sequence}\0{ordinal}".encode()
        digits = bytearray(blake2b(seed, digest_size=16).digest())
        digits[6] = (digits[6] & 0x0F) | 0x80
        digits[8] = (digits[8] & 0x3F) | 0x80
        plain = digits.hex()
        return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"

    def run(rows: Rows) -> Value:
        first = identity.reserve(rows.count)
        texts = [text(ordinal) for ordinal in range(first, first + rows.count)]
        return Column(AttributeType.STRING, strings.intern_all(texts))

    return run


def _current_time(_call: Call, _arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
    return lambda rows: Column(AttributeType.LONG, rows.now_ms)


def _event_timestamp(_call: Call, _arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
    return lambda rows: Column(AttributeType.LONG, rows.timestamps)


def _instance_of(type_: AttributeType) -> Build:
    def test(column: Column) -> Column:
        if column.type is AttributeType.OBJECT:
            values = np.array([_is_instance(value, type_) for value in column.values.tolist()], dtype=np.bool_)
            return Column(AttributeType.BOOL, values)
        if column.type is not type_:
            return Column(AttributeType.BOOL, np.zeros(len(column), dtype=np.bool_))
        return Column(AttributeType.BOOL, column.mask())

    def build(_call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
        operand = arguments[0]
        return lambda rows: lifted_one(test, operand(rows))

    return build


def _is_instance(value: object, type_: AttributeType) -> bool:
    """In an object, a plain integer is an int (a long beyond 32 bits), a plain decimal a double."""
    match type_:
        case AttributeType.BOOL:
            return isinstance(value, bool)
        case AttributeType.STRING:
            return isinstance(value, str)
        case AttributeType.INT:
            return _is_whole(value) and not _is_long(value)
        case AttributeType.LONG:
            return _is_whole(value) and _is_long(value)
        case AttributeType.DOUBLE:
            return isinstance(value, float) and not isinstance(value, JavaFloat)
        case AttributeType.FLOAT:
            return isinstance(value, JavaFloat)
        case _:
            return False


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_long(value: int) -> bool:
    return isinstance(value, JavaLong) or not INT_MIN <= value <= INT_MAX


def _objects(values: list[Any]) -> Column:
    array = np.empty(len(values), dtype=np.object_)
    for row, value in enumerate(values):
        array[row] = value
    return Column(AttributeType.OBJECT, array)


def _create_set(_call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
    def build_sets(column: Column) -> Column:
        values = column.values.tolist()
        if column.type is AttributeType.STRING:
            present = column.mask().tolist()
            values = [scope.strings.text(v) if ok else None for v, ok in zip(values, present, strict=True)]
        else:
            values = [v if ok else None for v, ok in zip(values, column.mask().tolist(), strict=True)]
        return _objects([frozenset((value,)) for value in values])

    operand = arguments[0]
    return lambda rows: build_sets(column_of(operand(rows), rows.count))


def _size_of_set(_call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
    def size(value: object) -> int:
        if value is None:
            return 0
        if not isinstance(value, frozenset):
            raise EngineFault(f"sizeOfSet needs a set, not {value!r}")
        return len(value)

    def sizes(column: Column) -> Column:
        values = np.array([size(value) for value in column.values.tolist()], dtype=np.int32)
        return Column(AttributeType.INT, values)

    operand = arguments[0]
    return lambda rows: sizes(column_of(operand(rows), rows.count))


_FUNCTIONS: Final[dict[str, Build]] = {
    **str_functions.SCALARS,
    **math_functions.SCALARS,
    **time_functions.SCALARS,
    **regex_functions.SCALARS,
    **json_functions.SCALARS,
    **map_functions.SCALARS,
    **list_functions.SCALARS,
    ARGUMENTS: row_wise(lambda *values: values, takes_nulls=True),
    "convert": _convert,
    "cast": _cast,
    "coalesce": _coalesce,
    "default": _coalesce,
    "maximum": _extreme(np.maximum, _MAXIMUM_STARTS),
    "minimum": _extreme(np.minimum, _MINIMUM_STARTS),
    "UUID": _uuid,
    "currentTimeMillis": _current_time,
    "eventTimestamp": _event_timestamp,
    "createSet": _create_set,
    "sizeOfSet": _size_of_set,
    "instanceOfString": _instance_of(AttributeType.STRING),
    "instanceOfInteger": _instance_of(AttributeType.INT),
    "instanceOfLong": _instance_of(AttributeType.LONG),
    "instanceOfFloat": _instance_of(AttributeType.FLOAT),
    "instanceOfDouble": _instance_of(AttributeType.DOUBLE),
    "instanceOfBoolean": _instance_of(AttributeType.BOOL),
}
