"""Expressions as written. Equality of nodes ignores places, so trees of equal texts are equal."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from eiha.events.schema import AttributeType
from eiha.siddhiql.span import NO_SPAN, Span


class TimeUnit(enum.Enum):
    """Units of time literals, large to small; the value is the canonical keyword."""

    YEAR = "year"
    MONTH = "month"
    WEEK = "week"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "min"
    SECOND = "sec"
    MILLISECOND = "millisec"


UNIT_MS: Final[dict[TimeUnit, int]] = {
    TimeUnit.YEAR: 365 * 86_400_000,
    TimeUnit.MONTH: 30 * 86_400_000,
    TimeUnit.WEEK: 7 * 86_400_000,
    TimeUnit.DAY: 86_400_000,
    TimeUnit.HOUR: 3_600_000,
    TimeUnit.MINUTE: 60_000,
    TimeUnit.SECOND: 1_000,
    TimeUnit.MILLISECOND: 1,
}
"""Length of each unit; SiddhiQL's month has 30 days and its year 365."""


class BinaryOperator(enum.Enum):
    """Binary operators; the value is the text."""

    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    ADD = "+"
    SUBTRACT = "-"
    GREATER_EQUAL = ">="
    LESS_EQUAL = "<="
    GREATER = ">"
    LESS = "<"
    EQUAL = "=="
    NOT_EQUAL = "!="
    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. Numbers carry their sign; floats are rounded to 32 bits."""

    value: bool | int | float | str
    type: AttributeType
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class TimePart:
    """One number and unit of a time literal."""

    amount: int
    unit: TimeUnit
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class TimeLiteral:
    """``1 hour 30 min``: a long constant, in ms."""

    parts: tuple[TimePart, ...]
    span: Span = field(default=NO_SPAN, compare=False)

    @property
    def milliseconds(self) -> int:
        """The whole length."""
        return sum(part.amount * UNIT_MS[part.unit] for part in self.parts)


@dataclass(frozen=True, slots=True)
class EventIndex:
    """``[2]`` or, counted from the end, ``[last - 2]``."""

    offset: int
    from_last: bool
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class StreamReference:
    """What stands before the dot: a stream, alias or captured event, ``#`` inner and ``!`` fault streams."""

    name: str
    index: EventIndex | None = None
    is_inner: bool = False
    is_fault: bool = False
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class AttributeReference:
    """``name``, ``stream.name``, ``e1[0].name`` or ``stream#inner.name``."""

    name: str
    stream: StreamReference | None = None
    nested: StreamReference | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """``namespace:name(arguments)``; ``is_star``: ``name(*)``."""

    name: str
    arguments: tuple[Expression, ...] = ()
    namespace: str | None = None
    is_star: bool = False
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class BinaryOperation:
    """``left op right``."""

    operator: BinaryOperator
    left: Expression
    right: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class NotOperation:
    """``not operand``; binds tighter than any binary operator."""

    operand: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class NullCheck:
    """``operand is null``. A bare name is an ``AttributeReference`` here; only binding can tell it from a stream."""

    operand: StreamReference | AttributeReference | FunctionCall
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class InTable:
    """``operand in Table``."""

    operand: Expression
    table: str
    span: Span = field(default=NO_SPAN, compare=False)


Expression = (
    Literal | TimeLiteral | AttributeReference | FunctionCall | BinaryOperation | NotOperation | NullCheck | InTable
)
