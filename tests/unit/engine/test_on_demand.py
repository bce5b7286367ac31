"""Questions and statements over a plan at work."""

from __future__ import annotations

from typing import Any

import pytest

from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import encode_state
from eiha.errors import PlanError
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

TEXT = """define stream S (k string, n int);
@PrimaryKey('n') define table T (k string, n int);
define table U (k string);
from S insert into T;"""

ROWS = (("a", 1), ("b", 2), (None, 3), ("a", 4))


class Asked:
    """A plan whose table holds ``ROWS``."""

    def __init__(self) -> None:
        self.strings = StringTable()
        self.runtime: PlanRuntime = lower(compile_plan(TEXT, name="p"), self.strings, EntryIdentity("p"))
        schema = self.runtime.plan.stream("S").schema
        self.runtime.publish("S", batch_of(schema, [(0, row) for row in ROWS], self.strings, "S"), 0)

    def __call__(self, text: str) -> list[list[Any]] | None:
        answer = self.runtime.ask(text)
        return None if answer.rows is None else [values for _, values in events_of(answer.rows, answer.strings)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("from T on n == 3 select k, n", [[None, 3]]),
        ("from T on k == 'a' and n > 1 select n", [[4]]),
        ("from T select k, sum(n) as s group by k order by s desc limit 2", [["a", 5], [None, 3]]),
        ("from T select k having n > 3", [["a"]]),
        ("from T select k order by n desc limit 1 offset 1", [[None]]),
        ("from T select n limit 1 offset 9", []),
        ("from T select n limit 0", None),
        ("from T on n > 9 select count() as c", None),
        ("from T on (U.k == k) in U select n", None),
        ("from T on k == 'never seen before' select n", None),
    ],
)
def test_a_question_is_answered_from_the_rows(text: str, rows: list[list[Any]] | None) -> None:
    assert Asked()(text) == rows


def test_null_and_the_text_null_are_one_group_whose_key_is_the_first_one_met() -> None:
    asked = Asked()
    asked("select 'null' as k, 7 as n insert into T")
    assert asked("from T select k, count() as c group by k") == [["a", 2], ["b", 1], [None, 2]]
    asked("delete T on T.n == 3")
    asked("update T set k = 'null' on T.n == 1")
    assert asked("from T select k, count() as c group by k") == [["null", 2], ["b", 1], ["a", 1]]


def test_a_question_changes_nothing_not_even_the_ids_of_strings() -> None:
    asked = Asked()
    before, strings = encode_state(asked.runtime.snapshot()), asked.strings.texts()
    assert asked("from T on k != 'new text' select 'another' as x, k, convert(n, 'string') as t limit 1") == [
        ["another", "a", "1"]
    ]
    assert encode_state(asked.runtime.snapshot()) == before
    assert asked.strings.texts() == strings


def test_statements_act_as_a_row_of_a_query_would() -> None:
    asked = Asked()
    asked("select 'c' as k, 9 as n insert into T")
    asked("select 'd' as k, 9 as n insert into T")
    assert asked.runtime.take_faults() == ("table 'T' has a row with primary key 9 already; the new one is dropped",)
    asked("update T set T.k = 'z' on T.n < 3")
    asked("select 4 as m delete T on T.n == m")
    asked("select 'e' as k, 9 as n update or insert into T on T.n == n")
    assert asked("from T") == [["z", 1], ["z", 2], [None, 3], ["e", 9]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from S select k", "neither a table nor a window nor an aggregation"),
        ("from T as t select t.k", "no other name"),
        ("from T select nope", "no attribute 'nope'"),
        ("from T within '2020' per 'sec' select k", "for aggregations"),
        ("from T select n > 1 as big having big", "not a value alone"),
        ("insert into T", "must be selected"),
        ("select 1 as a insert into S", "'S' is not a table"),
        ("select * insert into T", "name each attribute"),
        ("update T on T.n == 1", "needs set"),
    ],
)
def test_what_does_not_fit_the_plan_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason) as refusal:
        Asked()(text)
    assert refusal.value.line == 1
