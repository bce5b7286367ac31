"""Windows over all instances at once give what each instance gives by itself, however the rows are fed."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import lower as lowering
from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.routes import route
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of

HEAD = "@app:playback define stream S (k string, n int, t long);"
Rows = list[tuple[int, tuple[Any, ...]]]

QUERIES = (
    "from S#window.lengthBatch(3) select k, n, sum(n) as s, min(n) as m group by n insert into Out;",
    "from S#window.externalTime(t, 5) select k, n, sum(n) as s, max(n) as m insert into Out;",
    "from S#window.externalTimeBatch(t, 5) select k, n, sum(n) as s, count() as c insert into Out;",
    "from S#window.externalTimeBatch(t, 5, 2L) select k, n, avg(n) as s group by n insert into Out;",
    "from S#window.externalTimeBatch(t, 5, t) select k, n, t insert into Out;",
    "from S#window.timeLength(5, 2) select k, n, sum(n) as s, max(n) as m insert into Out;",
)
rows = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from("abc"),
        st.one_of(st.none(), st.integers(0, 3)),
        st.one_of(st.none(), st.integers(-3, 30)),
    ),
    max_size=30,
)


def timed(drawn: list[tuple[int, str, int | None, int | None]]) -> Rows:
    now_ms, found = 1_000, []
    for later, key, number, time_ms in drawn:
        now_ms += later
        found.append((now_ms, (key, number, time_ms)))
    return found


def out_of(text: str, sent: Rows) -> list[Any]:
    strings = StringTable()
    runtime = lower(compile_plan(text), strings, EntryIdentity("p", 1), keep=frozenset({"Out"}))
    found: list[Any] = []
    for row in sent:
        runtime.publish("S", batch_of(runtime.plan.stream("S").schema, [row], strings, "S"), row[0])
        taken = runtime.take_outputs().get("Out")
        found += [] if taken is None else events_of(taken, strings)
    return found


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=15)
@given(drawn=rows)
def test_all_instances_at_once_give_what_each_gives_by_itself(
    query: str, drawn: list[tuple[int, str, int | None, int | None]]
) -> None:
    text = f"{HEAD} partition with (k of S) begin {query} end;"
    sent = timed(drawn)
    at_once = out_of(text, sent)
    with mock.patch.object(lowering, "_keyed_query", lambda *_: None):
        assert out_of(text, sent) == at_once


@pytest.mark.parametrize("query", [*QUERIES, QUERIES[0].replace("lengthBatch(3)", "timeBatch(7)")])
@settings(max_examples=5)
@given(drawn=rows)
def test_cuts_restores_and_plain_kernels_change_nothing(
    query: str, drawn: list[tuple[int, str, int | None, int | None]]
) -> None:
    text = f"{HEAD} partition with (k of S) begin {query} end;"
    assert difference_of(text, Entry(1_000, "S", tuple(timed(drawn))), Entry(1_200, None)) is None


def test_periods_of_all_instances_end_while_a_batch_passes() -> None:
    text = f"{HEAD} partition with (k of S) begin from S#window.timeBatch(5) select k, n insert into Out; end;"
    assert route(compile_plan(text), "S").fires_inside
    sent = [
        (1_000, ("a", 1, 0)),
        (1_001, ("b", 2, 0)),
        (1_002, ("a", 3, 0)),
        (1_004, ("b", 4, 0)),
        (1_020, ("c", 5, 0)),
    ]
    assert [values for _, values in out_of(text, sent)] == [["a", 1], ["a", 3], ["b", 2], ["b", 4]]


def test_a_period_in_which_nothing_came_ends_unseen_and_the_next_ones_keep_the_beat() -> None:
    text = f"{HEAD} partition with (k of S) begin from S#window.timeBatch(10) select k, n insert into Out; end;"
    sent = [(1_000, ("a", 1, 0)), (1_033, ("a", 2, 0)), (1_039, ("b", 3, 0)), (1_040, ("b", 4, 0))]
    assert [values for _, values in out_of(text, sent)] == [["a", 1], ["a", 2]]
