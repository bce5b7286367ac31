"""Rows that meet a table by a key of their own: in rounds, as if one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.own_key_routes import own_key_route
from eiha.engine.routes import route
from eiha.plan.compilation import compile_plan
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of

HEAD = "@app:playback define stream S (k string, j string, n int);"
TABLE = "@PrimaryKey('k') define table T (k string, n int);"
LOOK = "from S join T on S.k == T.k select T.n as m insert into Out;"
KEEP = "from S select k, n update or insert into T on T.k == k;"
PLANS = {
    "told what it was before": (
        f"{TABLE} from S join T on S.k == T.k select S.k as k, T.n as m, S.n insert into Out; {KEEP}"
    ),
    "told what it is now": (
        f"{TABLE} {KEEP} from T join S on T.k == S.k and T.n > 2 select S.k as k, T.n as m insert into Out;"
    ),
    "also those that are new": (
        f"{TABLE} from S left outer join T on S.k == T.k select S.k as k, T.n as m insert into Out; {KEEP}"
    ),
    "counted in the table": (
        f"{TABLE} from S select k, n update or insert into T set T.n = T.n + n on T.k == k;"
        "from S join T on T.k == S.k select S.k as k, T.n as m insert into Mid;"
        "from Mid#window.length(3) select k, sum(m) as s insert into Out;"
    ),
    "a table without a primary key": (
        "define table T (k string, n int); from S[not (T.k == k in T)] select k, n insert into Out;"
        "from S select k as key, n update T set T.n = n on T.k == key; "
        f"{KEEP} from S#window.length(2) select k, sum(n) as s insert into Mid;"
    ),
    "asked for among other things": (
        f"{TABLE} from S[n > 8 or (T.k == k and T.n > 3) in T] select k, n insert into Out; {KEEP}"
    ),
}
ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("ab"), st.integers(0, 9)), max_size=60)
NULLS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.just("a"), st.integers(0, 9)), max_size=20)


@pytest.mark.parametrize("name", PLANS)
@settings(max_examples=10, deadline=None)
@given(rows=st.one_of(ROWS, NULLS))
def test_nobody_can_tell_that_rows_were_fed_in_rounds(name: str, rows: list[tuple[str | None, str, int]]) -> None:
    timed = tuple((1_000 + number // 3, row) for number, row in enumerate(rows))
    assert difference_of(HEAD + PLANS[name], Entry(1_000, "S", timed)) is None


@pytest.mark.parametrize("name", PLANS)
def test_rows_of_different_keys_are_fed_together(name: str) -> None:
    plan = compile_plan(HEAD + PLANS[name], name="p")
    assert not route(plan, "S").batched
    found = own_key_route(plan, "S")
    assert found is not None
    assert found.key == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"from S join T on S.j == T.k select T.n as m insert into Out; {KEEP}", "another row's key is asked for"),
        (f"from S join T on S.n > T.n select T.n as m insert into Out; {KEEP}", "all rows are asked for"),
        (
            f"from S#window.length(2) join T on S.k == T.k select T.n as m insert into Out; {KEEP}",
            "a window keeps keys",
        ),
        (f"from S join T on S.k == T.k select sum(T.n) as m insert into Out; {KEEP}", "a sum over all keys"),
        (f"{KEEP} from S[n > 3] select k delete T on T.k == k;", "rows that go would come back in another order"),
        (
            f"from S[n > 3] select k, n update or insert into T on T.k == k; {LOOK}",
            "rows are inserted in the order in which they pass",
        ),
        (
            f"from S select j as k, n update or insert into T on T.k == k; {LOOK}",
            "two keys",
        ),
        (
            f"from S select k, n update or insert into T set T.k = 'z', T.n = n on T.k == k; {LOOK}",
            "the key is changed",
        ),
        (
            f"{KEEP} from S select k insert into Mid; from Mid join T on Mid.k == T.k select T.n as m insert into Out;",
            "a table is met behind another query",
        ),
    ],
)
def test_where_rows_of_other_keys_may_be_met_they_are_fed_one_by_one(text: str, why: str) -> None:
    assert own_key_route(compile_plan(f"{HEAD} {TABLE} {text}", name="p"), "S") is None, why
