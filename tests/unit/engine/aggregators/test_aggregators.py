"""Aggregators against lists of what is in, whatever the cut into batches; and the law of snapshots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.aggregators.factory import make_aggregator
from eiha.engine.expressions.rows import Scope
from eiha.engine.snapshot import decode_state, encode_state
from eiha.errors import UnsupportedConstruct
from eiha.events.batch import Kind
from eiha.events.column import make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef
from eiha.plan.nodes import Aggregate

NAMES = ("sum", "avg", "count", "min", "max", "stdDev", "distinctCount", "minForever", "maxForever")


@dataclass(frozen=True)
class Step:
    """Add a value (or null) to a group, take the oldest of a group away, or reset all."""

    action: str
    group: int
    value: int | None


steps_strategy = st.lists(
    st.builds(
        Step,
        st.sampled_from(["add", "add", "add", "remove", "remove", "reset"]),
        st.integers(0, 3),
        st.one_of(st.none(), st.integers(-5, 5)),
    ),
    max_size=40,
)


def aggregate(name: str, type_: AttributeType) -> Aggregate:
    result = {"count": AttributeType.LONG, "distinctCount": AttributeType.LONG}.get(name, AttributeType.DOUBLE)
    return Aggregate(name, AttributeRef(0, 0, "x", type_), result)


def expected(name: str, held: list[int | None], ever: list[int | None]) -> Any:
    known = [value for value in held if value is not None]
    match name:
        case "count":
            return len(held)
        case "distinctCount":
            return len(set(held))
        case "minForever" | "maxForever":
            seen = [value for value in ever if value is not None]
            return (min(seen) if name == "minForever" else max(seen)) if seen else None
    if not known:
        return None
    match name:
        case "sum":
            return sum(known)
        case "avg":
            return sum(known) / len(known)
        case "min":
            return min(known)
        case "max":
            return max(known)
        case _:
            mean = sum(known) / len(known)
            return math.sqrt(sum((value - mean) ** 2 for value in known) / len(known))


def play(steps: list[Step]) -> tuple[list[tuple[int, int, int | None, int]], list[tuple[list[Any], list[Any]]]]:
    """Rows (group, kind, value, epoch), and after each what its group holds and ever held since the reset."""
    held: dict[int, list[Any]] = {}
    ever: dict[int, list[Any]] = {}
    rows, after = [], []
    epoch = 0
    for step in steps:
        if step.action == "reset":
            epoch += 1
            held, ever = {}, {}
            continue
        group = held.setdefault(step.group, [])
        seen = ever.setdefault(step.group, [])
        if step.action == "add":
            group.append(step.value)
            seen.append(step.value)
            rows.append((step.group, int(Kind.CURRENT), step.value, epoch))
        elif group:
            rows.append((step.group, int(Kind.EXPIRED), group.pop(0), epoch))
        else:
            continue
        after.append((list(group), list(seen)))
    return rows, after


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@pytest.mark.parametrize("type_", [AttributeType.INT, AttributeType.DOUBLE], ids=lambda type_: type_.value)
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(steps=steps_strategy, cut=st.integers(0, 40))
def test_aggregates_are_those_of_what_is_in_also_after_a_restore(
    name: str, type_: AttributeType, compiled: bool, steps: list[Step], cut: int
) -> None:
    jit.choose("1" if compiled else "0")
    try:
        rows, after = play(steps)
        first = make_aggregator(aggregate(name, type_), Scope(StringTable()), expires=True)
        ours = run(first, rows[:cut], type_)
        state = encode_state(first.snapshot())
        second = make_aggregator(aggregate(name, type_), Scope(StringTable()), expires=True)
        second.restore(decode_state(state))
        assert encode_state(second.snapshot()) == state
        ours += run(second, rows[cut:], type_)
    finally:
        jit.choose(None)
    for value, (held, ever) in zip(ours, after, strict=True):
        theirs = expected(name, held, ever)
        if theirs is None:
            assert value is None
        else:
            assert value == pytest.approx(theirs, abs=1e-6)


def run(aggregator: Any, rows: list[tuple[int, int, int | None, int]], type_: AttributeType) -> list[Any]:
    if not rows:
        return []
    touched = Touched(
        np.array([row[0] for row in rows], dtype=np.int64),
        4,
        np.array([row[1] for row in rows], dtype=np.uint8),
        np.array([row[3] for row in rows], dtype=np.int64),
    )
    values = np.array([row[2] or 0 for row in rows], dtype=type_.dtype)
    column = aggregator.update(touched, make_column(type_, values, np.array([row[2] is not None for row in rows])))
    return [value if ok else None for value, ok in zip(column.values.tolist(), column.mask().tolist(), strict=True)]


def test_sums_of_longs_wrap() -> None:
    aggregator = make_aggregator(aggregate("sum", AttributeType.LONG), Scope(StringTable()), expires=False)
    big = 2**63 - 1
    touched = Touched(np.zeros(2, np.int64), 1, np.zeros(2, np.uint8), np.zeros(2, np.int64))
    column = aggregator.update(touched, make_column(AttributeType.LONG, np.array([big, 1]), None))
    assert column.values.tolist() == [big, -(2**63)]


def test_an_unknown_aggregator_is_named() -> None:
    with pytest.raises(UnsupportedConstruct, match=r"aggregator\.median"):
        make_aggregator(aggregate("median", AttributeType.INT), Scope(StringTable()), expires=False)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
def test_a_nan_leaves_a_window_as_it_came(compiled: bool) -> None:
    jit.choose("1" if compiled else "0")
    try:
        aggregator = make_aggregator(aggregate("max", AttributeType.DOUBLE), Scope(StringTable()), expires=True)
        kinds = np.array([0, 1, 0], np.uint8)
        touched = Touched(np.zeros(3, np.int64), 1, kinds, np.zeros(3, np.int64))
        column = aggregator.update(touched, make_column(AttributeType.DOUBLE, np.array([np.nan, np.nan, 1.0]), None))
    finally:
        jit.choose(None)
    assert column.mask().tolist() == [True, False, True]
    assert column.values.tolist()[2] == 1.0
