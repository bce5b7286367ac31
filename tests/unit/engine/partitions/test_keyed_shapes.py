from __future__ import annotations

import pytest

from eiha.engine.partitions.keyed_shapes import is_keyed, keyed_pattern, keyed_timers
from eiha.plan.compilation import compile_plan
from eiha.plan.keyed_patterns import INSTANCE
from eiha.plan.nodes import PatternInput, Plan

HEAD = (
    "define stream S (k string, n int, x double, t long); define stream R (k string, n int); "
    "define table T (k string); "
)


def plan_of(query: str, keys: str = "k of S, k of R", note: str = "") -> Plan:
    return compile_plan(f"{HEAD} {note} partition with ({keys}) begin {query} end;")


@pytest.mark.parametrize(
    "query",
    [
        "from S[n > 2] select k, count() as c insert into Out;",
        "from S#window.length(2) select k, max(n) as m group by n having m > 2 insert all events into Out;",
        "from R#pol2Cart(0.5, 1.0)#log('seen') select k insert into Out;",
        "from S#window.time(2)[n > 1] select max(n) as m group by x insert into Out;",
        "from S#window.timeLength(2 sec, 2) select distinctCount(n) as c insert into Out;",
        "from S#window.externalTime(t, 2 sec) select avg(n) as a insert into Out;",
        "from S[n > 1]#window.lengthBatch(2) select k insert into Out;",
        "from S#window.timeBatch(2 sec, 0) select k, sum(n) as s group by k insert into Out;",
        "from S#window.externalTimeBatch(t, 2 sec, t) select max(x) as m insert into Out;",
        "from S select k output every 2 events insert into Out;",
        "from S#window.time(2 sec) select k, sum(n) as s having s > 2L output last every 2 sec insert into Out;",
        "from S#window.length(2) select k, n output first every 2 sec insert into Out;",
    ],
)
def test_rows_of_all_instances_may_pass_together(query: str) -> None:
    plan = plan_of(query)
    assert is_keyed(plan.queries[0], plan)


@pytest.mark.parametrize(
    "query",
    [
        "from S#window.lengthBatch(2) select k insert all events into Out;",
        "from S#window.lengthBatch(2, true) select k insert into Out;",
        "from S#window.lengthBatch(2) select k, sum(n) as s having s > 2L insert into Out;",
        "from S#window.time(2) select k insert all events into Out;",
        "from S#window.time(2)[n > currentTimeMillis()] select max(n) as m insert into Out;",
        "from S#window.externalTimeBatch(t, 2, 0L, 5) select k insert into Out;",
        "from S#window.sort(2, n) select k insert into Out;",
        "from S#window.length(0) select k insert into Out;",
        "from S select k order by k insert into Out;",
        "from S select k limit 1 insert into Out;",
        "from S select k, count() as c output snapshot every 2 sec insert into Out;",
        "from S select k, n group by n output last every 2 events insert into Out;",
        "from S#window.length(2) select k output every 2 events insert expired events into Out;",
        "from S#window.lengthBatch(2) select k output every 2 events insert into Out;",
        "from every e1=S -> e2=S select e1.k as k insert into Out;",
    ],
)
def test_what_looks_at_chunks_fails_or_waits_is_run_instance_by_instance(query: str) -> None:
    plan = plan_of(query)
    assert not is_keyed(plan.queries[0], plan)


IDLE = "@purge(enable='true', interval='1 sec', idle.period='3 sec')"


def test_instances_that_may_be_forgotten_run_together() -> None:
    plan = plan_of("from S#window.time(1 hour) select count() as c insert into Out;", note=IDLE)
    assert is_keyed(plan.queries[0], plan)


@pytest.mark.parametrize("rate", ["#window.timeBatch(2 sec) select k insert", "select k output every 2 sec insert"])
def test_instances_that_may_be_forgotten_and_wait_for_moments_run_one_by_one(rate: str) -> None:
    plan = plan_of(f"from S{'' if rate.startswith('#') else ' '}{rate} into Out;", note=IDLE)
    assert not is_keyed(plan.queries[0], plan)


def test_sums_of_current_rows_over_time_need_no_timer() -> None:
    plan = plan_of("from S#window.time(2 sec) select sum(n) as s insert into Out;")
    assert is_keyed(plan.queries[0], plan)
    assert not keyed_timers(plan.queries[0])


def test_ends_of_periods_of_a_rate_are_timers() -> None:
    plan = plan_of("from S select k output every 2 sec insert into Out;")
    assert keyed_timers(plan.queries[0])
    plan = plan_of("from S#window.time(2 sec) select k, max(n) as m output first every 2 sec insert into Out;")
    assert not keyed_timers(plan.queries[0])


def test_ends_of_periods_are_timers() -> None:
    plan = plan_of("from S#window.timeBatch(2 sec) select sum(n) as s insert into Out;")
    assert keyed_timers(plan.queries[0])


CHAIN = "from every e1=S -> e2=R[n > e1.n] select e1.k as k insert into Out;"


def test_a_chain_of_every_event_becomes_one_pattern_with_the_key_in_its_conditions() -> None:
    plan = plan_of(CHAIN)
    whole = keyed_pattern(plan.queries[0], plan)
    assert whole is not None and isinstance(whole.input, PatternInput)
    assert whole.input.steps[0].condition is None
    assert whole.input.steps[1].condition is not None
    assert all(step.schema.attributes[-1] == INSTANCE for step in whole.input.steps)


@pytest.mark.parametrize(
    "query",
    [
        CHAIN.replace("e1.k as k", "count() as c"),
        CHAIN.replace("R[n > e1.n]", "R[n > e1.n]<2>"),
        CHAIN.replace("e2=R[n > e1.n]", "not S[n > e1.n] for 2 sec"),
        CHAIN.replace("e2=R[n > e1.n]", "not S[n > e1.n] for 2 sec within 1 min"),
        CHAIN.replace("e2=R[n > e1.n]", "e2=R[n > e1.n] and e3=S[x > 1.0]"),
        CHAIN.replace("e2=R[n > e1.n]", "e2=R -> e3=S within 1 min"),
    ],
)
def test_every_first_event_begins_a_match_of_its_own(query: str) -> None:
    plan = plan_of(query)
    assert keyed_pattern(plan.queries[0], plan) is not None


def test_matches_for_an_inner_stream_bring_their_instance() -> None:
    plan = plan_of(CHAIN.replace("Out", "#M"))
    whole = keyed_pattern(plan.queries[0], plan)
    assert whole is not None
    assert whole.selector.schema.attributes[-1] == INSTANCE


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        (CHAIN.replace("every ", ""), "k of S, k of R"),
        (CHAIN.replace("e1.k as k", "count() as c").replace("insert", "limit 1 insert"), "k of S, k of R"),
        (CHAIN.replace("->", ",").replace("R[n > e1.n]", "S"), "k of S"),
        (CHAIN.replace("R[n > e1.n]", "R[n > e1.n]<2> within 5 sec"), "k of S, k of R"),
        (CHAIN.replace("e1=S", "e1=S<2>").replace("e1.k", "e2.k").replace("[n > e1.n]", ""), "k of S, k of R"),
        (CHAIN.replace("-> ", "-> every "), "k of S, k of R"),
        (CHAIN, "k of S"),
    ],
)
def test_other_patterns_are_run_instance_by_instance(query: str, keys: str) -> None:
    plan = plan_of(query, keys)
    assert keyed_pattern(plan.queries[0], plan) is None


@pytest.mark.parametrize(
    ("query", "together"),
    [
        (CHAIN, False),
        (CHAIN.replace("R[n > e1.n]", "R[n > e1.n] within 1 hour"), True),
        (CHAIN.replace("e2=R[n > e1.n]", "not S[n > e1.n] for 3 sec"), True),
        (CHAIN.replace("e2=R[n > e1.n]", "not S[n > e1.n] for 4 sec"), False),
        (CHAIN.replace("e2=R[n > e1.n]", "not S[n > e1.n] for 3 sec -> e3=R"), False),
    ],
)
def test_matches_of_instances_that_may_be_forgotten_must_go_by_themselves(query: str, together: bool) -> None:
    plan = plan_of(query, note=IDLE)
    assert (keyed_pattern(plan.queries[0], plan) is not None) == together
