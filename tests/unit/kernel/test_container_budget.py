"""A message of empty lists does not become gigabytes."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest

from eiha.errors import MalformedBatch, MalformedFrame, WrongValue
from eiha.events.rows import rows_to_batch
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import check, decode
from eiha.kernel.container_budget import (
    CONTAINERS_MAX,
    DEPTH_MAX,
    SMALL_BYTES,
    container_hooks,
    json_containers_exceed,
    nests_too_deep,
)
from eiha.protocol import fields
from eiha.protocol.limits import ROWS_MESSAGE_ITEMS_MAX
from eiha.receivers.http_body import MalformedBody, parse_body

OBJECTS = Schema((Attribute("notes", AttributeType.OBJECT),))
SIZE = 3 << 20


def nested(size: int, head: bytes = b"\xdd\x00\x00\xff\xff", empty: bytes = b"\x90") -> bytes:
    """A list of lists of 65,535 empty lists."""
    inner = head + empty * 65_535
    count = size // len(inner)
    return b"\xdd" + count.to_bytes(4, "big") + inner * count


def deep(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value, "b": 1}
    return value


def test_what_lies_deeper_than_a_walk_through_it_may_go_is_refused() -> None:
    assert not nests_too_deep(7)
    assert not nests_too_deep(deep(DEPTH_MAX))
    assert nests_too_deep(deep(DEPTH_MAX + 1))
    good, bad = (encode_rows(deep(levels)) for levels in (DEPTH_MAX, DEPTH_MAX + 1))
    assert decode(good, OBJECTS).rows == 1
    for read in (decode, check):
        with pytest.raises(MalformedBatch, match="more than 100 deep"):
            read(bad, OBJECTS)
    with pytest.raises(WrongValue, match=r"row 1: attribute 'notes': .*more than 100 deep") as refused:
        rows_to_batch([[1], [deep(DEPTH_MAX + 1)]], OBJECTS)
    assert (refused.value.row, refused.value.attribute) == (1, "notes")


def encode_rows(*values: object) -> bytes:
    return bytes(msgpack.packb([len(values), None, [[None, list(values)]]]))


@pytest.mark.parametrize(
    ("refuse", "error"),
    [
        (lambda: fields.unpack(nested(SIZE), "rows", items_max=ROWS_MESSAGE_ITEMS_MAX), MalformedFrame),
        (lambda: decode(b"\x93\x01\xc0\x91\x92\xc0" + nested(SIZE), OBJECTS), MalformedBatch),
        (lambda: decode(b"\x93\x01\xc0\x91\x92\xc0" + nested(SIZE, empty=b"\x80"), OBJECTS), MalformedBatch),
        (lambda: parse_body(b"[" + b"[]," * (SIZE // 2) + b"[]]", "application/json"), MalformedBody),
    ],
    ids=["message", "lists of an object column", "maps of an object column", "JSON"],
)
def test_more_lists_than_rows_could_need_are_refused(refuse: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error, match="lists"):
        refuse()


def test_what_is_small_is_not_counted_and_a_million_rows_pass() -> None:
    assert container_hooks(SMALL_BYTES) == {}
    rows = msgpack.packb([[1]] * 1_000_000)
    assert len(rows) > SMALL_BYTES
    assert len(msgpack.unpackb(rows, **container_hooks(len(rows)))) == 1_000_000
    assert not json_containers_exceed(b'{"a":1}' * (CONTAINERS_MAX - 1))
    assert json_containers_exceed(b'{"a":1}' * (CONTAINERS_MAX + 1))
