"""Aggregates within aggregates, in filters, in having and in branches; expected rows were put out by Siddhi 5.1.7."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from tests.unit.engine.plan_rows import as_batch, one_by_one

HEAD = "@app:playback define stream S (a int, c bool); "
T, F = True, False

RECORDED: list[tuple[str, list[tuple[int, bool]], list[list[Any]]]] = [
    (
        "from S select a, ifThenElse(c, sum(a), 0L) as v insert into Out;",
        [(1, T), (2, F), (3, T)],
        [[1, 1], [2, 0], [3, 4]],
    ),
    ("from S[c and sum(a) > 4] select a insert into Out;", [(1, T), (2, F), (3, T), (4, T)], [[4]]),
    ("from S[c or sum(a) > 4] select a insert into Out;", [(9, T), (2, F), (3, F), (4, T)], [[9], [3], [4]]),
    (
        "from S#window.length(2)[sum(a) > 2] select a insert all events into Out;",
        [(1, T), (2, F), (3, T), (4, T), (0, T), (0, T)],
        [[2], [3], [2], [4], [3], [0]],
    ),
    (
        "from S#window.length(2)[max(a) > 2] select a insert all events into Out;",
        [(1, T), (5, F), (1, T), (1, T), (0, T), (4, T)],
        [[5], [1], [1], [4]],
    ),
    (
        "from S#window.lengthBatch(2)[sum(a) > 2] select a insert all events into Out;",
        [(1, T), (2, F), (3, T), (4, T), (0, T), (0, T)],
        [[2], [3], [4], [3]],
    ),
    ("from S select a, c having sum(a) > 3 insert into Out;", [(1, T), (2, F), (3, T), (4, T)], [[3, T], [4, T]]),
    (
        "from S#window.length(2) select a, c having max(a) > 3 insert all events into Out;",
        [(1, T), (5, F), (1, T), (1, T), (1, T), (4, T)],
        [[5, F], [1, T], [1, T], [4, T]],
    ),
    (
        ("from S#window.length(2) select sum(a) as s, count() as n having s > 3 and count() > 1 "
        "insert all events into Out;"),
        [(1, T), (5, F), (1, T), (1, T), (1, T), (4, T)],
        [[5, 2]],
    ),
    (
        "from S#window.length(2) select avg(sum(a)) as s, c group by c insert all events into Out;",
        [(1, T), (5, F), (1, T), (1, T), (1, T), (4, T)],
        [
            [1.0, T], [5.0, F], [1.0, T], [1.0, T], [5.0, F], [1.3333333333333333, T], [1.5, T],
            [1.6666666666666667, T], [2.0, T], [3.0, T],
        ],
    ),
    (
        "from S#window.lengthBatch(2) select avg(sum(a)) as s insert all events into Out;",
        [(1, T), (5, F), (1, T), (1, T), (1, T), (4, T)],
        [[3.5], [1.5], [3.0]],
    ),
    (
        "from S#window.length(2) select max(sum(a)) as s insert all events into Out;",
        [(1, T), (5, F), (1, T), (1, T), (1, T), (4, T)],
        [[1], [6], [6], [6], [6], [6], [6], [6], [6], [6]],
    ),
]  # fmt: skip


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@pytest.mark.parametrize(("query", "rows", "expected"), RECORDED, ids=[each[0] for each in RECORDED])
def test_aggregates_wherever_they_stand_do_as_recorded(
    query: str, rows: list[tuple[int, bool]], expected: list[list[Any]], compiled: bool
) -> None:
    jit.choose("1" if compiled else "0")
    try:
        assert [values for _, values in one_by_one(HEAD + query, rows)] == expected
        assert [values for _, values in as_batch(HEAD + query, rows)] == expected
    finally:
        jit.choose(None)


@pytest.mark.parametrize(
    "query",
    [
        *(query for query, _, _ in RECORDED),
        (
            "from S#window.length(3)[not c or first(a) < 2] select last(a) as l, unionSet(createSet(a)) as u "
            "insert all events into Out;"
        ),
        (
            "from S#window.lengthBatch(2) select sizeOfSet(unionSet(createSet(a))) as n, first(a) as f, last(a) as l, c"
            " group by c having count() < 3 or max(n) > 1 insert all events into Out;"
        ),
    ],
)
@settings(max_examples=25)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12), cut=st.integers(0, 12))
def test_state_goes_on_after_a_restore_and_rows_may_come_in_one_batch(
    query: str, rows: list[tuple[int, bool]], cut: int
) -> None:
    alone = one_by_one(HEAD + query, list(rows))
    assert _sorted_sets(one_by_one(HEAD + query, list(rows), restore_after=cut)) == _sorted_sets(alone)
    assert _sorted_sets(as_batch(HEAD + query, list(rows))) == _sorted_sets(alone)


def _sorted_sets(events: list[Any]) -> list[Any]:
    def plain(value: Any) -> Any:
        return {"$set": sorted(value["$set"])} if isinstance(value, dict) else value

    return [[timestamp, [plain(value) for value in values]] for timestamp, values in events]


def test_first_and_last_are_of_what_is_in() -> None:
    text = HEAD + "from S#window.length(2) select first(a) as f, last(a) as l insert expired events into Out;"
    assert [values for _, values in one_by_one(text, [(1, T), (2, T), (3, T)])] == [[2, 2]]
