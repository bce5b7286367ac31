"""Conditions as closures say what the columns say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.patterns.captured import Event, PartialMatch, column_of_values
from eiha.engine.patterns.references import Reader
from eiha.engine.patterns.scalar_expression import scalar_expression
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import (
    Arithmetic,
    ArithmeticOp,
    AttributeRef,
    Call,
    Compare,
    CompareOp,
    Expression,
    IsNull,
    Literal,
    Logic,
    LogicOp,
    Not,
)
from eiha.plan.nodes import NextNode, PatternInput, PatternStep, StepNode
from eiha.plan.types import arithmetic_type

SCHEMA = Schema(
    (
        Attribute("i", AttributeType.INT),
        Attribute("l", AttributeType.LONG),
        Attribute("f", AttributeType.FLOAT),
        Attribute("d", AttributeType.DOUBLE),
        Attribute("s", AttributeType.STRING),
    )
)
NUMBERS = SCHEMA.attributes[:4]
STEPS = tuple(PatternStep(f"e{step}", "S", SCHEMA, None) for step in range(2))
SOURCE = PatternInput(False, STEPS, NextNode((StepNode(0), StepNode(1))), None)


def numbers(depth: int) -> st.SearchStrategy[Expression]:
    leaf = st.one_of(
        st.builds(
            lambda source, place: AttributeRef(source, place, NUMBERS[place].name, NUMBERS[place].type),
            st.integers(0, 1),
            st.integers(0, 3),
        ),
        st.sampled_from(
            [
                Literal(1, AttributeType.INT),
                Literal(2**31 - 1, AttributeType.INT),
                Literal(2**53 + 1, AttributeType.LONG),
                Literal(0.1, AttributeType.FLOAT),
                Literal(0.1, AttributeType.DOUBLE),
            ]
        ),
    )
    if depth == 0:
        return leaf
    below = numbers(depth - 1)
    return st.one_of(leaf, st.builds(arithmetic, st.sampled_from(ArithmeticOp), below, below))


def arithmetic(op: ArithmeticOp, left: Expression, right: Expression) -> Arithmetic:
    return Arithmetic(op, left, right, arithmetic_type(left.type, right.type))


def truths(depth: int) -> st.SearchStrategy[Expression]:
    strings = AttributeRef(0, 4, "s", AttributeType.STRING), AttributeRef(1, 4, "s", AttributeType.STRING)
    leaf = st.one_of(
        st.builds(Compare, st.sampled_from(CompareOp), numbers(1), numbers(1)),
        st.builds(lambda op: Compare(op, *strings), st.sampled_from([CompareOp.EQUAL, CompareOp.NOT_EQUAL])),
        st.builds(IsNull, numbers(0)),
    )
    if depth == 0:
        return leaf
    below = truths(depth - 1)
    choose: Callable[..., Expression] = lambda *arguments: Call("ifThenElse", arguments, AttributeType.BOOL)  # noqa: E731
    return st.one_of(
        st.builds(Logic, st.sampled_from(LogicOp), below, below),
        st.builds(Not, below),
        st.builds(choose, below, below, below),
    )


def events() -> st.SearchStrategy[Event]:
    values = st.tuples(
        st.sampled_from([None, 0, 1, -1, 2**31 - 1, -(2**31)]),
        st.sampled_from([None, 0, 7, 2**53, 2**53 + 1, -(2**63)]),
        st.sampled_from([None, 0.0, 1.0, float(np.float32(0.1)), float("nan"), 16777216.0]),
        st.sampled_from([None, 0.0, 0.1, -2.5, float("nan"), float("inf")]),
        st.sampled_from([None, 0, 1]),
    )
    return st.builds(Event, st.just(0), values)


@given(expression=truths(2), captured=events(), arriving=events())
@settings(deadline=None, max_examples=300)
def test_a_closure_agrees_with_the_columns(expression: Expression, captured: Event, arriving: Event) -> None:
    strings = StringTable(["x", "y"])
    places = {place: place for place in range(len(SCHEMA))}
    closure = scalar_expression(expression, 1, Reader(SOURCE, (places, places), strings), strings)
    if closure is None:
        return
    match = PartialMatch(2)
    match.events[0] = captured
    zeros = np.zeros(1, dtype=np.int64)
    columns = tuple(columns_of(event) for event in (captured, arriving))
    with np.errstate(all="ignore"):
        expected = compile_column(expression, Scope(strings))(Rows(1, columns, zeros, zeros))
    assert bool(closure(match, arriving)) == bool(expected.values[0] and expected.mask()[0])


def columns_of(event: Event) -> tuple[Column, ...]:
    return tuple(
        column_of_values([value], attribute.type)
        for value, attribute in zip(event.values, SCHEMA.attributes, strict=True)
    )


@pytest.mark.parametrize("op", [ArithmeticOp.DIVIDE, ArithmeticOp.MODULO])
def test_what_is_not_exact_is_left_to_the_columns(op: ArithmeticOp) -> None:
    one = Literal(1, AttributeType.INT)
    whole = Compare(CompareOp.EQUAL, arithmetic(op, one, one), one)
    strings = StringTable()
    assert scalar_expression(whole, 1, Reader(SOURCE, ({}, {}), strings), strings) is None
