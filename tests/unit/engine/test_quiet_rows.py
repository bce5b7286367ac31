"""Streams whose rows may change tables that others look into, or fail: fed whole as far as they do neither."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.quiet_routes import quiet_route
from eiha.engine.routes import route
from eiha.plan.compilation import compile_plan
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of

HEAD = "@app:playback define stream S (k string, n int); @PrimaryKey('k') define table T (k string, n int);"
NEW = "from S[not (T.k == k in T)] select k, n insert into T;"
PLANS = {
    "what is new is remembered": f"{NEW} from S[T.k == k in T] select k, n insert into Out;",
    "what was known is told, then remembered": f"from S[T.k == k in T] select k, n insert into Out; {NEW}",
    "forgotten and found": (
        f"{NEW} from S[n > 7] select k delete T on T.k == k;"
        "from S[not (T.k == k in T)]#window.length(3) select k, count() as c insert into Out;"
    ),
    "changed and joined": (
        "from S[n > 6] select k, n update or insert into T on T.k == k;"
        "from S join T on S.k == T.k select S.k as k, T.n as m insert into Out;"
    ),
    "two filters, aggregates beside": (
        "from S[n > 3][not (T.n == n in T)] select k, n update or insert into T on T.k == k;"
        "from S select k, sum(n) as s group by k insert into Mid; from Mid[T.k == k in T] select k, s insert into Out;"
    ),
}
HALF = """
define function half[python] return int {
    if data[0] > 7:
        raise ValueError(data[0])
    return data[0] // 2
};
"""
FAILING = {
    "code that raises": "from S select k, half(n) as h insert into Out;",
    "beside what keeps state": """
        from S#window.length(3) select k, sum(n) as h insert into Out;
        from S[half(n) > 1] select k, n as h insert into Mid;
        from Mid#window.lengthBatch(2) select k, sum(h) as h insert into Out2;
    """,
    "with readers before and behind": """
        from S select k, count() as h insert into Out; from S[half(n) >= 0] select k, half(n) as h insert into Out2;
        from S select k, sum(n) as h insert into Out3;
    """,
    "and tables": """
        from S[T.k == k in T] select k, half(n) as h insert into Out; from S[n > 4] select k, n insert into T;
        from S select k, half(n) as h insert into Mid; from Mid select k, count() as h insert into Out2;
    """,
}
FAULTY = "@OnError(action='stream') define stream S (k string, n int);"
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.integers(0, 9)), max_size=80)


@pytest.mark.parametrize("name", PLANS)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS)
def test_nobody_can_tell_that_rows_were_fed_together(name: str, rows: list[tuple[str | None, int]]) -> None:
    timed = tuple((1_000 + number // 3, row) for number, row in enumerate(rows))
    assert difference_of(HEAD + PLANS[name], Entry(1_000, "S", timed)) is None


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("head", [HEAD, f"@app:playback {FAULTY} {HEAD.partition('int);')[2]}"])
@settings(max_examples=6, deadline=None)
@given(rows=ROWS)
def test_a_row_that_fails_is_dropped_alone(head: str, name: str, rows: list[tuple[str | None, int]]) -> None:
    timed = tuple((1_000 + number // 3, row) for number, row in enumerate(rows))
    assert difference_of(head + HALF + FAILING[name], Entry(1_000, "S", timed)) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from S#window.length(2) select half(n) as h insert into Out;", "rows that leave are evaluated, too"),
        ("from S select sum(half(n)) as h insert into Out;", "what was tried would be summed"),
        ("from S select half(n) as h, UUID() as u insert into Out;", "to try would take an identifier"),
        ("from S select half(n) as h order by h insert into Out;", "the chunk is told"),
        ("from S select n insert into Mid; from Mid select half(n) as h insert into Out;", "it comes later"),
    ],
)
def test_where_trying_would_be_seen_rows_that_may_fail_are_fed_one_by_one(text: str, why: str) -> None:
    assert quiet_route(compile_plan(f"{HEAD} {HALF} {text}", name="p"), "S") is None, why


@pytest.mark.parametrize("name", PLANS)
def test_only_rows_that_pass_a_filter_are_fed_alone(name: str) -> None:
    plan = compile_plan(HEAD + PLANS[name], name="p")
    assert not route(plan, "S").batched
    quiet = quiet_route(plan, "S")
    assert quiet is not None
    assert all(plan.queries[index].output.target == "T" for index in quiet.writers)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from S select k, n update or insert into T on T.k == k;", "every row writes"),
        ("from S[n > 3]#window.length(2) select k, n insert into T;", "a row makes another one write"),
        ("from S[n > 3] select k, n output last every 2 events insert into T;", "a later row writes"),
        ("from S[sum(n) > 9] select k, n insert into T;", "to ask would change the sum"),
        ("partition with (k of S) begin from S[n > 3] select k, n insert into T; end;", "an instance of its own asks"),
    ],
)
def test_where_it_cannot_be_told_beforehand_which_rows_write_they_are_fed_one_by_one(text: str, why: str) -> None:
    plan = compile_plan(f"{HEAD} {text} from S[T.k == k in T] select k insert into Out;", name="p")
    assert quiet_route(plan, "S") is None, why
