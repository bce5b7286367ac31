"""A step's condition, split into what can be computed once per event and what must look at pairs.

The condition is a conjunction. Of its parts,

* those that read the arriving event only become one mask per batch;
* comparisons of the arriving event with one captured event become *tests*: each side is a *term*, computed by columns
  when its event arrives and kept as an int64 that orders like the value, so that the scan over partial matches
  compares two integers and looks up the outcome;
* parts that read one captured event only are a test whether their term is true;
* all others are evaluated by columns over the partial matches that wait, one arriving event at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, assert_never

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.compile_expression import compile_column, compile_condition
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.patterns.layout import ONLY_EVENT, event_is_null, missing
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import (
    AggregateRef,
    Arithmetic,
    AttributeRef,
    Call,
    Compare,
    CompareOp,
    EventIsNull,
    Expression,
    InTable,
    IsNull,
    Literal,
    Logic,
    LogicOp,
    Not,
    OutputRef,
)

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LESS: Final = 1
SAME: Final = 2
MORE: Final = 4
MISSING: Final = 8
"""How a captured value may stand to the arriving one; ``MISSING``: one of them is null or NaN."""

OUTCOMES: Final = {
    CompareOp.EQUAL: SAME,
    CompareOp.NOT_EQUAL: LESS | MORE | MISSING,
    CompareOp.LESS: LESS,
    CompareOp.LESS_EQUAL: LESS | SAME,
    CompareOp.GREATER: MORE,
    CompareOp.GREATER_EQUAL: MORE | SAME,
}
"""The outcomes for which ``captured OP arriving`` is true, as bits: what the scan is told of a comparison."""

_ALL_OUTCOMES: Final = LESS | SAME | MORE | MISSING

MIRRORED: Final = {
    CompareOp.EQUAL: CompareOp.EQUAL,
    CompareOp.NOT_EQUAL: CompareOp.NOT_EQUAL,
    CompareOp.LESS: CompareOp.GREATER,
    CompareOp.LESS_EQUAL: CompareOp.GREATER_EQUAL,
    CompareOp.GREATER: CompareOp.LESS,
    CompareOp.GREATER_EQUAL: CompareOp.LESS_EQUAL,
}
"""The operator when the sides change places."""

_READS_THE_MOMENT: Final = frozenset({"eventTimestamp", "currentTimeMillis", "UUID"})


@dataclass(frozen=True, slots=True)
class Term:
    """One side of a test: from the rows of a step's stream to ordered integers and where there is a value."""

    step: int
    evaluate: Callable[[Rows], tuple[Longs, Flags]]


@dataclass(frozen=True, slots=True)
class Test:
    """Whether ``captured`` stands to ``arriving`` as one of ``outcomes``; terms of an earlier step and of the step."""

    outcomes: int
    captured: Term
    arriving: Term


@dataclass(frozen=True, slots=True)
class StepCondition:
    """``own``: the mask of rows of the step's stream that may serve; ``general``: what needs whole matches."""

    own: tuple[Callable[[Rows], Flags | bool], ...]
    tests: tuple[Test, ...]
    general: Callable[[Rows], Flags | bool] | None


def split_condition(
    condition: Expression | None, step: int, scope: Scope, implied: Iterable[Expression] = ()
) -> StepCondition:
    """The parts of the condition of step ``step``; ``implied``: of the arriving event alone, true where it is."""
    own: list[Callable[[Rows], Flags | bool]] = [compile_condition(part, event_scope(scope)) for part in implied]
    tests: list[Test] = []
    general: list[Expression] = []
    for part in conjuncts(condition):
        sources = _sources(part, step)
        if sources <= {step}:
            own.append(compile_condition(part, event_scope(scope)))
        elif (test := _test(part, step, scope)) is not None:
            tests.append(test)
        else:
            general.append(part)
    return StepCondition(tuple(own), tuple(tests), conjunction(general, steps_scope(scope)))


def conjuncts(condition: Expression | None) -> Iterator[Expression]:
    """The parts that must all be true."""
    if condition is None:
        return
    if isinstance(condition, Logic) and condition.op is LogicOp.AND:
        yield from conjuncts(condition.left)
        yield from conjuncts(condition.right)
    else:
        yield condition


def conjunction(parts: list[Expression], scope: Scope) -> Callable[[Rows], Flags | bool] | None:
    """Where all parts are true; None for no parts."""
    if not parts:
        return None
    whole = parts[0]
    for part in parts[1:]:
        whole = Logic(LogicOp.AND, whole, part)
    return compile_condition(whole, scope)


def _test(part: Expression, step: int, scope: Scope) -> Test | None:
    negated = 0
    inner = part
    while isinstance(inner, Not):
        inner, negated = inner.operand, _ALL_OUTCOMES - negated
    if isinstance(inner, Compare) and AttributeType.OBJECT not in (inner.left.type, inner.right.type):
        left, right = _sources(inner.left, step), _sources(inner.right, step)
        common = compared_as(inner.left.type, inner.right.type)
        if right <= {step} and _is_one_captured(left, step):
            return Test(
                OUTCOMES[inner.op] ^ negated,
                _term(inner.left, min(left), common, scope),
                _term(inner.right, step, common, scope),
            )
        if left <= {step} and _is_one_captured(right, step):
            return Test(
                OUTCOMES[MIRRORED[inner.op]] ^ negated,
                _term(inner.right, min(right), common, scope),
                _term(inner.left, step, common, scope),
            )
    sources = _sources(part, step)
    if _is_one_captured(sources, step):
        truth = _term(part, min(sources), AttributeType.BOOL, scope)
        always = _term(Literal(True, AttributeType.BOOL), step, AttributeType.BOOL, scope)
        return Test(SAME, truth, always)
    return None


def _is_one_captured(sources: frozenset[int], step: int) -> bool:
    return len(sources) == 1 and step not in sources


def reads_the_moment(expression: Expression) -> bool:
    """Whether it reads the clock or the arriving event's time, in whatever place."""
    return -1 in _sources(expression, -1)


def compared_as(left: AttributeType, right: AttributeType) -> AttributeType:
    """The type in which two values are compared: int and long as floats with a float, all as doubles with a double."""
    for type_ in (AttributeType.DOUBLE, AttributeType.FLOAT):
        if type_ in (left, right):
            return type_
    return AttributeType.LONG


def _term(expression: Expression, step: int, compared_as: AttributeType, scope: Scope) -> Term:
    evaluate = compile_column(expression, event_scope(scope))
    return Term(step, lambda rows: ordered_integers(evaluate(rows), compared_as))


def ordered_integers(column: Column, compared_as: AttributeType) -> tuple[Longs, Flags]:
    """int64 values that compare as those of ``column`` do, and where they count.

    NaN does not count: like null it equals nothing, precedes nothing and differs from everything.
    """
    valid = column.mask()
    if compared_as not in (AttributeType.FLOAT, AttributeType.DOUBLE):
        return column.values.astype(np.int64), valid
    # a float's bits order like integers within one sign; adding zero makes -0.0 and 0.0 one value
    numbers = column.values.astype(compared_as.dtype).astype(np.float64) + 0.0
    bits = numbers.view(np.int64)
    ordered = np.where(bits < 0, bits ^ np.int64(0x7FFF_FFFF_FFFF_FFFF), bits)
    return ordered, valid & ~np.isnan(numbers)


def event_scope(scope: Scope) -> Scope:
    """Names over rows of one stream, whichever step they are of."""

    def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
        if reference.event_index not in ONLY_EVENT:
            return missing(reference)
        position = reference.attribute
        return lambda rows: rows.columns[0][position]

    return replace(scope, attribute=attribute, event_is_null=event_is_null)


def steps_scope(scope: Scope) -> Scope:
    """Names over rows that hold the columns of all steps, by step."""

    def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
        if reference.event_index not in ONLY_EVENT:
            return missing(reference)
        source, position = reference.source, reference.attribute
        return lambda rows: rows.columns[source][position]

    return replace(scope, attribute=attribute, event_is_null=event_is_null)


def _sources(expression: Expression, step: int) -> frozenset[int]:
    """The steps whose events ``expression`` reads; what depends on the moment reads the arriving event."""
    match expression:
        case AttributeRef(source):
            return frozenset({source})
        case Literal() | EventIsNull() | AggregateRef() | OutputRef():
            return frozenset()
        case Arithmetic(_, left, right) | Compare(_, left, right) | Logic(_, left, right):
            return _sources(left, step) | _sources(right, step)
        case Not(operand) | IsNull(operand):
            return _sources(operand, step)
        case Call(function, arguments):
            read = frozenset({step}) if function in _READS_THE_MOMENT else frozenset[int]()
            for argument in arguments:
                read |= _sources(argument, step)
            return read
        case InTable():
            raise AssertionError("in cannot stand in a pattern")
        case _:
            assert_never(expression)
