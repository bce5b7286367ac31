from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.wire_edge import WireEdge
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.events.wire import WireBatch, WireColumn, decode, encode

SCHEMA = Schema((Attribute("s", AttributeType.STRING), Attribute("o", AttributeType.OBJECT)))
texts = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "", "ü"])), max_size=10)


def wire(values: list[str | None]) -> WireBatch:
    dictionary = ("b", "a", "ü", "", "unused")
    codes = np.array([99 if value is None else dictionary.index(value) for value in values], dtype="<i4")
    present = np.array([value is not None for value in values], dtype=np.bool_)
    objects = np.empty(len(values), dtype=np.object_)
    objects[:] = values
    valid = None if present.all() else present
    return WireBatch(
        len(values),
        np.arange(len(values)),
        (WireColumn(AttributeType.STRING, codes, valid, dictionary), WireColumn(AttributeType.OBJECT, objects, valid)),
    )


@given(st.lists(texts, max_size=4))
def test_strings_enter_as_ids_and_leave_as_they_were(batches: list[list[str | None]]) -> None:
    edge = WireEdge(StringTable(["z"]))
    for values in batches:
        batch = edge.enter(decode(encode(wire(values)), SCHEMA), SCHEMA, 5)
        left = decode(encode(edge.leave(batch)), SCHEMA)
        assert left.columns[0].to_list() == values
        assert left.columns[1].to_list() == values
        assert len(left.columns[0].dictionary) == len({value for value in values if value is not None})


def test_without_timestamps_rows_have_the_log_time() -> None:
    edge = WireEdge(StringTable())
    batch = edge.enter(WireBatch(2, None, wire(["a", "b"]).columns), SCHEMA, 77)
    assert batch.timestamps.tolist() == [77, 77]


def test_sets_leave_as_lists() -> None:
    objects = np.empty(1, dtype=np.object_)
    objects[0] = frozenset([3, 1])
    edge = WireEdge(StringTable())
    columns = (wire(["a"]).columns[0], WireColumn(AttributeType.OBJECT, objects))
    left = edge.leave(edge.enter(WireBatch(1, None, columns), SCHEMA, 0))
    assert left.columns[1].to_list() == [[1, 3]]


def test_maps_leave_as_maps_with_plain_contents() -> None:
    objects = np.empty(1, dtype=np.object_)
    objects[0] = {"a": (1, frozenset([2])), ("k", 1): {"x": None}}
    batch = WireEdge(StringTable()).enter(
        WireBatch(1, np.zeros(1, np.int64), (wire(["a"]).columns[0], WireColumn(AttributeType.OBJECT, objects))),
        SCHEMA,
        0,
    )
    left = WireEdge(StringTable(["b", "a", "ü", "", "unused"])).leave(batch)
    assert left.columns[1].values.tolist() == [{"a": [1, [2]], "[k, 1]": {"x": None}}]
    assert decode(encode(left), SCHEMA).columns[1].values.tolist() == left.columns[1].values.tolist()
