"""What the lexer makes of text. Keywords take any case; most may serve as names."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from eiha.siddhiql.expression_tree import TimeUnit
from eiha.siddhiql.span import Span


class TokenKind(enum.Enum):
    """Kinds of token; the value is how errors name them."""

    NAME = "a name"
    KEYWORD = "a keyword"
    INT = "an int"
    LONG = "a long"
    FLOAT = "a float"
    DOUBLE = "a double"
    STRING = "a string"
    SCRIPT = "a script"
    SYMBOL = "a symbol"
    UNEXPECTED = "an unexpected character"
    END = "the end of the text"


@dataclass(frozen=True, slots=True)
class Token:
    """``text``: as written; ``value``: strings without quotes, names without backticks, keywords canonical."""

    kind: TokenKind
    text: str
    value: str
    span: Span


UNITS: Final[dict[str, TimeUnit]] = {
    "year": TimeUnit.YEAR,
    "years": TimeUnit.YEAR,
    "month": TimeUnit.MONTH,
    "months": TimeUnit.MONTH,
    "week": TimeUnit.WEEK,
    "weeks": TimeUnit.WEEK,
    "day": TimeUnit.DAY,
    "days": TimeUnit.DAY,
    "hour": TimeUnit.HOUR,
    "hours": TimeUnit.HOUR,
    "min": TimeUnit.MINUTE,
    "minute": TimeUnit.MINUTE,
    "minutes": TimeUnit.MINUTE,
    "sec": TimeUnit.SECOND,
    "second": TimeUnit.SECOND,
    "seconds": TimeUnit.SECOND,
    "millisec": TimeUnit.MILLISECOND,
    "millisecond": TimeUnit.MILLISECOND,
    "milliseconds": TimeUnit.MILLISECOND,
}
"""Every spelling of a unit."""

KEYWORDS: Final[frozenset[str]] = frozenset({
    "stream", "define", "function", "trigger", "table", "app", "from", "partition", "window", "select", "group",
    "by", "order", "limit", "offset", "asc", "desc", "having", "insert", "delete", "update", "set", "return",
    "events", "into", "output", "expired", "current", "snapshot", "for", "raw", "of", "as", "at", "or", "and",
    "in", "on", "is", "not", "within", "with", "begin", "end", "null", "every", "last", "all", "first", "join",
    "inner", "outer", "right", "left", "full", "unidirectional", "false", "true", "string", "int", "long",
    "float", "double", "bool", "object", "aggregation", "aggregate", "per",
} | UNITS.keys())  # fmt: skip
"""Words with a meaning of their own, in lower case."""

NO_NAMES: Final[frozenset[str]] = frozenset({
    "aggregate", "aggregation", "at", "function", "in", "offset", "per", "set", "trigger",
})  # fmt: skip
"""Keywords that, as in Siddhi, are names in backticks only; all others may serve as names."""

SYMBOLS: Final[tuple[str, ...]] = (
    "...", "->", "<=", ">=", "==", "!=",
    ":", ";", ".", "(", ")", "[", "]", ",", "=", "*", "+", "?", "-", "/", "%", "<", ">", "@", "#", "!",
)  # fmt: skip
"""Longest first, so that the first that fits is the right one."""
