"""``check`` and ``decode`` agree about every payload, whole or damaged, of few rows and of many."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import MalformedBatch, WrongSchema
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import FEW_ROWS, check, decode

SCHEMA = Schema(tuple(Attribute(type_.value, type_) for type_ in AttributeType))


def payload_of(rows: int, spoil: dict[int, Any] | None = None, stamps: Any = None) -> bytes:
    """A payload of ``rows`` rows; ``spoil``: columns by place."""
    data: dict[AttributeType, Any] = {
        AttributeType.STRING: [["a", "b"], b"\x01\0\0\0" * rows],
        AttributeType.INT: bytes(4 * rows),
        AttributeType.LONG: bytes(8 * rows),
        AttributeType.FLOAT: bytes(4 * rows),
        AttributeType.DOUBLE: bytes(8 * rows),
        AttributeType.BOOL: bytes(rows),
        AttributeType.OBJECT: [1] * rows,
    }
    columns = [[None, data[attribute.type]] for attribute in SCHEMA.attributes]
    for place, column in (spoil or {}).items():
        columns[place] = column
    return bytes(msgpack.packb([rows, stamps, columns]))


def told(read: Any, payload: bytes) -> str:
    """The number of rows, or what is complained about."""
    try:
        result = read(payload, SCHEMA)
    except (MalformedBatch, WrongSchema) as refusal:
        return f"{type(refusal).__name__}: {refusal}"
    return str(result if isinstance(result, int) else result.rows)


NUMBERS = st.integers(0, 9)
PARTS = st.one_of(
    st.none(),
    st.binary(max_size=24),
    st.lists(NUMBERS, max_size=3),
    st.tuples(st.lists(st.text(max_size=2), max_size=2), st.binary(min_size=12, max_size=12)).map(list),
    st.tuples(st.lists(st.one_of(st.text(max_size=1), NUMBERS), max_size=2), st.just(bytes(12))).map(list),
)
COLUMNS = st.one_of(st.tuples(PARTS, PARTS).map(list), st.tuples(st.just(b"\0\0\0"), PARTS).map(list), PARTS)


@given(rows=st.sampled_from([0, 1, 3]), spoil=st.dictionaries(st.integers(0, len(SCHEMA) - 1), COLUMNS, max_size=2))
def test_what_is_checked_without_arrays_is_judged_as_what_is_decoded(rows: int, spoil: dict[int, Any]) -> None:
    payload = payload_of(rows, spoil)
    assert told(check, payload) == told(decode, payload)


@pytest.mark.parametrize("rows", [0, 1, FEW_ROWS, FEW_ROWS + 1])
@pytest.mark.parametrize("stamps", [None, b"", b"12345678"])
def test_rows_and_timestamps_are_counted_on_both_sides_of_the_bound(rows: int, stamps: bytes | None) -> None:
    payload = payload_of(rows, stamps=None if stamps is None else stamps * rows)
    assert told(check, payload) == told(decode, payload)


@pytest.mark.parametrize("rows", [2, FEW_ROWS + 1])
@pytest.mark.parametrize("code", [2, -1])
def test_a_code_outside_the_dictionary_is_refused_unless_its_row_is_null(rows: int, code: int) -> None:
    place = next(i for i, each in enumerate(SCHEMA.attributes) if each.type is AttributeType.STRING)
    codes = code.to_bytes(4, "little", signed=True) + bytes(4 * (rows - 1))
    null_first = b"\0" + b"\1" * (rows - 1)
    assert "point outside its dictionary of 2" in told(check, payload_of(rows, {place: [None, [["a", "b"], codes]]}))
    assert told(check, payload_of(rows, {place: [null_first, [["a", "b"], codes]]})) == str(rows)


def test_the_code_of_a_null_may_be_anything() -> None:
    schema = Schema((Attribute("text", AttributeType.STRING),))
    codes = b"\0\0\0\0" + b"\xff\xff\xff\x7f"
    batch = decode(bytes(msgpack.packb([2, None, [[b"\1\0", [["a"], codes]]]])), schema)
    assert batch.columns[0].to_list() == ["a", None]


def test_bytes_that_are_no_payload_are_refused() -> None:
    for payload in (b"", b"\xc1", msgpack.packb([1, None]), msgpack.packb([True, None, []])):
        assert told(check, payload) == told(decode, payload)
        assert told(check, payload).startswith("MalformedBatch")
