"""Aggregators and stream processors of the namespaces: what is in, what leaves, nulls, restores."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.errors import PlanSemanticError
from eiha.plan.compilation import compile_plan
from tests.unit.engine.plan_rows import as_batch, one_by_one

HEAD = "define stream S (k string, v int, o object); "

Row = tuple[Any, ...]


def values_of(query: str, rows: list[Row]) -> list[Any]:
    found = [values for _, values in one_by_one(HEAD + query, rows)]
    assert [values for _, values in as_batch(HEAD + query, rows)] == found
    return [values[0] if len(values) == 1 else values for values in found]


def keys(*texts: str | None) -> list[Row]:
    return [(text, 1, None) for text in texts]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("str:groupConcat(k)", ["A", "A,B", "A,B,S", "B,S,C", "S,C,A"]),
        ("str:groupConcat(k, '-')", ["A", "A-B", "A-B-S", "B-S-C", "S-C-A"]),
        ("str:groupConcat(k, '-', true, 'ASC')", ["A", "A-B", "A-B-S", "B-C-S", "A-C-S"]),
        ("str:groupConcat(k, '-', false, 'DESC')", ["A", "B-A", "S-B-A", "S-C-B", "S-C-A"]),
        ("list:collect(k)", [["A"], ["A", "B"], ["A", "B", "S"], ["B", "S", "C"], ["S", "C", "A"]]),
        ("map:size(map:collect(k, v))", [1, 2, 3, 3, 3]),
        ("json:group(str:concat('{\"k\":\"', k, '\"}'))", None),
    ],
)
def test_an_aggregator_holds_what_is_in_the_window(call: str, expected: list[Any] | None) -> None:
    query = f"from S#window.length(3) select {call} as x insert into Out;"
    if expected is None:
        query = "from S#window.length(2) select json:group(json:toJson(map:create('k', k))) as x insert into Out;"
        assert values_of(query, keys("A", "B", "B")) == [
            '[{"k":"A"}]',
            '[{"k":"A"},{"k":"B"}]',
            '[{"k":"B"},{"k":"B"}]',
        ]
        return
    assert values_of(query, keys("A", "B", "S", "C", "A")) == expected


def test_equal_keys_stand_together_at_the_first_ones_place() -> None:
    query = "from S#window.length(5) select str:groupConcat(k) as x insert into Out;"
    assert values_of(query, keys("A", "B", "A", None))[-2:] == ["A,A,B", "A,A,B"]


def test_percentile_is_by_rank() -> None:
    query = "from S#window.length(4) select math:percentile(v, 50.0) as x insert into Out;"
    rows = [("", value, None) for value in (10, 2, 7, None, 8)]
    assert values_of(query, rows) == [10.0, 6.0, 7.0, 7.0, 7.0]


def test_maps_and_lists_merge() -> None:
    rows = [("a", 1, None), ("b", 2, None), ("a", 3, None)]
    query = "from S#window.length(2) select map:toJSON(map:merge(map:create(k, v))) as x insert into Out;"
    assert values_of(query, rows) == ['{"a":1}', '{"a":1,"b":2}', '{"b":2,"a":3}']
    query = "from S#window.length(2) select list:merge(list:create(k, 'z'), true) as x insert into Out;"
    assert values_of(query, rows) == [["a", "z"], ["a", "z", "b"], ["b", "z", "a"]]


def test_groups_as_an_object_under_a_key() -> None:
    query = (
        "from S#window.lengthBatch(3) select json:toString(json:groupAsObject(k, 'result', true)) as x insert into Out;"
    )
    rows = keys('{"a":1}', "{'b':2}", '{ "a" : 1 }')
    assert values_of(query, rows) == ['{"result":[{"a":1},{"b":2}]}']


@pytest.mark.parametrize(
    ("query", "rows", "expected"),
    [
        (
            "from S#str:tokenize(k, ',') select token as x insert into Out;",
            keys("a,b,,c,,", None, ""),
            ["a", "b", "", "c", ""],
        ),
        ("from S#str:tokenize(k, ',', true) select token as x insert into Out;", keys("a,b,a"), ["a", "b"]),
        (
            "from S#json:tokenize(k, '$.s') select jsonElement as x insert into Out;",
            keys("{'s':['m','p',{'x':1}]}", "{'s':'one'}", "{}"),
            ["m", "p", '{"x":1}', "one"],
        ),
        (
            "from S#json:tokenizeAsObject(k, '$.s', false) select jsonElement as x insert into Out;",
            keys("{'s':[1,2.5]}", "{}"),
            [1, 2.5, None],
        ),
        (
            (
                "from S select map:create(k, v, 'z', 0) as m insert into M; "
                "from M#map:tokenize(m) select key, value insert into Out;"
            ),
            [("a", 5, None)],
            [["a", 5], ["z", 0]],
        ),
        (
            (
                "from S select list:create(k, 'z') as l insert into M; "
                "from M#list:tokenize(l) select index, value insert into Out;"
            ),
            [("a", 5, None)],
            [[0, "a"], [1, "z"]],
        ),
    ],
)
def test_a_stream_processor_makes_rows(query: str, rows: list[Row], expected: list[Any]) -> None:
    assert values_of(query, rows) == expected


def test_the_rows_of_one_event_are_one_chunk() -> None:
    query = "from S#str:tokenize(k, ',')#window.batch() select token as x, count() as n insert into Out;"
    assert values_of(query, keys("a,b", "c")) == [["b", 2], ["c", 1]]


QUERIES = (
    (
        "from S#window.length(3) select k, str:groupConcat(k, '-', false, 'ASC') as a, math:percentile(v, 30.0) as b, "
        "map:collect(k, v) as c, list:collect(v, true) as d, json:groupAsObject(map:create(k, v)) as e, "
        "map:merge(map:create(k, v)) as f, list:merge(list:create(k, v)) as g, json:group(map:create(k, v), true) as h "
        "insert all events into Out;"
    ),
    (
        "from S#window.lengthBatch(2) select k, str:groupConcat(k) as a, first(k) as b, last(v) as c group by k "
        "insert all events into Out;"
    ),
    "from S#str:tokenize(k, '')#window.length(2) select token, count() as n group by token insert all events into Out;",
)


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["a", "b", "ab", None]), st.integers(0, 3), st.none()), max_size=10),
    cut=st.integers(0, 10),
)
def test_state_goes_on_after_a_restore_and_rows_may_come_in_one_batch(query: str, rows: list[Row], cut: int) -> None:
    text = f"@app:playback {HEAD}{query}"
    alone = one_by_one(text, rows)
    assert one_by_one(text, rows, restore_after=cut) == alone
    assert as_batch(text, rows) == alone


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("str:groupConcat(v)", "key takes string, not int"),
        ("str:groupConcat(k, ',', true, 'UP')", "'UP' is no order; there are ASC, DESC, REV"),
        ("math:percentile(v, v)", "p takes double, not int"),
        ("str:regexp(k, '[')", "is no regular expression"),
        ("time:dateAdd(k, 1, 'YEARS')", "'YEARS' is no unit"),
        ("time:date(k, 'yyyy-bb')", "is no date format"),
        ("time:currentTimestamp('Mars/Base')", "there is no time zone 'Mars/Base'"),
        ("str:substr(k)", "valid: str:substr(<string> text, <int> begin)"),
        ("str:lenght(k)", "str:length"),
        ("math:percentile(v, 50.0, 1)", "it takes 2 arguments, not 3"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_valid(expression: str, words: str) -> None:
    with pytest.raises(PlanSemanticError) as caught:
        compile_plan(f"{HEAD}from S select {expression} as x insert into Out;")
    assert words in str(caught.value)
    assert "^" in caught.value.excerpt
