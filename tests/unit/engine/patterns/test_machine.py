"""What the general machine holds: matches and events go when nothing needs them any more."""

from __future__ import annotations

import pytest

from eiha.engine.patterns.step_layout import SLOT, STEP
from eiha.events.strings import StringTable
from tests.unit.engine.patterns.test_general_pattern import Event, batch_of, start


@pytest.mark.parametrize(
    ("query", "held"),
    [
        ("every e1=A<2:3> -> e2=B within 20 milliseconds select e1[0].n as a", 60),
        ("every e1=A -> not B and e2=A select e1.n as a", 20),
        ("every e1=A or e2=B -> e3=A select e1.n as a", 20),
        ("every e1=A+, e2=B within 20 milliseconds select e1[0].n as a", 60),
        ("every (e1=A -> not B for 10 milliseconds) select e1.n as a", 4),
    ],
)
def test_matches_do_not_pile_up(query: str, held: int) -> None:
    runtime = start(query, StringTable())
    for first in range(0, 5000, 500):
        rows = [Event(1000 + place, "A", 1, place) for place in range(first, first + 500)]
        runtime.publish("A", batch_of(rows, runtime), 0)
    state = runtime.snapshot()["queries"][0]["pattern"]
    if "machine" in state:
        assert len(state["machine"]["matches"]) <= held
        assert len(state["machine"]["events"]) <= held
    else:
        steps = len(state["rings"]) // 2
        assert len(state["slots"]) // (SLOT + steps * STEP) <= held
        assert len(state["events"]["places"]) <= held


def test_an_event_keeps_only_what_is_read_later() -> None:
    query = "every e1=A[n > 0]<1:2> -> e2=B[k == e1[0].k] -> e3=C[n > maximum(e1[0].k, e2.k)] select e2.n as a"
    runtime = start(query, StringTable())
    runtime.publish("A", batch_of([Event(1000, "A", 7, 3)], runtime), 0)
    machine = runtime.snapshot()["queries"][0]["pattern"]["machine"]
    assert machine["events"] == [[1000, [7]]]


def test_a_compiled_pattern_keeps_the_columns_that_the_query_reads_and_the_terms_of_conditions() -> None:
    runtime = start("every e1=A[n > 0]<2> -> e2=B[k == e1[0].k] select e2.n as a", StringTable())
    runtime.publish("A", batch_of([Event(1000, "A", 7, 3)], runtime), 0)
    events = runtime.snapshot()["queries"][0]["pattern"]["events"]
    assert events["terms"].tolist() == [7]
    assert [len(store["columns"]) for store in events["stores"]] == [0, 1]
