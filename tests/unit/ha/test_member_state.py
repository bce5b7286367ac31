from __future__ import annotations

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import CorruptFile
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.ha.member_state import MemberState, decode_member_state, encode_member_state
from eiha.kernel.ids import ClientId, ClientSequence, LogTimeMs, Sequence
from eiha.protocol.outputs import OutputBatch

numbers = st.integers(0, 1 << 40)
sessions = st.tuples(st.text(max_size=8).map(ClientId), numbers.map(ClientSequence), numbers.map(LogTimeMs))


def output() -> OutputBatch:
    schema = Schema((Attribute("s", AttributeType.STRING), Attribute("v", AttributeType.DOUBLE)))
    columns = (
        WireColumn(AttributeType.STRING, np.array([1, 0], dtype=np.int32), None, ("x", "y")),
        WireColumn(AttributeType.DOUBLE, np.array([1.5, 0.0]), np.array([True, False])),
    )
    batch = WireBatch(2, np.array([5, 6], dtype=np.int64), columns)
    return OutputBatch("processed", "plan", StreamDefinition("Out", schema), Sequence(4), LogTimeMs(7), 3, batch)


@given(st.lists(sessions, max_size=4), st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20)), max_size=3))
def test_a_member_state_survives_the_trip(rows: list[tuple[ClientId, ClientSequence, LogTimeMs]],
                                          plans: list[tuple[str, str]]) -> None:  # fmt: skip
    progress = (("processed", Sequence(3)),)
    state = MemberState(Sequence(9), LogTimeMs(8), tuple(rows), tuple(plans), progress)
    assert decode_member_state(encode_member_state(state)) == state


def test_outputs_survive_the_trip_to_the_bit() -> None:
    data = encode_member_state(MemberState(outputs=(output(),)))
    (back,) = decode_member_state(data).outputs
    assert (back.sink, back.plan, back.stream, back.first_ordinal) == ("processed", "plan", output().stream, 3)
    assert encode(back.batch) == encode(output().batch)
    assert encode_member_state(MemberState(outputs=(back,))) == data


def test_no_bytes_are_an_empty_state() -> None:
    assert decode_member_state(b"") == MemberState()


@pytest.mark.parametrize(
    "data", [b"\xc1", msgpack.packb([99]), msgpack.packb([1, 2]), msgpack.packb([1, 0, 0, 5, (), (), ()])]
)
def test_other_bytes_are_a_corrupt_file(data: bytes) -> None:
    with pytest.raises(CorruptFile):
        decode_member_state(data)
