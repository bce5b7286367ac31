"""Where whole batches may be fed, and where events must go one at a time."""

from __future__ import annotations

from eiha.engine.routes import may_be_due_at_once, route
from eiha.plan.compilation import compile_plan

S = "define stream S (a int, b int, o object);\n"


def way(text: str, source: str = "S"):
    return route(compile_plan(S + text, name="p"), source)


def test_a_single_query_is_fed_batches() -> None:
    assert way("from S#window.length(5) select sum(a) as s insert into T;").batched


def test_two_queries_into_one_stream_are_merged_in_the_order_of_the_text() -> None:
    found = way("from S select b as x insert into T; from S select a as x insert into T;")
    assert found.batched
    assert found.feeders["T"] == (0, 1)


def test_a_way_around_that_comes_between_is_fed_one_by_one() -> None:
    text = (
        "from S select a insert into T; from S select a insert into U;"
        "from S select b as a insert into T; from T select a insert into U;"
    )
    assert not way(text).batched


def test_queries_run_after_all_that_feed_them() -> None:
    text = "from T select a insert into U; from S select a insert into T;"
    plan_text = "define stream T (a int);\n" + text
    assert way(plan_text).queries == ((1, "S"), (0, "T"))


def test_a_plan_that_feeds_itself_is_fed_one_by_one() -> None:
    assert not way("from S[a < 5] select a + 1 as a, b, o insert into S;").batched


def test_a_query_that_may_fail_is_fed_one_by_one() -> None:
    assert not way("from S select a + o as x insert into T;").batched


def test_whether_all_are_true_fails_on_nulls_alone() -> None:
    assert way("from S#window.length(3) select and(a > 1) as x, or(not (b is null)) as y insert into T;").batched
    assert not way("from S#window.length(3) select and(instanceOfLong(o)) as x insert into T;").batched


def test_a_pattern_over_two_streams_of_one_source_is_fed_one_by_one() -> None:
    text = "from S[a > 1] select a insert into T; from every e1=S -> e2=T select e1.a as x, e2.a as y insert into U;"
    assert not way(text).batched


def test_chunks_that_would_merge_under_a_limit_are_fed_one_by_one() -> None:
    text = "from S select a insert into T; from S select b as a insert into T;"
    assert way(text + "from T select a insert into U;").batched
    assert not way(text + "from T select a limit 1 insert into U;").batched


def test_timers_fire_inside_also_behind_filters_and_other_queries() -> None:
    assert way("from S#window.time(5) select a insert into T;").fires_inside
    assert way("from S[a > 1]#window.time(5) select a insert into T;").fires_inside
    chain = (
        "from S#window.time(5) select a insert all events into T;"
        "from T[a > 1]#window.timeBatch(3) select a insert into U;"
    )
    assert way(chain).fires_inside
    assert way(chain).timed == {0, 1}


def test_timers_of_one_query_may_be_merged_with_rows_but_not_with_those_of_another() -> None:
    one = "from S#window.time(5) select a insert all events into T; from S select b as a insert into T;"
    assert way(one).fires_inside
    assert not way(one.replace("from S select", "from S#window.time(7) select")).fires_inside


def test_a_timed_query_before_the_one_that_feeds_it_is_cut_at_each_move() -> None:
    text = "from T#window.time(5) select a insert into U; from S#window.time(5) select a insert all events into T;"
    assert not way("define stream T (a int);\n" + text).fires_inside


def test_in_a_live_plan_only_timers_that_the_rows_reach_first_fire_inside() -> None:
    assert way("from S[a > 1]#window.time(5) select a insert into T;").fires_inside_live
    assert not way("from S select a insert into T; from T#window.time(5) select a insert into U;").fires_inside_live
    assert not way("from S#window.time(5) select a limit 1 insert all events into T;").fires_inside_live


JOIN = "from S#window.length(2) as x join S#window.length(3) as y on x.a == y.a select x.a as a insert {} into A;"


def test_a_join_is_fed_batches_unless_what_it_puts_out_is_merged() -> None:
    assert way(JOIN.format("all events")).batched
    assert not way(JOIN.format("all events") + "from S select a insert into A;").batched


def test_a_join_that_looks_into_what_the_same_rows_change_is_fed_one_by_one() -> None:
    table = "define table T (a int);"
    join = "from S as x join T on x.a == T.a select x.a as a insert into A;"
    assert way(table + join).batched
    assert not way(table + "from S select a insert into T;" + join).batched


def test_timers_of_a_join_fire_inside_where_nobody_sees_rows_leave() -> None:
    timed = JOIN.replace("length(2)", "time(2 sec)")
    assert way(timed.format("")).fires_inside
    assert not way(timed.format("all events")).fires_inside
    assert not way(timed.format("").replace("x.a as a", "count() as n")).fires_inside
    assert not way(timed.format("").replace("length(3)", "timeBatch(1 sec)")).fires_inside


TABLE = "define table T (a int, b int);\n"


def test_a_query_that_changes_a_table_alone_is_fed_batches() -> None:
    assert way(TABLE + "from S select a, b update or insert into T on T.a == a;").batched
    assert way(TABLE + "from S[a > 1] select a, b insert into T;").batched


def test_a_table_that_the_same_rows_are_asked_of_is_fed_one_by_one() -> None:
    writes = TABLE + "from S select a, b insert into T;"
    assert not way(writes + "from S[(T.a == b) in T] select b insert into U;").batched
    assert not way(writes + "from S join T on T.a == S.b select S.b as b insert into U;").batched


def test_a_table_that_two_queries_change_is_fed_one_by_one() -> None:
    assert not way(TABLE + "from S select a, b insert into T; from S delete T on T.a == a;").batched


def test_a_table_whose_assignment_may_fail_is_fed_one_by_one() -> None:
    assert not way(TABLE + "from S update T set T.b = b + o on T.a == a;").batched


WAITS = "from every e1=S -> not S[a == e1.a] for 5 sec select e1.a as a{} insert into U;"


def test_alarms_of_a_pattern_fire_inside_unless_someone_behind_asks_for_the_time() -> None:
    assert way(WAITS.format("")).fires_inside
    assert not way(WAITS.format("")).fires_inside_live
    assert not way(WAITS.format(", currentTimeMillis() as t")).fires_inside
    behind = WAITS.format("") + "from U{} select a{} insert into V;"
    assert way(behind.format("[a > 1]#window.length(3)", "")).fires_inside
    assert not way(behind.format("#window.time(5)", "")).fires_inside
    assert not way(behind.format("", ", currentTimeMillis() as t")).fires_inside


def test_a_row_as_late_as_a_pattern_waits_is_due_at_once() -> None:
    plan = compile_plan(S + WAITS.format(""), name="p")
    queries = frozenset({0})
    assert not may_be_due_at_once(plan, route(plan, "S"), queries, 4_999)
    assert may_be_due_at_once(plan, route(plan, "S"), queries, 5_000)
