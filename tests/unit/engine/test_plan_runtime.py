"""A plan fed batches gives what it gives fed one chunk at a time, depth first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import Plan, Query

HEAD = "define stream S (k int, v int); define stream R (k int, v int);\n"
PLANS = (
    "from S[v > 2]#window.time(10) select k, sum(v) as s, max(v) as m group by k insert all events into A;",
    "from S[v > 2]#window.time(10) select k, avg(v) as s, count() as c group by k insert into A;",
    "from S[v > 2]#window.timeLength(12, 3) select k, v insert expired events into A;",
    "from S[v > 2]#window.delay(7) select k, v, currentTimeMillis() as now insert into A;",
    "from S[v > 2]#window.timeBatch(10) select k, sum(v) as s group by k order by k insert all events into A;",
    "from S[v > 2]#window.timeBatch(10, true) select k, sum(v) as s insert all events into A;",
    "from S[v > 3]#window.time(4) select k, v limit 1 insert all events into A;",
    "from S[v > 3]#window.time(0) select k, v insert all events into A;",
    # chains, with timers before timers
    (
        "from S[v > 2]#window.time(5) select k, v insert all events into T;"
        "from T[k > 0]#window.timeBatch(8) select k, sum(v) as s group by k insert all events into A;"
        "from A#window.time(3) select count() as c insert all events into B;"
    ),
    "from S[v > 4] select k, v insert into T; from T#window.time(6) select k, sum(v) as s insert all events into A;",
    (
        "define stream T (k int, v int);"
        "from T#window.time(6) select k, sum(v) as s insert all events into A; from S[v > 3] select k, v insert into T;"
    ),
    (
        "define stream T (k int, v int); from T#window.time(6) select k, sum(v) as s insert all events into A;"
        "from S[v > 3]#window.time(2) select k, v insert all events into T;"
    ),
    # several timed queries, apart and merged
    (
        "from S[v > 2]#window.time(5) select k, v insert all events into A;"
        "from S[v < 4]#window.timeBatch(7) select k, v insert all events into B; from S select k insert into C;"
    ),
    (
        "from S[v > 2]#window.time(5) select k, v insert all events into A;"
        "from S[v < 4]#window.timeBatch(7) select k, v insert all events into A;"
    ),
    (
        "from S[v > 2]#window.time(5) select k, v insert all events into T; from S[v < 3] select k, v insert into T;"
        "from T#window.time(4) select k, sum(v) as s insert all events into A;"
    ),
    # a pattern fed by what a timer puts out, and timers that the rows do not reach
    (
        "from S[v > 2]#window.time(5) select k, v insert expired events into T;"
        "from every e1=T -> e2=T[k == e1.k] within 30 milliseconds select e1.v as x, e2.v as y insert into A;"
    ),
    (
        "from R[v > 1]#window.time(9) select k, v insert all events into T;"
        "from S#window.time(5) select k, v insert into T;"
        "from T#window.length(3) select sum(v) as s insert all events into A;"
    ),
)
Events = list[tuple[str, int, int, int]]


class Silent:
    """A listener: with one, a plan is fed one chunk at a time."""

    def query_put_out(self, query: Query, batch: EventBatch, turned_ms: int | None) -> None:
        pass

    def stream_got(self, stream: str, batch: EventBatch) -> None:
        pass


def events() -> st.SearchStrategy[Events]:
    return st.lists(
        st.tuples(
            st.sampled_from("SSSSR"),
            st.sampled_from([0, 0, 1, 1, 2, 3, 8, 25, -4]),
            st.integers(0, 2),
            st.integers(0, 6),
        ),
        max_size=40,
    )


def batch_of(plan: Plan, stream: str, rows: list[tuple[int, int, int]]) -> EventBatch:
    ints = [Column(AttributeType.INT, np.array([row[i] for row in rows], dtype=np.int32)) for i in (1, 2)]
    return EventBatch(plan.stream(stream).schema, np.array([row[0] for row in rows], dtype=np.int64), tuple(ints))


def make(plan: Plan, *, one_by_one: bool) -> PlanRuntime:
    keep = frozenset(query.output.target for query in plan.queries)
    return lower(plan, StringTable(), EntryIdentity(), keep=keep, listener=Silent() if one_by_one else None)


def run(plan: Plan, script: Events, rows_max: int, *, one_by_one: bool, restores: bool = False) -> dict[str, list[Any]]:
    """The rows of each stream; ``script`` has (stream, time that passes, values)."""
    runtime = make(plan, one_by_one=one_by_one)
    got: dict[str, list[Any]] = {}
    now = 1000
    pieces: list[tuple[str, list[tuple[int, int, int]]]] = []
    for stream, elapsed, k, v in script:
        now += max(elapsed, 0)
        row = (now + min(elapsed, 0), k, v)
        if pieces and pieces[-1][0] == stream and len(pieces[-1][1]) < rows_max:
            pieces[-1][1].append(row)
        else:
            pieces.append((stream, [row]))
    for stream, rows in pieces:
        runtime.publish(stream, batch_of(plan, stream, rows), rows[-1][0])
        assert runtime.take_faults() == ()
        for name, batch in runtime.take_outputs().items():
            columns = [
                [v if ok else None for v, ok in zip(c.values.tolist(), c.mask().tolist(), strict=True)]
                for c in batch.columns
            ]
            got.setdefault(name, []).extend(zip(batch.timestamps.tolist(), *columns, strict=True))
        if restores:
            state = runtime.snapshot()
            runtime = make(plan, one_by_one=one_by_one)
            runtime.restore(state)
    return got


@pytest.mark.parametrize("text", PLANS)
@settings(max_examples=40, deadline=None)
@given(script=events(), rows_max=st.sampled_from([1, 2, 7, 40]), restores=st.booleans())
def test_batches_in_playback_give_what_single_chunks_give(
    text: str, script: Events, rows_max: int, restores: bool
) -> None:
    plan = compile_plan("@app:playback\n" + HEAD + text, name="p")
    assert run(plan, script, rows_max, one_by_one=False, restores=restores) == run(plan, script, 1, one_by_one=True)


@pytest.mark.parametrize("text", PLANS)
@settings(max_examples=5, deadline=None)
@given(script=events())
def test_interpreted_kernels_give_the_same(text: str, script: Events) -> None:
    plan = compile_plan("@app:playback\n" + HEAD + text, name="p")
    compiled = run(plan, script, 40, one_by_one=False)
    with jit.interpreted():
        assert run(plan, script, 40, one_by_one=False) == compiled


@pytest.mark.parametrize("text", PLANS)
@settings(max_examples=15, deadline=None)
@given(script=events(), rows_max=st.sampled_from([2, 7, 40]))
def test_batches_in_a_live_plan_give_what_single_chunks_give(text: str, script: Events, rows_max: int) -> None:
    if "currentTimeMillis" in text:
        text = text.replace(", currentTimeMillis() as now", "")
    plan = compile_plan(HEAD + text, name="p")
    script = [(stream, 0 if i % rows_max else abs(elapsed), k, v) for i, (stream, elapsed, k, v) in enumerate(script)]
    assert run(plan, script, rows_max, one_by_one=False) == run(plan, script, rows_max, one_by_one=True)
