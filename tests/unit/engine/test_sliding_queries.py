"""Sliding aggregates against the window and the select that they stand for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha import Plan
from eiha.engine import jit, lower, routes
from eiha.engine.sliding_queries import slides, slides_by_rounds
from eiha.plan.compilation import compile_plan

STREAM = "define stream S (k string, b bool, i int, d double, t long);"
WINDOWS = (
    "length(1)",
    "length(3)",
    "length(100)",
    "time(5)",
    "time(100)",
    "timeLength(5, 3)",
    "timeLength(20, 4)",
    "externalTime(t, 4)",
)
SELECTS = (
    "sum(i) as a",
    "k, avg(d) as a, count() as n, sum(d) as s group by k",
    "k, b, sum(i) + sum(t) as a, count(d) as n group by k, b",
    "i, avg(i) as a having a > 1.0",
    "k, min(d) as a, max(i) as b, stdDev(i) as s group by k",
    "min(t) as a, stdDev(d) as s, distinctCount(k) as n, sizeOfSet(unionSet(createSet(d))) as m",
    "k, distinctCount(i) as n, sizeOfSet(unionSet(createSet(b))) as m, sum(t) as s group by k having n > 1",
)

rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from("xyz"),
        st.booleans(),
        st.none() | st.integers(-5, 5),
        st.none() | st.floats(-5, 5, width=16),
        st.none() | st.integers(0, 30),
    ),
    max_size=30,
)


@contextmanager
def window_and_select() -> Iterator[None]:
    """Within it, no query is taken for sliding aggregates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lower, "slides", lambda _query: False)
        patch.setattr(routes, "slides", lambda _query: False)
        patch.setattr(lower, "slides_by_rounds", lambda _query: False)
        yield


def run(
    text: str,
    events: list[tuple[Any, ...]],
    cuts: list[int],
    *,
    playback: bool,
    restores: bool = False,
    step_ms: int = 3,
) -> Any:
    plan = Plan(text, playback=playback)
    found = []
    bounds = [0, *sorted({min(cut, len(events)) for cut in cuts}), len(events)]
    for first, stop in itertools.pairwise(bounds):
        if restores:
            saved = plan.snapshot()
            plan = Plan(text, playback=playback)
            plan.restore(saved)
        stamps = [1_000 + step_ms * row for row in range(first, stop)]
        out = plan.send("S", events[first:stop], timestamps=stamps, now_ms=1_000 + step_ms * first)
        found += [(*row, stamp) for each in out.values() for row, stamp in zip(each, each.timestamps, strict=True)]
    return found


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@given(
    window=st.sampled_from(WINDOWS),
    select=st.sampled_from(SELECTS),
    events=rows,
    cuts=st.lists(st.integers(0, 30), max_size=3),
    playback=st.booleans(),
)
@settings(deadline=None)
def test_sliding_aggregates_give_what_the_window_and_the_select_give(
    compiled: bool, window: str, select: str, events: list[tuple[Any, ...]], cuts: list[int], playback: bool
) -> None:
    text = f"{STREAM} from S[i != 5]#window.{window} select {select} insert into Out;"
    assert slides(compile_plan(text).queries[0])
    with nullcontext() if compiled else jit.interpreted():
        with window_and_select():
            expected = run(text, events, cuts, playback=playback)
        assert run(text, events, cuts, playback=playback) == expected
        if playback:  # in a live plan all rows of a call have one time
            assert run(text, events, [], playback=playback) == expected
        assert run(text, events, cuts, playback=playback, restores=True) == expected


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@given(
    select=st.sampled_from(SELECTS),
    events=rows,
    cuts=st.lists(st.integers(0, 30), max_size=6),
    playback=st.booleans(),
)
@settings(deadline=None)
def test_rounds_of_cron_give_what_the_window_and_the_select_give(
    compiled: bool, select: str, events: list[tuple[Any, ...]], cuts: list[int], playback: bool
) -> None:
    text = f"{STREAM} from S[i != 5]#window.cron('*/1 * * * * ?') select {select} insert into Out;"
    assert slides_by_rounds(compile_plan(text).queries[0])
    with nullcontext() if compiled else jit.interpreted():
        with window_and_select():
            expected = run(text, events, cuts, playback=playback, step_ms=300)
        assert run(text, events, cuts, playback=playback, step_ms=300) == expected
        assert run(text, events, cuts, playback=playback, step_ms=300, restores=True) == expected


@pytest.mark.parametrize(
    "query",
    [
        "from S#window.length(0) select sum(i) as a insert into Out;",
        "from S#window.timeLength(5, 0) select sum(i) as a insert into Out;",
        "from S#window.length(3) select sum(i) as a insert all events into Out;",
        "from S#window.length(3) select sum(i) as a insert expired events into Out;",
        "from S#window.length(3) select maxForever(i) as a insert into Out;",
        "partition with (k of S) begin from S#window.length(3) select max(i) as a insert into Out; end;",
        "from S#window.length(3) select i insert into Out;",
        "from S#window.length(3) select sum(i) as a limit 1 insert into Out;",
        "from S#window.length(3) select sum(i) as a output every 2 events insert into Out;",
        "from S#window.lengthBatch(3) select sum(i) as a insert into Out;",
        "from S#window.length(3)[i > 1] select sum(i) as a insert into Out;",
        "from S select sum(i) as a insert into Out;",
    ],
)
def test_queries_in_which_rows_that_leave_are_seen_keep_their_window(query: str) -> None:
    assert not slides(compile_plan(STREAM + query).queries[0])


@pytest.mark.parametrize(
    "select",
    ["k, sum(i) as a group by k", "k, min(i) as a, max(d) as b, stdDev(i) as s, distinctCount(t) as n group by k"],
)
def test_aggregates_of_a_long_stream_are_those_of_the_window(select: str) -> None:
    text = f"{STREAM} from S#window.length(10) select {select} insert into Out;"
    events = [("xyz"[row % 3], True, row, 0.5, row) for row in range(5_000)]
    with window_and_select():
        expected = run(text, events, [], playback=True)
    assert run(text, events, [1_000, 1_001, 3_333], playback=True) == expected


@pytest.mark.parametrize("group_by", ["", "group by t"])
def test_values_and_groups_that_left_the_window_are_forgotten(group_by: str) -> None:
    select = "distinctCount(t) as n, min(i) as a, max(d) as b, stdDev(i) as s, sum(i) as t"
    plan = Plan(f"{STREAM} from S#window.length(10) select {select} {group_by} insert into Out;", playback=True)
    for first in range(0, 400_000, 50_000):
        rows = np.arange(first, first + 50_000)
        columns = {"k": ["x"] * 50_000, "b": rows % 2 == 0, "i": rows.astype(np.int32), "d": rows / 2, "t": rows}
        out = plan.send("S", columns, timestamps=rows + 1_000)["Out"]
        assert tuple(out)[-1] == (
            (1, first + 49_999, (first + 49_999) / 2, 0.0, first + 49_999)
            if group_by
            else (10, first + 49_990, (first + 49_999) / 2, pytest.approx(2.8723, abs=1e-3), 10 * first + 499_945)
        )
    assert len(plan.snapshot()) < 20_000_000
