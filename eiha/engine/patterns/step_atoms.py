"""A step's condition on captured events as clauses of atoms, which the compiled machine looks up.

The condition is a disjunction of *clauses*, each a conjunction of *atoms*. An atom compares a value of one captured
event with one of the arriving event, or asks one event alone whether something is true of it. Values are *terms*:
computed by columns when their event arrives, kept as integers that order alike (see ``conditions``). What must reckon
with values of several events is an atom with instructions of its own (``step_reckoning``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.compile_expression import compile_column, may_fail
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, column_of
from eiha.engine.patterns.conditions import (
    MIRRORED,
    MISSING,
    OUTCOMES,
    SAME,
    compared_as,
    ordered_integers,
    reads_the_moment,
)
from eiha.engine.patterns.reckoned_comparison import Reckoning, plain_bits, reckoning
from eiha.engine.patterns.references import references
from eiha.engine.patterns.step_layout import RECKONED
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import (
    OWN_EVENT,
    WHOLE_LIST,
    AttributeRef,
    Compare,
    EventIsNull,
    Expression,
    Logic,
    LogicOp,
    Not,
)
from eiha.plan.nodes import PatternStep

Longs = npt.NDArray[np.int64]
Evaluate = Callable[[Rows], tuple[Longs, npt.NDArray[np.bool_]]]

ALL_OUTCOMES: Final = 15
_CLAUSES_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Term:
    """A value of events of ``stream``."""

    stream: str
    evaluate: Evaluate


@dataclass(frozen=True, slots=True)
class Atom:
    """``outcomes``: how the captured term may stand to the arriving one; ``if_missing``: what holds without event.

    ``source`` -1: no captured event; then ``outcomes`` is 1 if the arriving term must be true, else 0. ``compares``:
    the terms are values of the two events, and not whether something is true of the captured one. ``reckoning``: with
    the source ``RECKONED``, what makes the two values that must stand so.
    """

    source: int
    index: int
    term: int
    arriving: int
    outcomes: int
    if_missing: bool
    compares: bool = True
    reckoning: Reckoning | None = None

    @property
    def reads(self) -> tuple[tuple[int, int], ...]:
        """The captured events that it looks at, by step and index."""
        if self.reckoning is not None:
            return self.reckoning.reads
        return ((self.source, self.index),) if self.source >= 0 else ()


Clauses = list[tuple[Atom, ...]]


@dataclass(slots=True)
class AtomTable:
    """Collects the clauses of all steps and the terms that they compare."""

    steps: tuple[PatternStep, ...]
    scope: Scope
    captured: list[Term] = field(default_factory=list)
    arriving: list[Term] = field(default_factory=list)
    clauses: list[Clauses] = field(default_factory=list)

    def add(self, position: int, parts: Iterable[Expression]) -> bool:
        """Add the condition of the next step; False if it has no such form."""
        whole: Clauses = [()]
        some = False
        for part in parts:
            some = True
            clauses = None if may_fail(part) else self._clauses(part, position, negated=False)
            if clauses is None or len(whole) * len(clauses) > _CLAUSES_MAX:
                return False
            whole = [left + right for left in whole for right in clauses]
        self.clauses.append(whole if some else [])
        return True

    def _clauses(self, part: Expression, position: int, *, negated: bool) -> Clauses | None:
        if isinstance(part, Not):
            return self._clauses(part.operand, position, negated=not negated)
        if isinstance(part, Logic):
            left = self._clauses(part.left, position, negated=negated)
            right = self._clauses(part.right, position, negated=negated)
            if left is None or right is None:
                return None
            if (part.op is LogicOp.AND) == negated:
                return left + right
            return [one + other for one in left for other in right] if len(left) * len(right) <= _CLAUSES_MAX else None
        atom = self._atom(part, position)
        if atom is None:
            return None
        if negated:
            is_truth = atom.source < 0 and atom.reckoning is None
            flipped = 1 - atom.outcomes if is_truth else ALL_OUTCOMES ^ atom.outcomes
            atom = replace(atom, outcomes=flipped, if_missing=not atom.if_missing)
        return [(atom,)]

    def _atom(self, part: Expression, position: int) -> Atom | None:
        events = self.events(part, position)
        if events is None:
            return None
        captured = [each for each in events if each is not None]
        if not captured:
            return Atom(-1, 0, -1, self._arriving(part, position, AttributeType.BOOL), 1, False)
        if len(captured) == len(events) == 1:
            source, index = captured[0]
            truth = self._truth_when_missing(part)
            term = self._captured(part, source, AttributeType.BOOL)
            return Atom(source, index, term, self._always(position), SAME, truth, compares=False)
        if not isinstance(part, Compare):
            return None
        atom = self._comparison(part, position) if len(captured) == 1 else None
        return atom or self._reckoned(part, position)

    def _reckoned(self, part: Compare, position: int) -> Atom | None:
        found = reckoning(part, _Loads(self, position))
        if found is None:
            return None
        return Atom(RECKONED, 0, 0, 0, OUTCOMES[part.op], False, compares=False, reckoning=found)

    def _comparison(self, part: Compare, position: int) -> Atom | None:
        left, right, op = part.left, part.right, part.op
        if AttributeType.OBJECT in (left.type, right.type):
            return None
        left_events, right_events = self.events(left, position), self.events(right, position)
        assert left_events is not None
        assert right_events is not None
        if left_events <= {None}:
            left, right, op, left_events, right_events = right, left, MIRRORED[op], right_events, left_events
        pair = next(iter(left_events))
        if len(left_events) != 1 or pair is None or not right_events <= {None} or self.when_missing(left) is not None:
            return None
        common = compared_as(left.type, right.type)
        term, arriving = self._captured(left, pair[0], common), self._arriving(right, position, common)
        outcomes = OUTCOMES[op]
        return Atom(pair[0], pair[1], term, arriving, outcomes, bool(outcomes & MISSING))

    def events(self, part: Expression, position: int) -> frozenset[tuple[int, int] | None] | None:
        """The events that ``part`` reads, None for the arriving one; no answer if one is read in another way."""
        found: set[tuple[int, int] | None] = {None} if reads_the_moment(part) else set()
        step = self.steps[position]
        for each in references(part):
            if each.source < 0 or each.event_index >= OWN_EVENT or each.event_index == WHOLE_LIST:
                return None
            if each.source != position:
                found.add((each.source, each.event_index))
            elif isinstance(each, AttributeRef) and each.event_index == 0:
                found.add(None)
            elif (step.min_count, step.max_count) == (1, 1) or each.event_index >= 0:
                return None
            else:
                found.add((each.source, each.event_index))
        return frozenset(found)

    def _captured(self, part: Expression, source: int, common: AttributeType) -> int:
        self.captured.append(self._term(part, source, common))
        return len(self.captured) - 1

    def _arriving(self, part: Expression, position: int, common: AttributeType) -> int:
        self.arriving.append(self._term(part, position, common))
        return len(self.arriving) - 1

    def add_bits(self, part: Expression, source: int, *, is_arriving: bool) -> int:
        """Add ``part``, which reads one event of step ``source``, as a term of plain bits; its number."""
        evaluate = self._evaluate(part)
        terms = self.arriving if is_arriving else self.captured
        terms.append(Term(self.steps[source].stream, lambda rows: plain_bits(evaluate(rows))))
        return len(terms) - 1

    def _always(self, position: int) -> int:
        def ones(rows: Rows) -> tuple[Longs, npt.NDArray[np.bool_]]:
            return np.ones(rows.count, dtype=np.int64), np.ones(rows.count, dtype=np.bool_)

        self.arriving.append(Term(self.steps[position].stream, ones))
        return len(self.arriving) - 1

    def _term(self, part: Expression, source: int, common: AttributeType) -> Term:
        evaluate = self._evaluate(part)
        return Term(self.steps[source].stream, lambda rows: ordered_integers(evaluate(rows), common))

    def _evaluate(self, part: Expression) -> Callable[[Rows], Column]:
        def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
            return lambda rows: rows.columns[0][reference.attribute]

        return compile_column(part, replace(self.scope, attribute=attribute, event_is_null=_is_there))

    def when_missing(self, part: Expression) -> object:
        """The value of ``part`` if the event that it reads did not come; None: null."""

        def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
            null = Constant(reference.type, None)
            return lambda rows: column_of(null, rows.count)

        evaluate = compile_column(part, replace(self.scope, attribute=attribute, event_is_null=_is_missing))
        clock = np.zeros(1, dtype=np.int64)
        column = evaluate(Rows(1, ((),), clock, clock))
        return column.values[0] if column.mask()[0] else None

    def _truth_when_missing(self, part: Expression) -> bool:
        return bool(self.when_missing(part))


@dataclass(frozen=True, slots=True)
class _Loads:
    """Makes terms of what a comparison at step ``position`` reads."""

    table: AtomTable
    position: int

    def arriving_bits(self, part: Expression) -> int | None:
        events = self.table.events(part, self.position)
        if events is None or not events <= {None}:
            return None
        return self.table.add_bits(part, self.position, is_arriving=True)

    def captured_bits(self, part: Expression) -> tuple[int, int, int] | None:
        events = self.table.events(part, self.position)
        pair = next(iter(events)) if events is not None and len(events) == 1 else None
        if pair is None or self.table.when_missing(part) is not None:
            return None
        return (*pair, self.table.add_bits(part, pair[0], is_arriving=False))


def _is_there(_node: EventIsNull) -> Callable[[Rows], Column]:
    return lambda rows: Column(AttributeType.BOOL, np.zeros(rows.count, dtype=np.bool_))


def _is_missing(_node: EventIsNull) -> Callable[[Rows], Column]:
    return lambda rows: Column(AttributeType.BOOL, np.ones(rows.count, dtype=np.bool_))
