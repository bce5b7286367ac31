import contextlib
import typing

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import MalformedFrame, ProtocolError
from eiha.protocol import client_messages as messages
from eiha.protocol.client_codec import CLIENT_TABLE, decode_client_message, encode_client_message
from eiha.protocol.message_table import MessageTable

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(0, (1 << 63) - 1)
sequences = st.integers(1, (1 << 63) - 1)
streams = st.integers(0, 4095)
versions = st.integers(0, 255)
attributes = st.lists(st.tuples(names, names), max_size=4).map(tuple)
cells = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | texts
STRATEGIES = {
    messages.Hello: (versions, versions, names, texts, st.booleans()),
    messages.Welcome: (versions, names, names, texts, numbers, numbers, numbers),
    messages.OpenStream: (streams, names, st.none() | attributes),
    messages.StreamOpened: (streams, names, attributes),
    messages.StreamRefused: (streams, names, texts),
    messages.Publish: (sequences, streams, st.integers(0, 1_000_000), st.binary(max_size=30)),
    messages.PublishRows: (
        sequences,
        streams,
        st.none() | st.lists(numbers, max_size=4),
        st.lists(st.lists(cells, max_size=4), max_size=4),
    ),
    messages.Acked: (numbers,),
    messages.Rejected: (sequences, names, texts, numbers, numbers),
    messages.Credit: (numbers, numbers, texts),
    messages.Redirect: (names, texts),
    messages.Failed: (names, texts),
    messages.Goodbye: (),
}
any_message = st.one_of([st.builds(cls, *parts) for cls, parts in STRATEGIES.items()])


def test_the_table_holds_every_client_message_and_no_other():
    expected = set(typing.get_args(messages.ToNode)) | set(typing.get_args(messages.ToClient))
    assert {spec.message for spec in CLIENT_TABLE.specs} == expected == set(STRATEGIES)
    assert all(64 <= spec.number < 96 for spec in CLIENT_TABLE.specs)


@given(any_message)
def test_every_message_comes_back(message):
    type_, body = encode_client_message(message)
    assert decode_client_message(type_, memoryview(body)) == message


BY_ROW = MessageTable("client", CLIENT_TABLE.specs)
"""The same table without quick forms."""


@given(st.one_of(*(st.builds(kind, *STRATEGIES[kind]) for kind in CLIENT_TABLE.quick)), st.data())
def test_a_message_written_out_means_what_its_row_says(message, data):
    type_, body = BY_ROW.encode(message)
    assert CLIENT_TABLE.encode(message) == (type_, body)
    parts = msgpack.unpackb(body)
    strange = st.one_of(cells, numbers, st.just(1_000_001), st.just(4096), st.just(1 << 63), st.binary(max_size=3))
    parts[data.draw(st.integers(0, len(parts) - 1))] = data.draw(strange)
    assert told(CLIENT_TABLE, type_, msgpack.packb(parts)) == told(BY_ROW, type_, msgpack.packb(parts))


def told(table, type_, body):
    try:
        return table.decode(type_, body)
    except MalformedFrame as refusal:
        return str(refusal)


@given(st.integers(60, 100), st.binary(max_size=100))
def test_arbitrary_bodies_raise_nothing_but_protocol_errors(type_, body):
    with contextlib.suppress(ProtocolError):
        decode_client_message(type_, body)


def test_a_strangers_nested_lists_cost_nothing():
    with pytest.raises(MalformedFrame, match="Hello is not valid msgpack"):
        decode_client_message(64, b"\xdc\x00\x20" * 1_000)


def test_a_publication_of_too_many_rows_is_refused_by_name():
    type_, body = encode_client_message(messages.Publish(1, 0, 1_000_001, b""))
    with pytest.raises(MalformedFrame, match=r"Publish\.rows must be a whole number from 0 to 1000000"):
        decode_client_message(type_, body)
