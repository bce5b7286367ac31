"""From a comparison that reckons with several events to the instructions that the compiled machine runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.numeric import compared_as
from eiha.engine.patterns import step_reckoning as s
from eiha.engine.patterns.step_layout import STACK_ROOM
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Arithmetic, ArithmeticOp, Compare, Expression

_FRACTIONS: Final = frozenset({AttributeType.FLOAT, AttributeType.DOUBLE})
_WHOLE_OPERATIONS: Final = {
    ArithmeticOp.ADD: s.ADD_WHOLE,
    ArithmeticOp.SUBTRACT: s.SUBTRACT_WHOLE,
    ArithmeticOp.MULTIPLY: s.MULTIPLY_WHOLE,
    ArithmeticOp.DIVIDE: s.DIVIDE_WHOLE,
    ArithmeticOp.MODULO: s.MODULO_WHOLE,
}
_OPERATIONS: Final = {
    ArithmeticOp.ADD: s.ADD,
    ArithmeticOp.SUBTRACT: s.SUBTRACT,
    ArithmeticOp.MULTIPLY: s.MULTIPLY,
    ArithmeticOp.DIVIDE: s.DIVIDE,
}


class Loads(Protocol):
    """Where values come from: terms of the arriving event, and of captured ones."""

    def arriving_bits(self, part: Expression) -> int | None:
        """The arriving term that is ``part``; None: it reads other events."""

    def captured_bits(self, part: Expression) -> tuple[int, int, int] | None:
        """Step, index and captured term of the one event that ``part`` reads, and which is null without that event;
        None: it does not.
        """


@dataclass(frozen=True, slots=True)
class Reckoning:
    """``code``: instructions that leave the two values. ``of_fractions``: these are doubles. ``reads``: the captured
    events, by step and index.
    """

    code: tuple[int, ...]
    of_fractions: bool
    reads: tuple[tuple[int, int], ...]


def reckoning(comparison: Compare, loads: Loads) -> Reckoning | None:
    """The instructions for ``comparison``; None: it has parts of several events that are no arithmetic."""
    left, right = comparison.left.type, comparison.right.type
    if AttributeType.OBJECT in (left, right):
        return None
    compiler = _Compiler(loads)
    type_ = compared_as(comparison.op, left, right) or left
    if not (compiler.value(comparison.left, type_, 1) and compiler.value(comparison.right, type_, 2)):
        return None
    return Reckoning(tuple(compiler.code), type_ in _FRACTIONS, tuple(compiler.reads))


def plain_bits(column: Column) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Whole numbers, ids and truths as int64, fractions as the bits of doubles; and where they are not null."""
    if column.type in _FRACTIONS:
        return column.values.astype(np.float64).view(np.int64), column.mask()
    return column.values.astype(np.int64), column.mask()


@dataclass(slots=True)
class _Compiler:
    loads: Loads
    code: list[int] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)

    def value(self, part: Expression, type_: AttributeType, depth: int) -> bool:
        """Leave ``part`` as a ``type_``, as the entry ``depth`` of the stack; False if that cannot be done."""
        if depth > STACK_ROOM:
            return False
        arriving = self.loads.arriving_bits(part)
        if arriving is not None:
            self.code += [s.LOAD_ARRIVING, 0, 0, arriving]
        elif (captured := self.loads.captured_bits(part)) is not None:
            self.reads.append(captured[:2])
            self.code += [s.LOAD_CAPTURED, *captured]
        elif not (isinstance(part, Arithmetic) and self._arithmetic(part, depth)):
            return False
        self._convert(part.type, type_)
        return True

    def _arithmetic(self, part: Arithmetic, depth: int) -> bool:
        operations: Callable[[ArithmeticOp], int | None]
        operations = (_OPERATIONS if part.type in _FRACTIONS else _WHOLE_OPERATIONS).get
        operation = operations(part.op)
        if operation is None:
            return False
        if not (self.value(part.left, part.type, depth) and self.value(part.right, part.type, depth + 1)):
            return False
        self._add(operation)
        if part.type is AttributeType.INT:
            self._add(s.TO_INT)
        elif part.type is AttributeType.FLOAT:
            self._add(s.ROUND)
        return True

    def _convert(self, given: AttributeType, wanted: AttributeType) -> None:
        """Bring the topmost value to a type that is no narrower but for double to float."""
        if given is wanted or wanted not in _FRACTIONS:
            return
        if given not in _FRACTIONS:
            self._add(s.TO_DOUBLE if wanted is AttributeType.DOUBLE else s.TO_FLOAT)
        elif wanted is AttributeType.FLOAT:
            self._add(s.ROUND)

    def _add(self, operation: int) -> None:
        self.code += [operation, 0, 0, 0]
