"""Batches of which one row a group is held: what is held, and what is remembered from call to call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eiha import Plan
from eiha.engine import lower
from eiha.engine.operators import tumbling_groups

STREAM = "define stream S (k string, i int, d double, o object); "
SUMS = STREAM + "from S#window.lengthBatch({length}) select k, i, sum(d) as s, max(i) as m group by k insert into Out;"


def rows(count: int, keys: int, first: int = 0) -> list[tuple[Any, ...]]:
    return [(f"k{row % keys}", row, row / 8, None) for row in range(first, first + count)]


def outputs(plan: Plan, calls: list[list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    return [row for call in calls for each in plan.send("S", call, now_ms=1).values() for row in each]


def test_the_batch_that_runs_costs_as_much_as_it_has_groups() -> None:
    few, many = (Plan(SUMS.format(length=100_000), outputs=("Out",)) for _ in range(2))
    few.send("S", rows(10, 10), now_ms=1)
    many.send("S", rows(50_000, 10), now_ms=1)
    assert len(many.snapshot()) <= len(few.snapshot()) + 16  # counts are longer numbers


def test_the_latest_row_stands_for_its_group_whichever_call_brought_it() -> None:
    plan = Plan(SUMS.format(length=5), outputs=("Out",))
    calls = [rows(2, 2), rows(1, 2, first=2), rows(4, 2, first=3)]
    assert outputs(plan, calls) == [("k0", 4, 0.75, 4), ("k1", 3, 0.5, 3)]


def test_a_row_without_key_belongs_to_those_whose_key_reads_null() -> None:
    plan = Plan(SUMS.format(length=3), outputs=("Out",))
    given: list[tuple[Any, ...]] = [("null", 1, 1.0, None), (None, 2, 2.0, None), ("x", 3, 4.0, None)]
    assert outputs(plan, [given[:1], given[1:]]) == [(None, 2, 3.0, 2), ("x", 3, 4.0, 3)]


def test_objects_and_nulls_are_those_of_the_latest_row() -> None:
    text = STREAM + "from S#window.lengthBatch(4) select k, o, d, count() as n group by k insert into Out;"
    plan = Plan(text, outputs=("Out",))
    given: list[tuple[Any, ...]] = [("a", 1, 1.0, (1, 2)), ("b", 1, None, None), ("a", 1, None, None), ("b", 1, 2.0, 7)]
    assert outputs(plan, [given[:1], given[1:3], given[3:]]) == [("a", None, None, 2), ("b", 7, 2.0, 2)]
    assert outputs(plan, [given]) == [("a", None, None, 2), ("b", 7, 2.0, 2)]


def test_constants_are_added_up_like_columns() -> None:
    text = STREAM + "from S#window.lengthBatch(3) select sum(2) as a, avg(0.5) as b, min(4) as c insert into Out;"
    assert outputs(Plan(text, outputs=("Out",)), [rows(7, 3)]) == [(6, 0.5, 4), (6, 0.5, 4)]


def test_groups_of_the_batch_that_runs_outlive_those_that_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    text = STREAM + "from S#window.lengthBatch(7) select i, count() as n, sum(d) as s group by i insert into Out;"
    given = [("x", each % 5 if row % 3 else each, 1.0 * row, None) for row, each in enumerate(range(600))]
    calls = [given[first : first + 5] for first in range(0, len(given), 5)]
    monkeypatch.setattr(tumbling_groups, "_GROUPS_MAX", 4)
    made = Plan(text, outputs=("Out",))
    found = outputs(made, calls)
    with monkeypatch.context() as patch:
        patch.setattr(lower, "tumbles", lambda _query: False)
        expected = outputs(Plan(text, outputs=("Out",)), calls)
    assert found == expected
    assert len(expected) > 300


def test_a_plan_that_was_restored_goes_on_with_the_batch_that_ran() -> None:
    calls = [rows(7, 3), rows(9, 4, first=7), rows(30, 5, first=16)]
    whole = Plan(SUMS.format(length=11), outputs=("Out",))
    expected = outputs(whole, calls)
    plan = Plan(SUMS.format(length=11), outputs=("Out",))
    found: list[tuple[Any, ...]] = []
    for call in calls:
        saved = plan.snapshot()
        plan = Plan(SUMS.format(length=11), outputs=("Out",))
        plan.restore(saved)
        found += outputs(plan, [call])
    assert found == expected
    assert plan.snapshot() == whole.snapshot()


def test_columns_with_strides_are_read_as_they_are() -> None:
    text = "define stream S (i int, d double, t long); "
    text += "from S#window.externalTimeBatch(t, 10) select i, sum(d) as s group by i insert into Out;"
    plan = Plan(text, outputs=("Out",))
    wide = np.arange(80, dtype=np.int64)
    columns = {"i": (wide % 3).astype(np.int32)[::2], "d": (wide * 0.5)[::2], "t": wide[::2]}
    packed = {name: np.ascontiguousarray(values) for name, values in columns.items()}
    out = plan.send("S", columns, timestamps=wide[::2])["Out"]
    plain = Plan(text, outputs=("Out",)).send("S", packed, timestamps=np.ascontiguousarray(wide[::2]))["Out"]
    assert list(out) == list(plain)
    assert len(plain) > 0
