"""Joins with what stands beside the streams: tables, named windows, aggregations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.joins.plain_join import STREAMS, Call, Event, Fed, Values, cut

TABLE = "define stream P (k string, n int); define table T (k string, n int); from P insert into T;"
KEYED = (
    "define stream P (k string, n int); @PrimaryKey('k') define table T (k string, n int);"
    "from P update or insert into T on T.k == k;"
)


def row(at: int, key: str | None, number: int) -> Event:
    return (at, (key, number, 0.5, at))


def pair(at: int, key: str, number: int) -> Event:
    return (at, (key, number))  # type: ignore[return-value]


@pytest.mark.parametrize("table", [TABLE, KEYED], ids=["plain", "keyed"])
def test_each_row_finds_the_rows_of_a_table_as_they_are_then(table: str) -> None:
    condition = "L.k == T.k and T.n < L.v"
    app = f"{STREAMS} {table} from L left outer join T on {condition} select L.v as v, T.n as n insert into Out;"
    out = Fed(app).feed(
        [
            Call("L", [row(1, "a", 9)]),
            Call("P", [pair(2, "a", 1), pair(2, "b", 2)]),
            Call("L", [row(3, "a", 9), row(3, "b", 1), row(3, None, 9), row(3, "b", 3)]),
        ]
    )
    assert [values for _, values in out] == [(9, None), (9, 1), (1, None), (9, None), (3, 2)]


def test_a_table_on_the_left_puts_out_nothing_alone() -> None:
    app = f"{STREAMS} {TABLE} from T left outer join L on L.k == T.k select L.v as v, T.n as n insert into Out;"
    assert not Fed(app).feed([Call("P", [pair(1, "a", 1)]), Call("L", [row(2, "b", 1)])])


def test_a_query_may_change_the_table_that_it_joins() -> None:
    app = (
        f"{STREAMS} {TABLE} from L join T on L.k == T.k select L.k as k, T.n + L.v as n "
        "update T set T.n = n on T.k == k;"
        "from R join T select T.n as n insert into Out;"
    )
    calls = [
        Call("P", [pair(1, "a", 1), pair(1, "b", 5)]),
        Call("L", [row(2, "a", 10), row(2, "a", 100)]),
        Call("R", [row(3, "x", 0)]),
    ]
    assert [values for _, values in Fed(app).feed(calls)] == [(111,), (5,)]


WINDOW = (
    "define stream P (k string, n int); define window W (k string, n int) {} output all events; from P insert into W;"
)


@pytest.mark.parametrize("window", ["length(2)", "time(10)", "lengthBatch(2)", "sort(2, n)"])
@given(
    numbers=st.lists(
        st.tuples(st.sampled_from("PL"), st.sampled_from("ab"), st.integers(0, 4)), min_size=1, max_size=20
    ),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    events=st.sampled_from(["current", "all"]),
)
@settings(deadline=None, max_examples=15)
def test_named_windows_are_joined_whatever_the_cuts(
    window: str, numbers: list[tuple[str, str, int]], sizes: list[int], events: str
) -> None:
    app = (
        f"@app:playback {STREAMS} {WINDOW.format(window)} from L#window.length(2) full outer join W on L.k == W.k "
        f"select L.v as v, W.n as n insert {events} events into Out;"
    )
    calls: list[Call] = []
    for at, (stream, key, number) in enumerate(numbers):
        event = row(3 * at, key, number) if stream == "L" else pair(3 * at, key, number)
        if calls and calls[-1].stream == stream:
            calls[-1].events.append(event)
        else:
            calls.append(Call(stream, [event]))
    whole = Fed(app).feed(calls)
    assert Fed(app).feed(cut(calls, sizes)) == whole
    assert Fed(app).feed(calls, saves=lambda number: number % 2 == 1) == whole


def test_each_row_says_which_buckets_of_an_aggregation_it_means() -> None:
    app = (
        f"{STREAMS} define aggregation A from R select k, sum(v) as s group by k aggregate by ts every sec...hour;"
        "define stream Q (k string, span string);"
        "from Q left outer join A on Q.k == A.k within 0L, 9000000L per Q.span "
        "select Q.span as span, A.s as s insert into Out;"
    )
    asked: list[Values] = [("a", "seconds"), ("b", "hours"), ("a", "hours")]  # type: ignore[list-item]
    sums = [(at, ("a", 1, 0.5, at)) for at in (1000, 1500, 2500)]
    out = Fed(app).feed([Call("R", sums), Call("Q", [(3000, values) for values in asked])])  # type: ignore[list-item]
    assert [values for _, values in out] == [("seconds", 2), ("seconds", 1), ("hours", None), ("hours", 3)]
