import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import MalformedFrame, ProtocolError
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, Incarnation, LogTimeMs, NodeId, Sequence
from eiha.protocol.entry_codec import decode_entry, encode_entry
from eiha.protocol.limits import STATEMENT_LENGTH_MAX
from eiha.protocol.log_entry import (
    DeployPlan,
    EpochStart,
    LogEntry,
    Publication,
    Publications,
    Quarantine,
    RemovePlan,
    RowRange,
    TableStatement,
    TimeTick,
)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
numbers = st.integers(0, (1 << 63) - 1)
publications = st.builds(
    Publication,
    client_id=names.map(ClientId),
    client_sequence=st.integers(1, (1 << 63) - 1).map(ClientSequence),
    stream=names,
    rows=st.integers(0, 1_000_000),
    payload=st.binary(max_size=300),
)
bodies = st.one_of(
    st.builds(Publications, st.lists(publications, max_size=5).map(tuple)),
    st.just(TimeTick()),
    st.builds(DeployPlan, names, st.text(st.characters(exclude_categories=["Cs"]))),
    st.builds(RemovePlan, names),
    st.builds(EpochStart, names.map(NodeId), names.map(Incarnation)),
    st.builds(TableStatement, names, names, st.text(st.characters(exclude_categories=["Cs"]))),
    st.builds(
        Quarantine,
        st.integers(1, (1 << 63) - 1).map(Sequence),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.lists(st.builds(RowRange, st.integers(0, 9), st.integers(0, 500), st.integers(500, 1_000)), max_size=5).map(
            tuple
        ),
        st.booleans(),
        st.sampled_from(["raised", "killed", "hung"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    ),
)
entries = st.builds(
    LogEntry,
    epoch=numbers.map(Epoch),
    sequence=st.integers(1, (1 << 63) - 1).map(Sequence),
    log_time_ms=numbers.map(LogTimeMs),
    body=bodies,
)


@given(entries)
def test_what_is_encoded_comes_back_with_its_own_bytes(entry):
    encoded = encode_entry(entry)
    decoded = decode_entry(encoded)
    assert decoded == entry
    assert decoded.encoded is encoded
    assert encode_entry(decoded) == encoded


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (
            Publications((Publication(ClientId("c"), ClientSequence(7), "S", 2, b"ab"),)),
            "01919 5a163 07a153 02c4026162",
        ),
        (TimeTick(), "02c0"),
        (DeployPlan("p", "text"), "0392a170 a474657874"),
        (RemovePlan("p"), "0491a170"),
        (EpochStart(NodeId("n"), Incarnation("i")), "0592a16ea169"),
        (TableStatement("r", "p", "delete T"), "0693a172a170 a864656c6574652054"),
        (
            Quarantine(Sequence(2), "p", (RowRange(0, 1, 3),), suspends=True, cause="killed", reason="x"),
            "079602a170 9193000103 c3 a66b696c6c6564 a178",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_bytes_of_each_kind_stay_what_they_are(body, written):
    entry = LogEntry(Epoch(2), Sequence(3), LogTimeMs(4), body)
    assert encode_entry(entry).hex() == "95020304" + written.replace(" ", "")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(data):
    with contextlib.suppress(ProtocolError):
        decode_entry(data)


@given(entries, st.data())
def test_a_damaged_entry_decodes_to_an_entry_or_is_refused(entry, data):
    encoded = bytearray(encode_entry(entry))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(ProtocolError):
        decode_entry(bytes(encoded))


@given(entries, st.data())
def test_a_truncated_entry_is_refused(entry, data):
    encoded = encode_entry(entry)
    with pytest.raises(MalformedFrame):
        decode_entry(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


GOOD = ["client", 1, "S", 2, b"payload"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([1, 0, 0, 2, None], "the entry's sequence must be a whole number from 1"),
        ([-1, 1, 0, 2, None], "the entry's epoch"),
        ([True, 1, 0, 2, None], "the entry's epoch"),
        ([1, 1, 1.5, 2, None], "the entry's log time"),
        ([1, 1, 0, 2], "list of 5 parts, not 4 parts"),
        ([1, 1, 0, 9, None], "unknown kind 9"),
        ([1, 1, 0, [2], None], "unknown kind"),
        ([1, 1, 0, 2, 7], "a time tick has no body"),
        ([1, 1, 0, 1, None], "publications must be a list"),
        ([1, 1, 0, 1, [GOOD[:4]]], "must be [client, sequence, stream, rows, payload]"),
        ([1, 1, 0, 1, [["", *GOOD[1:]]]], "a publication's client must not be empty"),
        ([1, 1, 0, 1, [["c", 0, *GOOD[2:]]]], "client sequence"),
        ([1, 1, 0, 1, [[*GOOD[:3], 1_000_001, b""]]], "a publication's rows"),
        ([1, 1, 0, 1, [[*GOOD[:4], "text"]]], "a publication's payload"),
        ([1, 1, 0, 3, ["plan"]], "a deployment must be a list of 2 parts"),
        ([1, 1, 0, 3, ["x" * 256, ""]], "at most 255 characters"),
        ([1, 1, 0, 5, ["node", 5]], "an epoch's incarnation"),
        ([1, 1, 0, 6, ["r", "p"]], "a statement must be a list of 3 parts"),
        ([1, 1, 0, 6, ["", "p", "delete T"]], "a statement's request must not be empty"),
        ([1, 1, 0, 6, ["r", "p", "x" * (STATEMENT_LENGTH_MAX + 1)]], "a statement's text"),
    ],
)
def test_each_wrong_part_is_named(parts, message):
    with pytest.raises(MalformedFrame) as caught:
        decode_entry(msgpack.packb(parts))
    assert message in str(caught.value)
