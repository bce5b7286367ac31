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

ARGUMENTS: Final = "(arguments)"
"""The function that makes one object of several values: what an aggregator with several arguments takes."""

OWN_EVENT: Final = 1_000_000
"""In the condition of a counted step, ``event_index`` of ``e[i]`` on the step itself is ``OWN_EVENT + i``: the i-th
event that it took, or the arriving one if as many were taken before. ``e[last - n]`` looks at the events taken before
the arriving one, and 0 is the arriving event."""

TABLE_ROW: Final = -1
"""In the condition of ``in``, the ``source`` of the table's row."""

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
    """A scalar function, by its canonical name (``namespace:name`` or ``name``) in ``plan.functions``.

    ``script``: the source of a function that the plan itself defines (``define function``).
    """

    function: str
    arguments: tuple[Expression, ...]
    type: AttributeType
    span: Span = NO_SPAN
    script: str | None = None


@dataclass(frozen=True, slots=True)
class InTable:
    """``(condition) in table``: whether the table has a row that satisfies ``condition``.

    In it, source ``TABLE_ROW`` is that row. A condition that is no bool (``sku in Stock``) fails on each row.
    """

    condition: Expression
    table: str
    span: Span = NO_SPAN

    @property
    def type(self) -> AttributeType:
        """Always bool."""
        return AttributeType.BOOL


Expression = (
    Literal
    | AttributeRef
    | AggregateRef
    | OutputRef
    | Arithmetic
    | Compare
    | Logic
    | Not
    | IsNull
    | EventIsNull
    | Call
    | InTable
)
