from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import WireBatch, WireColumn
from eiha.kernel.ids import Sequence
from eiha.node.answer_json import as_document, as_lines
from eiha.protocol.answers import RowsFound


def found(column: WireColumn) -> RowsFound:
    schema = Schema((Attribute("x", column.type),))
    return RowsFound(schema, WireBatch(len(column.values), None, (column,)), Sequence(1))


def objects(*values: Any) -> WireColumn:
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return WireColumn(AttributeType.OBJECT, array)


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (WireColumn(AttributeType.LONG, np.array([-(1 << 63), (1 << 63) - 1])), [-(1 << 63), (1 << 63) - 1]),
        (WireColumn(AttributeType.INT, np.array([1, 2], np.int32), np.array([False, True])), [None, 2]),
        (WireColumn(AttributeType.BOOL, np.array([True, False])), [True, False]),
        (WireColumn(AttributeType.FLOAT, np.array([0.1, np.nan], np.float32)), [0.1, "NaN"]),
        (WireColumn(AttributeType.DOUBLE, np.array([0.1, -np.inf])), [0.1, "-Infinity"]),
        (WireColumn(AttributeType.STRING, np.array([0, 0], np.int32), np.array([False, False])), [None, None]),
        (objects({1: [2.5, float("nan")], "k": None}, 1 << 64), [{"1": [2.5, "NaN"], "k": None}, str(1 << 64)]),
        (WireColumn(AttributeType.INT, np.array([], np.int32)), []),
    ],
)
def test_each_type_has_its_json(column: WireColumn, shown: list[Any]) -> None:
    document = json.loads(as_document(found(column), "n"))
    assert document["rows"] == [[value] for value in shown]
    assert document["types"] == [column.type.value]
    assert [json.loads(line) for line in as_lines(found(column)).splitlines()] == [{"x": value} for value in shown]
