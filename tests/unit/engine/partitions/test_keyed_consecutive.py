"""Sequences of all instances at once give what each instance gives by itself, however the rows are fed."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given, settings

from eiha.engine import lower as lowering
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.partitions.keyed_pattern import KeyedPattern
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of
from tests.unit.engine.partitions.test_keyed_batches import HEAD, out_of, rows, timed

QUERIES = (
    "from every e1=S[n > 1], e2=S[n > e1.n] select e1.k as k, e1.n as a, e2.n as b insert into Out;",
    (
        "from every e1=S, e2=S[n >= e1.n], e3=S[n > e1.n and t != e2.t] within 6 milliseconds "
        "select e1.k as k, e2.n as b, e3.t as c insert into Out;"
    ),
)


def partitioned(query: str) -> str:
    return f"{HEAD} partition with (k of S) begin {query} end;"


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=15)
@given(drawn=rows)
def test_all_instances_at_once_give_what_each_gives_by_itself(
    query: str, drawn: list[tuple[int, str, int | None, int | None]]
) -> None:
    sent = timed(drawn)
    at_once = out_of(partitioned(query), sent)
    with mock.patch.object(lowering, "_keyed_query", lambda *_: None):
        assert out_of(partitioned(query), sent) == at_once


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=5)
@given(drawn=rows)
def test_cuts_restores_and_plain_kernels_change_nothing(
    query: str, drawn: list[tuple[int, str, int | None, int | None]]
) -> None:
    assert difference_of(partitioned(query), Entry(1_000, "S", tuple(timed(drawn)))) is None


@pytest.mark.parametrize(
    ("query", "is_one"),
    [
        (QUERIES[0], True),
        (QUERIES[0].replace("every ", ""), False),
        (QUERIES[0].replace("e2.n as b", "count() as b"), False),
        (QUERIES[0].replace("Out", "#M"), False),
    ],
)
def test_what_repeats_its_first_event_and_adds_nothing_up_runs_for_all_at_once(query: str, is_one: bool) -> None:
    plan = compile_plan(partitioned(query))
    runtime = lower(plan, StringTable(), EntryIdentity("p", 1))
    assert isinstance(runtime._queries[0], KeyedPattern) == is_one
