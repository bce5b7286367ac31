"""Sources, sinks, maps and buffers are checked and kept as written; warnings say what has no effect."""

from __future__ import annotations

import pytest

from eiha.errors import PlanSemanticError
from eiha.plan.compilation import compile_plan
from eiha.plan.connections import Buffering, Connection, Distribution, Mapping

QUERY = "define stream S (a int);\nfrom S select a insert into Out;"


def test_a_source_is_kept_with_its_map() -> None:
    plan = compile_plan(
        "@source(type='http', receiver.url='http://h/', @map(type='json', fail.on.missing='false', "
        f"@attributes(a='$.a', 'b')))\n{QUERY}"
    )
    mapping = Mapping("json", (("fail.on.missing", "false"),), (("a", "$.a"), ("", "b")), ())
    assert plan.connections == (Connection(False, "S", "http", (("receiver.url", "http://h/"),), mapping, None),)
    assert "@source of type 'http' on stream 'S' has no effect" in plan.warnings[0]


def test_a_sink_is_kept_with_its_destinations() -> None:
    plan = compile_plan(
        "@sink(type='inMemory', @distribution(strategy='partitioned', partitionKey='a', @destination(topic='x'), "
        f"@destination(topic='y')))\n{QUERY}"
    )
    ways = Distribution("partitioned", (("partitionKey", "a"),), ((("topic", "x"),), (("topic", "y"),)))
    assert plan.connections == (Connection(True, "S", "inMemory", (), None, ways),)


def test_a_buffer_is_kept_and_said_to_have_no_effect() -> None:
    plan = compile_plan(f"@Async(buffer.size='64', workers='2')\n{QUERY}")
    assert plan.connections == (Buffering("S", 64, 2, None),)
    assert plan.warnings == ("@Async on stream 'S' has no effect: events are applied in one order",)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("@sink(topic='t')", "@sink needs a type"),
        ("@source(topic='t')", "@source needs a type"),
        ("@sink(type='inMemory', @map(payload='x'))", "@map needs a type"),
        ("@sink(type='x', @map(type='y', @attribute('z')))", "did you mean 'attributes'"),
        ("@sink(type='x', @distribution(strategy='roundrobin', @destination(a='b')))", "roundRobin"),
        ("@sink(type='x', @distribution(strategy='broadcast'))", "at least one @destination"),
        ("@async(buffer.size='abc')", "buffer.size is a number above 0, not 'abc'"),
        ("@async(buffer.size='15')", "a power of 2, not 15"),
        ("@async(buffer.size='16', workers='x')", "workers is a number"),
    ],
)
def test_what_siddhi_refuses_is_refused_at_its_place(note: str, words: str) -> None:
    with pytest.raises(PlanSemanticError) as caught:
        compile_plan(f"{note}\n{QUERY}")
    assert words in str(caught.value)
    assert caught.value.line == 1
