"""Groups and values that are back where they began are forgotten, and nobody can tell."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.embedded import Plan
from eiha.engine.aggregators import distinct, growth
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.operators import select, sliding_aggregates
from eiha.engine.snapshot import decode_state
from eiha.events.column import make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

STREAM = "define stream S (id string, v int, w double, t long);\n"
WINDOWS = ("length(4)", "lengthBatch(5)", "time(6)", "timeBatch(7)", "externalTime(t, 6)", "sort(3, v)", "batch()")
SUMS = "sum(v) as a1, count() as a2, avg(w) as a3"
OTHERS = "min(v) as a4, max(w) as a5, stdDev(w) as a6, distinctCount(id) as a7"
FOREVER = "minForever(v) as a8, unionSet(createSet(id)) as a9"
AGGREGATES = (SUMS, OTHERS, f"{SUMS}, {OTHERS}", f"{SUMS}, {FOREVER}", "distinctCount(w) as a1")
KEYS = ("group by id", "group by v", "group by id, v", "group by w, id, v", "")


def put_out(text: str, rows: list[tuple[int, list[Any]]], forget_min: int, random: Random) -> list[str]:
    """All rows, as text; the plan is saved and restored now and then."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (select, sliding_aggregates, distinct):
            patch.setattr(module, "FORGET_MIN", forget_min)
            patch.setattr(module, "next_look", lambda living: 2 * living + forget_min)
        plan = Plan(text, playback=True)
        found: list[str] = []
        while rows:
            count = random.choice((1, 1, 2, 5))
            part, rows = rows[:count], rows[count:]
            outputs = plan.send("S", [row for _, row in part], timestamps=np.array([time_ms for time_ms, _ in part]))
            found += [repr(row) for output in outputs.values() for row in output.rows()]
            if random.random() < 0.1:
                content = plan.snapshot()
                plan = Plan(text, playback=True)
                plan.restore(content)
                assert plan.snapshot() == content
        return found


def rows_of(random: Random) -> list[tuple[int, list[Any]]]:
    time_ms, rows = 0, []
    for number in range(60):
        time_ms += random.choice((0, 1, 1, 3))
        key = random.choice((None, "null", *(f"k{number // 4 + place}" for place in range(4))))
        rows.append((time_ms, [key, random.choice((None, 0, 1, 2)), random.choice((None, 0.1, 1.5, 2.25)), time_ms]))
    return rows


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(WINDOWS),
    st.sampled_from(AGGREGATES),
    st.sampled_from(KEYS),
    st.sampled_from(("", "all events ", "expired events ")),
    st.integers(0, 1_000),
)
def test_outputs_are_the_same_whenever_groups_are_forgotten(
    window: str, aggregates: str, keys: str, events: str, seed: int
) -> None:
    text = f"{STREAM}from S#window.{window} select id, {aggregates} {keys} insert {events}into O;"
    rows = rows_of(Random(seed))
    assert put_out(text, rows, 0, Random(seed)) == put_out(text, rows, 10**9, Random(seed))


@pytest.mark.parametrize("aggregates", [SUMS, f"{SUMS}, {OTHERS}", "distinctCount(id) as a7"])
@pytest.mark.parametrize("window", ["length(10)", "lengthBatch(10)", "time(10)", "timeBatch(10)"])
@pytest.mark.parametrize("keys", ["group by id", "group by w, id"])
def test_keys_that_left_the_window_take_no_memory(window: str, aggregates: str, keys: str) -> None:
    text = f"{STREAM}from S#window.{window} select id, {aggregates} {keys} insert all events into O;"
    plan = Plan(text, playback=True)
    for number in range(2, 12):
        times = np.arange(number * growth.FORGET_MIN, (number + 1) * growth.FORGET_MIN)
        rows = [[f"k{each}", 1, 0.5, int(each)] for each in times]
        plan.send("S", rows, timestamps=times)
        groups = _longest(decode_state(plan.snapshot())["state"])
        assert groups <= 3 * growth.FORGET_MIN, (number, groups)


def _longest(state: Any) -> int:
    if isinstance(state, np.ndarray):
        return len(state)
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return max(map(_longest, parts), default=0)


pairs = st.lists(st.tuples(st.sampled_from((None, "a", "b", "c")), st.integers(0, 3), st.booleans()), max_size=30)


@given(pairs, pairs, st.integers(1, 3))
def test_groups_that_are_kept_keep_their_order_and_their_keys(
    before: list[tuple[str | None, int, bool]], after: list[tuple[str | None, int, bool]], width: int
) -> None:
    strings = StringTable()
    types = (AttributeType.STRING, AttributeType.INT, AttributeType.INT)[:width]
    index = GroupIndex(types, strings)

    def find(rows: list[tuple[str | None, int, bool]]) -> list[int]:
        texts = strings.intern_all([text or "" for text, _, _ in rows])
        valid = np.array([text is not None for text, _, _ in rows], dtype=np.bool_)
        numbers = np.array([number for _, number, _ in rows], dtype=np.int32)
        columns = (
            make_column(AttributeType.STRING, texts, valid),
            make_column(AttributeType.INT, numbers, None),
            make_column(AttributeType.INT, numbers % 2, None),
        )
        return index.find(columns[:width]).tolist()

    known = find(before)
    kept = np.zeros(index.count, dtype=np.bool_)
    kept[[group for group, (_, _, keep) in zip(known, before, strict=True) if keep]] = True
    groups = index.keep(kept)
    assert set(np.flatnonzero(kept)) <= set(groups.tolist())
    place = {int(group): number for number, group in enumerate(groups)}
    assert index.count == len(groups)
    for group, row in zip(known, before, strict=True):
        if kept[group]:
            assert find([row]) == [place[group]]
    count = index.count
    assert all(group >= count or group in place.values() for group in find(after))
