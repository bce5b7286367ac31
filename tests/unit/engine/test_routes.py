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
    assert way(plan_text).queries == (1, 0)


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


def test_a_filter_before_a_timed_window_hides_rows_from_its_clock() -> None:
    timed = frozenset({0})
    assert not way("from S#window.time(5) select a insert into T;").must_cut(timed)
    assert way("from S[a > 1]#window.time(5) select a insert into T;").must_cut(timed)
