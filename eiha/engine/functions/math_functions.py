"""``math:``: numbers, as arrays where NumPy has the function.

Sine, logarithm and their like are the C library's, number by number: NumPy's own differ from processor to processor in
the last bit, and from Java's. Two nodes agree to that bit if they have the same C library.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.row_wise import RowState
from eiha.engine.expressions.java_text import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    JavaLong,
    parse_double,
    parse_float,
    parse_integer,
)
from eiha.engine.expressions.numeric import narrowed
from eiha.engine.expressions.row_wise import Build, Evaluate, row_wise
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, Value, both_valid, lifted, lifted_one, result
from eiha.engine.expressions.values import column_of as spread
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Call

_Doubles = npt.NDArray[np.float64]
_DIGESTS: Final = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_HALF: Final = 0.5


def _exactly(function: Callable[..., float], otherwise: Callable[..., Any]) -> Callable[..., _Doubles]:
    """``function`` of the C library for each number; ``otherwise`` (NumPy's) where that raises: infinities and NaN."""

    def one(*values: float) -> float:
        try:
            return function(*values)
        except (ValueError, OverflowError):
            return float(otherwise(*values))

    def run(*arrays: _Doubles) -> _Doubles:
        size = max(len(array) for array in arrays)
        lists = [np.broadcast_to(array, size).tolist() for array in arrays]
        try:
            return np.array(list(map(function, *lists)), dtype=np.float64)
        except (ValueError, OverflowError):
            return np.array(list(map(one, *lists)), dtype=np.float64)

    return run


_LOG: Final = _exactly(math.log, np.log)


def _one(function: Callable[[_Doubles], Any], *, is_defined: Callable[[_Doubles], Any] | None = None) -> Build:
    """A function of one number as a double. ``is_defined``: where it is not, the result is null."""

    def operation(column: Column) -> Column:
        values = column.values.astype(np.float64, copy=False)
        with np.errstate(all="ignore"):
            valid = column.valid if is_defined is None else both_valid(column.valid, is_defined(values))
            return result(AttributeType.DOUBLE, function(values), valid)

    def build(_call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
        operand = arguments[0]
        return lambda rows: lifted_one(operation, operand(rows))

    return build


def _two(
    function: Callable[[_Doubles, _Doubles], Any], *, is_defined: Callable[[_Doubles, _Doubles], Any] | None = None
) -> Build:
    def operation(left: Column, right: Column) -> Column:
        a, b = left.values.astype(np.float64, copy=False), right.values.astype(np.float64, copy=False)
        with np.errstate(all="ignore"):
            valid = both_valid(left.valid, right.valid)
            if is_defined is not None:
                valid = both_valid(valid, is_defined(a, b))
            return result(AttributeType.DOUBLE, function(a, b), valid)

    def build(_call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
        first, second = arguments
        return lambda rows: lifted(operation, first(rows), second(rows))

    return build


def _to(type_: AttributeType, function: Callable[[Any], Any]) -> Build:
    """A function of one number in its own type that gives ``type_``."""

    def operation(column: Column) -> Column:
        with np.errstate(all="ignore"):
            return result(type_, function(column.values), column.valid)

    def build(_call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
        operand = arguments[0]
        return lambda rows: lifted_one(operation, operand(rows))

    return build


def _constant(value: float) -> Build:
    constant = Constant(AttributeType.DOUBLE, np.float64(value))
    return lambda _call, _arguments, _scope: lambda _rows: constant


def _atan(call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
    build = _one(_exactly(math.atan, np.arctan)) if len(arguments) == 1 else _two(_exactly(math.atan2, np.arctan2))
    return build(call, arguments, scope)


def _round(call: Call, arguments: Sequence[Evaluate], _scope: Scope) -> Evaluate:
    target = call.type

    def operation(column: Column) -> Column:
        with np.errstate(all="ignore"):
            wide = column.values.astype(np.float64)
            down = np.floor(wide)
            up = np.where(wide - down >= _HALF, down + 1, down)
            return result(target, narrowed(up, AttributeType.DOUBLE, target), column.valid)

    operand = arguments[0]
    return lambda rows: lifted_one(operation, operand(rows))


def _exponent(values: Any) -> Any:
    is_double = values.dtype == np.float64
    low, high = (-1_023, 1_024) if is_double else (-127, 128)
    exponents = np.frexp(values)[1] - 1
    tiny = np.finfo(values.dtype).tiny
    exponents = np.where(np.abs(values) < tiny, low, exponents)
    return np.where(np.isfinite(values), exponents, high)


def _unsigned(base: str) -> Callable[[Any], str]:
    def text(value: Any) -> str:
        if isinstance(value, float):
            bound = max(LONG_MIN, min(LONG_MAX, int(value))) if math.isfinite(value) else 0
            value = JavaLong(bound)
        bits = 64 if isinstance(value, JavaLong) else 32
        return format(int(value) % (1 << bits), base)

    return text


def _in_base(digits: str, source: int, target: int) -> str | None:
    if not (2 <= source <= 36 and 2 <= target <= 36) or "_" in digits or digits != digits.strip():
        return None
    try:
        number = int(digits, source)
    except ValueError:
        return None
    if not INT_MIN <= number <= INT_MAX:
        return None
    rest, out = abs(number), ""
    while rest:
        rest, digit = divmod(rest, target)
        out = _DIGITS[digit] + out
    return ("-" if number < 0 else "") + (out or "0")


def _hash(text: str, method: str = "SHA-256") -> str | None:
    name = _DIGESTS.get(method.upper())
    return None if name is None else hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _parse_float(text: str) -> float | None:
    number = parse_float(text)
    return None if number is None else float(number)


def _random(_call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
    """53 bits of a digest of the plan's name, the sequence, the ordinal within the entry and the seed."""
    identity = scope.identity

    def number(ordinal: int, seed: int | None) -> float:
        text = f"{identity.plan}\0{identity.sequence}\0{ordinal}\0{seed}\0rand".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / 2**64

    def run(rows: Rows) -> Value:
        first = identity.reserve(rows.count)
        seeds: list[Any] = [None] * rows.count
        if arguments:
            seeds = spread(arguments[0](rows), rows.count).values.tolist()
        values = [min(number(first + row, seed), 1 - 2**-53) for row, seed in enumerate(seeds)]
        return Column(AttributeType.DOUBLE, np.array(values, dtype=np.float64))

    return run


def _inside(values: _Doubles) -> Any:
    return (values >= -1) & (values <= 1)


SCALARS: Final[dict[str, Build]] = {
    "math:abs": _one(np.abs),
    "math:acos": _one(_exactly(math.acos, np.arccos), is_defined=_inside),
    "math:asin": _one(_exactly(math.asin, np.arcsin), is_defined=_inside),
    "math:atan": _atan,
    "math:bin": row_wise(_unsigned("b")),
    "math:cbrt": _one(np.cbrt),
    "math:ceil": _one(np.ceil),
    "math:conv": row_wise(_in_base),
    "math:copySign": _two(np.copysign),
    "math:cos": _one(_exactly(math.cos, np.cos)),
    "math:cosh": _one(_exactly(math.cosh, np.cosh)),
    "math:e": _constant(math.e),
    "math:exp": _one(_exactly(math.exp, np.exp)),
    "math:floor": _one(np.floor),
    "math:getExponent": _to(AttributeType.INT, _exponent),
    "math:hash": row_wise(_hash),
    "math:hex": row_wise(_unsigned("x")),
    "math:isInfinite": _to(AttributeType.BOOL, np.isinf),
    "math:isNan": _to(AttributeType.BOOL, np.isnan),
    "math:ln": _one(_LOG),
    "math:log": _two(lambda a, b: _LOG(a) / _LOG(b), is_defined=lambda _a, b: b != 1),
    "math:log10": _one(_exactly(math.log10, np.log10)),
    "math:log2": _one(_exactly(math.log2, np.log2)),
    "math:max": _two(np.maximum),
    "math:min": _two(np.minimum),
    "math:oct": row_wise(_unsigned("o")),
    "math:parseDouble": row_wise(parse_double),
    "math:parseFloat": row_wise(_parse_float),
    "math:parseInt": row_wise(lambda text: parse_integer(text, INT_MIN, INT_MAX)),
    "math:parseLong": row_wise(lambda text: parse_integer(text, LONG_MIN, LONG_MAX)),
    "math:pi": _constant(math.pi),
    "math:power": _two(_exactly(math.pow, np.power)),
    "math:rand": _random,
    "math:round": _round,
    "math:signum": _to(AttributeType.INT, lambda values: np.nan_to_num(np.sign(values))),
    "math:sin": _one(_exactly(math.sin, np.sin)),
    "math:sinh": _one(_exactly(math.sinh, np.sinh)),
    "math:sqrt": _one(np.sqrt),
    "math:tan": _one(_exactly(math.tan, np.tan)),
    "math:tanh": _one(_exactly(math.tanh, np.tanh)),
    "math:toDegrees": _one(np.degrees),
    "math:toRadians": _one(np.radians),
}


class Percentile:
    """``math:percentile(x, p)``: by rank; between two ranks, their mean."""

    __slots__ = ("_percent", "_values")

    def __init__(self) -> None:
        self._values: list[float] = []
        self._percent = 0.0

    def add(self, x: float | None, percent: float) -> None:
        """A value comes; null adds nothing."""
        self._percent = percent
        if x is not None:
            insort(self._values, float(x))

    def remove(self, x: float | None, percent: float) -> None:
        """A value leaves."""
        self._percent = percent
        if x is None:
            return
        place = bisect_left(self._values, float(x))
        if place < len(self._values) and self._values[place] == float(x):
            del self._values[place]

    def value(self) -> float | None:
        """The percentile of what is in."""
        values = self._values
        if not values:
            return None
        index = self._percent * len(values) / 100
        if index == int(index):
            whole = int(index)
            return values[-1] if whole == len(values) else (values[whole - 1] + values[whole]) / 2
        # as the extension does: the rank nearest to the index, not the next above
        return values[max(int(index + _HALF) - 1, 0)]

    def snapshot(self) -> Any:
        """The values in order."""
        return list(self._values)

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        self._values = [float(value) for value in state]


AGGREGATORS: Final[dict[str, Callable[[], RowState]]] = {"math:percentile": Percentile}
