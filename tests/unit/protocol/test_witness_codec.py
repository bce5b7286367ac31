"""The messages between nodes and the arbiter, and the changes on its disk: what goes in comes out, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import MalformedFrame
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.protocol import fields
from eiha.protocol.handshake import HANDSHAKE_TABLE
from eiha.protocol.limits import (
    NAME_LENGTH_MAX,
    NUMBER_MAX,
    REASON_LENGTH_MAX,
    WITNESS_ANSWER_BYTES_MAX,
    WITNESS_HISTORY_PAGE,
    WITNESS_REQUEST_BYTES_MAX,
)
from eiha.protocol.peer_codec import PEER_TABLE
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.witness_codec import WITNESS_TABLE, decode_change, encode_change
from eiha.protocol.witness_messages import (
    HistoryHeld,
    NotDone,
    NotSwapped,
    ReadHistory,
    ReadRow,
    RowChange,
    RowHeld,
    Swapped,
    SwapRow,
    WitnessMessage,
    WitnessRow,
)

names = st.text(min_size=1, max_size=20)
numbers = st.integers(0, NUMBER_MAX)
swaps = st.binary(min_size=16, max_size=16)
members = st.builds(PeerIdentity, names.map(NodeId), names.map(Incarnation))
rows = st.builds(
    WitnessRow,
    names,
    numbers.map(Epoch),
    names.map(NodeId),
    names.map(Incarnation),
    st.lists(members, min_size=1, max_size=3).map(tuple),
    st.integers(1, NUMBER_MAX),
    st.text(max_size=40),
)
changes = st.builds(RowChange, names, swaps, st.none() | numbers, numbers, st.none() | rows)
messages = st.one_of(
    st.builds(ReadRow, numbers),
    st.builds(SwapRow, numbers, swaps, st.none() | numbers, rows),
    st.builds(ReadHistory, numbers, numbers),
    st.builds(RowHeld, numbers, st.none() | rows, st.just(b"") | swaps),
    st.builds(Swapped, numbers),
    st.builds(NotSwapped, numbers, st.none() | rows),
    st.builds(HistoryHeld, numbers, st.lists(changes, max_size=4).map(tuple)),
    st.builds(NotDone, numbers, st.text(max_size=40)),
)


@given(messages)
def test_a_message_comes_back_as_it_was_sent(message: WitnessMessage) -> None:
    assert WITNESS_TABLE.decode(*WITNESS_TABLE.encode(message)) == message


@given(changes)
def test_a_change_comes_back_as_it_was_kept(change: RowChange) -> None:
    assert decode_change(encode_change(change)) == change


@given(st.integers(90, 110), st.binary(max_size=200))
def test_any_other_bytes_are_refused_and_nothing_else_happens(type_: int, body: bytes) -> None:
    try:
        WITNESS_TABLE.decode(type_, body)
        decode_change(body)
    except MalformedFrame:
        pass


def test_the_longest_row_and_the_longest_page_of_history_fit_their_frames() -> None:
    longest = "\U0001f600" * NAME_LENGTH_MAX
    member = PeerIdentity(NodeId(longest), Incarnation(longest))
    row = WitnessRow(
        longest, Epoch(1), member.node, member.incarnation, (member,) * 16, 1, "\U0001f600" * REASON_LENGTH_MAX
    )
    _, body = WITNESS_TABLE.encode(SwapRow(1, b"s" * 16, NUMBER_MAX, row))
    assert len(body) <= WITNESS_REQUEST_BYTES_MAX
    change = RowChange(longest, b"s" * 16, NUMBER_MAX, NUMBER_MAX, row)
    page = HistoryHeld(1, (change,) * WITNESS_HISTORY_PAGE)
    type_, body = WITNESS_TABLE.encode(page)
    assert len(body) <= WITNESS_ANSWER_BYTES_MAX
    assert WITNESS_TABLE.decode(type_, body) == page


ROW = ["c", 1, "n", "d", [["n", "d"]], 1, "why"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (ROW[:-1], "must be a list of 7 parts"),
        (["", *ROW[1:]], "cluster must not be empty"),
        ([*ROW[:4], [], *ROW[5:]], "synced is empty"),
        ([*ROW[:4], [["n"]], *ROW[5:]], "synced must be a list of 2 parts"),
        ([*ROW[:5], 0, "why"], "version must be a whole number from 1"),
        ([*ROW[:5], True, "why"], "version must be a whole number from 1"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_the_name_of_its_part(row: list[Any], why: str) -> None:
    with pytest.raises(MalformedFrame, match=why):
        WITNESS_TABLE.decode(97, fields.pack([1, b"s" * 16, None, row]))


def test_a_swap_without_a_whole_name_is_refused() -> None:
    with pytest.raises(MalformedFrame, match="swap must have 16 bytes, not 3"):
        WITNESS_TABLE.decode(97, fields.pack([1, b"abc", None, ROW]))


def test_no_number_stands_for_two_messages() -> None:
    taken = [spec.number for table in (HANDSHAKE_TABLE, PEER_TABLE, WITNESS_TABLE) for spec in table.specs]
    assert len(set(taken)) == len(taken)
