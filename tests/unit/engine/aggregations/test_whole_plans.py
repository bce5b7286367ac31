"""Aggregations within plans: nobody can tell batches from single events, and state is the same wherever it is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.routes import route
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.batch import EventBatch
from eiha.events.column import make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

HEAD = """@app:playback
define stream S (k string, n int, x double, ts long);
define stream T (k string, m long, ts long);
"""
AGGREGATIONS = {
    "filtered": "@purge(interval='1 min') define aggregation A from S[n > 0] select k, sum(n) as s, x group by k "
    "aggregate by ts every sec...day;",
    "by arrival": "define aggregation A from S select k, avg(x) as a, distinctCount(n) as d group by k "
    "aggregate every sec, min;",
    "derived": "define aggregation A from T select max(m) as m, count() as c aggregate by ts every min...year;",
    "two": "define aggregation A from S select sum(x) as s aggregate every sec...hour;"
    "define aggregation B from T select k, min(m) as m group by k aggregate by ts every hour;",
}
QUERIES = (
    "from S[x > 1.0]#window.length(3) select k, sum(n) as m, ts group by k insert into T; "
    "from T select k, m insert into Out;"
)

Row = tuple[int, str, int | None, float, int]
rows = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 100, 900, 1_000, 61_000, 4_000_000)),
        st.sampled_from(("a", "b", "c")),
        st.one_of(st.none(), st.integers(-2, 6)),
        st.integers(0, 12).map(lambda quarter: quarter / 4),
        st.sampled_from((0, 0, 1_500, 70_000)),
    ),
    min_size=1,
    max_size=40,
)


def runtime_of(text: str, strings: StringTable) -> PlanRuntime:
    return lower(compile_plan(text, name="p"), strings, EntryIdentity("p"), keep=frozenset({"Out"}))


def batch_of(events: list[Row], strings: StringTable, text: str) -> EventBatch:
    schema = compile_plan(text, name="p").stream("S").schema
    times = 50_000 + np.cumsum([event[0] for event in events])
    valid = np.array([event[2] is not None for event in events])
    columns = (
        make_column(AttributeType.STRING, strings.intern_all([event[1] for event in events]), None),
        make_column(AttributeType.INT, np.array([event[2] or 0 for event in events], np.int32), valid),
        make_column(AttributeType.DOUBLE, np.array([event[3] for event in events]), None),
        make_column(AttributeType.LONG, times - np.array([event[4] for event in events]), None),
    )
    return EventBatch(schema, times.astype(np.int64), columns)


def fed(runtime: PlanRuntime, batch: EventBatch, cuts: list[int], text: str, strings: StringTable) -> Any:
    """What the plan put out, what it answers at the end, and its state; saved and restored at each cut."""
    outputs: list[list[Any]] = []
    bounds = sorted({0, *(cut % (len(batch) + 1) for cut in cuts), len(batch)})
    for start, stop in pairwise(bounds):
        columns = tuple(column.slice(start, stop) for column in batch.columns)
        runtime.publish("S", EventBatch(batch.schema, batch.timestamps[start:stop], columns), 0)
        for rows_out in runtime.take_outputs().values():
            outputs += [list(row) for row in zip(*(column.values.tolist() for column in rows_out.columns), strict=True)]
        state = encode_state(runtime.snapshot())
        runtime = runtime_of(text, strings)
        runtime.restore(decode_state(state))
    return outputs, encode_state(runtime.snapshot()), runtime


@pytest.mark.parametrize("kind", AGGREGATIONS)
@settings(max_examples=15, deadline=None)
@given(rows, st.lists(st.integers(0, 40), max_size=5))
def test_batches_single_events_and_restores_give_the_same(kind: str, events: list[Row], cuts: list[int]) -> None:
    text = HEAD + AGGREGATIONS[kind] + QUERIES
    assert route(compile_plan(text, name="p"), "S").batched
    strings = StringTable()
    whole = fed(runtime_of(text, strings), batch_of(events, strings, text), [], text, strings)
    pieces = fed(runtime_of(text, strings), batch_of(events, strings, text), cuts, text, strings)
    singly = fed(runtime_of(text, strings), batch_of(events, strings, text), list(range(len(events))), text, strings)
    assert pieces[:2] == whole[:2] == singly[:2]


def test_a_row_without_a_time_reaches_no_later_reader_and_changes_nothing() -> None:
    text = HEAD + AGGREGATIONS["filtered"] + "from S select k insert into Out;"
    strings = StringTable()
    runtime = runtime_of(text, strings)
    batch = batch_of([(0, "a", 1, 1.0, 0), (10, "b", 1, 1.0, 0), (10, "c", 1, 1.0, 0)], strings, text)
    times = make_column(AttributeType.LONG, batch.columns[3].values, np.array([True, False, True]))
    runtime.publish("S", EventBatch(batch.schema, batch.timestamps, (*batch.columns[:3], times)), 0)
    assert strings.texts_of(runtime.take_outputs()["Out"].columns[0].values.tolist()) == ("a", "c")
    assert runtime.take_faults() == ("aggregation 'A': its time is null; the events are dropped",)


def test_aggregations_that_can_fail_on_a_row_are_fed_row_by_row() -> None:
    text = (
        "define stream S (k string, o object, day string); define aggregation A from S select {} aggregate {}every sec;"
    )
    assert route(compile_plan(text.format("count() as c", ""), name="p"), "S").batched
    assert not route(compile_plan(text.format("count() as c", "by day "), name="p"), "S").batched
    assert not route(compile_plan(text.format("cast(o, 'int') as c", ""), name="p"), "S").batched


def test_an_aggregation_that_asks_a_table_sees_it_as_it_was_at_each_row() -> None:
    text = (
        "define stream S (k string); define table T (k string); "
        "define aggregation A from S[not ((T.k == k) in T)] select k, count() as c group by k aggregate every sec; "
        "from S select k insert into {};"
    )
    assert route(compile_plan(text.format("Out"), name="p"), "S").batched
    assert not route(compile_plan(text.format("T"), name="p"), "S").batched
