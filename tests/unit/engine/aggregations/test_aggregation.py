"""An aggregation shows what going through all events shows, however they are cut, saved, compiled and purged."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from eiha.engine import jit
from eiha.engine.aggregations.aggregation import IncrementalAggregation
from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.expressions.rows import Scope
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.batch import EventBatch
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.granularities import Granularity
from eiha.plan.nodes import Aggregation
from tests.unit.engine.aggregations.plain_buckets import Event, PlainBuckets

T0 = 1_599_999_990_000
SELECT = (
    "select k, sum(n) as s, avg(n) as a, sum(x) as sx, min(n) as lo, max(x) as hi, count() as c, "
    "distinctCount(n) as d, n as last group by k aggregate by ts"
)
EVERY = ("sec...year", "sec, hour", "min...day", "day", "sec...min", "sec, min")
FOR_EVER = (-(2**60), 2**60)


PLANS = {
    every: compile_plan(
        f"define stream S (k string, n int, x double, ts long); define aggregation A from S {SELECT} every {every};",
        name="p",
    )
    for every in EVERY
}


def definition(every: str, retention_ms: int | None = None, interval_ms: int | None = None) -> Aggregation:
    """``retention_ms`` is for the finest buckets; coarser ones are kept eight times as long, each."""
    [found] = PLANS[every].aggregations
    places = range(len(found.granularities))
    kept = tuple(None if retention_ms is None else retention_ms << (3 * place) for place in places)
    return replace(found, retention_ms=kept, purge_interval_ms=interval_ms)


def batch_of(events: list[Event], strings: StringTable) -> EventBatch:
    arrivals = np.array([event.arrival_ms for event in events], np.int64)
    columns = (
        column(AttributeType.STRING, [None if e.key is None else strings.intern(e.key) for e in events]),
        column(AttributeType.INT, [event.n for event in events]),
        column(AttributeType.DOUBLE, [event.x for event in events]),
        column(AttributeType.LONG, [event.time_ms for event in events]),
    )
    return EventBatch(PLANS["day"].stream("S").schema, arrivals, columns)


def column(type_: AttributeType, values: list[Any]) -> Column:
    valid = np.array([value is not None for value in values])
    return make_column(type_, np.array([0 if v is None else v for v in values], type_.dtype), valid)


def rows_of(found: EventBatch, strings: StringTable) -> list[list[Any]]:
    columns = []
    for each in found.columns:
        values = each.values.tolist()
        if each.type is AttributeType.STRING:
            # null and 'null' are one group, shown as the first that came
            columns.append([strings.text(v) if ok else "null" for v, ok in zip(values, each.mask(), strict=True)])
        else:
            columns.append([v if ok else None for v, ok in zip(values, each.mask(), strict=True)])
    return sorted([list(row) for row in zip(*columns, strict=True)], key=lambda row: row[:2])


steps = st.sampled_from((0, 0, 1, 300, 900, 1_000, 59_000, 3_000_000, 90_000_000, 40 * 86_400_000))
lateness = st.sampled_from((0, 0, 0, 500, 1_500, 70_000, 4_000_000, 100_000_000, -2_000))
keys = st.sampled_from(("a", "b", "c", "null", None))
numbers = st.one_of(st.none(), st.integers(-5, 5))
values = st.one_of(st.none(), st.integers(-40, 40).map(lambda quarter: quarter / 4))


@st.composite
def scripts(draw: st.DrawFn, late: bool = True) -> list[Event]:
    arrival_ms = T0
    events = []
    for _ in range(draw(st.integers(1, 30))):
        arrival_ms += draw(steps)
        time_ms = arrival_ms - (draw(lateness) if late else 0)
        events.append(Event(draw(keys), draw(numbers), draw(values), time_ms, arrival_ms))
    return events


def fed(
    aggregation: IncrementalAggregation, events: list[Event], cuts: list[int], strings: StringTable, saved: set[int]
) -> IncrementalAggregation:
    """``aggregation`` after all events, cut at ``cuts``, saved and restored before batches that begin in ``saved``."""
    bounds = sorted({0, *(cut % (len(events) + 1) for cut in cuts), len(events)})
    for start, stop in pairwise(bounds):
        if start in saved:
            fresh = IncrementalAggregation(aggregation.definition, Scope(strings))
            fresh.restore(decode_state(encode_state(aggregation.snapshot())))
            aggregation = fresh
        batch = batch_of(events[start:stop], strings)
        aggregation.receive(batch, ChunkClock(batch.timestamps), is_chunk=False)
    return aggregation


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@settings(max_examples=40, deadline=None)
@given(scripts(), st.lists(st.integers(0, 30), max_size=6), st.sets(st.integers(0, 30)), st.sampled_from(EVERY))
def test_it_shows_what_going_through_all_events_shows(
    compiled: bool, events: list[Event], cuts: list[int], saved: set[int], every: str
) -> None:
    strings = StringTable()
    bound = definition(every)
    plain = PlainBuckets(bound.granularities, bound.retention_ms, None)
    for event in events:
        plain.add(event)
    now_ms = events[-1].arrival_ms
    with nullcontext() if compiled else jit.interpreted():
        aggregation = fed(IncrementalAggregation(bound, Scope(strings)), events, cuts, strings, saved)
        for granularity in bound.granularities:
            found = aggregation.find(*FOR_EVER, granularity, now_ms)
            assert rows_of(found, strings) == plain.find(*FOR_EVER, granularity, now_ms)


@settings(max_examples=40, deadline=None)
@given(scripts(late=False), st.lists(st.integers(0, 30), max_size=4), st.integers(0, 29), st.integers(0, 29), steps)
def test_a_span_that_cuts_buckets_sees_the_current_ones_by_what_is_in_them(
    events: list[Event], cuts: list[int], first: int, last: int, later: int
) -> None:
    strings = StringTable()
    bound = definition("sec...year")
    plain = PlainBuckets(bound.granularities, bound.retention_ms, None)
    for event in events:
        plain.add(event)
    start_ms = events[first % len(events)].time_ms - 700
    end_ms = max(start_ms + 1, events[last % len(events)].time_ms + 300)
    aggregation = fed(IncrementalAggregation(bound, Scope(strings)), events, cuts, strings, set())
    for now_ms in (events[-1].arrival_ms, events[-1].arrival_ms + later):
        for granularity in bound.granularities:
            found = rows_of(aggregation.find(start_ms, end_ms, granularity, now_ms), strings)
            expected = plain.find(start_ms, end_ms, granularity, now_ms)
            # distinctCount is of the whole bucket: sets cannot be taken apart
            assert [row[:8] + row[9:] for row in found] == [row[:8] + row[9:] for row in expected]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@settings(max_examples=40, deadline=None)
@given(
    scripts(),
    st.lists(st.integers(0, 30), max_size=6),
    st.sets(st.integers(0, 30)),
    st.sampled_from((1_000, 120_000, 10_000_000)),
    st.sampled_from((500, 60_000, 86_400_000)),
    steps,
)
def test_what_is_older_than_the_retention_is_dropped_at_every_interval(
    compiled: bool,
    events: list[Event],
    cuts: list[int],
    saved: set[int],
    retention_ms: int,
    interval_ms: int,
    later: int,
) -> None:
    strings = StringTable()
    bound = definition("sec...year", retention_ms, interval_ms)
    plain = PlainBuckets(bound.granularities, bound.retention_ms, interval_ms)
    for event in events:
        plain.add(event)
    with nullcontext() if compiled else jit.interpreted():
        aggregation = fed(IncrementalAggregation(bound, Scope(strings)), events, cuts, strings, saved)
        for now_ms in (events[-1].arrival_ms, events[-1].arrival_ms + later):
            for granularity in bound.granularities:
                found = aggregation.find(*FOR_EVER, granularity, now_ms)
                assert rows_of(found, strings) == plain.find(*FOR_EVER, granularity, now_ms)


@settings(max_examples=40, deadline=None)
@given(scripts(), st.lists(st.integers(0, 30), max_size=6), st.sets(st.integers(0, 30)), st.booleans())
def test_the_state_depends_neither_on_cuts_nor_on_readers_nor_on_restores(
    events: list[Event], cuts: list[int], saved: set[int], purges: bool
) -> None:
    strings = StringTable()
    bound = definition("sec...year", *((1_000, 60_000) if purges else ()))
    whole = fed(IncrementalAggregation(bound, Scope(strings)), events, [], strings, set())
    pieces = fed(IncrementalAggregation(bound, Scope(strings)), events, cuts, strings, saved)
    state = encode_state(whole.snapshot())
    assert encode_state(pieces.snapshot()) == state
    whole.find(*FOR_EVER, Granularity.HOUR, events[-1].arrival_ms + 10**9)
    assert encode_state(whole.snapshot()) == state


def test_memory_is_bounded_by_the_retention() -> None:
    strings = StringTable()
    bound = definition("sec, min", 2_000, 5_000)
    aggregation = IncrementalAggregation(bound, Scope(strings))
    sizes = []
    for turn in range(40):
        start_ms = T0 + turn * 60_000
        events = [Event(f"{turn} {i}", i, 1.0, start_ms + 100 * i, start_ms + 100 * i) for i in range(100)]
        batch = batch_of(events, strings)
        aggregation.receive(batch, ChunkClock(batch.timestamps))
        sizes.append(len(encode_state(aggregation.snapshot())))
    assert max(sizes[20:]) <= max(sizes[:20])
