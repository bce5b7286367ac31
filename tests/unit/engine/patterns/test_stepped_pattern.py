"""The compiled machine puts out what the machine of Python objects does: in either mode, from any cut or snapshot."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.patterns import factory
from eiha.engine.patterns.general_pattern import GeneralPattern
from eiha.engine.patterns.stepped_pattern import SteppedPattern
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import PatternInput
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of
from tests.unit.engine.patterns.test_general_pattern import DEFINITIONS, Event, Found, run, scripts, start

PIECES = (
    "A",
    "A[n > 1]",
    "B",
    "B[k == 1]",
    "C[n <= 2]",
)
REFERRING = (
    "",
    "[n >= {first}.n]",
    "[k == {first}.k and not (n == {first}.n)]",
    "[n > {first}.n or {first} is null or k is null]",
    "[{first}.n + 1 > n and {first}.k is null]",
    "[n - {first}.n >= 1 or k + {first}.k > n]",
    "[not (n * 2 > {first}.n + k) and n % {first}.n != k]",
)
QUANTIFIERS = ("", "", "<2>", "<1:3>", "<2:>", "<0:2>")
SOON_MS = 2_500
"""Behind all events and what waits for them; a step that waits at the start looks again and again."""
GREEDY = ("", "", "+", "*", "?", "<1:2>")


@st.composite
def queries(draw: st.DrawFn) -> str:
    is_sequence = draw(st.booleans())
    steps = []
    first = ""
    absent: set[int] = set()
    count = draw(st.integers(2, 3))
    for place in range(1, count + 1):
        stream = draw(st.sampled_from(PIECES)) if place == 1 else draw(st.sampled_from("AABC"))
        condition = "" if not first else draw(st.sampled_from(REFERRING)).format(first=first)
        form = draw(st.sampled_from(["step", "step", "count", "pair", "absent", "wait"]))
        if form == "pair":
            word, other = draw(st.sampled_from(["and", "or"])), draw(st.sampled_from(PIECES))
            steps.append(f"e{place}={stream}{condition} {word} f{place}={other}")
        elif form == "absent" and place > 1:
            steps.append(f"not {draw(st.sampled_from(PIECES))} and e{place}={stream}{condition}")
        elif form == "wait" and (first or place < count) and not any("not" in each for each in steps[-1:]):
            wait = f"not {stream}{condition} for {draw(st.sampled_from([4, 11, 30]))} milliseconds"
            word = draw(st.sampled_from(["and", "or"]))
            steps.append(draw(st.sampled_from([wait, f"{wait} {word} e{place}={draw(st.sampled_from(PIECES))}"])))
            if steps[-1] == wait:
                absent.add(place)
        else:
            quantifier = draw(st.sampled_from(GREEDY if is_sequence else QUANTIFIERS)) if form == "count" else ""
            steps.append(f"e{place}={stream}{condition}{quantifier}")
        if not first and place not in absent:
            first = f"e{place}[0]" if form == "count" else f"e{place}"
    every = draw(st.sampled_from(["every ", "every ", ""]))
    within = draw(st.sampled_from(["", " within 20 milliseconds"]))
    chain = (", " if is_sequence else " -> ").join(steps)
    # lists are read by their members, so that one form of select serves single events and lists
    reads = ", ".join(
        f"e{place}[0].n as a{place}, e{place}[last].n as b{place}, e{place}[1].k as c{place}, "
        f"e{place}[last - 1].k as d{place}"
        for place in range(1, count + 1)
        if place not in absent
    )
    return f"{every}{chain}{within} select {reads}"


def by_objects(query: str, events: list[Event]) -> list[Found]:
    with (
        patch.object(factory, "step_program", lambda _program, _scope: None),
        patch.object(factory, "is_chain", lambda _source: False),
    ):
        return run(query, events, after_all_ms=SOON_MS)


def pattern_of(query: str) -> object:
    return start(query, StringTable())._queries[0].pattern


@given(query=queries(), events=scripts(), cuts=st.frozensets(st.integers(1, 30)))
@settings(deadline=None, max_examples=60)
def test_the_compiled_machine_finds_what_the_other_one_finds(
    query: str, events: list[Event], cuts: frozenset[int]
) -> None:
    expectation = by_objects(query, events)
    assert run(query, events, after_all_ms=SOON_MS) == expectation
    assert run(query, events, cuts, after_all_ms=SOON_MS) == expectation
    assert run(query, events, cuts, carry=True, after_all_ms=SOON_MS) == expectation
    with jit.interpreted():
        assert run(query, events, cuts, after_all_ms=SOON_MS) == expectation


LISTS = (
    "every e1=A<1:4> -> e2=B select e1.n as a, e2.n as b",
    "every e1=A, e2=A[n >= e2[last].n or e2[last].n is null]+, e3=A[n < e2[last].n] select e2.n as a, e3.n as b",
    "every e1=A, e2=B*, e3=C[n > e2[last - 1].n] select e2.n as a, e2[1].k as b, e3.n as c",
    "every e1=A -> e2=B[e2[last].n < n or e2[last] is null]<2:> -> e3=C select e2.n as a, e2[3].n as b",
)


@pytest.mark.parametrize("query", LISTS)
@given(events=scripts(), cuts=st.frozensets(st.integers(1, 30)))
@settings(deadline=None, max_examples=25)
def test_lists_of_events_are_kept_as_the_other_machine_keeps_them(
    query: str, events: list[Event], cuts: frozenset[int]
) -> None:
    expectation = by_objects(query, events)
    assert run(query, events, cuts, carry=True) == expectation
    assert run(query, [replace(event) for event in events]) == expectation


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("every e1=A+, e2=B select e2.n as b", SteppedPattern),
        ("every e1=A -> e2=B[n > e1.n] and e3=C select e2.n as b", SteppedPattern),
        ("every e1=A -> not B and e2=C select e2.n as b", SteppedPattern),
        ("every e1=A -> not B for 1 sec select e1.n as b", SteppedPattern),
        ("every e1=A<2> -> e2=B -> e3=C[n > e1[1].n + e2.n] select e3.n as b", SteppedPattern),
        ("every e1=A -> e2=B[n - e1.n > 1 and not (e1.n + k == n * 2)] select e2.n as b", SteppedPattern),
        ("every e1=A<2> -> e2=C[maximum(n, e1[0].n) > 3] select e2.n as b", GeneralPattern),
        ("e1=A*, e2=B* select e1.n as b", GeneralPattern),
    ],
)
def test_what_sets_no_alarm_and_compares_pairs_of_events_is_compiled(query: str, kind: type) -> None:
    source = compile_plan(f"{DEFINITIONS} from {query} insert into Out;", name="p").queries[0].input
    assert isinstance(source, PatternInput)
    assert isinstance(pattern_of(query), kind)


KEYED = (
    "every e1=A -> e2=B[k == e1.k] select e1.n as a, e2.n as b",
    "every e1=A -> e2=B[k == e1.k and n > e1.n] -> e3=A[k == e2.k] within 300 milliseconds select e1.n as a, e3.n as b",
    "every e1=A -> e2=B[k == e1.k]<2:3> -> e3=A[k == e1.k] within 300 milliseconds select e1.n as a, e2[1].n as b",
    "every e1=A -> e2=B[k == e1.k] or e3=A[k == e1.k and n > 2] select e1.n as a, e2.n as b, e3.n as c",
    "every e1=A -> e2=B[k == e1.k] and e3=A[k == e1.k and n > 2] select e1.n as a, e2.n as b, e3.n as c",
    "every e1=A -> not B[k == e1.k] and e2=A[k == e1.k] select e1.n as a, e2.n as b",
    "every e1=A -> not B[k == e1.k] for 90 milliseconds select e1.n as a, e1.k as b",
    "every e1=A -> not B[k == e1.k] for 90 milliseconds and e2=A[k == e1.k] select e1.n as a, e2.k as b",
)


@pytest.mark.parametrize("query", KEYED)
def test_matches_found_by_key_are_those_that_a_pass_over_all_finds(query: str) -> None:
    some = Random(7)
    events = [
        Event(1_000 + place, some.choice("AAAB"), some.choice([None, *range(60)]), some.randrange(5))
        for place in range(900)
    ]
    expectation = by_objects(query, events)
    assert expectation
    pattern = pattern_of(query)
    assert isinstance(pattern, SteppedPattern)
    assert pattern._program.keyed
    cuts = frozenset(some.randrange(900) for _ in range(9))
    assert run(query, events, cuts, carry=True, after_all_ms=SOON_MS) == expectation


def test_rings_and_cells_grow_while_rows_come() -> None:
    events = [Event(1000 + place, "A", 0, place % 5) for place in range(3000)] + [Event(9000, "B", 0, 1)]
    query = "every e1=A<2:> -> e2=B select e1[0].n as a, e1[1].n as b, e1[last - 1].n as c"
    assert run(query, events[-120:]) == by_objects(query, events[-120:])
    assert len(run(query, events)) == 1500


@pytest.mark.parametrize(
    "query",
    [
        "every e1=S<2:3> -> e2=S within 50 milliseconds select e1[0].n as a, e1[1].n as b, e2.n as c",
        "every e1=S<1:> -> e2=S within 90 milliseconds select e1[0].n as a, e1[last].n as b, e2.n as c",
        "every e1=S<1:4> -> e2=S within 90 milliseconds select e1.n as a, e1[last].n as b, e2.n as c",
    ],
)
def test_matches_found_before_room_runs_out_are_kept(query: str) -> None:
    text = f"@app:playback define stream S (n int); from {query} insert into Out;"
    rows = tuple((1_000 + at, (at,)) for at in range(200))
    assert difference_of(text, Entry(1_000, "S", rows)) is None
