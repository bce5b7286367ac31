from __future__ import annotations

from typing import Any

import numpy as np

from eiha.engine.conformance.values import batch_of
from eiha.engine.expressions.rows import EntryIdentity, Scope
from eiha.engine.operator import RowClock
from eiha.engine.operators.stateless import rows_of
from eiha.engine.partitions.keys import make_reader
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

HEAD = "define stream S (k string, n int, x double, f float, b bool); "


def keys(key: str, rows: list[tuple[Any, ...]]) -> list[tuple[int, str]]:
    """(position, text) for each time that a row stands in."""
    plan = compile_plan(f"{HEAD} partition with ({key} of S) begin from S select k insert into Out; end;")
    strings = StringTable()
    batch = batch_of(plan.stream("S").schema, [(0, row) for row in rows], strings, "S")
    reader = make_reader(plan.partitions[0].keys[0], Scope(strings, EntryIdentity()))
    found = []
    for _ in range(2):  # what was learnt the first time changes nothing
        kept, texts = reader.read(rows_of(batch, RowClock(np.zeros(len(rows), dtype=np.int64))))
        positions = range(len(rows)) if kept is None else kept.tolist()
        found.append(list(zip(positions, strings.texts_of(texts.tolist()), strict=True)))
    assert found[0] == found[1]
    return found[0]


ROWS = [("a", 1, 0.5, 1.0, True), (None, None, None, None, None), ("b", 2, 1e10, 0.1, False), ("a", 1, 0.5, 1.0, True)]


def test_rows_are_told_apart_by_the_text_of_their_key_and_those_without_are_left_out() -> None:
    assert keys("k", ROWS) == [(0, "a"), (2, "b"), (3, "a")]
    assert keys("n", ROWS) == [(0, "1"), (2, "2"), (3, "1")]
    assert keys("x", ROWS) == [(0, "0.5"), (2, "1.0E10"), (3, "0.5")]
    assert keys("f", ROWS) == [(0, "1.0"), (2, "0.1"), (3, "1.0")]
    assert keys("b", ROWS) == [(0, "true"), (2, "false"), (3, "true")]
    assert keys("n * 2", ROWS) == [(0, "2"), (2, "4"), (3, "2")]


def test_a_row_stands_once_for_each_range_that_it_lies_in() -> None:
    assert keys("n < 2 as 'low' or n > 0 as 'any' or n > 5 as 'high'", ROWS) == [
        (0, "low"),
        (0, "any"),
        (2, "any"),
        (3, "low"),
        (3, "any"),
    ]
