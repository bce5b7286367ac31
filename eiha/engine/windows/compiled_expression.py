"""``expression`` and ``expressionBatch`` whose condition is a program: see ``expression`` for what they do.

Rows lie in the store, in order of arrival, and what the condition reads of each lies beside them, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.expressions.rows import Rows
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.windows.condition_kernels import (
    AGGREGATE,
    HEAD,
    LEAST_WHOLE,
    TAIL,
    batch_by_condition,
    slide_by_condition,
    tell_all,
)
from eiha.engine.windows.condition_program import ConditionProgram, condition_program
from eiha.engine.windows.emission import Emission
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.column import Column, Mask
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import Expression, Literal

Longs = npt.NDArray[np.int64]

Fractions = npt.NDArray[np.float64]
_Arguments = tuple[
    Longs, int, Longs, Fractions, Mask, Longs, Longs, Longs, Fractions, Longs, int, int, Longs, Fractions, Mask, int
]

_FRACTIONS: Final = (AttributeType.FLOAT, AttributeType.DOUBLE)


class Operands:
    """What a program reads of each row, one row's after the other's, at the positions that the rows have in a store."""

    __slots__ = ("_capacity", "_evaluate", "fractions", "nulls", "wholes", "width")

    def __init__(self, program: ConditionProgram) -> None:
        self._evaluate = program.operands
        self.width = max(len(program.operands), 1)
        self._capacity = 0
        self.wholes: Longs = np.empty(0, dtype=np.int64)
        self.fractions: Fractions = np.empty(0, dtype=np.float64)
        self.nulls: Mask = np.empty(0, dtype=np.bool_)

    def add(self, store: RowStore, batch: EventBatch, first: int, moved: int) -> None:
        """The rows of ``batch`` were appended to ``store`` at ``first``; those held before moved down by ``moved``."""
        width, capacity = self.width, store.capacity
        held = slice((store.start + moved) * width, (first + moved) * width)
        target = slice(store.start * width, first * width)
        if capacity != self._capacity:
            self._capacity = capacity
            for name in ("wholes", "fractions", "nulls"):
                values = getattr(self, name)
                longer = np.zeros(capacity * width, dtype=values.dtype)
                longer[target] = values[held]
                setattr(self, name, longer)
        elif moved:
            for values in (self.wholes, self.fractions, self.nulls):
                values[target] = values[held].copy()
        count = len(batch)
        rows = Rows(count, (batch.columns,), batch.timestamps, np.zeros(count, dtype=np.int64))
        begin, stop = first * width, (first + count) * width
        for number, evaluate in enumerate(self._evaluate):
            column = evaluate(rows)
            place = slice(begin + number, stop, width)
            values = self.fractions if column.type in _FRACTIONS else self.wholes
            values[place] = column.values
            self.nulls[place] = _nulls(column)


def _nulls(column: Column) -> Any:
    return False if column.valid is None else ~column.valid


class RunningCondition:
    """A program with its registers and aggregates, over the rows of a store."""

    __slots__ = (
        "_candidates", "_counts", "_extremes", "_origin", "_program", "_room", "_sums", "_whole_sums", "aggregates",
        "fractions", "nulls", "operands", "wholes",
    )  # fmt: skip

    def __init__(self, program: ConditionProgram) -> None:
        self._program = program
        self.operands = Operands(program)
        self.wholes, self.fractions = program.wholes.copy(), program.fractions.copy()
        self.nulls = program.nulls.copy()
        self.aggregates = program.aggregates.copy()
        count = len(self.aggregates) // AGGREGATE
        self._counts, self._whole_sums = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        self._sums = np.zeros(count, dtype=np.float64)
        self._extremes = np.flatnonzero(self.aggregates[::AGGREGATE] >= LEAST_WHOLE).tolist()
        self._candidates: Longs = np.zeros(count, dtype=np.int64)
        self._room = 1
        self._origin = 0
        self._tell()

    def append(self, store: RowStore, batch: EventBatch) -> int:
        """Add the rows of ``batch`` to ``store``; the position of the first one. Aggregates do not know them yet."""
        start, held = store.start, len(store)
        first = store.append(batch)
        moved = start - store.start if held else 0
        self._origin += moved
        self.operands.add(store, batch, first, moved)
        if self._extremes:
            self._make_room(len(batch))
        return first

    def arguments(self) -> _Arguments:
        """What both kernels are given."""
        program, operands = self._program, self.operands
        return (
            program.code, program.result, self.wholes, self.fractions, self.nulls, self.aggregates, self._counts,
            self._whole_sums, self._sums, self._candidates, self._room, self._origin, operands.wholes,
            operands.fractions, operands.nulls, operands.width,
        )  # fmt: skip

    def snapshot(self) -> OperatorState:
        """Counts and sums; what is least and greatest follows from the rows."""
        return {"counts": self._counts.copy(), "whole_sums": self._whole_sums.copy(), "sums": self._sums.copy()}

    def restore(self, state: OperatorState, store: RowStore, begin: int) -> None:
        """Take over what ``snapshot`` gave, for the rows of ``store``, of which those from ``begin`` on are in."""
        self._counts[:], self._whole_sums[:] = state["counts"], state["whole_sums"]
        self._sums[:] = state["sums"]
        self._origin = 0
        self.operands = Operands(self._program)
        self.operands.add(store, store.rows(store.start, store.stop), store.start, 0)
        self.aggregates[HEAD::AGGREGATE] = self.aggregates[TAIL::AGGREGATE] = 0
        self._make_room(len(store))
        for number in self._extremes:
            self._find_candidates(number, begin, store.stop)
        self._tell()

    def _find_candidates(self, number: int, begin: int, stop: int) -> None:
        """The rows, from the first one on, that no later row beats."""
        operands, base = self.operands, number * AGGREGATE
        kind, operand = self.aggregates[base], self.aggregates[base + 1]
        values = operands.wholes if (kind - LEAST_WHOLE) % 2 == 0 else operands.fractions
        sign = 1 if kind < LEAST_WHOLE + 2 else -1
        kept: list[int] = []
        for position in range(begin, stop):
            cell = position * operands.width + operand
            if operands.nulls[cell]:
                continue
            while kept and sign * values[kept[-1] * operands.width + operand] > sign * values[cell]:
                kept.pop()
            kept.append(position)
        place = number * self._room
        self._candidates[place : place + len(kept)] = kept
        self.aggregates[base + TAIL] = len(kept)

    def _make_room(self, rows: int) -> None:
        """Room for ``rows`` further candidates of each aggregate."""
        heads, tails = self.aggregates[HEAD::AGGREGATE], self.aggregates[TAIL::AGGREGATE]
        if int(tails.max(initial=0)) + rows <= self._room:
            return
        room = self._room
        most = int((tails - heads).max(initial=0)) + rows
        longer = room if 2 * most <= room else len(grown(np.zeros(0, dtype=np.int64), 2 * most))
        candidates = np.zeros(len(self._counts) * longer, dtype=np.int64)
        for number in self._extremes:
            held = self._candidates[number * room + heads[number] : number * room + tails[number]]
            candidates[number * longer : number * longer + len(held)] = held
        self._candidates, self._room = candidates, longer
        tails -= heads
        heads[:] = 0

    def _tell(self) -> None:
        operands = self.operands
        tell_all(
            self.aggregates, self._counts, self._whole_sums, self._sums, self._candidates, self._room, self._origin,
            operands.wholes, operands.fractions, operands.width, self.wholes, self.fractions, self.nulls,
        )  # fmt: skip


class CompiledExpressionWindow(Untimed):
    """Holds rows as long as the condition is true; it may be that none is left."""

    __slots__ = ("_condition", "_schema", "_store")

    def __init__(self, schema: Schema, program: ConditionProgram) -> None:
        self._schema = schema
        self._store = RowStore(schema)
        self._condition = RunningCondition(program)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Each row, behind those that leave."""
        store, condition = self._store, self._condition
        first = condition.append(store, batch)
        emission = Emission(len(store) + len(batch))
        rows, start = slide_by_condition(
            *condition.arguments(), store.start, first, store.timestamps, clock.now_ms, batch.chunk_numbers(),
            emission.positions, emission.kinds, emission.timestamps, emission.chunks,
        )  # fmt: skip
        out = emission.batch(rows, self._schema, store)
        store.drop(start - store.start)
        return out

    def content(self) -> EventBatch:
        """The rows held, oldest first."""
        return self._store.rows(self._store.start, self._store.stop)

    def snapshot(self) -> OperatorState:
        """The rows held, counts and sums."""
        return {"rows": self._store.snapshot(), "aggregates": self._condition.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._condition.restore(state["aggregates"], self._store, self._store.start)


class CompiledExpressionBatchWindow(Untimed):
    """Holds the batch that was put out last, and behind it, from ``_turn`` on, the one that is filling."""

    __slots__ = ("_condition", "_schema", "_store", "_streams", "_turn")

    def __init__(self, schema: Schema, program: ConditionProgram, *, streams: bool) -> None:
        self._schema = schema
        self._streams = streams
        self._store = RowStore(schema)
        self._condition = RunningCondition(program)
        self._turn = 0

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The batches that end; with the stream flag the rows themselves, each a chunk."""
        store, condition = self._store, self._condition
        filled = self._turn - store.start
        first = condition.append(store, batch)
        emission = Emission(2 * len(store))
        rows, start, self._turn = batch_by_condition(
            *condition.arguments(), store.start, store.start + filled, first, self._streams, store.timestamps,
            clock.now_ms, batch.chunk_numbers(), emission.positions, emission.kinds, emission.timestamps,
            emission.chunks,
        )  # fmt: skip
        out = emission.batch(rows, self._schema, store, collapses=True)
        store.drop(start - store.start)
        if not len(store):
            self._turn = 0
        return out

    def content(self) -> EventBatch:
        """The batch that is filling."""
        return self._store.rows(self._turn, self._store.stop)

    def snapshot(self) -> OperatorState:
        """Both batches, counts and sums."""
        return {
            "rows": self._store.snapshot(),
            "filled": self._turn - self._store.start,
            "aggregates": self._condition.snapshot(),
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self._store.restore(state["rows"])
        self._turn = state["filled"]
        self._condition.restore(state["aggregates"], self._store, self._turn)


def compiled_expression(
    name: str, schema: Schema, arguments: Sequence[Expression], strings: StringTable
) -> CompiledExpressionWindow | CompiledExpressionBatchWindow | None:
    """The window for bound ``arguments``; None if its condition has to be looked at row by row."""
    if name == "expression":
        program = condition_program(arguments[1:], strings)
        return None if program is None else CompiledExpressionWindow(schema, program)
    _, includes, streams, *condition = arguments
    assert isinstance(streams, Literal)
    program = condition_program(condition, strings, (includes,))
    return None if program is None else CompiledExpressionBatchWindow(schema, program, streams=bool(streams.value))
