"""Sequences of single events of one stream that begin anew with every event: no partial matches, only rows in a row.

A match of k steps is k rows one after the other, so all is done by columns: which rows may be the first, of those
which have a neighbour that may be the second, and so on. Cost: array operations over the rows that are still in
question. State: the last k - 1 rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.compile_expression import may_fail
from eiha.engine.expressions.rows import Rows, Scope, TakenColumns
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.patterns.conditions import conjunction, conjuncts, steps_scope
from eiha.engine.patterns.layout import ONLY_EVENT
from eiha.engine.patterns.match_columns import MatchColumns
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import CHUNK_STRIDE, EventBatch, no_rows
from eiha.events.column import Column, concatenate
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.expressions import Expression
from eiha.plan.nodes import EveryNode, NextNode, PatternInput, PatternNode, StepNode

Longs = npt.NDArray[np.int64]
Check = Callable[[Rows], npt.NDArray[np.bool_] | bool]

_CLOCK: Final = Attribute("now_ms", AttributeType.LONG)


def is_consecutive(source: PatternInput) -> bool:
    """Whether ``source`` is such a sequence: ``every e1=S[...], e2=S[...]``, with conditions that cannot fail."""
    steps = source.steps
    if not source.is_sequence or len({step.stream for step in steps}) > 1:
        return False
    if any((step.min_count, step.max_count) != (1, 1) for step in steps):
        return False
    if any(step.condition is not None and may_fail(step.condition) for step in steps):
        return False
    return _repeats_first(source.root) and _is_of_single_steps(source.root)


def _repeats_first(node: PatternNode) -> bool:
    while isinstance(node, NextNode):
        node = node.elements[0]
    return isinstance(node, EveryNode)


def _is_of_single_steps(node: PatternNode) -> bool:
    match node:
        case StepNode():
            return True
        case EveryNode(element):
            return _is_of_single_steps(element)
        case NextNode(elements):
            return all(_is_of_single_steps(element) for element in elements)
        case _:
            return False


class ConsecutiveProgram:
    """What all instances of one such sequence share."""

    def __init__(self, source: PatternInput, columns: MatchColumns, scope: Scope) -> None:
        self.steps = len(source.steps)
        self.within_ms = source.within_ms
        self.columns = columns
        self.checks = tuple(_check(step.condition, scope) for step in source.steps)
        self.row_schema = source.steps[0].schema
        self.tail_schema = Schema((*self.row_schema.attributes, _CLOCK))


def _check(condition: Expression | None, scope: Scope) -> Check | None:
    parts = list(conjuncts(condition))
    return conjunction(parts, steps_scope(scope)) if parts else None


class ConsecutivePattern(Untimed):
    """One instance at work. A match has the timestamp of its last row, and is a chunk of its own."""

    __slots__ = ("_program", "_tail")

    def __init__(self, program: ConsecutiveProgram) -> None:
        self._program = program
        self._tail = no_rows(program.tail_schema)

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:  # noqa: ARG002 - there is one
        """The matches that the rows complete."""
        tail = self._tail
        held = len(tail)
        columns = tuple(
            concatenate([before, column]) if held else column
            for before, column in zip(tail.columns, batch.columns, strict=False)
        )
        timestamps = np.concatenate([tail.timestamps, batch.timestamps]) if held else batch.timestamps
        now_ms = np.concatenate([tail.columns[-1].values, clock.now_ms]) if held else clock.now_ms
        self._keep_tail(columns, timestamps, now_ms)
        last = self._program.steps - 1
        # a row that begins a match must leave room for the others, and the last one must be new
        first = np.arange(max(0, held - last), max(0, len(timestamps) - last), dtype=np.int64)
        ends = those_in_a_row(self._program, first, columns, timestamps, now_ms)
        chunks = batch.chunk_numbers().take(ends - held)
        chunks = numbers_apart(chunks) if batch.chunks is not None else chunks
        return matches_of(self._program, columns, timestamps, ends, chunks)

    def snapshot(self) -> OperatorState:
        """The last rows."""
        store = RowStore(self._program.tail_schema)
        store.append(self._tail)
        return {"tail": store.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        schema = self._program.tail_schema
        store = RowStore(schema)
        store.restore(state["tail"])
        everything = np.arange(store.start, store.stop, dtype=np.int64)
        self._tail = EventBatch(schema, store.timestamps.take(everything), store.take(everything))

    def _keep_tail(self, columns: tuple[Column, ...], timestamps: Longs, now_ms: Longs) -> None:
        start, stop = max(0, len(timestamps) - self._program.steps + 1), len(timestamps)
        kept = np.arange(start, stop, dtype=np.int64)
        clock = Column(AttributeType.LONG, now_ms.take(kept))
        self._tail = EventBatch(
            self._program.tail_schema,
            timestamps.take(kept),
            (*(column.take(kept) for column in columns), clock),
        )


def those_in_a_row(
    program: ConsecutiveProgram, first: Longs, columns: tuple[Column, ...], timestamps: Longs, now_ms: Longs
) -> Longs:
    """Of matches that might begin at the rows ``first``, the last rows of those that are matches."""
    for step, check in enumerate(program.checks):
        if step and program.within_ms is not None:
            first = first[np.abs(timestamps.take(first + step) - timestamps.take(first)) <= program.within_ms]
        if check is None or not len(first):
            continue
        rows = Rows(
            len(first),
            tuple([TakenColumns(columns, first + each) for each in range(step + 1)]),
            timestamps.take(first + step),
            now_ms.take(first + step),
        )
        mask: Any = check(rows)
        if isinstance(mask, bool):
            first = first if mask else first[:0]
        else:
            first = first[mask]
    return first + program.steps - 1


def matches_of(
    program: ConsecutiveProgram, columns: tuple[Column, ...], timestamps: Longs, ends: Longs, chunks: Longs
) -> EventBatch:
    """The matches that end at the rows ``ends``, by their chunks."""
    count = len(ends)
    out: list[Column] = []
    for each in program.columns.values:
        if each.event_index in ONLY_EVENT:
            out.append(columns[each.attribute].take(ends - (program.steps - 1 - each.source)))
        else:
            zeros = (
                np.zeros(count, dtype=each.type.dtype)
                if each.type is not AttributeType.OBJECT
                else (np.full(count, None, dtype=np.object_))
            )
            out.append(Column(each.type, zeros, np.zeros(count, dtype=np.bool_)))
    for flag in program.columns.events:
        missing = np.full(count, flag.event_index not in ONLY_EVENT, dtype=np.bool_)
        out.append(Column(AttributeType.BOOL, missing))
    return EventBatch(program.columns.schema, timestamps.take(ends), tuple(out), chunks=chunks)


def numbers_apart(chunks: Longs) -> Longs:
    """Numbers of their own for matches that rows of one chunk complete, as near as there is room."""
    if len(chunks) < 2 or bool((chunks[1:] > chunks[:-1]).all()):
        return chunks
    numbers: list[int] = []
    last = -1
    for chunk in chunks.tolist():
        end = chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1
        last = chunk if chunk > last else min(last + 1, end)
        numbers.append(last)
    return np.array(numbers, dtype=np.int64)
