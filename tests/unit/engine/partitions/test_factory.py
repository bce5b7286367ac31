"""A partition is one plan for each key, fed with the rows of that key only."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

HEAD = "define stream S (k string, n int, x double); define stream R (k string, n int);\n"
KEYS = ("k of S, k of R", "n of S, n of R", "n > 2 of S, n > 2 of R", "x of S")

UNTIMED = (
    "from S select k, n insert into Out;",
    "from S[n > 2] select k, count() as c, sum(n) as s, max(x) as m insert into Out;",
    "from S select n, x, avg(x) as a group by x having a > 1.0 insert into Out;",
    "from S#window.length(2) select k, sum(x) as s, count() as c, avg(n) as a, sum(n) as t insert into Out;",
    "from S[n > 0]#window.length(3) select n, sum(n) as s group by x insert into Out;",
    "from S#window.length(3)[n > 1] select n, sum(n) as s insert into Out;",
    "from S#window.length(1) select k, n, count() as c insert into Out;",
    "from S#window.length(2) select k, n, x, min(x) as s, distinctCount(n) as d insert all events into Out;",
    "from S#window.length(2) select k, n, x insert expired events into Out;",
    "from S#window.length(2) select k, n, x, stdDev(n) as s insert into Out;",
    "from S#window.lengthBatch(2) select k, sum(n) as s insert all events into Out;",
    "from S[n > 0]#window.lengthBatch(2) select k, n, sum(n) as s, max(x) as m group by n insert into Out;",
    "from S#window.lengthBatch(3) select k, n, x insert into Out;",
    (
        "from S#window.lengthBatch(2) select k, n, count() as c group by n insert into #M;"
        "from #M#window.lengthBatch(3) select k, sum(n) as s, c insert into Out;"
    ),
    "from S#window.lengthBatch(3) select k, x, n order by n limit 2 insert into Out;",
    "from S#window.sort(2, n) select k, n insert all events into Out;",
    "from every e1=S -> e2=S[x > e1.x] select e1.n as a, e2.n as b insert into Out;",
    (
        "from every e1=S[n > 0] -> e2=S[x > e1.x] -> e3=R[n < e2.n] within 6 milliseconds "
        "select e1.n as a, e3.n as b insert into Out;"
    ),
    "from e1=S -> e2=S[x > e1.x] select e1.n as a, e2.n as b insert into Out;",
    "from every e1=S -> e2=S[x > e1.x] select e1.n as a, count() as b insert into Out;",
    "from every e1=S, e2=S[x > e1.x] select e1.n as a, e2.n as b insert into Out;",
    "from every e1=S[n > 2] -> e2=S[x > e1.x]<2:3> select e1.n as a, e2[0].n as b, e2[last].n as c insert into Out;",
    "from every e1=S[n > 2] -> e2=S[x > e1.x or n == 1]<1:> -> e3=R select e1.n as a, e3.n as b insert into Out;",
    "from every e1=S[n > 2] -> e2=S[x > e1.x] and e3=S[n < e1.n] select e1.n as a, e2.n as b insert into Out;",
    "from every e1=S[n > 2] -> e2=S[x > e1.x] or e3=R[n < e1.n] select e2.n as a, e3.n as b insert into Out;",
    "from every e1=S[n > 2] -> not S[n > 3] and e2=R select e1.n as a, e2.n as b insert into Out;",
    (
        "from every e1=S -> e2=S[x > e1.x] within 5 milliseconds select e1.n as a, count() as b group by e2.n "
        "insert into #M; from #M#window.length(2) select a, sum(b) as s insert into Out;"
    ),
    (
        "from S select k, n insert into #M;"
        "from every e1=#M -> e2=#M[n > e1.n] select e1.n as a, e2.n as b insert into Out;"
    ),
    "from S#window.length(2) as a join S#window.length(2) as b on a.n < b.n select a.n as a, b.n as b insert into Out;",
    "from S select k, n output last every 2 events insert into Out;",
    "from S[n > 1] select k, n, count() as c having c > 1L output first every 2 events insert into Out;",
    "from S#window.length(3) select k, n, sum(x) as s output every 3 events insert into Out;",
    "from S select k, n group by n output first every 2 events insert into Out;",
    "from S select n, sum(n) as s output every 2 events insert into #M; from #M select n, sum(s) as s insert into Out;",
    (
        "from S[n > 1] select k, n, count() as c insert into #M; from #M#window.length(2) select k, sum(n) as s, c "
        "insert into Out; from #M select k, sum(c) as s, c insert into Out;"
    ),
    "from S#window.length(2) select n insert expired events into #M; from #M select n, count() as c insert into Out;",
    (
        "from S#window.lengthBatch(2) select k, n insert into #M; from #M#window.batch() select k, sum(n) as s "
        "insert into Out; from S select k, 0L as s insert into Out;"
    ),
)
TIMED = (
    "from S#window.time(4) select k, n, sum(n) as s insert all events into Out;",
    "from S#window.time(4) select k, sum(n) as s, avg(x) as a, count() as c insert into Out;",
    "from S[n > 0]#window.time(4) select k, sum(x) as s, sum(n) as t group by n insert into Out;",
    "from S#window.timeBatch(5) select k, sum(n) as s insert into Out;",
    "from S#window.timeLength(4, 2) select k, count() as c insert all events into Out;",
    "from S#window.timeLength(4, 2) select k, count() as c, max(n) as m insert into Out;",
    "from S#window.time(4)[n > 0] select k, min(x) as m, stdDev(n) as d group by n insert into Out;",
    "from S[n > 0]#window.timeBatch(5) select k, n, x insert into Out;",
    "from S#window.timeBatch(3, 1) select k, n, sum(x) as s, count() as c group by n insert into Out;",
    (
        "from S#window.timeBatch(2) select k, n, sum(x) as s group by n insert into #M;"
        "from #M#window.lengthBatch(2) select k, sum(s) as s insert into Out;"
    ),
    "from S#window.delay(3) select k, n insert into Out;",
    "from S select k, n output last every 5 milliseconds insert into Out;",
    "from S[n > 1]#window.length(2) select k, n, sum(x) as s output every 4 milliseconds insert into Out;",
    "from S select k, n, count() as c output first every 3 milliseconds insert into Out;",
    (
        "from S#window.time(4) select k, n, max(n) as m output last every 3 milliseconds insert into #M;"
        "from #M select k, sum(m) as s insert into Out;"
    ),
    "from not S[n > 3] for 3 milliseconds -> e2=R select e2.k as k, e2.n as n insert into Out;",
    "from every e1=S -> not S[n > 3] for 3 milliseconds select e1.k as k, e1.n as n insert into Out;",
    "from every e1=S -> not R[n > e1.n] for 3 sec within 4 sec select e1.k as k, e1.n as n insert into Out;".replace(
        "sec", "milliseconds"
    ),
    "from every e1=S -> not S[n > 3] for 3 milliseconds -> e2=R select e1.k as k, e2.n as n insert into Out;",
    (
        "from every e1=S -> not S[n > e1.n] for 3 milliseconds select e1.k as k, count() as c insert into #M;"
        "from #M select k, sum(c) as s insert into Out;"
    ),
    "from S#window.time(4) select k, n insert expired events into #M; from #M select k, count() as c insert into Out;",
)

Row = tuple[str, int, tuple[Any, ...]]
"""Stream, time since the row before, values."""

texts = st.sampled_from(["a", "b", "c", None])
numbers = st.one_of(st.none(), st.integers(0, 5))
events = st.one_of(
    st.tuples(st.just("S"), st.integers(0, 3), st.tuples(texts, numbers, st.sampled_from([0.5, 1.0, 2.5, None]))),
    st.tuples(st.just("R"), st.integers(0, 3), st.tuples(texts, numbers)),
)


class Run:
    """A plan at work; remembers what ``Out`` got."""

    def __init__(self, text: str, *, playback: bool, wall_ms: int = 0) -> None:
        self._text = ("@app:playback " if playback else "") + text
        self._playback = playback
        self._wall_ms = wall_ms
        self._strings = StringTable()
        self._runtime = self._fresh()
        self.out: list[list[Any]] = []

    def _fresh(self) -> PlanRuntime:
        plan, identity = compile_plan(self._text), EntryIdentity("p", 1)
        return lower(plan, self._strings, identity, keep=frozenset({"Out"}), wall_ms=self._wall_ms)

    def send(self, stream: str, rows: list[tuple[int, tuple[Any, ...]]], *, one_chunk: bool = False) -> None:
        schema = self._runtime.plan.stream(stream).schema
        batch = batch_of(schema, rows, self._strings, stream)
        # in playback the clock on the wall, by which periods of rates begin, stands still
        self._runtime.publish(stream, batch, 1_000 if self._playback else rows[-1][0], one_chunk=one_chunk)
        self._take()

    def advance(self, now_ms: int) -> None:
        self._runtime.advance(now_ms)
        self._take()

    def snapshot(self) -> dict[str, Any]:
        return self._runtime.snapshot()

    def restart(self) -> None:
        state = encode_state(self._runtime.snapshot())
        self._strings = StringTable(self._strings.texts())
        self._runtime = self._fresh()
        self._runtime.restore(decode_state(state))
        assert encode_state(self._runtime.snapshot()) == state

    def _take(self) -> None:
        taken = self._runtime.take_outputs().get("Out")
        self.out += [] if taken is None else events_of(taken, self._strings)


def partitioned(keys: str, queries: str) -> str:
    return f"{HEAD}partition with ({keys}) begin {queries} end;"


def timed(rows: list[Row]) -> list[tuple[str, int, tuple[Any, ...]]]:
    now_ms, found = 1_000, []
    for stream, later, values in rows:
        now_ms += later
        found.append((stream, now_ms, values))
    return found


def key_of(keys: str, stream: str, values: tuple[Any, ...]) -> object:
    """What tells rows apart; None: the row is dropped."""
    by_name = dict(zip(("k", "n", "x"), values, strict=False))
    if keys.startswith("n > 2"):
        return by_name["n"] is not None and by_name["n"] > 2
    return by_name.get(keys[0])


@pytest.mark.parametrize("queries", UNTIMED)
@settings(max_examples=6)
@given(rows=st.lists(events, max_size=24), keys=st.sampled_from(KEYS), playback=st.booleans())
def test_a_partition_is_a_plan_for_each_key(queries: str, rows: list[Row], keys: str, playback: bool) -> None:
    whole = Run(partitioned(keys, queries), playback=playback)
    apart: dict[object, Run] = {}
    expected: list[list[Any]] = []
    for stream, now_ms, values in timed(rows):
        whole.send(stream, [(now_ms, values)])
        if keys == "x of S" and stream == "R":
            reached = list(apart.values())  # a stream that is not partitioned comes to all instances
        else:
            key = key_of(keys, stream, values)
            if key is None:
                continue
            if key not in apart:
                apart[key] = Run(HEAD + queries.replace("#M", "M"), playback=playback)
            reached = [apart[key]]
        for run in reached:
            before = len(run.out)
            run.send(stream, [(now_ms, values)])
            expected += run.out[before:]
    assert whole.out == expected


@pytest.mark.parametrize("queries", TIMED)
@settings(max_examples=6)
@given(rows=st.lists(events, max_size=24), playback=st.booleans())
def test_timers_of_a_key_fire_as_if_it_were_alone(queries: str, rows: list[Row], playback: bool) -> None:
    whole = Run(partitioned("k of S, k of R", queries), playback=playback)
    apart: dict[object, Run] = {}
    sent = timed(rows)
    for stream, now_ms, values in sent:
        whole.send(stream, [(now_ms, values)])
        for run in apart.values():
            run.advance(now_ms)
        if values[0] is not None and re.search(rf"\b{stream}\b", queries):  # others never enter the partition
            if values[0] not in apart:
                # periods of rates begin with the instance, by the clock on the wall
                wall_ms = 1_000 if playback else now_ms
                apart[values[0]] = Run(HEAD + queries.replace("#M", "M"), playback=playback, wall_ms=wall_ms)
                apart[values[0]].advance(now_ms)
            apart[values[0]].send(stream, [(now_ms, values)])
    end = sent[-1][1] + 50 if sent else 2_000
    for run in (whole, *apart.values()):
        run.advance(end)
    for key, run in apart.items():
        assert [event for event in whole.out if event[1][0] == key] == run.out
    assert len(whole.out) == sum(len(run.out) for run in apart.values())


@pytest.mark.parametrize("queries", [*UNTIMED, *TIMED])
@settings(max_examples=6)
@given(
    rows=st.lists(events, max_size=24),
    keys=st.sampled_from([*KEYS, "n < 2 as 'low' or n > 1 as 'rest' of S", "n > 1 as 'big' of S, k of R"]),
    cuts=st.sets(st.integers(0, 24), max_size=6),
    restarts=st.sets(st.integers(0, 24), max_size=3),
    playback=st.booleans(),
)
def test_cuts_and_restarts_change_nothing(
    queries: str, rows: list[Row], keys: str, cuts: set[int], restarts: set[int], playback: bool
) -> None:
    whole, pieces = (
        Run(partitioned(keys, queries), playback=playback),
        Run(partitioned(keys, queries), playback=playback),
    )
    waiting: list[tuple[int, tuple[Any, ...]]] = []
    sent = timed(rows)
    for place, (stream, now_ms, values) in enumerate(sent):
        whole.send(stream, [(now_ms, values)])
        waiting.append((now_ms, values))
        follows = place + 1 < len(sent) and sent[place + 1][0] == stream
        same_time = follows and sent[place + 1][1] == now_ms
        if not follows or place in cuts or (not playback and not same_time):
            pieces.send(stream, waiting)
            waiting = []
            if place in restarts:
                pieces.restart()
    end = sent[-1][1] + 50 if sent else 2_000
    whole.advance(end)
    pieces.advance(end)
    assert whole.out == pieces.out


@pytest.mark.parametrize("queries", [*UNTIMED[2:11], *TIMED[1:3]])
def test_interpreted_kernels_give_the_same(queries: str) -> None:
    rows: list[Row] = [("S", 1, ("abc"[place * 7 % 3], place * 5 % 6, (place * 11 % 8) / 4)) for place in range(60)]
    compiled = Run(partitioned("k of S", queries), playback=True)
    plain = Run(partitioned("k of S", queries), playback=True)
    batch = [(now_ms, values) for _, now_ms, values in timed(rows)]
    compiled.send("S", batch)
    with jit.interpreted():
        plain.send("S", batch)
    assert compiled.out == plain.out
    assert compiled.out


PURGE = "@purge(enable='true', interval='2 milliseconds', idle.period='5 milliseconds') "

FORGOTTEN = (
    "from S select k, count() as c insert into Out;",
    "from S select k, sum(n) as s, max(x) as m, distinctCount(n) as d group by x insert into Out;",
    "from S#window.length(3) select k, sum(n) as s, avg(x) as a insert into Out;",
    "from S#window.length(3) select k, sum(n) as s group by x insert into Out;",
    "from S#window.length(3) select k, min(x) as m, n insert all events into Out;",
    "from S#window.time(9) select k, sum(n) as s insert into Out;",
    "from S#window.time(9) select k, max(n) as s insert into Out;",
    "from S#window.timeLength(9, 2) select k, count() as c insert into Out;",
    "from S#window.lengthBatch(2) select k, n, x insert into Out;",
    "from S#window.timeBatch(5) select k, sum(n) as s insert into Out;",
    "from S#window.timeBatch(4, 1) select k, n, sum(n) as s group by n insert into Out;",
    "from S select k, n output last every 3 events insert into Out;",
    "from S select k, n output first every 3 events insert into Out;",
    "from S select k, count() as c output first every 9 milliseconds insert into Out;",
    "from every e1=S, e2=S[x > e1.x] select e1.k as k, e1.n as a, e2.n as b insert into Out;",
    "from every e1=S -> e2=S[x > e1.x] within 9 milliseconds select e1.k as k, e1.n as a, e2.n as b insert into Out;",
    "from every e1=S -> not S[n > e1.n] for 5 milliseconds select e1.k as k, e1.n as n insert into Out;",
)
"""Those without timers run for all instances at once, each of which is forgotten when rows come."""


def is_forgotten(idle_ms: int) -> bool:
    """Looks come every 2 ms after a row; the first one more than 5 ms behind it is that at 6 ms."""
    return idle_ms >= 6


@pytest.mark.parametrize(
    "queries",
    [
        *FORGOTTEN,
        "from S#window.time(9) select k, n, sum(n) as s insert all events into Out;",
        "from e1=S -> e2=S select e1.k as k, e2.n as n insert into Out;",
        (
            "from S#window.length(2) select k, n insert into #M; from #M select k, sum(n) as s insert into Out;"
            "from R select k, sum(n) as s insert into Out;"
        ),
    ],
)
@settings(max_examples=8)
@given(
    rows=st.lists(events, max_size=24),
    playback=st.booleans(),
    restarts=st.sets(st.integers(0, 24), max_size=3),
)
def test_an_idle_key_begins_anew(queries: str, rows: list[Row], playback: bool, restarts: set[int]) -> None:
    body = partitioned("k of S, k of R", queries).removeprefix(HEAD)
    whole = Run(f"{HEAD}{PURGE}{body}", playback=playback)
    alone = HEAD + queries.replace("#M", "M")
    apart: dict[str, Run] = {}
    used_ms: dict[str, int] = {}
    expected: dict[str, list[list[Any]]] = {}
    sent = timed([(stream, 2 * later, values) for stream, later, values in rows])
    for place, (stream, now_ms, values) in enumerate(sent):
        whole.send(stream, [(now_ms, values)])
        if place in restarts:
            whole.restart()
        for key in sorted(apart):
            run, end_ms = apart[key], used_ms[key] + 6
            gone = is_forgotten(now_ms - used_ms[key])
            # in playback timers fire when the clock moves, and see where it moves to
            run.advance(end_ms if gone and not playback else now_ms)
            if gone:
                expected.setdefault(key, []).extend(run.out)
                del apart[key]
        key = values[0]
        if key is not None and f"from {stream}" in queries.replace("e1=", ""):  # others never enter the partition
            if key not in apart:
                apart[key] = Run(alone, playback=playback)
            run = apart[key]
            run.advance(now_ms)
            run.send(stream, [(now_ms, values)])
            used_ms[key] = now_ms
    for key, run in apart.items():
        expected.setdefault(key, []).extend(run.out)
    for key, out in expected.items():
        assert [event for event in whole.out if event[1][0] == key] == out


@pytest.mark.parametrize("queries", FORGOTTEN)
@settings(max_examples=8)
@given(
    rows=st.lists(events.filter(lambda row: row[0] == "S"), max_size=40),
    cuts=st.sets(st.integers(0, 40), max_size=6),
    restarts=st.sets(st.integers(0, 40), max_size=3),
)
def test_keys_that_are_forgotten_within_a_batch_begin_anew(
    queries: str, rows: list[Row], cuts: set[int], restarts: set[int]
) -> None:
    text = f"{HEAD}{PURGE}{partitioned('k of S', queries).removeprefix(HEAD)}"
    whole, pieces = Run(text, playback=True), Run(text, playback=True)
    sent = [(now_ms, values) for _, now_ms, values in timed(rows)]
    start = 0
    for place in range(1, len(sent) + 1):
        whole.send("S", sent[place - 1 : place])
        if place in cuts or place == len(sent):
            pieces.send("S", sent[start:place])
            start = place
            if place in restarts:
                pieces.restart()
    assert whole.out == pieces.out


def test_memory_of_keys_that_are_forgotten_is_used_again() -> None:
    query = "from S#window.length(2) select k, sum(n) as s, distinctCount(x) as d insert into Out;"
    run = Run(f"{HEAD}{PURGE}{partitioned('k of S', query).removeprefix(HEAD)}", playback=True)
    sizes = []
    for entry in range(6):
        run.send("S", [(1_000 + 10 * entry, (f"{entry} {row}", row % 5, 0.5)) for row in range(30_000)])
        sizes.append(len(encode_state(run.snapshot()["queries"][0])))
    assert sizes[5] < 2 * max(sizes[2], sizes[3])


def test_tables_are_shared_by_all_keys() -> None:
    text = (
        "define stream S (k string, n int); @PrimaryKey('k') define table T (k string, s long);"
        "partition with (k of S) begin from S select k, sum(n) as s update or insert into T set T.s = s on T.k == k;"
        "from S[(T.s > 2L) in T] select k, n insert into Out; end;"
    )
    run = Run(text, playback=True)
    for place, (key, number) in enumerate([("a", 1), ("b", 2), ("a", 3), ("b", 0)]):
        run.send("S", [(1_000 + place, (key, number))])
    assert [values for _, values in run.out] == [["a", 3], ["b", 0]]


def test_rows_of_a_stream_without_key_go_to_every_instance_that_exists() -> None:
    text = (
        "define stream S (k string, n int); define stream U (n int);"
        "partition with (k of S) begin from S#window.length(1) join U#window.length(1) "
        "select S.k as k, U.n as n insert into Out; end;"
    )
    run = Run(text, playback=True)
    run.send("U", [(1_000, (1,))])
    run.send("S", [(1_001, ("a", 0)), (1_002, ("b", 0))])
    run.send("U", [(1_003, (2,)), (1_004, (3,))])
    assert [values for _, values in run.out] == [["a", 2], ["b", 2], ["a", 3], ["b", 3]]


def test_neighbours_of_one_key_in_a_call_are_one_chunk() -> None:
    run = Run(partitioned("k of S", "from S#window.batch() select k, count() as c insert into Out;"), playback=True)
    run.send("S", [(1_000, (key, 1, 0.5)) for key in ("a", "a", None, "a", "b", "a")], one_chunk=True)
    assert [values for _, values in run.out] == [["a", 3], ["b", 1], ["a", 1]]
