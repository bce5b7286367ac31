import pytest

from eiha.errors import PlanSyntaxError
from eiha.siddhiql.parser import parse
from eiha.siddhiql.query_tree import (
    AbsentState,
    CountState,
    EveryState,
    LogicalState,
    NextState,
    Query,
    State,
    StateStream,
    StreamState,
)


def pattern(text: str) -> StateStream:
    query = parse(f"define stream A (x int);\nfrom {text} select e1.x as x insert into Out").elements[0]
    assert isinstance(query, Query)
    assert isinstance(query.input, StateStream)
    return query.input


def shape(state: State) -> object:
    match state:
        case StreamState(stream, reference):
            return reference or stream.source.name
        case CountState(inner, least, most):
            return (shape(inner), least, most)
        case AbsentState(stream, wait):
            return ("not", stream.source.name, None if wait is None else wait.milliseconds)
        case LogicalState(is_and, left, right):
            return ("and" if is_and else "or", shape(left), shape(right))
        case EveryState(element):
            return ("every", shape(element))
        case NextState(elements):
            return [shape(element) for element in elements]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("every e1=A -> e2=B", [("every", "e1"), "e2"]),
        ("every (e1=A -> e2=B) -> C", [("every", ["e1", "e2"]), "C"]),
        ("e1=A -> every e2=B", ["e1", ("every", "e2")]),
        ("e1=A -> (every e2=B -> C)", ["e1", [("every", "e2"), "C"]]),
        ("e1=A<2> -> B<2:> -> C<:3> -> D<1:4>", [("e1", 2, 2), ("B", 2, None), ("C", 0, 3), ("D", 1, 4)]),
        ("e1=A<3:1> -> B", [("e1", 3, None), "B"]),
        ("e1=A and B", ("and", "e1", "B")),
        ("every (e1=A or B)", ("every", ("or", "e1", "B"))),
        ("e1=A and not B", ("and", "e1", ("not", "B", None))),
        ("not B for 1 sec or e1=A", ("or", ("not", "B", 1000), "e1")),
        ("not A for 1 sec", ("not", "A", 1000)),
        ("e1=A -> not B for 5 sec", ["e1", ("not", "B", 5000)]),
        ("e1=A, B+, C*, D?", ["e1", ("B", 1, None), ("C", 0, None), ("D", 0, 1)]),
        ("every e1=A, B", [("every", "e1"), "B"]),
        ("e1=A, (B, C)", ["e1", ["B", "C"]]),
    ],
)
def test_patterns_and_sequences_have_their_form(text: str, expected: object) -> None:
    assert shape(pattern(text).root) == expected


def test_within_belongs_to_the_whole_pattern() -> None:
    within = pattern("every (e1=A -> e2=B) within 2 min").within
    assert within is not None
    assert within.milliseconds == 120_000


@pytest.mark.parametrize(
    "text",
    [
        "e1=A -> not B",
        "e1=A -> not e2=B for 1 sec -> C",
        "e1=A -> not B for 1 sec -> not C for 1 sec",
        "every e1=A#window.length(2) -> B",
        "every e1=A* -> B",
        "every e1=A ->",
        "every (every e1=A -> B) -> C",
        "e1=A and B and C",
        "not A and not B",
        "not A or e1=B",
        "every (e1=A -> B within 2 sec)",
        "every e1=A -> B within 1 sec -> C",
        "e1=A, every B",
        "every (e1=A, B)",
        "e1=A+",
        "every e1=A, B -> C",
        "every e1=A and B+, C",
        "e1=A, not B for 1 sec, not C for 1 sec",
    ],
)
def test_what_siddhi_refuses_is_refused(text: str) -> None:
    with pytest.raises(PlanSyntaxError):
        pattern(text)
