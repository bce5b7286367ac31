"""Numbers as Java writes and reads them (``Double.toString``, ``Integer.parseInt`` and their like)."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

INT_MIN: Final = -(2**31)
INT_MAX: Final = 2**31 - 1
LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1

_INTEGER: Final = re.compile(r"[+-]?\d+\Z")
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?\Z", re.ASCII)
_HEXADECIMAL: Final = re.compile(
    r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+[fFdD]?\Z", re.ASCII
)
_SPECIAL: Final = {"NaN": np.nan, "Infinity": np.inf}
JAVA_WHITESPACE: Final = "".join(chr(code) for code in range(33))
_PLAIN_MIN: Final = -3
_PLAIN_MAX: Final = 6


class JavaLong(int):
    """A long in an object attribute, where a plain integer is an int. A snapshot keeps the number only."""


class JavaFloat(float):
    """A float in an object attribute, where a plain decimal is a double. A snapshot keeps the number only."""


def floating_text(value: np.floating[Any]) -> str:
    """``Double.toString`` or ``Float.toString``: shortest digits, plain from 1e-3 up to 1e7, else ``d.dddEn``."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if np.signbit(value) else "0.0"
    mantissa, exponent_text = np.format_float_scientific(value, unique=True, trim="-").split("e")
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "")
    exponent = int(exponent_text)
    if not _PLAIN_MIN <= exponent <= _PLAIN_MAX:
        return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return f"{sign}{whole}.{digits[exponent + 1 :] or '0'}"


def object_text(value: Any) -> str:
    """``String.valueOf`` of an object attribute's value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case JavaFloat():
            return floating_text(np.float32(value))
        case float():
            return floating_text(np.float64(value))
        case list() | tuple():
            return "[" + ", ".join(object_text(each) for each in value) + "]"
        case frozenset() | set():
            return "[" + ", ".join(sorted(object_text(each) for each in value)) + "]"
        case dict():
            return "{" + ", ".join(f"{object_text(key)}={object_text(each)}" for key, each in value.items()) + "}"
        case _:
            return str(value)


def parse_integer(text: str, low: int, high: int) -> int | None:
    """``Integer.parseInt`` and ``Long.parseLong``: digits with a sign, within bounds; None where Java throws."""
    if not _INTEGER.match(text):
        return None
    number = int(text)
    return number if low <= number <= high else None


def parse_double(text: str) -> float | None:
    """``Double.parseDouble``; None where Java throws."""
    text = text.strip(JAVA_WHITESPACE)
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    special = _SPECIAL.get(unsigned)
    if special is not None:
        return -special if text.startswith("-") else special
    if _DECIMAL.match(text):
        return float(text.rstrip("fFdD"))
    if _HEXADECIMAL.match(text):
        return _parse_hexadecimal(text)
    return None


def _parse_hexadecimal(text: str) -> float:
    mantissa, exponent = re.split("[pP]", text)
    return float.fromhex(f"{mantissa}p{exponent.rstrip('fFdD')}")


def parse_float(text: str) -> np.float32 | None:
    """``Float.parseFloat``; None where Java throws."""
    number = parse_double(text)
    return None if number is None else np.float32(number)
