from __future__ import annotations

from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.kernel.ids import ClientId, ClientSequence
from eiha.protocol.log_entry import Publication
from eiha.protocol.plan_streams import find_stream, is_for, of_plan, stream_of

SCHEMA = Schema((Attribute("x", AttributeType.INT),))
KNOWN = {"S": StreamDefinition("S", SCHEMA)}


def publication(stream: str) -> Publication:
    return Publication(ClientId("c"), ClientSequence(1), stream, 0, b"")


def test_a_stream_may_be_named_with_the_plan_that_is_meant() -> None:
    assert find_stream(KNOWN, "S") == KNOWN["S"]
    assert find_stream(KNOWN, of_plan("a:b", "S")) == StreamDefinition("a:b:S", SCHEMA)
    assert find_stream(KNOWN, "plan:R") is None
    assert find_stream(KNOWN, "R") is None


def test_only_the_plan_that_is_named_gets_the_rows() -> None:
    defined = frozenset({"S"})
    assert is_for(publication("S"), "p", defined)
    assert is_for(publication("p:S"), "p", defined)
    assert not is_for(publication("q:S"), "p", defined)
    assert not is_for(publication("p:R"), "p", defined)
    assert stream_of(publication("a:b:S")) == "S"
