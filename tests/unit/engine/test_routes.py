"""Where whole batches may be fed, and where events must go one at a time."""

from __future__ import annotations

from eiha.engine.routes import route
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
