"""Typed expressions: every node knows its type when it is built; names are resolved to slots.

The engine compiles these to array kernels. Null semantics (conformance README, "Values"): arithmetic with a null
is null; division by zero is null; comparison with null is false except ``!=``, which is true; ``not`` of null
is true; ``and``/``or`` take null as false.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from eiha.events.schema import AttributeType
from eiha.siddhiql.span import NO_SPAN, Span


class ArithmeticOp(enum.Enum):
    """Java arithmetic: wraps, truncates, sign of the left side for ``%``."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"


class CompareOp(enum.Enum):
    """Comparisons; operands keep their own types and are promoted by the kernel."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="


class LogicOp(enum.Enum):
    """Two-valued logic; null counts as false."""

    AND = "and"
    OR = "or"


LAST_EVENT: Final = -1
"""``event_index`` of ``e[last]``; ``e[last - n]`` is ``LAST_EVENT - n``."""

WHOLE_LIST: Final = -1_000_000
"""``event_index`` of an unindexed reference to a counted step: the list of all values (type object)."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: bool, int, float or str. There is no null literal."""

    value: bool | int | float | str
    type: AttributeType
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """An attribute of an input row.

    ``source``: 0 for a single stream; for patterns the step's position in ``PatternInput.steps``; for joins 0
    left, 1 right. ``event_index``: which event of a counted step, 0 otherwise. ``attribute``: column position.
    """

    source: int
    attribute: int
    name: str
    type: AttributeType
    event_index: int = 0
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class AggregateRef:
    """The running value of ``Selector.aggregates[index]``."""

    index: int
    type: AttributeType
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class OutputRef:
    """A column of the query's own output (in having and order by)."""

    attribute: int
    name: str
    type: AttributeType
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``left op right``; ``type`` is double if either is, else float, else long, else int."""

    op: ArithmeticOp
    left: Expression
    right: Expression
    type: AttributeType
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class Compare:
    """``left op right``, never null."""

    op: CompareOp
    left: Expression
    right: Expression
    span: Span = NO_SPAN

    @property
    def type(self) -> AttributeType:
        """Always bool."""
        return AttributeType.BOOL


@dataclass(frozen=True, slots=True)
class Logic:
    """``left op right``, never null; the right side is not evaluated where the left decides."""

    op: LogicOp
    left: Expression
    right: Expression
    span: Span = NO_SPAN

    @property
    def type(self) -> AttributeType:
        """Always bool."""
        return AttributeType.BOOL


@dataclass(frozen=True, slots=True)
class Not:
    """``not operand``: true where the operand is false or null."""

    operand: Expression
    span: Span = NO_SPAN

    @property
    def type(self) -> AttributeType:
        """Always bool."""
        return AttributeType.BOOL


@dataclass(frozen=True, slots=True)
class IsNull:
    """``operand is null``."""

    operand: Expression
    span: Span = NO_SPAN

    @property
    def type(self) -> AttributeType:
        """Always bool."""
        return AttributeType.BOOL


@dataclass(frozen=True, slots=True)
class EventIsNull:
    """``e1 is null``, ``e1[2] is null`` in patterns and joins: whether the event itself is missing."""

    source: int
    event_index: int
    span: Span = NO_SPAN

    @property
    def type(self) -> AttributeType:
        """Always bool."""
        return AttributeType.BOOL


@dataclass(frozen=True, slots=True)
class Call:
    """A scalar function, by its canonical name (``namespace:name`` or ``name``) in ``plan.functions``."""

    function: str
    arguments: tuple[Expression, ...]
    type: AttributeType
    span: Span = NO_SPAN


Expression = (
    Literal | AttributeRef | AggregateRef | OutputRef | Arithmetic | Compare | Logic | Not | IsNull | EventIsNull | Call
)
