"""A step's condition for the general machine: once per batch over the rows alone, then match by match.

The parts of the conjunction that read the arriving event only become one mask per batch. The rest looks at captured
events: as a closure over Python values while few matches wait, by columns over all that wait otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from eiha.engine.expressions.compile_expression import compile_condition, may_fail
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.patterns.captured import Event, PartialMatch, column_of_values
from eiha.engine.patterns.conditions import conjuncts, event_scope
from eiha.engine.patterns.implied_bounds import implied_bounds
from eiha.engine.patterns.references import Read, Reader, references
from eiha.engine.patterns.scalar_expression import scalar_expression
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import AttributeRef, EventIsNull, Expression, Logic, LogicOp
from eiha.plan.nodes import PatternStep

_BY_COLUMNS_FROM: Final = 48
"""Matches from which on columns are faster than closures."""


class StepCheck:
    """The condition of the step at ``position``."""

    __slots__ = ("_columnar", "_reads", "_scalar", "own", "rest")

    def __init__(self, steps: tuple[PatternStep, ...], position: int, scope: Scope) -> None:
        own: list[Callable[[Rows], Any]] = [
            compile_condition(part, event_scope(scope)) for part in implied_bounds(steps, position)
        ]
        rest: list[Expression] = []
        for part in conjuncts(steps[position].condition):
            if not may_fail(part) and all(_is_arriving(each, position) for each in references(part)):
                own.append(compile_condition(part, event_scope(scope)))
            else:
                rest.append(part)
        self.own = tuple(own)
        self.rest = tuple(rest)
        self._scalar: Read | None = None
        self._columnar: Callable[[Rows], Any] | None = None
        self._reads: list[tuple[Read, AttributeType]] = []

    def compile(self, position: int, reader: Reader, scope: Scope) -> None:
        """Make the functions for the rest, once it is known which values events keep."""
        if not self.rest:
            return
        whole = self.rest[0]
        for part in self.rest[1:]:
            whole = Logic(LogicOp.AND, whole, part)
        self._scalar = scalar_expression(whole, position, reader, scope.strings)
        reads = self._reads

        def column(read: Read, type_: AttributeType) -> Callable[[Rows], Column]:
            reads.append((read, type_))
            slot = len(reads) - 1
            return lambda rows: rows.columns[0][slot]

        def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
            return column(reader.value(reference, position), reference.type)

        def event_is_null(node: EventIsNull) -> Callable[[Rows], Column]:
            event = reader.event(node.source, node.event_index, position)
            return column(lambda match, arriving: event(match, arriving) is None, AttributeType.BOOL)

        self._columnar = compile_condition(whole, replace(scope, attribute=attribute, event_is_null=event_is_null))

    def mask(self, rows: Rows) -> Any:
        """The rows that may serve at all: bool[n], or one bool."""
        mask: Any = True
        for part in self.own:
            mask = mask & part(rows)
        return mask

    def holds(self, matches: list[PartialMatch], event: Event, now_ms: int) -> list[bool] | None:
        """For each match whether the rest holds with ``event``; None: it always does.

        Raises:
            EngineFault: the condition cannot be computed.
        """
        if self._columnar is None or not matches:
            return None
        scalar = self._scalar
        if scalar is not None and len(matches) < _BY_COLUMNS_FROM:
            return [bool(scalar(match, event)) for match in matches]
        count = len(matches)
        rows = Rows(
            count,
            (_Gathered(self._reads, matches, event),),
            np.full(count, event.timestamp, dtype=np.int64),
            np.full(count, now_ms, dtype=np.int64),
        )
        mask = self._columnar(rows)
        return [mask] * count if isinstance(mask, bool) else mask.tolist()


def _is_arriving(reference: AttributeRef | EventIsNull, position: int) -> bool:
    return isinstance(reference, AttributeRef) and reference.source == position and reference.event_index == 0


class _Gathered:
    """What a condition reads, as columns over the matches that wait, made when they are first read."""

    def __init__(self, reads: list[tuple[Read, AttributeType]], matches: list[PartialMatch], event: Event) -> None:
        self._reads = reads
        self._matches = matches
        self._event = event

    def __getitem__(self, position: Any, /) -> Column:
        read, type_ = self._reads[position]
        return column_of_values([read(match, self._event) for match in self._matches], type_)

    def __len__(self) -> int:
        return len(self._reads)

    def __iter__(self) -> Iterator[Column]:
        return (self[position] for position in range(len(self)))
