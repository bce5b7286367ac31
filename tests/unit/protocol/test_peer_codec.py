import contextlib
import dataclasses
import typing

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import MalformedFrame, ProtocolError
from eiha.kernel.ids import LogPosition
from eiha.protocol import peer_messages as messages
from eiha.protocol.limits import REASON_LENGTH_MAX
from eiha.protocol.log_entry import Publication
from eiha.protocol.message_table import MessageTable
from eiha.protocol.peer_codec import PEER_TABLE, decode_peer_message, encode_peer_message
from eiha.protocol.state_digest import PartDigest
from eiha.protocol.vitals import Vitals

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
reasons = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(0, (1 << 63) - 1)
positions = st.builds(LogPosition, numbers, numbers)
works = st.sampled_from(["", "entry", "question", "digest", "snapshot", "restore"])
vitals = st.builds(Vitals, numbers, numbers, works, numbers, numbers, numbers, numbers, numbers, numbers)
publications = st.builds(
    Publication, names, st.integers(1, (1 << 63) - 1), names, st.integers(0, 1_000_000), st.binary(max_size=30)
)
part_digests = st.builds(PartDigest, numbers, numbers, st.integers(1, (1 << 63) - 1), st.binary(max_size=8))


def tuples(of):
    return st.lists(of, max_size=4).map(tuple)


STRATEGIES = {
    messages.Append: (numbers, positions, tuples(st.binary(max_size=30)), numbers),
    messages.AppendAck: (numbers, names, positions, numbers, st.booleans()),
    messages.Committed: (numbers, numbers),
    messages.Forward: (numbers, tuples(publications)),
    messages.Ping: (
        numbers,
        names,
        names,
        numbers,
        numbers,
        positions,
        numbers,
        tuples(st.tuples(names, numbers)),
        vitals,
    ),
    messages.Pong: (numbers, numbers, st.booleans()),
    messages.JoinRequest: (names, numbers, positions, tuples(st.tuples(numbers, numbers)), numbers, numbers),
    messages.JoinReply: (numbers, positions, st.none() | numbers, numbers),
    messages.SnapshotBegin: (numbers, numbers, st.binary(max_size=30)),
    messages.SnapshotLacks: (numbers, st.binary(max_size=30)),
    messages.SnapshotChunk: (numbers, numbers, st.binary(max_size=30)),
    messages.SnapshotAck: (numbers, numbers),
    messages.JoinDone: (numbers, numbers),
    messages.DigestReport: (numbers, numbers, st.binary(max_size=8), tuples(part_digests)),
    messages.Resync: (numbers, reasons, numbers),
    messages.SwitchoverPropose: (numbers, positions),
    messages.SwitchoverReady: (numbers, names),
    messages.SwitchoverAbort: (numbers, reasons),
}
any_message = st.one_of([st.builds(cls, *parts) for cls, parts in STRATEGIES.items()])


def test_the_table_holds_every_peer_message_and_no_other():
    assert {spec.message for spec in PEER_TABLE.specs} == set(typing.get_args(messages.PeerMessage))
    assert set(STRATEGIES) == set(typing.get_args(messages.PeerMessage))


def test_the_channels_have_their_own_type_numbers():
    event_sync = set(typing.get_args(messages.EventSyncMessage))
    for spec in PEER_TABLE.specs:
        assert (16 <= spec.number < 32) == (spec.message in event_sync), spec.message


@given(any_message)
def test_every_message_comes_back(message):
    type_, body = encode_peer_message(message)
    assert decode_peer_message(type_, body) == message
    assert decode_peer_message(type_, memoryview(body)) == message


@given(st.integers(0, 255), st.binary(max_size=100))
def test_arbitrary_bodies_raise_nothing_but_protocol_errors(type_, body):
    with contextlib.suppress(ProtocolError):
        decode_peer_message(type_, body)


@given(any_message, st.data())
def test_a_message_with_one_part_of_another_type_is_refused_by_name(message, data):
    type_, body = encode_peer_message(message)
    parts = msgpack.unpackb(body)
    index = data.draw(st.integers(0, len(parts) - 1))
    parts[index] = {"a": "map"}
    with pytest.raises(MalformedFrame) as caught:
        decode_peer_message(type_, msgpack.packb(parts))
    assert f"{type(message).__name__}.{dataclasses.fields(message)[index].name}" in str(caught.value)


QUICK = tuple(PEER_TABLE.quick)
BY_ROW = MessageTable("peer", PEER_TABLE.specs)
"""The same table without quick forms."""


@given(st.one_of(*(st.builds(kind, *STRATEGIES[kind]) for kind in QUICK)), st.data())
def test_a_message_written_out_means_what_its_row_says(message, data):
    type_, body = BY_ROW.encode(message)
    assert PEER_TABLE.encode(message) == (type_, body)
    parts = msgpack.unpackb(body)
    strange = st.one_of(numbers, st.just(-1), st.just(1 << 63), names, st.just(""), st.booleans(), st.none())
    lists = st.lists(st.one_of(strange, st.binary(max_size=3)), max_size=3)
    parts[data.draw(st.integers(0, len(parts) - 1))] = data.draw(st.one_of(strange, lists))
    assert told(PEER_TABLE, type_, msgpack.packb(parts)) == told(BY_ROW, type_, msgpack.packb(parts))


def told(table, type_, body):
    try:
        return table.decode(type_, body)
    except MalformedFrame as refusal:
        return str(refusal)


@given(any_message)
def test_a_message_with_a_part_too_few_or_too_many_is_refused(message):
    type_, body = encode_peer_message(message)
    parts = msgpack.unpackb(body)
    for wrong in (parts[:-1], [*parts, 0]):
        with pytest.raises(MalformedFrame, match="must be a list of"):
            decode_peer_message(type_, msgpack.packb(wrong))


def test_an_unknown_type_is_refused():
    with pytest.raises(MalformedFrame, match="type 99 is no peer message"):
        decode_peer_message(99, b"\x90")


def test_nested_lists_that_claim_millions_of_items_are_refused():
    with pytest.raises(MalformedFrame, match="not valid msgpack"):
        decode_peer_message(16, b"\xdd\x00\xff\xff\xff" * 100)


def test_a_long_reason_is_cut_when_sent():
    type_, body = encode_peer_message(messages.Resync(1, "x" * (REASON_LENGTH_MAX + 1)))
    assert decode_peer_message(type_, body) == messages.Resync(1, "x" * REASON_LENGTH_MAX)
