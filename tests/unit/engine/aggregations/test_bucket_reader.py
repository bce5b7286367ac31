from __future__ import annotations

import numpy as np
import pytest

from eiha.engine.aggregations.aggregation import IncrementalAggregation
from eiha.engine.aggregations.bucket_reader import BucketReader
from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.faults import EngineFault
from eiha.events.batch import EventBatch
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.nodes import AggregationRange

PURGED = """define stream S (n int, ts long);
{} define aggregation A from S select sum(n) as s aggregate by ts every sec, hour;"""
TEXT = PURGED.format("@purge(enable='false')")
NOW = 10_000_000


def aggregation(strings: StringTable, text: str = TEXT) -> IncrementalAggregation:
    plan = compile_plan(text, name="p")
    found = IncrementalAggregation(plan.aggregations[0], Scope(strings))
    times = np.array([1_000, 1_500, 2_000, 3_700_000], np.int64)
    columns = (Column(AttributeType.INT, np.arange(1, 5, dtype=np.int32)), Column(AttributeType.LONG, times))
    found.receive(EventBatch(plan.stream("S").schema, times, columns), ChunkClock(times))
    return found


def attribute(position: int, type_: AttributeType) -> Expression:
    return AttributeRef(0, position, f"a{position}", type_)


def asking(*columns: Column) -> Rows:
    count = len(columns[0])
    return Rows(count, (columns,), np.zeros(count, np.int64), np.full(count, NOW))


def longs(*values: int) -> Column:
    return Column(AttributeType.LONG, np.array(values, np.int64))


def strings_of(strings: StringTable, *texts: str | None) -> Column:
    valid = np.array([text is not None for text in texts])
    return make_column(AttributeType.STRING, strings.intern_all([text or "" for text in texts]), valid)


def sums(batch: EventBatch) -> list[list[int]]:
    return [column.values.tolist() for column in batch.columns]


def test_rows_that_ask_alike_share_an_answer() -> None:
    strings = StringTable()
    long, text = AttributeType.LONG, AttributeType.STRING
    asked = AggregationRange("A", attribute(0, long), attribute(1, long), attribute(2, text))
    reader = BucketReader(aggregation(strings), asked, Scope(strings))
    rows = asking(
        longs(0, 2_000, 0, 0), longs(9_000, 9_000, 9_000, 9_000), strings_of(strings, "sec", "sec", "sec", "HOURS")
    )
    batches, which = reader.find(rows)
    assert [sums(batches[place]) for place in which.tolist()] == [
        [[1_000, 2_000], [3, 3]],
        [[2_000], [3]],
        [[1_000, 2_000], [3, 3]],
        [[0], [6]],
    ]
    assert len(batches) == 3


def test_constants_and_patterns_are_answers_to_all() -> None:
    strings = StringTable()
    asked = AggregationRange(
        "A", Literal("1970-01-01 01:**:**", AttributeType.STRING), None, Literal("second", AttributeType.STRING)
    )
    batches, which = BucketReader(aggregation(strings), asked, Scope(strings)).find(asking(longs(1, 2, 3)))
    assert which.tolist() == [0, 0, 0]
    assert sums(batches[0]) == [[3_700_000], [4]]


@pytest.mark.parametrize(
    ("within", "per", "problem"),
    [
        ("yesterday", "sec", "within: 'yesterday' is no span of time"),
        ("1970-**-** **:**:**", "min", "per: 'A' has no buckets of minutes"),
        ("1970-**-** **:**:**", "fortnight", "per: there are no buckets of 'fortnight'"),
        (None, "sec", "within and per cannot be null"),
        ("1970-**-** **:**:**", None, "within and per cannot be null"),
    ],
)
def test_a_row_that_names_no_buckets_is_a_fault(within: str | None, per: str | None, problem: str) -> None:
    strings = StringTable()
    asked = AggregationRange("A", attribute(0, AttributeType.STRING), None, attribute(1, AttributeType.STRING))
    reader = BucketReader(aggregation(strings), asked, Scope(strings))
    with pytest.raises(EngineFault, match=problem):
        reader.find(asking(strings_of(strings, within), strings_of(strings, per)))


def test_an_empty_span_is_a_fault() -> None:
    strings = StringTable()
    long = AttributeType.LONG
    asked = AggregationRange("A", attribute(0, long), attribute(1, long), Literal("sec", AttributeType.STRING))
    reader = BucketReader(aggregation(strings), asked, Scope(strings))
    with pytest.raises(EngineFault, match="the end must be later"):
        reader.find(asking(longs(5), longs(5)))


def test_a_row_sees_what_the_purges_due_at_its_own_time_left() -> None:
    strings = StringTable()
    found = aggregation(strings, PURGED.format(""))
    asked = AggregationRange(
        "A", Literal("1970-**-** **:**:**", AttributeType.STRING), None, Literal("sec", AttributeType.STRING)
    )
    reader = BucketReader(found, asked, Scope(strings))
    rows = Rows(2, ((longs(0, 0),),), np.zeros(2, np.int64), np.array([3_700_000, 4_700_000], np.int64))
    batches, which = reader.find(rows)
    assert [sums(batches[place])[0] for place in which.tolist()] == [[3_700_000], []]
