import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.receivers.http_body import MalformedBody, UnsupportedType, parse_body

values = (
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(st.characters(exclude_categories=["Cs"]))
)
objects = st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=6)


@given(objects, st.sampled_from(["\n", "\r\n", "\n\n", " \n"]), st.booleans())
def test_the_same_rows_come_as_an_array_and_as_lines(rows, end, is_ended):
    assert parse_body(orjson.dumps(rows), "application/json; charset=utf-8") == rows
    lines = end.encode().join(map(orjson.dumps, rows)) + (end.encode() if is_ended else b"")
    assert parse_body(lines, "application/x-ndjson") == rows


@given(st.binary(max_size=60), st.sampled_from(["", "application/json", "application/x-ndjson"]))
def test_arbitrary_bodies_are_rows_or_malformed(body, content_type):
    with contextlib.suppress(MalformedBody):
        assert isinstance(parse_body(body, content_type), list)


def test_an_object_is_one_row():
    assert parse_body(b'{"a": 1}', "application/json") == [{"a": 1}]


@pytest.mark.parametrize(
    ("body", "content_type", "line", "text"),
    [
        (b'{"a": 1', "application/json", 0, "the body is not JSON"),
        (b"5", "application/json", 0, "an object or an array of objects, not int"),
        (b'{"a":1}\n{"a":\n', "application/x-ndjson", 2, "line 2 is not JSON"),
        (b'{"a":1},{"a":2}\n', "application/x-ndjson", 1, "line 1 is not JSON"),
        (b'{"a":\n1}\n', "application/x-ndjson", 1, "line 1 is not JSON"),
        (b"[1\n,2]", "application/x-ndjson", 1, "line 1 is not JSON"),
        (b'{"a": "\xff"}', "application/json", 0, "the body is not JSON"),
        (b"[" * 100_000, "application/json", 0, "the body is not JSON"),
    ],
)
def test_what_is_malformed_is_named_by_line(body, content_type, line, text):
    with pytest.raises(MalformedBody) as caught:
        parse_body(body, content_type)
    assert caught.value.line == line
    assert text in str(caught.value)


@pytest.mark.parametrize("content_type", ["text/csv", "application/xml", "application/json; charset=latin1"])
def test_other_types_are_refused_with_those_that_are_taken(content_type):
    with pytest.raises(UnsupportedType, match="is not taken"):
        parse_body(b"{}", content_type)
