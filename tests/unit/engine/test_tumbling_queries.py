"""Tumbling aggregates against the window and the select that they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha import Plan
from eiha.engine import jit, lower
from eiha.engine.tumbling_queries import tumbles
from eiha.plan.compilation import compile_plan

STREAM = "define stream S (k string, b bool, i int, d double, t long, f float);"
WINDOWS = (
    "lengthBatch(1)",
    "lengthBatch(3)",
    "lengthBatch(3, false)",
    "lengthBatch(100)",
    "timeBatch(5)",
    "timeBatch(20)",
    "timeBatch(20, 3)",
    "externalTimeBatch(t, 4)",
    "externalTimeBatch(t, 10, 0, 7)",
    "externalTimeBatch(t, 10, 0, 7, true)",
    "batch()",
    "hopping(20, 7)",
    "hopping(5, 12)",
)
SELECTS = (
    "sum(i) as a",
    "i, max(d) as a, min(d) as n, min(f) as m, max(i) as x, min(t) as y",
    "k, i, avg(d) as a, count() as n, sum(d) as s group by k",
    "k, b, sum(i) + sum(t) as a, count(d) as n, max(d) as x group by k, b",
    "b, i, avg(i) as a, sum(ifThenElse(b, d, 1.0)) as c group by b",
    "k, i, d group by k",
)

rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from("xyz"),
        st.booleans(),
        st.none() | st.integers(-5, 5),
        st.none() | st.floats(-5, 5, width=16) | st.just(float("nan")),
        st.none() | st.integers(0, 60),
        st.none() | st.floats(-5, 5, width=16),
    ),
    max_size=40,
)


@contextmanager
def window_and_select() -> Iterator[None]:
    """Within it, no query is taken for tumbling aggregates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lower, "tumbles", lambda _query: False)
        yield


def run(text: str, events: list[tuple[Any, ...]], cuts: list[int], *, playback: bool, restores: bool = False) -> Any:
    plan = Plan(text, playback=playback, outputs=("Out",))
    found = []
    bounds = [0, *sorted({min(cut, len(events)) for cut in cuts}), len(events)]
    for first, stop in pairwise(bounds):
        if restores:
            saved = plan.snapshot()
            plan = Plan(text, playback=playback, outputs=("Out",))
            plan.restore(saved)
        stamps = [1_000 + 3 * row for row in range(first, stop)]
        out = plan.send("S", events[first:stop], timestamps=stamps, now_ms=1_000 + 3 * first)
        found += [(*row, int(stamp)) for each in out.values() for row, stamp in zip(each, each.timestamps, strict=True)]
    return repr(found)  # NaN is not equal to itself


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@given(
    window=st.sampled_from(WINDOWS),
    select=st.sampled_from(SELECTS),
    through=st.booleans(),
    events=rows,
    cuts=st.lists(st.integers(0, 40), max_size=3),
    playback=st.booleans(),
)
@settings(deadline=None)
def test_tumbling_aggregates_give_what_the_window_and_the_select_give(
    compiled: bool,
    window: str,
    select: str,
    through: bool,
    events: list[tuple[Any, ...]],
    cuts: list[int],
    playback: bool,
) -> None:
    text = f"{STREAM} from S[i != 5]#window.{window} select {select} insert into Out;"
    if through:  # chunks of several rows
        text = f"""{STREAM} from S#window.lengthBatch(2) select * insert into T;
            from T[i != 5]#window.{window} select {select} insert into Out;"""
    assert tumbles(compile_plan(text).queries[-1])
    with nullcontext() if compiled else jit.interpreted():
        with window_and_select():
            expected = run(text, events, cuts, playback=playback)
        assert run(text, events, cuts, playback=playback) == expected
        if playback:  # in a live plan all rows of a call have one time
            assert run(text, events, [], playback=playback) == expected
        assert run(text, events, cuts, playback=playback, restores=True) == expected


@pytest.mark.parametrize(
    "query",
    [
        "from S#window.lengthBatch(0) select sum(i) as a insert into Out;",
        "from S#window.lengthBatch(3, true) select sum(i) as a insert into Out;",
        "from S#window.timeBatch(3, 0, true) select sum(i) as a insert into Out;",
        "from S#window.lengthBatch(3) select sum(i) as a insert all events into Out;",
        "from S#window.lengthBatch(3) select sum(i) as a insert expired events into Out;",
        "from S#window.lengthBatch(3) select stdDev(i) as a insert into Out;",
        "from S#window.lengthBatch(3) select i insert into Out;",
        "from S#window.lengthBatch(3) select sum(i) as a having a > 1L insert into Out;",
        "from S#window.lengthBatch(3) select i, sum(i) as a group by i order by a insert into Out;",
        "from S#window.lengthBatch(3) select i, sum(i) as a group by i limit 1 insert into Out;",
        "from S#window.lengthBatch(3) select sum(i) as a output every 2 events insert into Out;",
        "from S#window.lengthBatch(3) select max(currentTimeMillis()) as a insert into Out;",
        "from S#window.lengthBatch(3)[i > 1] select sum(i) as a insert into Out;",
        "from S#window.length(3) select sum(i) as a insert into Out;",
        "from S select sum(i) as a insert into Out;",
    ],
)
def test_queries_in_which_more_of_a_batch_is_seen_keep_their_window(query: str) -> None:
    assert not tumbles(compile_plan(STREAM + query).queries[0])


def test_sums_of_a_long_stream_are_those_of_the_window() -> None:
    text = f"{STREAM} from S#window.lengthBatch(10) select k, sum(i) as a, max(d) as m group by k insert into Out;"
    events = [("xyz"[row % 3], True, row, 0.5 * (row % 7), row, 0.5) for row in range(5_000)]
    with window_and_select():
        expected = run(text, events, [], playback=True)
    assert run(text, events, [1_000, 1_001, 3_333], playback=True) == expected


def test_nothing_gets_past_a_value_that_is_no_number() -> None:
    text = f"{STREAM} from S#window.lengthBatch(4) select min(d) as least, max(d) as most insert into Out;"
    nan = float("nan")
    events = [("x", True, 1, each, 1, 0.5) for each in (2.0, 5.0, nan, 9.0, nan, 1.0, 2.0, 3.0, 2.0, nan, 1.0, 3.0)]
    with window_and_select():
        expected = run(text, events, [], playback=True)
    assert run(text, events, [], playback=True) == expected
    assert expected == "[(2.0, 5.0, 1009), (nan, nan, 1021), (2.0, 2.0, 1033)]"
