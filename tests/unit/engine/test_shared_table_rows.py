"""Rows that change a table on one way and look into it on another: in turns, as if one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha import Plan
from eiha.engine.routes import route
from eiha.engine.shared_table_routes import shared_table_route
from eiha.plan.compilation import compile_plan
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of

HEAD = "@app:playback define stream S (k string, j string, n int);"
TABLE = "@PrimaryKey('k') define table T (k string, n int);"
COUNT = "from S#window.length(4) select k, max(n) as n group by k having n > 6 insert into Mid;"
KEEP = "from Mid select k, n update or insert into T on T.k == k;"
PAIRS = "from every e1=S -> e2=S select e1.k as k, e2.n as n insert into Mid;"
LOOK = "from S join T on S.k == T.k select S.k as k, T.n as m, S.n insert into Out;"
BY_KEY = {
    "told what it is now": f"{TABLE} {COUNT} {KEEP} {LOOK}",
    "told what it was before": f"{TABLE} {LOOK} {COUNT} {KEEP}",
    "asked for among other things": (
        f"{TABLE} {COUNT} {KEEP} from S[n > 8 or (T.k == k and T.n > 9) in T] select k, n insert into Out;"
    ),
    "counted in the table": (
        f"{TABLE} {COUNT} from Mid select k, n update or insert into T set T.n = T.n + n on T.k == k;"
        "from S left outer join T on S.k == T.k select S.k as k, T.n as m insert into Found;"
        "from Found#window.length(3) select k, sum(m) as s insert into Out;"
    ),
    "behind the same query": (
        f"{TABLE} {COUNT} from Mid join T on Mid.k == T.k select Mid.k as k, T.n as m insert into Out; {KEEP}"
    ),
    "at the ends of periods": (
        f"{TABLE} from S#window.timeBatch(7 milliseconds) select k, max(n) as n group by k insert into Mid;"
        f"{KEEP} {LOOK}"
    ),
    "by the key of another attribute": (
        f"{TABLE} {COUNT} {KEEP} from S join T on S.j == T.k select T.n as m insert into Out;"
    ),
    "matches of a pattern": (
        f"{TABLE} from every e1=S[n > 4] -> e2=S[n > e1.n] within 20 milliseconds select e1.k as k, e2.n as n"
        f" insert into Mid; {KEEP} from S[T.k == j in T] select j, n insert into Out;"
    ),
}
IN_TURNS = {
    "what a window holds": (
        f"{TABLE} {COUNT} {KEEP} from S#window.length(2) join T on S.n > T.n select sum(T.n) as m insert into Out;"
    ),
    "rows that are inserted": (
        f"define table T (k string, n int); {COUNT} from Mid select k, n insert into T;"
        "from S join T on S.j == T.k select S.n, T.n as m insert into Out;"
    ),
    "rows that go": (
        f"{TABLE} from S[n > 2] select k, n update or insert into T on T.k == k; {COUNT}"
        "from Mid select k delete T on T.k == k; from S[T.k == j in T] select j, n insert into Out;"
    ),
    "two tables": (
        f"{TABLE} define table U (k string, n int); {COUNT} {KEEP}"
        "from Mid select k, n insert into U; from S join U on S.k == U.k select S.k as k, U.n as m insert into Out;"
        f"from S[T.k == k in T] select k, n insert into Also;"
    ),
}
KEYS = st.sampled_from("abcd")
ROWS = st.lists(st.tuples(KEYS, KEYS, st.integers(0, 9)), max_size=60)
NULLS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.just("a"), st.integers(0, 9)), max_size=20)


@pytest.mark.parametrize("name", [*BY_KEY, *IN_TURNS])
@settings(max_examples=10, deadline=None)
@given(rows=st.one_of(ROWS, NULLS), pace=st.sampled_from([1, 3, 40]))
def test_nobody_can_tell_that_tables_were_met_in_turns(
    name: str, rows: list[tuple[str | None, str, int]], pace: int
) -> None:
    timed = tuple((1_000 + number * 4 // pace, row) for number, row in enumerate(rows))
    text = HEAD + {**BY_KEY, **IN_TURNS}[name]
    assert difference_of(text, Entry(1_000, "S", timed)) is None


@pytest.mark.parametrize("name", [*BY_KEY, *IN_TURNS])
def test_rows_are_fed_together(name: str) -> None:
    plan = compile_plan(HEAD + {**BY_KEY, **IN_TURNS}[name], name="p")
    assert not route(plan, "S").batched
    found = shared_table_route(plan, "S")
    assert found is not None
    assert found.by_key == (name in BY_KEY)


@pytest.mark.parametrize("name", ["told what it is now", "at the ends of periods", "rows that are inserted"])
def test_a_long_batch_gives_what_short_ones_give(name: str) -> None:
    rows = [(f"k{number * 7 % 40}", f"k{number * 3 % 40}", number % 10) for number in range(600)]
    times = [1_000 + number // 2 for number in range(600)]
    text = HEAD + {**BY_KEY, **IN_TURNS}[name]
    whole, single = Plan(text), Plan(text)
    found = whole.send("S", rows, timestamps=times)["Out"].rows()
    pieces = [single.send("S", [row], timestamps=[time]) for row, time in zip(rows, times, strict=True)]
    assert found == [row for each in pieces if "Out" in each for row in each["Out"].rows()]
    assert found
    question = "from T select k, n"
    assert whole.ask(question).rows() == single.ask(question).rows()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            f"{TABLE} from S[not (T.k == k in T)] select k, n insert into Mid; {KEEP}",
            "whether a row changes the table depends on what is found there",
        ),
        (
            f"{TABLE} {COUNT} from Mid[not (T.k == k in T)] select k, n insert into T; {LOOK}",
            "a query looks into what it changes",
        ),
        (
            f"{TABLE} {COUNT} {KEEP} from S#window.time(1 sec) join T on S.k == T.k select T.n insert into Out;",
            "a query has a time of its own",
        ),
        (
            f"{TABLE} {PAIRS} {KEEP} from Mid join T on Mid.k == T.k select T.n as m insert into Out;",
            "one row causes several chunks, each of which does both",
        ),
    ],
)
def test_where_turns_do_not_settle_it_rows_are_fed_one_by_one(text: str, why: str) -> None:
    assert shared_table_route(compile_plan(f"{HEAD} {text}", name="p"), "S") is None, why
