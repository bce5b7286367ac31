"""The engine as the log drives it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.runtime import EngineRuntime
from eiha.errors import AnswerTooLarge, CorruptFile, PlanError, PlanNotSaved, StoreUnavailable, UnknownPlan
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, Incarnation, LogTimeMs, NodeId, Sequence
from eiha.protocol.answers import RowsFound, StatementFits
from eiha.protocol.log_entry import (
    DeployPlan,
    EntryBody,
    EpochStart,
    LogEntry,
    Publication,
    Publications,
    RemovePlan,
    TableStatement,
    TimeTick,
)
from eiha.protocol.outputs import AppliedEntry
from eiha.protocol.state_digest import differing_parts
from tests.poison_functions import DEFIES, HIDES, SHOWS

DEFINITION = "define stream S (sym string, price double, vol int);\n"
COUNTING = DEFINITION + "from S#window.length(3) select sym, sum(vol) as s, count() as c group by sym insert into Out;"
TIMED = DEFINITION + "from S#window.time(100) select sym, sum(vol) as s insert all events into Out;"
Event = tuple[str | None, float, int]


class Log:
    """Numbers entries and applies them."""

    def __init__(self, *plans: str) -> None:
        self.engine = EngineRuntime()
        self.sequence = 0
        for number, text in enumerate(plans):
            applied = self.apply(DeployPlan(f"p{number}", text))
            assert applied.faults == ()

    def apply(self, body: EntryBody, at_ms: int = 1000) -> AppliedEntry:
        self.sequence += 1
        return self.engine.apply(LogEntry(Epoch(1), Sequence(self.sequence), LogTimeMs(at_ms), body))

    def publish(self, events: list[Event], at_ms: int = 1000, stream: str = "S") -> AppliedEntry:
        return self.apply(Publications((publication(events, stream),)), at_ms)


def publication(events: list[Event], stream: str = "S") -> Publication:
    return Publication(ClientId("c"), ClientSequence(1), stream, len(events), payload(events))


def payload(events: list[Event]) -> bytes:
    texts = tuple(dict.fromkeys(event[0] for event in events if event[0] is not None))
    codes = np.array([texts.index(event[0]) if event[0] is not None else 0 for event in events], dtype="<i4")
    present = np.array([event[0] is not None for event in events])
    return encode(
        WireBatch(
            len(events),
            None,
            (
                WireColumn(AttributeType.STRING, codes, None if present.all() else present, texts),
                WireColumn(AttributeType.DOUBLE, np.array([event[1] for event in events], dtype="<f8")),
                WireColumn(AttributeType.INT, np.array([event[2] for event in events], dtype="<i4")),
            ),
        )
    )


def rows(applied: AppliedEntry, stream: str = "Out", sink: str = "processed") -> list[tuple[Any, ...]]:
    return [
        row
        for output in applied.outputs
        if output.stream.name == stream and output.sink == sink
        for row in zip(*(column.to_list() for column in output.batch.columns), strict=True)
    ]


def test_rows_go_from_the_wire_through_a_plan_to_outputs_with_ids() -> None:
    log = Log(COUNTING)
    applied = log.publish([("a", 1.0, 5), ("b", 2.0, 7), ("a", 3.0, 1), ("a", 4.0, 2)])
    assert rows(applied) == [("a", 5, 1), ("b", 7, 1), ("a", 6, 2), ("a", 3, 2)]
    (output,) = applied.outputs
    assert (output.plan, output.stream.name, output.sequence, output.first_ordinal) == ("p0", "Out", 2, 0)
    assert output.batch.timestamps is not None
    assert output.batch.timestamps.tolist() == [1000] * 4


def test_nulls_pass_from_wire_to_wire() -> None:
    log = Log(DEFINITION + "from S select sym, vol insert into Out;")
    assert rows(log.publish([(None, 1.0, 5), ("b", 1.0, 6)])) == [(None, 5), ("b", 6)]
    assert rows(log.publish([(None, 1.0, 5)])) == [(None, 5)]


def test_timers_of_a_live_plan_fire_by_time_ticks_at_their_own_times() -> None:
    log = Log(TIMED)
    assert log.publish([("a", 1.0, 5)], at_ms=1000).next_timer_ms == 1100
    log.publish([("b", 1.0, 6)], at_ms=1050)
    applied = log.apply(TimeTick(), at_ms=1200)
    assert rows(applied) == [("a", 6), ("b", None)]
    assert applied.outputs[0].batch.timestamps is not None
    assert applied.outputs[0].batch.timestamps.tolist() == [1100, 1150]
    assert applied.next_timer_ms is None


def test_late_timers_fire_before_the_rows_of_an_entry_in_any_size_of_batch() -> None:
    one, many = Log(TIMED), Log(TIMED)
    events: list[Event] = [("c", 1.0, 1), ("d", 1.0, 2)]
    for log in (one, many):
        log.publish([("a", 1.0, 5)], at_ms=1000)
        log.publish([("b", 1.0, 6)], at_ms=1050)
    together = rows(many.publish(events, at_ms=1200))
    apart = rows(one.publish(events[:1], at_ms=1200)) + rows(one.publish(events[1:], at_ms=1200))
    assert together == apart == [("a", 6), ("b", None), ("c", 1), ("d", 3)]


def test_a_plan_that_does_not_compile_is_a_fault_and_harms_nothing() -> None:
    log = Log(COUNTING)
    applied = log.apply(DeployPlan("bad", "from Nowhere select x insert into Out;"))
    assert len(applied.faults) == 1
    assert "bad" in applied.faults[0]
    assert rows(log.publish([("a", 1.0, 5)])) == [("a", 5, 1)]


def test_deploying_the_same_text_again_keeps_state_and_other_queries_begin_anew() -> None:
    log = Log(COUNTING)
    log.publish([("a", 1.0, 5)])
    log.apply(DeployPlan("p0", COUNTING))
    assert rows(log.publish([("a", 1.0, 5)])) == [("a", 10, 2)]
    log.apply(DeployPlan("p0", COUNTING + "\n-- a remark"))
    assert rows(log.publish([("a", 1.0, 5)])) == [("a", 15, 3)]
    assert "count() as" in COUNTING
    log.apply(DeployPlan("p0", COUNTING.replace("count() as", "count(sym) as")))
    assert rows(log.publish([("a", 1.0, 5)])) == [("a", 5, 1)]


def test_a_removed_plan_is_gone() -> None:
    log = Log(COUNTING)
    assert set(log.engine.streams()) == {"S"}
    log.apply(RemovePlan("p0"))
    assert log.engine.streams() == {}
    assert "no plan defines stream 'S'" in log.publish([("a", 1.0, 5)]).faults[0]
    assert "not deployed" in log.apply(RemovePlan("p0")).faults[0]


def test_two_plans_get_the_same_events_and_a_clash_of_definitions_is_a_fault() -> None:
    log = Log(COUNTING, COUNTING.replace("Out", "Other"))
    applied = log.publish([("a", 1.0, 5)])
    assert [output.plan for output in applied.outputs] == ["p0", "p1"]
    clash = log.apply(DeployPlan("p2", "define stream S (x int); from S select x insert into Y;"))
    assert "defines stream 'S'" in clash.faults[0]


def test_a_payload_that_does_not_fit_is_a_fault_and_other_publications_live() -> None:
    log = Log(COUNTING)
    broken = Publication(ClientId("c"), ClientSequence(1), "S", 1, b"\x93\x01\xc0\x90")
    applied = log.apply(Publications((broken, publication([("a", 1.0, 5)]))))
    assert len(applied.faults) == 1
    assert rows(applied) == [("a", 5, 1)]


def test_a_row_that_fails_is_dropped_for_that_query_and_later_ones_of_the_stream() -> None:
    text = (
        "define stream O (o object, v int);\n"
        "from O select v insert into A;\n"
        "from O select cast(o, 'int') + 1 as x insert into B;\n"
        "from O select v insert into C;"
    )
    log = Log(text)
    objects = np.empty(3, dtype=np.object_)
    objects[:] = [1, "x", 3]
    batch = WireBatch(
        3,
        None,
        (WireColumn(AttributeType.OBJECT, objects), WireColumn(AttributeType.INT, np.array([1, 2, 3], dtype="<i4"))),
    )
    entry = Publication(ClientId("c"), ClientSequence(1), "O", 3, encode(batch))
    applied = log.apply(Publications((entry,)))
    assert rows(applied, "A") == [(1,), (2,), (3,)]
    assert rows(applied, "B") == [(2,), (4,)]
    assert rows(applied, "C") == [(1,), (3,)]
    assert len(applied.faults) == 1


def test_a_plan_that_feeds_itself_for_ever_ends_in_a_fault_and_faults_of_an_entry_are_bounded() -> None:
    log = Log(DEFINITION + "from S select sym, price, vol insert into S;")
    applied = log.publish([("a", 1.0, number) for number in range(40)])
    assert "deep" in applied.faults[0]
    assert applied.faults[-1] == "plan 'p0', and 24 more failures of the same entry"
    assert len(applied.faults) == 17


def test_outputs_carry_the_name_of_the_deployment_not_that_of_the_text() -> None:
    log = Log("@app:name('inside')\n" + COUNTING)
    assert log.publish([("a", 1.0, 5)]).outputs[0].plan == "p0"


def test_an_epoch_start_changes_nothing_but_the_position() -> None:
    log = Log(COUNTING)
    before = log.engine.digest()
    applied = log.apply(EpochStart(NodeId("n"), Incarnation("i")))
    assert applied.outputs == ()
    assert log.engine.digest() != before


def test_raw_rows_of_stored_streams_go_to_the_events_sink() -> None:
    log = Log("@store(type='events')\n" + COUNTING)
    applied = log.publish([("a", 1.5, 5)])
    assert rows(applied, "S", "events") == [("a", 1.5, 5)]
    assert rows(applied) == [("a", 5, 1)]


def test_a_key_that_arrived_before_is_not_taken_again_also_after_a_restore() -> None:
    marked = (
        "@source(type='eiha', events.duplicated.in.cluster='true', dedup.key='vol', dedup.size='2')\n"
        + DEFINITION
        + "from S select sym, vol insert into Out;"
    )
    log = Log(marked)
    assert rows(log.publish([("a", 1.0, 1), ("b", 1.0, 1), ("c", 1.0, 2)])) == [("a", 1), ("c", 2)]
    log.engine.restore(log.engine.snapshot())
    assert rows(log.publish([("d", 1.0, 2), ("e", 1.0, 3), ("f", 1.0, 1)])) == [("e", 3), ("f", 1)]


class NoWriter:
    """Takes a state and forgets it."""

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails

    def write(self, data: bytes | memoryview) -> None:
        if self._fails:
            raise StoreUnavailable("the disk is full")

    def cut(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("number", "reason"), [(HIDES, "RuntimeError: not to be told"), (DEFIES, "TypeError: .*object")]
)
def test_a_plan_whose_state_cannot_be_told_or_written_is_named_and_goes_on(number: int, reason: str) -> None:
    log = Log(COUNTING, DEFINITION + "from S#window.poison:keep() select vol insert into Kept;")
    log.publish([("a", 1.0, number)])
    for attempt in (log.engine.snapshot, lambda: log.engine.write_state(NoWriter())):
        with pytest.raises(PlanNotSaved, match=f"^plan 'p1': its state cannot be told: {reason}"):
            attempt()
    told = [log.engine.digest_at(position).untold for position in range(20)]
    (untold,) = set(told) - {()}
    (told_part,) = untold
    assert told_part.startswith("plan 'p1', query 'query1', stage ")
    assert "extension window" in told_part
    assert log.publish([("a", 1.0, SHOWS)]).faults == ()
    assert log.engine.snapshot()
    assert not any(log.engine.digest_at(position).untold for position in range(20))


def test_a_writer_that_fails_is_not_taken_for_a_plan_that_does() -> None:
    log = Log(COUNTING)
    with pytest.raises(StoreUnavailable):
        log.engine.write_state(NoWriter(fails=True))


def test_a_snapshot_that_is_damaged_changes_nothing() -> None:
    log = Log(COUNTING)
    log.publish([("a", 1.0, 5)])
    before = log.engine.digest()
    with pytest.raises(CorruptFile):
        log.engine.restore(log.engine.snapshot()[:-1])
    assert log.engine.digest() == before


PLANS = (
    COUNTING,
    TIMED,
    DEFINITION + "from S[price > 2.0]#window.lengthBatch(2) select sym, max(price) as m, stdDev(vol) as d group by sym"
    " order by m desc insert all events into Out;",
    DEFINITION + "from S select sym, vol insert into M;\nfrom S[vol > 3] select sym, vol + 1 as vol insert into M;\n"
    "from M#window.timeBatch(50) select sym, distinctCount(vol) as n, min(vol) as l group by sym insert into Out;",
    DEFINITION + "from every e1=S[vol > 2] -> e2=S[vol > e1.vol] within 100 milliseconds"
    " select e1.sym as a, e2.sym as b, UUID() as u insert into Out;",
)
events_strategy = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from("abc")), st.sampled_from([1.0, 2.5, 4.0]), st.integers(0, 6)),
    min_size=1,
    max_size=6,
)
entries_strategy = st.lists(st.tuples(st.integers(0, 60), st.one_of(st.none(), events_strategy)), max_size=12)


@pytest.mark.parametrize("text", PLANS)
@settings(max_examples=25, deadline=None)
@given(entries=entries_strategy, cut=st.integers(0, 12))
def test_a_restored_engine_has_the_same_digest_and_the_same_future(
    text: str, entries: list[tuple[int, list[Event] | None]], cut: int
) -> None:
    whole, parts = Log(text), Log(text)
    now = 1000
    for number, (elapsed, events) in enumerate(entries):
        now += elapsed
        if number == cut:
            fresh = EngineRuntime()
            fresh.restore(parts.engine.snapshot())
            assert fresh.digest() == parts.engine.digest()
            parts.engine = fresh
        ours, theirs = (
            log.apply(TimeTick(), now) if events is None else log.publish(events, now) for log in (parts, whole)
        )
        assert ours.next_timer_ms == theirs.next_timer_ms
        assert rows(ours) == rows(theirs)
        assert differing_parts(parts.engine.digest_at(number), whole.engine.digest_at(number)) == ()
    assert parts.engine.digest() == whole.engine.digest()


TABLED = """define stream S (sym string, price double, vol int);
@PrimaryKey('sym') define table T (sym string, vol int);
from S select sym, vol update or insert into T on T.sym == sym;"""


def asked(log: Log, text: str, rows_max: int = 100) -> list[list[Any]]:
    found = log.engine.ask("p0", text, rows_max)
    assert isinstance(found, RowsFound)
    assert found.sequence == log.sequence
    return [column.to_list() for column in found.batch.columns]


def test_a_question_is_answered_and_changes_nothing() -> None:
    log = Log(TABLED)
    log.publish([("a", 1.0, 1), ("b", 1.0, 2)])
    before = log.engine.digest()
    assert asked(log, "from T on vol > 1 select sym, vol, 'new text' as note") == [["b"], [2], ["new text"]]
    assert asked(log, "from T on vol > 9 select sym") == [[]]
    assert log.engine.digest() == before


def test_what_is_no_question_is_told_apart_and_does_nothing() -> None:
    log = Log(TABLED)
    before = log.engine.digest()
    assert log.engine.ask("p0", "select 'a' as sym, 1 as vol insert into T", 1) == StatementFits()
    assert log.engine.digest() == before
    with pytest.raises(UnknownPlan, match="no plan 'q' is deployed; deployed: p0"):
        log.engine.ask("q", "from T select sym", 1)
    with pytest.raises(PlanError, match="line 1, column"):
        log.engine.ask("p0", "from T select symbol", 1)


def test_an_answer_has_a_bound() -> None:
    log = Log(TABLED)
    log.publish([("a", 1.0, 1), ("b", 1.0, 2)])
    with pytest.raises(AnswerTooLarge, match="limit and offset"):
        asked(log, "from T select sym", 1)
    assert asked(log, "from T select sym order by sym limit 1 offset 1", 1) == [["b"]]


def test_a_statement_of_the_log_changes_tables_the_same_way_everywhere() -> None:
    statements = ("select 'a' as sym, 7 as vol insert into T", "update T set T.vol = 8 on T.sym == 'a'")
    logs = Log(TABLED), Log(TABLED)
    for log in logs:
        for text in statements:
            assert log.apply(TableStatement("r", "p0", text)).refusal == ""
        assert asked(log, "from T select sym, vol") == [["a"], [8]]
    assert logs[0].engine.digest() == logs[1].engine.digest() != Log(TABLED).engine.digest()
    restored = EngineRuntime()
    restored.restore(logs[0].engine.snapshot())
    assert restored.digest() == logs[0].engine.digest()


@pytest.mark.parametrize(
    ("plan", "text", "refusal"),
    [
        ("q", "delete T", "no plan 'q' is deployed"),
        ("p0", "delete U on U.x == 1", "'U' is not a table"),
        ("p0", "from T select sym", "it is a question"),
        ("p0", "select 'a' as sym, 7 as vol insert into T", "primary key"),
    ],
)
def test_a_statement_that_cannot_be_carried_out_is_a_fault_that_changes_nothing(
    plan: str, text: str, refusal: str
) -> None:
    log = Log(TABLED)
    log.publish([("a", 1.0, 1)])
    applied = log.apply(TableStatement("r", plan, text))
    assert refusal in applied.refusal
    assert [refusal in fault for fault in applied.faults] == [True]
    assert asked(log, "from T select sym, vol") == [["a"], [1]]
    assert log.apply(TimeTick()).refusal == ""
