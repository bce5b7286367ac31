"""Rate limits, named windows, triggers and fault streams in whole plans: fed in batches, one by one, and restored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.embedded import Plan
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

STREAMS = "define stream S (k string, n int);\ndefine stream T (k string, n int);\n"

LIMITED = [
    "from S select k, n output every 2 events insert into Out;",
    "from S[n > 1] select k, sum(n) as s group by k output last every 3 events insert into Out;",
    "from S#window.length(2) select k, n output first every 3 events insert all events into Out;",
    "from S#window.length(2) select k, n output all every 3 events insert all events into Out;",
    "from S select k, n output every 70 millisec insert into Out;",
    "from S#window.time(50 millisec) select k, n output last every 70 millisec insert all events into Out;",
    "from S#window.time(50 millisec) select k, sum(n) as s group by k output last every 70 millisec insert into Out;",
    "from S select k, count() as c group by k output first every 60 millisec insert into Out;",
    "from S select k, n output snapshot every 70 millisec insert into Out;",
    "from S#window.length(3) select k, sum(n) as s group by k output snapshot every 40 millisec insert into Out;",
    "from S#window.time(50 millisec) select sum(n) as s output snapshot every 30 millisec insert into Out;",
    "from S#window.timeBatch(50 millisec) select k, n output snapshot every 70 millisec insert into Out;",
    "from S#window.lengthBatch(2) select k, n output first every 3 events insert into Out;",
    (
        "from S select k, n output every 70 millisec insert into M; from M#window.time(90 millisec) "
        "select k, sum(n) as s insert all events into Out;"
    ),
    (
        "from S select k, n output every 2 events insert into M; from S[n > 2] select k, n insert into M; "
        "from M#window.lengthBatch(3) select k, n insert into Out;"
    ),
]

WINDOWED = [
    (
        "define window W (k string, n int) length(3); from S insert into W; "
        "from W select k, sum(n) as s, count() as c insert all events into Out;"
    ),
    (
        "define window W (k string, n int) time(60 millisec); from S insert into W; "
        "from W select k, sum(n) as s group by k insert all events into Out; "
        "from W[n > 1] select max(n) as m insert into P;"
    ),
    (
        "define window W (k string, n int) lengthBatch(3); from S insert into W; "
        "from S[n > 2] select k, n insert into W; from W select k, sum(n) as s group by k insert into Out;"
    ),
    (
        "define window W (k string, n int) timeBatch(50 millisec) output expired events; from S insert into W; "
        "from W select k, n insert expired events into Out;"
    ),
    (
        "define window W (k string, n int) length(4) output current events; from S insert into W; "
        "from W select k, min(n) as m output last every 2 events insert into Out;"
    ),
    (
        "define window W (k string, n int) time(40 millisec); define window V (k string, n int) length(2); "
        "from S insert into W; from W select k, n insert expired events into V; "
        "from V select sum(n) as s insert into Out;"
    ),
]

Event = tuple[int, tuple[str | None, int]]


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    found: list[Event] = []
    now_ms = 1_000
    for _ in range(draw(st.integers(1, 25))):
        now_ms += draw(st.sampled_from((0, 0, 7, 20, 45, 130)))
        key = draw(st.sampled_from(("a", "b", None)))
        found.append((now_ms, (key, draw(st.integers(0, 4)))))
    return found


def collected(out: dict[str, Any], into: dict[str, list[Any]]) -> None:
    for stream, rows in out.items():
        into.setdefault(stream, []).extend(zip(rows.timestamps.tolist(), rows.rows(), strict=True))


def fed(plan: Plan, batch: list[Event], into: dict[str, list[Any]], *, live: bool) -> None:
    rows = [values for _, values in batch]
    if live:
        collected(plan.send("S", rows, timestamps=[ms for ms, _ in batch], now_ms=batch[-1][0]), into)
    else:
        collected(plan.send("S", rows, timestamps=[ms for ms, _ in batch], now_ms=900), into)


@pytest.mark.parametrize("text", [*LIMITED, *WINDOWED], ids=range(len(LIMITED) + len(WINDOWED)))
@settings(max_examples=15, deadline=None)
@given(history=events(), data=st.data())
def test_in_playback_batches_give_what_single_events_give(text: str, history: list[Event], data: st.DataObject) -> None:
    one_by_one: dict[str, list[Any]] = {}
    single = Plan(STREAMS + text, playback=True)
    for event in history:
        fed(single, [event], one_by_one, live=False)
    in_batches: dict[str, list[Any]] = {}
    plan = Plan(STREAMS + text, playback=True)
    start = 0
    while start < len(history):
        stop = data.draw(st.integers(start + 1, len(history)))
        fed(plan, history[start:stop], in_batches, live=False)
        if data.draw(st.booleans()):
            saved = plan.snapshot()
            plan = Plan(STREAMS + text, playback=True)
            plan.restore(saved)
        start = stop
    assert in_batches == one_by_one


@pytest.mark.parametrize("text", [*LIMITED, *WINDOWED], ids=range(len(LIMITED) + len(WINDOWED)))
@settings(max_examples=8, deadline=None)
@given(history=events())
def test_a_live_batch_gives_what_its_events_give_at_the_same_time(text: str, history: list[Event]) -> None:
    found: list[dict[str, list[Any]]] = []
    for size in (1, 5):
        plan, out = Plan(STREAMS + text, playback=False), dict[str, list[Any]]()
        for start in range(0, len(history), 5):
            batch = history[start : start + 5]
            for first in range(0, len(batch), size):
                piece = [(ms, values) for ms, values in batch[first : first + size]]
                rows = [values for _, values in piece]
                stamps = [ms for ms, _ in piece]
                collected(plan.send("S", rows, timestamps=stamps, now_ms=batch[-1][0]), out)
        collected(plan.advance(history[-1][0] + 500), out)
        found.append(out)
    assert found[0] == found[1]


# --- triggers


def rows_of(out: dict[str, Any], stream: str) -> list[Any]:
    return list(zip(out[stream].timestamps.tolist(), out[stream].rows(), strict=True)) if stream in out else []


def test_a_trigger_counts_from_the_start_and_stamps_each_row_with_its_moment() -> None:
    plan = Plan("define trigger T at every 1 sec; from T select triggered_time as t insert into Out;")
    assert rows_of(plan.advance(5_000), "Out") == []
    assert rows_of(plan.advance(7_500), "Out") == [(6_000, (6_000,)), (7_000, (7_000,))]


def test_triggers_of_one_moment_fire_in_the_order_in_which_they_were_set() -> None:
    plan = Plan(
        "define trigger A at every 2 sec; define trigger B at every 3 sec;"
        "from A select 'a' as w insert into Out; from B select 'b' as w insert into Out;"
    )
    plan.advance(0)
    assert [row for _, row in rows_of(plan.advance(6_000), "Out")] == [("a",), ("b",), ("a",), ("b",), ("a",)]


def test_a_start_trigger_fires_once_and_not_again_after_a_restore() -> None:
    text = "define trigger T at 'start'; from T select triggered_time as t insert into Out;"
    plan = Plan(text)
    assert rows_of(plan.advance(1_000), "Out") == [(1_000, (1_000,))]
    twin = Plan(text)
    twin.restore(plan.snapshot())
    assert rows_of(twin.advance(2_000), "Out") == []


def test_a_restored_trigger_keeps_its_phase() -> None:
    text = "define trigger T at every 1 sec; from T select triggered_time as t insert into Out;"
    plan, twin = Plan(text), Plan(text)
    plan.advance(300)
    twin.restore(plan.snapshot())
    assert rows_of(twin.advance(1_400), "Out") == [(1_300, (1_300,))]


def test_a_cron_trigger_fires_when_its_expression_says() -> None:
    plan = Plan("define trigger T at '0/20 * * * * ?'; from T select triggered_time as t insert into Out;")
    plan.advance(5_000)
    assert [row for _, row in rows_of(plan.advance(61_000), "Out")] == [(20_000,), (40_000,), (60_000,)]


def test_a_plan_with_a_trigger_that_cannot_be_set_says_so_and_does_nothing() -> None:
    plan = Plan("define stream S (n int); define trigger T at 'now and then'; from S select n insert into Out;")
    assert any("trigger 'T' cannot be set" in warning for warning in plan.warnings)
    assert plan.send("S", [(1,)], now_ms=1_000) == {}
    assert any("trigger 'T' cannot be set" in fault for fault in plan.take_faults())


# --- faults


def test_a_row_on_which_a_query_fails_goes_to_the_fault_stream() -> None:
    plan = Plan(
        "@OnError(action='STREAM') define stream S (k string, n int);"
        "from S select cast(k, 'int') + 1 as v insert into Out;"
        "from S select n insert into Later;"
        "from !S select k, n, _error as e insert into Bad;"
    )
    out = plan.send("S", [("x", 1)], timestamps=5, now_ms=5)
    assert [(stamp, row[:2]) for stamp, row in rows_of(out, "Bad")] == [(5, ("x", 1))]
    assert rows_of(out, "Later") == []
    assert plan.take_faults()


def test_a_chunk_on_which_a_query_fails_is_one_chunk_of_the_fault_stream() -> None:
    plan = Plan(
        "define stream S (k string, n int); @OnError(action='STREAM') define stream M (k string, n int);"
        "from S#window.lengthBatch(2) select k, n insert into M;"
        "from M select cast(k, 'int') + 1 as v insert into Out;"
        "from !M#window.batch() select count() as c insert into Bad;"
    )
    out = plan.send("S", [("x", 1), ("y", 2)], now_ms=5)
    assert [row for _, row in rows_of(out, "Bad")] == [(2,)]


def test_a_row_on_which_a_partition_fails_goes_to_the_fault_stream_and_to_no_later_reader() -> None:
    plan = Plan(
        "@OnError(action='STREAM') define stream S (k string, n int);"
        "partition with (n of S) begin from S select cast(k, 'int') + 1 as v insert into Out; end;"
        "from S select n insert into Later; from !S select k, n insert into Bad;"
    )
    assert set(plan.send("S", [("x", 1)], now_ms=5)) == {"Bad"}
    plan = Plan(
        "define stream S (k string, n int); @OnError(action='STREAM') define stream M (k string, n int);"
        "from S#window.lengthBatch(4) select k, n insert into M;"
        "partition with (n of M) begin"
        " from M select ifThenElse(n > 2, cast(k, 'int') + 1, n) as v insert into Out; end;"
        "from M select n insert into Later; from !M select n insert into Bad;"
    )
    out = plan.send("S", [("x", 1), ("x", 3), ("x", 2), ("x", 4)], now_ms=5)
    assert {name: [row[0] for _, row in rows_of(out, name)] for name in ("Out", "Later", "Bad")} == {
        "Out": [1, 2],
        "Later": [1, 2],
        "Bad": [3, 4],
    }


def test_a_row_of_which_the_key_of_a_partition_fails_goes_to_the_fault_stream() -> None:
    plan = Plan(
        "@OnError(action='STREAM') define stream S (k string, n int);"
        "partition with (cast(k, 'int') + 1 of S) begin from S select n insert into Out; end;"
        "from S select n insert into Later; from !S select k, n insert into Bad;"
    )
    assert set(plan.send("S", [("x", 1)], now_ms=5)) == {"Bad"}


def test_a_fault_of_a_stream_without_one_is_dropped() -> None:
    plan = Plan("define stream S (k string); from S select cast(k, 'int') + 1 as v insert into Out;")
    assert plan.send("S", [("x",)], now_ms=5) == {}


# --- the playback clock


def test_without_events_the_event_clock_goes_on_by_itself() -> None:
    plan = compile_plan(
        "@app:playback(idle.time='100 millisec', increment='50 millisec')"
        "define stream S (n int); from S#window.time(120 millisec) select n insert expired events into Out;"
    )
    strings = StringTable()
    runtime = lower(plan, strings, EntryIdentity("p"), keep=frozenset({"Out"}), wall_ms=10_000)
    runtime.start(10_000)
    schema = plan.stream("S").schema
    column = Column(AttributeType.INT, np.array([7], dtype=np.int32))
    runtime.publish("S", EventBatch(schema, np.array([1_000], dtype=np.int64), (column,)), 10_010)
    assert runtime.next_wall_timer_ms() == 10_110
    runtime.pass_wall_time(10_320)
    assert runtime.clock_ms == 1_150
    assert runtime.take_outputs()["Out"].timestamps.tolist() == [1_150]


def test_a_stopped_plan_takes_nothing_and_fires_nothing() -> None:
    plan = compile_plan("define stream S (n int); from S#window.time(1 sec) select n insert all events into Out;")
    runtime = lower(plan, StringTable(), EntryIdentity("p"), keep=frozenset({"Out"}))
    runtime.start(0)
    column = Column(AttributeType.INT, np.array([7], dtype=np.int32))
    batch = EventBatch(plan.stream("S").schema, np.array([10], dtype=np.int64), (column,))
    runtime.publish("S", batch, 10)
    runtime.take_outputs()
    runtime.stop()
    runtime.publish("S", batch, 20)
    runtime.advance(5_000)
    assert runtime.take_outputs() == {}
    assert runtime.next_timer_ms() is None
