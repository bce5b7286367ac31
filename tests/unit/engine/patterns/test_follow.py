"""Patterns find what a row-by-row search finds: values, order, timestamps, chunks, in either mode and however cut."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.expressions.rows import Scope
from eiha.engine.operator import RowClock
from eiha.engine.patterns.chain import make_chain
from eiha.engine.patterns.follow import FollowPattern
from eiha.engine.patterns.layout import match_schema
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.column import make_column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import (
    Arithmetic,
    ArithmeticOp,
    AttributeRef,
    Compare,
    CompareOp,
    Expression,
    IsNull,
    Literal,
    Logic,
    LogicOp,
    Not,
)
from eiha.plan.nodes import EveryNode, NextNode, PatternInput, PatternNode, PatternStep, StepNode

SCHEMA = Schema(
    (
        Attribute("k", AttributeType.STRING),
        Attribute("n", AttributeType.INT),
        Attribute("x", AttributeType.DOUBLE),
    )
)

Values = tuple[int | None, int | None, float | None]


@dataclass(frozen=True)
class Event:
    ts: int
    values: Values


def k(step: int) -> AttributeRef:
    return AttributeRef(step, 0, "k", AttributeType.STRING)


def n(step: int) -> AttributeRef:
    return AttributeRef(step, 1, "n", AttributeType.INT)


def x(step: int) -> AttributeRef:
    return AttributeRef(step, 2, "x", AttributeType.DOUBLE)


def both(left: Expression, right: Expression) -> Logic:
    return Logic(LogicOp.AND, left, right)


def equal(left: int | float | None, right: int | float | None) -> bool:
    return left is not None and right is not None and left == right


def above(left: float | None, right: float | None) -> bool:
    return left is not None and right is not None and left > right


Check = Callable[[list[Event], Event], bool]
"""captured events in order, arriving event"""


@dataclass
class Case:
    streams: str
    root: PatternNode
    repeated: list[tuple[int, int]]
    within: int | None = None
    conditions: dict[int, Expression] = None  # type: ignore[assignment]
    checks: dict[int, Check] = None  # type: ignore[assignment]


def steps(*positions: int) -> tuple[StepNode, ...]:
    return tuple(StepNode(position) for position in positions)


ARITHMETIC = Compare(
    CompareOp.GREATER,
    Arithmetic(
        ArithmeticOp.ADD,
        Arithmetic(ArithmeticOp.SUBTRACT, x(1), x(0), AttributeType.DOUBLE),
        n(0),
        AttributeType.DOUBLE,
    ),
    Literal(0.0, AttributeType.DOUBLE),
)

CASES = {
    "A -> B": Case("AB", NextNode(steps(0, 1)), []),
    "every A -> B within": Case("AB", NextNode((EveryNode(StepNode(0)), StepNode(1))), [(0, 0)], 20),
    "every A -> B[k == e1.k]": Case(
        "AB",
        NextNode((EveryNode(StepNode(0)), StepNode(1))),
        [(0, 0)],
        40,
        {1: Compare(CompareOp.EQUAL, k(1), k(0))},
        {1: lambda captured, event: equal(event.values[0], captured[0].values[0])},
    ),
    "every A[n > 1] -> A[n > e1.x and not (x > e1.x)]": Case(
        "AA",
        NextNode((EveryNode(StepNode(0)), StepNode(1))),
        [(0, 0)],
        30,
        {
            0: Compare(CompareOp.GREATER, n(0), Literal(1, AttributeType.INT)),
            1: both(
                Compare(CompareOp.GREATER, n(1), x(0)),
                Not(Compare(CompareOp.GREATER, x(1), x(0))),
            ),
        },
        {
            0: lambda captured, event: above(event.values[1], 1),
            1: lambda captured, event: (
                above(event.values[1], captured[0].values[2]) and not above(event.values[2], captured[0].values[2])
            ),
        },
    ),
    "every (A -> A) within": Case("AA", EveryNode(NextNode(steps(0, 1))), [(0, 1)], 15),
    "every (A -> B) -> A[e1.x is null or k == e2.k]": Case(
        "ABA",
        NextNode((EveryNode(NextNode(steps(0, 1))), StepNode(2))),
        [(0, 1)],
        60,
        {2: Logic(LogicOp.OR, IsNull(x(0)), Compare(CompareOp.EQUAL, k(2), k(1)))},
        {2: lambda captured, event: captured[0].values[2] is None or equal(event.values[0], captured[1].values[0])},
    ),
    "every A -> every B -> C[k == e1.k]": Case(
        "ABC",
        NextNode((EveryNode(StepNode(0)), EveryNode(StepNode(1)), StepNode(2))),
        [(0, 0), (1, 1)],
        50,
        {2: Compare(CompareOp.EQUAL, k(0), k(2))},
        {2: lambda captured, event: equal(captured[0].values[0], event.values[0])},
    ),
    "every A -> B[(x - e1.x) + e1.n > 0]": Case(
        "AB",
        NextNode((EveryNode(StepNode(0)), StepNode(1))),
        [(0, 0)],
        40,
        {1: ARITHMETIC},
        {
            1: lambda captured, event: (
                None not in (event.values[2], captured[0].values[2], captured[0].values[1])
                and event.values[2] - captured[0].values[2] + captured[0].values[1] > 0  # type: ignore[operator]
            )
        },
    ),
    "A -> every B[x > e1.x]": Case(
        "AB",
        NextNode((StepNode(0), EveryNode(StepNode(1)))),
        [(1, 1)],
        None,
        {1: Compare(CompareOp.LESS, x(0), x(1))},
        {1: lambda captured, event: above(event.values[2], captured[0].values[2])},
    ),
    "A -> every (B -> A)": Case("ABA", NextNode((StepNode(0), EveryNode(NextNode(steps(1, 2))))), [(1, 2)], 80),
    "every A": Case("A", EveryNode(StepNode(0)), [(0, 0)]),
}


def make(case: Case) -> FollowPattern:
    pattern_steps = tuple(
        PatternStep(f"e{index + 1}", stream, SCHEMA, (case.conditions or {}).get(index))
        for index, stream in enumerate(case.streams)
    )
    source = PatternInput(False, pattern_steps, case.root, case.within)
    return FollowPattern(make_chain(source), match_schema(source), Scope(StringTable()))


@dataclass
class Call:
    stream: str
    chunks: list[list[Event]]


Match = tuple[int, int, tuple[Values, ...]]
"""chunk, timestamp, events"""


def search(case: Case, calls: list[Call]) -> list[Match]:
    """Each partial match is the list of its events; lists of them wait for each step."""
    count = len(case.streams)
    waiting: list[list[list[Event]]] = [[[]]] + [[] for _ in range(count - 1)]
    out: list[Match] = []
    for call in calls:
        last = -1
        for number, chunk in enumerate(call.chunks):
            for event in chunk:
                drop_late(case, waiting, event)
                added: list[list[list[Event]]] = [[] for _ in range(count)]
                found = 0
                for step in reversed(range(count)):
                    if case.streams[step] != call.stream:
                        continue
                    kept = []
                    for captured in waiting[step]:
                        check = (case.checks or {}).get(step)
                        if check is not None and not check(captured, event):
                            kept.append(captured)
                            continue
                        for first, end in case.repeated:
                            if end == step:
                                added[first].append(captured[:first])
                        if step < count - 1:
                            added[step + 1].append([*captured, event])
                            continue
                        number_out = number * CHUNK_STRIDE
                        if case.streams.count(call.stream) > 1 and found:
                            number_out = last
                        elif number_out <= last:
                            number_out = last + 1
                        last = number_out
                        found += 1
                        out.append((number_out, event.ts, tuple(e.values for e in [*captured, event])))
                    waiting[step] = kept
                for step in range(count):
                    waiting[step] += added[step]
    return out


def drop_late(case: Case, waiting: list[list[list[Event]]], event: Event) -> None:
    if case.within is None:
        return
    for step in range(1, len(waiting)):
        lost = [captured for captured in waiting[step] if abs(captured[0].ts - event.ts) > case.within]
        waiting[step] = [captured for captured in waiting[step] if captured not in lost]
        if any(first == 0 < step <= end for first, end in case.repeated):
            waiting[0] += [[] for _ in lost]


def run(case: Case, calls: list[Call], carry: bool = False) -> list[Match]:
    operator = make(case)
    out: list[Match] = []
    for call in calls:
        batch = as_batch(call)
        found = operator.receive(call.stream, batch, RowClock(batch.timestamps))
        out += as_matches(found, len(case.streams))
        if carry:
            state = pickle.loads(pickle.dumps(operator.snapshot()))
            operator = make(case)
            operator.restore(state)
    return out


def as_batch(call: Call) -> EventBatch:
    events = [event for chunk in call.chunks for event in chunk]
    numbers = [index * CHUNK_STRIDE for index, chunk in enumerate(call.chunks) for _ in chunk]
    columns = []
    for index, attribute in enumerate(SCHEMA.attributes):
        values = [event.values[index] for event in events]
        filled = np.array([0 if value is None else value for value in values], dtype=attribute.type.dtype)
        columns.append(make_column(attribute.type, filled, np.array([value is not None for value in values])))
    timestamps = np.array([event.ts for event in events], dtype=np.int64)
    return EventBatch(SCHEMA, timestamps, tuple(columns), chunks=np.array(numbers, dtype=np.int64))


def as_matches(found: EventBatch, count: int) -> list[Match]:
    matches: list[Match] = []
    numbers = found.chunk_numbers()
    for row in range(len(found)):
        values = [
            column.values[row].item() if column.valid is None or column.valid[row] else None for column in found.columns
        ]
        events = tuple((values[3 * step], values[3 * step + 1], values[3 * step + 2]) for step in range(count))
        matches.append((int(numbers[row]), int(found.timestamps[row]), events))
    return matches


@st.composite
def scripts(draw: st.DrawFn, streams: str) -> list[Call]:
    calls = []
    now = 1000
    for _ in range(draw(st.integers(1, 30))):
        stream = draw(st.sampled_from(streams))
        chunks = []
        for _ in range(draw(st.integers(1, 4))):
            now += draw(st.sampled_from([0, 1, 5, 10, 25]))
            chunks.append(
                [
                    Event(
                        now - draw(st.sampled_from([0, 0, 0, 30])),
                        (
                            draw(st.sampled_from([None, 0, 1, 2])),
                            draw(st.sampled_from([None, 0, 1, 2, 3])),
                            draw(st.sampled_from([None, -1.5, 0.0, 1.0, 2.0])),
                        ),
                    )
                    for _ in range(draw(st.sampled_from([1, 1, 1, 3])))
                ]
            )
        calls.append(Call(stream, chunks))
    return calls


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_a_pattern_finds_what_a_row_by_row_search_finds(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    calls = data.draw(scripts("".join(sorted(set(case.streams + "A")))))
    expectation = search(case, calls)
    assert run(case, calls) == expectation
    with jit.interpreted():
        assert run(case, calls) == expectation


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(deadline=None, max_examples=12)
def test_neither_cuts_nor_a_carried_state_change_the_matches(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    calls = data.draw(scripts("".join(sorted(set(case.streams + "A")))))
    pieces = [Call(call.stream, [chunk]) for call in calls for chunk in call.chunks]
    whole = [match[1:] for match in run(case, calls)]
    assert [match[1:] for match in run(case, pieces)] == whole
    assert [match[1:] for match in run(case, pieces, carry=True)] == whole


def test_more_partial_matches_than_slots_and_more_matches_than_room_are_no_limit() -> None:
    case = CASES["every A -> B within"]
    begun = Call("A", [[Event(index % 7, (index, index, 0.5))] for index in range(3000)])
    ended = Call("B", [[Event(5, (1, 2, 3.0))]])
    assert len(run(case, [begun, ended])) == 3000


def test_within_keeps_no_more_matches_and_events_than_its_span_holds() -> None:
    operator = make(CASES["every A -> B within"])
    for start in range(0, 100_000, 1000):
        call = Call("A", [[Event(start + index, (index % 5, 1, 1.0))] for index in range(1000)])
        batch = as_batch(call)
        operator.receive("A", batch, RowClock(batch.timestamps))
    state = operator.snapshot()
    assert len(state["matches"]["queues"][1]["first_ms"]) == 21
    assert len(state["stores"][0]["timestamps"]) == 21


def test_nan_equals_nothing_and_orders_with_nothing() -> None:
    case = Case(
        "AB",
        NextNode((EveryNode(StepNode(0)), StepNode(1))),
        [(0, 0)],
        None,
        {1: Compare(CompareOp.EQUAL, x(0), x(1))},
    )
    begun = Call("A", [[Event(0, (1, 1, math.nan))], [Event(0, (2, 1, -0.0))]])
    ended = Call("B", [[Event(1, (3, 1, math.nan))], [Event(1, (4, 1, 0.0))]])
    assert [match[2][0][0] for match in run(case, [begun, ended])] == [2]


HOLDS: dict[CompareOp, Callable[[int, int], bool]] = {
    CompareOp.EQUAL: lambda left, right: left == right,
    CompareOp.NOT_EQUAL: lambda left, right: left != right,
    CompareOp.LESS: lambda left, right: left < right,
    CompareOp.LESS_EQUAL: lambda left, right: left <= right,
    CompareOp.GREATER: lambda left, right: left > right,
    CompareOp.GREATER_EQUAL: lambda left, right: left >= right,
}


@pytest.mark.parametrize("captured_first", [True, False], ids=["e1.n op n", "n op e1.n"])
@pytest.mark.parametrize("negated", [False, True], ids=["plain", "not"])
@pytest.mark.parametrize("op", CompareOp)
def test_comparisons_hold_whichever_side_is_captured(op: CompareOp, negated: bool, captured_first: bool) -> None:
    condition: Expression = Compare(op, n(0), n(1)) if captured_first else Compare(op, n(1), n(0))
    condition = Not(condition) if negated else condition
    case = Case("AB", NextNode((EveryNode(StepNode(0)), StepNode(1))), [(0, 0)], None, {1: condition})
    for arriving in (1, 2, 3):
        found = run(case, [Call("A", [[Event(0, (0, 2, 0.0))]]), Call("B", [[Event(1, (0, arriving, 0.0))]])])
        left, right = (2, arriving) if captured_first else (arriving, 2)
        assert bool(found) == (HOLDS[op](left, right) != negated)
    nothing = run(case, [Call("A", [[Event(0, (0, None, 0.0))]]), Call("B", [[Event(1, (0, 2, 0.0))]])])
    assert bool(nothing) == ((op is CompareOp.NOT_EQUAL) != negated)
