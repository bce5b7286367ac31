"""A null argument gives null; what cannot be computed is null; laws of text, dates, documents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.plan_rows import as_batch, one_by_one

HEAD = "define stream S (t string, i int, d double, l long, o object, f float); "
ROW = ("abc", 1, 1.5, 1000, ("x",), 2.5)
NULLS = (None, None, None, None, None, None)


def value_of(expression: str, row: tuple[Any, ...] = ROW) -> Any:
    text = f"{HEAD}from S select {expression} as v insert into Out;"
    ((_, (found,)),) = one_by_one(text, [row])
    rows = [row, NULLS, row]
    assert [values[0] for _, values in as_batch(text, rows)][::2] == [found, found]
    return found


@pytest.mark.parametrize(
    "expression",
    [
        "str:charAt(t, 0)", "str:contains(t, 'a')", "str:equalsIgnoreCase(t, 'a')", "str:hex(t)", "str:length(t)",
        "str:lower(t)", "str:regexp(t, 'a')", "str:repeat(t, 2)", "str:repeat('a', i)", "str:replaceAll(t, 'a', 'b')",
        "str:reverse(t)", "str:split(t, ',', 0)", "str:strcmp(t, 'a')", "str:substr(t, 0)", "str:trim(t)",
        "str:unhex(t)", "str:upper(t)", "str:locate('a', t)", "math:abs(d)", "math:abs(i)", "math:acos(d)",
        "math:atan(d, 1d)", "math:bin(i)", "math:ceil(d)", "math:conv(t, 10, 2)", "math:exp(d)", "math:hex(l)",
        "math:isNan(d)", "math:log(d, 2)", "math:max(d, 1d)", "math:parseInt(t)", "math:power(d, 2)", "math:round(d)",
        "math:round(f)", "math:signum(i)", "math:sqrt(d)", "time:date(t)", "time:dateAdd(l, 1, 'DAY')",
        "time:dateDiff(l, l)", "time:dateFormat(l, 'yyyy')", "time:dayOfWeek(t)", "time:extract(l, 'DAY')",
        "time:timestampInMilliseconds(t)", "regex:find('a', t)", "regex:group('a', t, 0)", "regex:matches(t, 'a')",
        "json:getInt(t, '$')", "json:getString(o, '$.a')", "json:toObject(t)", "json:toString(o)", "map:get(o, 'a')",
        "map:size(o)", "map:keys(o)", "list:get(o, 0)", "list:size(o)", "list:sort(o)", "list:add(o, 1)",
    ],
)  # fmt: skip
def test_a_null_gives_null(expression: str) -> None:
    assert value_of(expression, NULLS) is None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("str:concat(t, 'x', t)", "x"), ("str:coalesce(t, 'x')", "x"), ("str:fillTemplate('{{1}}', t)", "1"),
        ("list:create(t, i)", [None, None]), ("map:isMap(o)", False), ("list:isList(o)", False),
        ("json:toJson(t)", "null"), ("list:contains(list:create(t), t)", True),
        ("map:get(map:create('a', t), 'a', 'none')", "none"),
    ],
)  # fmt: skip
def test_some_functions_take_nulls_as_values(expression: str, expected: Any) -> None:
    assert value_of(expression, NULLS) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "str:charAt(t, 3)", "str:charAt(t, 0 - i)", "str:substr(t, 4)", "str:substr(t, 1, 3)", "str:split(t, 'b', 2)",
        "str:repeat(t, 0 - i)", "str:unhex('xy')", "str:unhex('ff')", "str:regexp('a', str:concat(t, '['))",
        "str:substr(t, 'a', 3)", "str:locate('a', t, 9)", "str:charFrequency(t, 'ab')", "math:acos(d)",
        "math:log(d, i)", "math:conv('9', 8, 10)", "math:conv('99999999999', 10, 2)", "math:conv(t, 99, 2)",
        "math:parseInt(t)", "math:parseLong('1.5')", "math:hash(t, 'CRC')", "time:date(t)", "time:dateAdd(t, 1, 'DAY')",
        "time:timestampInMilliseconds(t)", "time:dateAdd(l, 2147483647, 'YEAR')", "time:dateFormat(l, t)",
        "regex:group('a(b)', t, 2)", "regex:group('z', t, 0)", "regex:find('a', t, 7)", "json:getInt(t, '$.x')",
        "json:getInt('{', '$')", "json:getBool('[1]', '$[0]')", "json:toObject('{a:')", "map:createFromJSON('[1]')",
        "map:createFromXML('<a>')", "map:createFromXML('<!DOCTYPE a><a/>')", "map:get(o, 'a')",
        "map:combineByKey(o, o)", "list:get(o, 1)", "list:get(o, 0 - i)", "list:removeByIndex(o, 5)",
        "list:set(o, 5, 'a')", "list:add(o, 1, 7)", "list:sort(list:create(1, 'a'))", "map:put(o, 1, 2)",
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_null(expression: str) -> None:
    assert value_of(expression) is None


def test_the_clock_is_the_plans() -> None:
    text = (
        f"@app:playback {HEAD}from S select time:currentDate() as a, time:currentTime() as b, "
        "time:currentTimestamp() as c, time:utcTimestamp('SSS') as d, time:timestampInMilliseconds() as e, "
        "time:currentTimestamp('IST') as f insert into Out;"
    )
    expected = ["1970-01-01", "00:00:01", "1970-01-01 00:00:01", "000", 1000, "1970-01-01 05:30:01"]
    assert [values for _, values in one_by_one(text, [ROW])] == [expected]


def test_numbers_keep_their_java_types_in_objects() -> None:
    assert value_of("list:create(i, l, d, f, 'x', true)") == [1, {"$long": 1000}, 1.5, {"$float": 2.5}, "x", True]
    assert value_of("str:fillTemplate('{{1}} {{2}}', 1e7, 0.1f)") == "1.0E7 0.1"
    assert value_of("map:toJSON(map:create('a', 0.1f, 'b', l))") == '{"a":0.1,"b":1000}'


@given(text=st.text(max_size=20), times=st.integers(0, 3))
@settings(max_examples=12, deadline=None)
def test_laws_of_text(text: str, times: int) -> None:
    row = (text, times, 0.0, 0, None, 0.0)
    assert value_of("str:reverse(str:reverse(t))", row) == text
    assert value_of("str:length(str:repeat(t, i))", row) == len(text) * times
    if "\ud800" not in text:
        assert value_of("str:unhex(str:hex(t))", row) == text
    assert value_of("str:concat(str:substr(t, 0, 0), t)", row) == text
    assert value_of("json:getString(json:toJson(map:create('k', t)), '$.k')", row) == text


@given(millis=st.integers(0, 4_102_444_800_000))
@settings(max_examples=12, deadline=None)
def test_laws_of_dates(millis: int) -> None:
    row = ("", 0, 0.0, millis, None, 0.0)
    assert value_of("time:timestampInMilliseconds(time:dateFormat(l, 'yyyy-MM-dd HH:mm:ss.SSS'))", row) == millis
    assert value_of("time:dateSub(time:dateAdd(l, 5, 'DAY'), 0, 'DAY')", row) is None  # a number as text is no date
    assert value_of("time:dateDiff(l + 86400000L, l)", row) == 1


@given(document=st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text("ab'\"\\/\u00e9 ", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab c", max_size=3), inner, max_size=3),
    max_leaves=8,
))  # fmt: skip
@settings(max_examples=60)
def test_a_document_is_read_as_it_was_written(document: Any) -> None:
    import json

    from eiha.engine.functions.json_text import parsed, text_of

    frozen = _frozen(document)
    assert parsed(text_of(frozen)) == frozen
    assert parsed(json.dumps(document)) == frozen


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(each) for each in value)
    return {key: _frozen(each) for key, each in value.items()} if isinstance(value, dict) else value
