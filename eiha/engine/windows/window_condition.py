"""The condition of an expression window, evaluated for one row at a time, and the aggregates that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.patterns.scalar_expression import scalar_expression
from eiha.engine.windows.row_store import RowStore
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, Call, Expression
from eiha.plan.window_expressions import AGGREGATES, ROW_TIME

_NOW: Final = np.zeros(1, dtype=np.int64)
_LONG_MASK: Final = (1 << 64) - 1
_LONG_SIGN: Final = 1 << 63


@dataclass(slots=True)
class Frame:
    """What a condition sees: positions of the row that comes or leaves, of the first and the last one; aggregates."""

    store: RowStore
    rows: list[int] = field(default_factory=lambda: [0, 0, 0])
    aggregates: list[Any] = field(default_factory=list)

    def value(self, source: int, attribute: int) -> Any:
        """A value of one of the three rows; None: null."""
        return self.store.value(attribute, self.rows[source])


class _FrameReader:
    """Reads frames for expressions: the form that ``scalar_expression`` asks for."""

    def value(self, reference: AttributeRef, own: int | None = None) -> Callable[[Any, Any], Any]:  # noqa: ARG002
        source, attribute, index = reference.source, reference.attribute, reference.event_index
        if source == AGGREGATES:
            return lambda frame, _: frame.aggregates[index]
        if source >= ROW_TIME:
            return lambda frame, _: int(frame.store.timestamps[frame.rows[source - ROW_TIME]])
        return lambda frame, _: frame.value(source, attribute)


class RowExpression:
    """An expression over a frame. What has an exact scalar form runs as that, anything else on columns of one row."""

    __slots__ = ("_columns", "_frame", "_scalar")

    def __init__(self, expression: Expression, frame: Frame, strings: StringTable) -> None:
        reader = _FrameReader()
        self._frame = frame
        self._scalar = scalar_expression(expression, 0, reader, strings)  # type: ignore[arg-type]
        self._columns: Callable[[Rows], Column] | None = None
        if self._scalar is None:

            def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
                read = reader.value(reference)
                return lambda _: _column(reference.type, read(frame, None))

            self._columns = compile_column(expression, Scope(strings, attribute=attribute))

    def __call__(self) -> Any:
        """Its value for the frame as it is; None: null."""
        if self._scalar is not None:
            return self._scalar(self._frame, None)  # type: ignore[arg-type]
        assert self._columns is not None
        column = self._columns(Rows(1, (), _NOW, _NOW))
        return None if column.valid is not None and not column.valid[0] else column.values[0].item()


def _column(type_: AttributeType, value: Any) -> Column:
    values = np.zeros(1, dtype=type_.dtype)
    if value is not None:
        values[0] = value
    return make_column(type_, values, np.array([value is not None]))


class RunningAggregate(ABC):
    """An aggregate over the rows in the window; null values are told as None."""

    __slots__ = ()

    @abstractmethod
    def add(self, value: Any) -> None:
        """A row comes."""

    @abstractmethod
    def remove(self, value: Any) -> None:
        """The oldest row leaves."""

    @abstractmethod
    def clear(self) -> None:
        """All rows left."""

    @abstractmethod
    def value(self) -> Any:
        """The value; None: null."""

    @abstractmethod
    def state(self) -> list[Any]:
        """What is to be saved."""

    @abstractmethod
    def take_over(self, state: list[Any]) -> None:
        """Take over what ``state`` gave."""


class _Count(RunningAggregate):
    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Any) -> None:  # noqa: ARG002 - nulls count
        self._count += 1

    def remove(self, value: Any) -> None:  # noqa: ARG002 - nulls count
        self._count -= 1

    def clear(self) -> None:
        self._count = 0

    def value(self) -> Any:
        return self._count

    def state(self) -> list[Any]:
        return [self._count]

    def take_over(self, state: list[Any]) -> None:
        (self._count,) = state


class _Sum(RunningAggregate):
    """``sum``, or ``avg`` if ``is_mean``; ints and longs wrap at 64 bits."""

    __slots__ = ("_count", "_is_mean", "_is_whole", "_sum")

    def __init__(self, *, is_whole: bool, is_mean: bool) -> None:
        self._is_whole = is_whole
        self._is_mean = is_mean
        self.clear()

    def add(self, value: Any) -> None:
        if value is not None:
            self._count += 1
            self._sum += value

    def remove(self, value: Any) -> None:
        if value is not None:
            self._count -= 1
            self._sum -= value

    def clear(self) -> None:
        self._count = 0
        self._sum: Any = 0 if self._is_whole else 0.0

    def value(self) -> Any:
        if not self._count:
            return None
        if self._is_mean:
            return self._sum / self._count
        if not self._is_whole:
            return self._sum
        return _wrapped(self._sum)

    def state(self) -> list[Any]:
        return [self._count, _wrapped(self._sum) if self._is_whole else self._sum]

    def take_over(self, state: list[Any]) -> None:
        self._count, self._sum = state


def _wrapped(number: int) -> int:
    return ((number + _LONG_SIGN) & _LONG_MASK) - _LONG_SIGN


class _Extreme(RunningAggregate):
    """``min`` (``sign`` 1) or ``max`` (-1): values that later ones have not beaten."""

    __slots__ = ("_candidates", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._candidates: deque[Any] = deque()

    def add(self, value: Any) -> None:
        if value is None:
            return
        while self._candidates and self._sign * self._candidates[-1] > self._sign * value:
            self._candidates.pop()
        self._candidates.append(value)

    def remove(self, value: Any) -> None:
        if value is not None and self._candidates and self._candidates[0] == value:
            self._candidates.popleft()

    def clear(self) -> None:
        self._candidates.clear()

    def value(self) -> Any:
        return self._candidates[0] if self._candidates else None

    def state(self) -> list[Any]:
        return list(self._candidates)

    def take_over(self, state: list[Any]) -> None:
        self._candidates = deque(state)


class WindowCondition:
    """The condition over a window's rows, which come at one end and leave at the other.

    Args:
        arguments: the condition, then what it aggregates, as ``plan.window_expressions`` gives them.
        store: of the window.
        strings: of the plan."""

    __slots__ = ("_aggregates", "_arguments", "_condition", "_frame")

    def __init__(self, arguments: Sequence[Expression], store: RowStore, strings: StringTable) -> None:
        self._frame = Frame(store)
        self._condition = RowExpression(arguments[0], self._frame, strings)
        self._aggregates: list[RunningAggregate] = []
        self._arguments: list[RowExpression | None] = []
        for call in arguments[1:]:
            assert isinstance(call, Call)
            self._aggregates.append(_aggregate(call))
            argument = RowExpression(call.arguments[0], self._frame, strings) if call.arguments else None
            self._arguments.append(argument)

    def add(self, position: int) -> None:
        """The row at ``position`` comes."""
        self._frame.rows[0] = position
        for aggregate, argument in zip(self._aggregates, self._arguments, strict=True):
            aggregate.add(None if argument is None else argument())

    def remove(self, position: int) -> None:
        """The row at ``position``, the oldest one, leaves."""
        self._frame.rows[0] = position
        for aggregate, argument in zip(self._aggregates, self._arguments, strict=True):
            aggregate.remove(None if argument is None else argument())

    def clear(self) -> None:
        """All rows left."""
        for aggregate in self._aggregates:
            aggregate.clear()

    def state(self) -> list[Any]:
        """What the aggregates have to save."""
        return [aggregate.state() for aggregate in self._aggregates]

    def take_over(self, state: list[Any]) -> None:
        """Take over what ``state`` gave."""
        for aggregate, part in zip(self._aggregates, state, strict=True):
            aggregate.take_over(part)

    def holds(self, row: int, first: int, last: int) -> bool:
        """Whether the condition is true for these rows; null counts as false."""
        self._frame.rows[:] = [row, first, last]
        self._frame.aggregates = [aggregate.value() for aggregate in self._aggregates]
        return bool(self._condition())


def _aggregate(call: Call) -> RunningAggregate:
    match call.function:
        case "count":
            return _Count()
        case "sum" | "avg":
            is_whole = call.arguments[0].type in (AttributeType.INT, AttributeType.LONG)
            return _Sum(is_whole=is_whole, is_mean=call.function == "avg")
        case "min":
            return _Extreme(1)
        case "max":
            return _Extreme(-1)
        case _:  # binding lets no other pass
            raise AssertionError(call.function)
