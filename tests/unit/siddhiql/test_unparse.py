"""The law ``parse(unparse(tree)) == tree``, over generated expressions and over mutated plans that still parse."""

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.errors import PlanError
from eiha.events.schema import AttributeType
from eiha.siddhiql.definition_tree import Application, AttributeDefinition, DefineStream
from eiha.siddhiql.expression_tree import (
    AttributeReference,
    BinaryOperation,
    BinaryOperator,
    EventIndex,
    Expression,
    FunctionCall,
    InTable,
    Literal,
    NotOperation,
    NullCheck,
    StreamReference,
    TimeLiteral,
    TimePart,
    TimeUnit,
)
from eiha.siddhiql.lexer import tokenize
from eiha.siddhiql.parser import parse, parse_on_demand
from eiha.siddhiql.query_tree import FilterHandler, InsertInto, Query, Source, StandardStream
from eiha.siddhiql.unparse import unparse

PLANS = [
    path.read_text().split("==== canonical")[0].removeprefix("==== text\n")
    for path in sorted((Path(__file__).parents[2] / "golden" / "siddhiql").glob("[!e]*.txt"))
]


def float32(value: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


names = st.sampled_from(["a", "B_1", "select", "min", "true", "from", "a b", "x-y", "not"])
texts = st.text(alphabet="abc '-*/", max_size=5) | st.text(alphabet='ab " \n', max_size=5).filter(
    lambda text: '"""' not in text and not text.endswith('"')
)
literals = st.one_of(
    st.booleans().map(lambda value: Literal(value, AttributeType.BOOL)),
    st.integers(-(2**31), 2**31 - 1).map(lambda value: Literal(value, AttributeType.INT)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: Literal(value, AttributeType.LONG)),
    st.floats(width=32, allow_nan=False).map(lambda value: Literal(float32(value), AttributeType.FLOAT)),
    st.floats(allow_nan=False).map(lambda value: Literal(value, AttributeType.DOUBLE)),
    texts.map(lambda value: Literal(value, AttributeType.STRING)),
)
times = st.lists(st.sampled_from(list(TimeUnit)), min_size=1, unique=True).map(
    lambda units: TimeLiteral(tuple(TimePart(2, unit) for unit in TimeUnit if unit in units))
)
indices = st.none() | st.builds(EventIndex, st.integers(0, 9), st.booleans())
streams = st.builds(StreamReference, names, indices) | st.builds(StreamReference, names, is_inner=st.just(True))
attributes = st.builds(AttributeReference, names) | st.builds(AttributeReference, names, streams)


def calls(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[FunctionCall]:
    arguments = st.lists(inner, max_size=3).map(tuple)
    return st.builds(FunctionCall, names, arguments, st.none() | names)


def compound(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        st.builds(BinaryOperation, st.sampled_from(list(BinaryOperator)), inner, inner),
        st.builds(NotOperation, inner),
        st.builds(InTable, inner, names),
        calls(inner),
        st.builds(NullCheck, attributes | calls(inner)),
    )


expressions = st.recursive(literals | times | attributes, compound, max_leaves=25)


@settings(max_examples=300)
@given(expressions)
def test_every_expression_comes_back_from_its_text(expression: Expression) -> None:
    stream = DefineStream((), "S", (AttributeDefinition("a", AttributeType.INT),))
    source = StandardStream(Source("S"), (FilterHandler(expression),))
    tree = Application((), (stream,), (Query((), source, None, None, InsertInto(Source("Out"))),))
    assert parse(unparse(tree)) == tree


@pytest.mark.parametrize("text", PLANS)
def test_canonical_text_is_its_own_canonical_text(text: str) -> None:
    once = unparse(parse(text))
    assert unparse(parse(once)) == once
    assert parse(once) == parse(text)


@settings(max_examples=300)
@given(st.sampled_from(PLANS), st.randoms(use_true_random=False))
def test_every_mutated_plan_that_parses_comes_back_from_its_text(text: str, choose: random.Random) -> None:
    words = [token.text for token in tokenize(text)]
    for _ in range(choose.randint(1, 3)):
        where, other = choose.randrange(len(words)), choose.randrange(len(words))
        match choose.randrange(3):
            case 0:
                del words[where]
            case 1:
                words[where], words[other] = words[other], words[where]
            case _:
                words.insert(where, words[other])
    try:
        tree = parse(" ".join(words))
    except PlanError:
        return
    assert parse(unparse(tree)) == tree


@pytest.mark.parametrize(
    "text",
    [
        "from T",
        "from T as t on a > 1 select a, sum(b) as s group by a having s > 1 order by s desc limit 5 offset 1",
        "from A within '2020-01-01 00:00:00', 1600000000000L per 'days' select x",
        "select 1 as a insert into T",
        "delete T on T.a == 1",
        "update T set T.a = 2, T.b = 'x' on T.a == 1",
        "select 1 as a update or insert into T set T.a = a on T.a == a",
    ],
)
def test_every_on_demand_query_comes_back_from_its_text(text: str) -> None:
    assert unparse(parse_on_demand(text)) == text
