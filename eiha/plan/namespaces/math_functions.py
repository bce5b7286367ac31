"""``math:``: numbers. A null argument gives null."""

from __future__ import annotations

from typing import Final

from eiha.plan.signatures import Signature, declare

_DOUBLE: Final = "x number -> double"

SCALARS: Final[tuple[Signature, ...]] = (
    declare("math:abs", _DOUBLE, "Without its sign.", ("math:abs(-3)", "3.0")),
    declare(
        "math:acos",
        _DOUBLE,
        "The arc cosine, in radians; null beyond -1 to 1.",
        ("math:acos(0.5)", "1.0471975511965979"),
    ),
    declare(
        "math:asin", _DOUBLE, "The arc sine, in radians; null beyond -1 to 1.", ("math:asin(0.5)", "0.5235987755982989")
    ),
    declare(
        "math:atan",
        (_DOUBLE, "y number, x number -> double"),
        "The arc tangent, in radians; of two arguments the angle of the point (x, y).",
        ("math:atan(6d)", "1.4056476493802699"),
        ("math:atan(12d, 5d)", "1.176005207095135"),
    ),
    declare("math:bin", "x whole -> string", "In base 2, unsigned.", ("math:bin(9)", "1001")),
    declare("math:cbrt", _DOUBLE, "The cube root.", ("math:cbrt(27d)", "3.0")),
    declare("math:ceil", _DOUBLE, "The next whole number above, or itself.", ("math:ceil(423.187d)", "424.0")),
    declare(
        "math:conv",
        "digits string, from int, to int -> string",
        "An int written in base `from`, written in base `to` (2 to 36); null if it is not one.",
        ("math:conv('7f', 16, 10)", "127"),
    ),
    declare(
        "math:copySign",
        "size number, sign number -> double",
        "`size` with the sign of `sign`.",
        ("math:copySign(5.6d, -3.0d)", "-5.6"),
    ),
    declare("math:cos", _DOUBLE, "The cosine of radians.", ("math:cos(0d)", "1.0")),
    declare("math:cosh", _DOUBLE, "The hyperbolic cosine.", ("math:cosh(0d)", "1.0")),
    declare("math:e", "-> double", "Euler's number.", ("math:e()", "2.718281828459045")),
    declare("math:exp", _DOUBLE, "e to the power of `x`.", ("math:exp(0d)", "1.0")),
    declare("math:floor", _DOUBLE, "The next whole number below, or itself.", ("math:floor(10.23d)", "10.0")),
    declare(
        "math:getExponent",
        "x fraction -> int",
        "The exponent in the number's binary form.",
        ("math:getExponent(60984.1d)", "15"),
    ),
    declare(
        "math:hash",
        "text string, method string? -> string",
        "The digest of the text (UTF-8) as hexadecimal digits; `method` is 'MD5', 'SHA-1', 'SHA-256' (if left out), "
        "'SHA-384' or 'SHA-512', else null.",
        ("math:hash('abc', 'MD5')", "900150983cd24fb0d6963f7d28e17f72"),
    ),
    declare("math:hex", "x number -> string", "In base 16, unsigned; fractions are cut off.", ("math:hex(200)", "c8")),
    declare("math:isInfinite", "x fraction -> bool", "Whether it is infinite.", ("math:isInfinite(4.5d)", "false")),
    declare("math:isNan", "x fraction -> bool", "Whether it is not a number.", ("math:isNan(4.5d)", "false")),
    declare("math:ln", _DOUBLE, "The natural logarithm.", ("math:ln(1d)", "0.0")),
    declare(
        "math:log",
        "x number, base number -> double",
        "The logarithm to a base; null for base 1.",
        ("math:log(34, 2f)", "5.08746284125034"),
    ),
    declare("math:log10", _DOUBLE, "The logarithm to base 10.", ("math:log10(100d)", "2.0")),
    declare("math:log2", _DOUBLE, "The logarithm to base 2.", ("math:log2(8d)", "3.0")),
    declare(
        "math:max", "first number, second number -> double", "The greater one.", ("math:max(123.67d, 91)", "123.67")
    ),
    declare("math:min", "first number, second number -> double", "The lesser one.", ("math:min(123.67d, 91)", "91.0")),
    declare("math:oct", "x whole -> string", "In base 8, unsigned.", ("math:oct(99L)", "143")),
    declare(
        "math:parseDouble",
        "text string -> double",
        "The number; null if it is none.",
        ("math:parseDouble('123')", "123.0"),
    ),
    declare(
        "math:parseFloat",
        "text string -> float",
        "The number; null if it is none.",
        ("math:parseFloat('123')", "123.0"),
    ),
    declare("math:parseInt", "text string -> int", "The number; null if it is none.", ("math:parseInt('123')", "123")),
    declare(
        "math:parseLong", "text string -> long", "The number; null if it is none.", ("math:parseLong('123')", "123")
    ),
    declare(
        "math:pi",
        "-> double",
        "The ratio of a circle's circumference to its diameter.",
        ("math:pi()", "3.141592653589793"),
    ),
    declare(
        "math:power",
        "base number, exponent number -> double",
        "`base` to the power of `exponent`.",
        ("math:power(5.6d, 3.0d)", "175.61599999999996"),
    ),
    declare(
        "math:rand",
        ("-> double", "seed whole -> double"),
        "A number from 0 to below 1, derived from the place in the log (and the seed): the same on both nodes.",
    ),
    declare(
        "math:round",
        ("x float -> int", "x double -> long"),
        "The nearest whole number, halves up.",
        ("math:round(3252.353d)", "3252"),
        ("math:round(2.5f)", "3"),
    ),
    declare(
        "math:signum", "x number -> int", "-1, 0 or 1, as `x` is below, at or above 0.", ("math:signum(-6.32d)", "-1")
    ),
    declare("math:sin", _DOUBLE, "The sine of radians.", ("math:sin(0d)", "0.0")),
    declare("math:sinh", _DOUBLE, "The hyperbolic sine.", ("math:sinh(0d)", "0.0")),
    declare("math:sqrt", _DOUBLE, "The square root; NaN below 0.", ("math:sqrt(4d)", "2.0")),
    declare("math:tan", _DOUBLE, "The tangent of radians.", ("math:tan(0d)", "0.0")),
    declare("math:tanh", _DOUBLE, "The hyperbolic tangent.", ("math:tanh(0d)", "0.0")),
    declare("math:toDegrees", _DOUBLE, "Radians as degrees.", ("math:toDegrees(0d)", "0.0")),
    declare("math:toRadians", _DOUBLE, "Degrees as radians.", ("math:toRadians(180d)", "3.141592653589793")),
)

AGGREGATORS: Final[tuple[Signature, ...]] = (
    declare(
        "math:percentile",
        "x number, p double! -> double",
        "The value below which `p` percent (above 0, at most 100) of the values lie that are in; null while none is.",
    ),
)
