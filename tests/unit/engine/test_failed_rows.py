"""Rows of a stream with ``@OnError(action='STORE')`` on which a query fails are outputs for the error store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eiha.engine.error_rows import ERRORS_SINK, NO_ROW
from eiha.engine.runtime import EngineRuntime
from eiha.events.rows import columns_to_batch
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import WireBatch, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications, TimeTick
from eiha.protocol.outputs import AppliedEntry, OutputBatch

SCHEMA = Schema((Attribute("name", AttributeType.STRING), Attribute("number", AttributeType.LONG)))
STORED = "@OnError(action='STORE') define stream S (name string, number long); "
FAILING = "from S[number > 1] select cast(name, 'int') + 1 as value insert into Out;"


class Pair:
    """Two engines that apply the same entries and must say the same."""

    def __init__(self, text: str) -> None:
        self.engines = (EngineRuntime(), EngineRuntime())
        self.sequence = 0
        assert self.apply(DeployPlan("p", text)).faults == ()

    def apply(self, body: EntryBody, at_ms: int = 1_000) -> AppliedEntry:
        self.sequence += 1
        entry = LogEntry(Epoch(1), Sequence(self.sequence), LogTimeMs(at_ms), body)
        first, second = (engine.apply(entry) for engine in self.engines)
        assert [_bytes(each) for each in first.outputs] == [_bytes(each) for each in second.outputs]
        return first

    def publish(
        self, *rows: tuple[str | None, int], times: list[int] | None = None, at_ms: int = 1_000
    ) -> AppliedEntry:
        batch = columns_to_batch([[name for name, _ in rows], [number for _, number in rows]], len(rows), SCHEMA, times)
        publication = Publication(ClientId("shop"), ClientSequence(7), "S", len(rows), encode(batch))
        return self.apply(Publications((publication,)), at_ms)


def _bytes(output: OutputBatch) -> tuple[Any, ...]:
    return (output.sink, output.plan, output.stream, output.sequence, output.first_ordinal, _encoded(output.batch))


def _encoded(batch: WireBatch) -> bytes:
    return encode(batch)


def errors(applied: AppliedEntry) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in applied.outputs:
        if each.sink == ERRORS_SINK:
            names = each.stream.schema.names
            stamps = each.batch.timestamps
            assert stamps is not None
            rows = zip(*(column.to_list() for column in each.batch.columns), strict=True)
            found += [
                dict(zip(names, row, strict=True)) | {"time_ms": int(stamp)}
                for row, stamp in zip(rows, stamps, strict=True)
            ]
    return found


def events(applied: AppliedEntry) -> list[dict[str, Any]]:
    return [json.loads(each["event"]) for each in errors(applied)]


def processed(applied: AppliedEntry) -> list[Any]:
    found = [each for each in applied.outputs if each.sink == "processed"]
    return [value for each in found for value in each.batch.columns[-1].to_list()]


def test_a_row_on_which_a_query_fails_is_stored_and_its_neighbours_are_not() -> None:
    counting = "from S select count() as events insert into Counted;"
    applied = Pair(STORED + counting + FAILING).publish(("1", 1), ("x", 2), (None, 3), ("y", 4))
    assert events(applied) == [{"name": "x", "number": 2}, {"name": "y", "number": 4}]
    first = errors(applied)[0]
    assert (first["stream"], first["cause"], first["row_number"]) == ("S", "failed", NO_ROW)
    assert (first["client"], first["client_sequence"]) == ("shop", 7)
    assert "query 'query2'" in first["reason"]
    assert 4 in processed(applied)


def test_without_the_annotation_nothing_is_stored() -> None:
    applied = Pair(STORED.replace("STORE", "LOG") + FAILING).publish(("x", 2))
    assert errors(applied) == []
    assert applied.faults


@pytest.mark.parametrize(("times", "expected", "has_time"), [(None, 9_000, False), ([77], 77, True)])
def test_the_time_of_the_event_is_kept_with_whether_its_client_gave_it(
    times: list[int] | None, expected: int, has_time: bool
) -> None:
    (row,) = errors(Pair(STORED + FAILING).publish(("x", 2), times=times, at_ms=9_000))
    assert (row["time_ms"], row["has_time"]) == (expected, has_time)


def test_rows_that_a_query_put_into_the_stream_are_stored_under_its_name() -> None:
    text = (
        "define stream S (name string, number long);"
        "@OnError(action='STORE') define stream Mid (name string, twice long);"
        "from S select name, number * 2 as twice insert into Mid;"
        "from Mid select cast(name, 'int') + 1 as value insert into Out;"
    )
    (row,) = errors(Pair(text).publish(("x", 4)))
    assert (row["stream"], json.loads(row["event"])) == ("Mid", {"name": "x", "twice": 8})


def test_rows_that_a_timer_puts_into_the_stream_are_nobodys() -> None:
    text = (
        "define stream S (name string, number long);"
        "@OnError(action='STORE') define stream Mid (name string);"
        "from S#window.timeBatch(1 sec) select name insert into Mid;"
        "from Mid select cast(name, 'int') + 1 as value insert into Out;"
    )
    pair = Pair(text)
    assert errors(pair.publish(("x", 1), ("y", 2))) == []
    rows = errors(pair.apply(TimeTick(), at_ms=5_000))
    assert [(json.loads(row["event"]), row["client"], row["client_sequence"]) for row in rows] == [
        ({"name": "x"}, "", 0),
        ({"name": "y"}, "", 0),
    ]


def test_what_fails_within_a_partition_or_by_its_key_is_stored() -> None:
    within = "partition with (number of S) begin " + FAILING + " end;"
    assert events(Pair(STORED + within).publish(("1", 1), ("x", 2))) == [{"name": "x", "number": 2}]
    ranges = "partition with (cast(name, 'int') > 5 as 'big' of S) begin "
    by_key = ranges + "from S select number insert into Out; end;"
    assert events(Pair(STORED + by_key).publish(("x", 2))) == [{"name": "x", "number": 2}]


def test_a_row_without_a_time_for_its_aggregation_is_stored() -> None:
    source = "define stream S (name string, number long);"
    aggregated = "define aggregation A from {} select sum(number) as total aggregate by time every sec;"
    inner = "@OnError(action='STORE') define stream Mid (number long, time long);"
    text = (
        source
        + inner
        + aggregated.format("Mid")
        + "from S select number, ifThenElse(number > 5, 1000L, math:parseLong(name)) as time insert into Mid;"
    )
    applied = Pair(text).publish(("x", 9), ("x", 1), ("x", 8), ("x", 2))
    assert [event["number"] for event in events(applied)] == [1, 2]


def test_a_row_that_a_table_refuses_is_not_an_error_of_the_stream() -> None:
    text = STORED + "@PrimaryKey('name') define table T (name string, number long); from S insert into T;"
    applied = Pair(text).publish(("a", 1), ("a", 2))
    assert errors(applied) == []
    assert any("primary key" in fault for fault in applied.faults)


def test_values_that_json_does_not_know_are_texts() -> None:
    text = (
        "define stream S (name string, number long);"
        "@OnError(action='STORE') define stream Mid (name string, size double, things object);"
        "from S select name, math:log(number, 10) as size, createSet(name) as things insert into Mid;"
        "from Mid select cast(name, 'int') + 1 as value insert into Out;"
    )
    (event,) = events(Pair(text).publish(("x", 0)))
    assert event == {"name": "x", "size": "-Infinity", "things": ["x"]}
