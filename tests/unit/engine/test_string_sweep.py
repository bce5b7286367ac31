"""What is held is never forgotten, and what nobody holds is: over plans of all kinds of operators."""

from __future__ import annotations

from functools import partialmethod
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.embedded import Plan
from eiha.engine.runtime import EngineRuntime
from eiha.engine.string_sweep import held_ids
from eiha.events import strings
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, LogEntry, Publication, Publications

STREAM = "define stream S (id string, other string, n int);\n"
QUERIES = """
from S#window.length(4) select id, other, count() as c, sum(n) as s group by id, other insert into O;

from S#window.length(4) select id, distinctCount(other) as c insert all events into O;

from S#window.sort(3, id, 'desc', other) select id, other insert all events into O;

from S#window.timeBatch(5) select str:concat(id, '-', other) as t group by other insert into O;

from S#window.session(4 milliseconds, id, 2 milliseconds) select id, other insert all events into O;

from S#window.frequent(2, id) select id, other insert all events into O;

from S#window.lossyFrequent(0.3, 0.05, id) select id, other insert all events into O;

from S#window.unique:lengthBatch(id, 3) select id, other insert all events into O;

from S select id, other group by id output snapshot every 3 milliseconds insert into O;

from S#window.length(3) select id, other, n output snapshot every 3 milliseconds insert into O;

from S select id, last(other) as l group by id output last every 4 events insert into O;

from S select unionSet(createSet(id)) as ids insert into M;
from M select convert(sizeOfSet(ids), 'string') as t, ids insert into O;

from every e1=S -> e2=S[id == e1.other] within 9 milliseconds select e1.id as a, e2.other as b insert into O;

from every e1=S<2:3> -> e2=S[other == e1[0].id or n == 3] select e1[0].id as a, e1[1].other as b, e2.id as c
insert into O;

from e1=S, e2=S[id != e1.id]+, e3=S[other == e1.other] select e1.id as a, e2[last].id as b insert into O;

from S#window.length(4) as a join S#window.time(6) as b on a.id == b.other select a.id as x, b.id as y
insert all events into O;

define table T (id string, other string, n int); from S select * update or insert into T on T.id == id;
from S join T on S.other == T.id select T.other as t, T.n as m insert into O;

@primaryKey('id', 'other') define table T (id string, other string, n int); from S select * insert into T;
from S[n == 3] delete T on T.other == id; from S[(T.id == other) in T] select id insert into O;

@purge(enable='true', interval='3 milliseconds', idle.period='6 milliseconds') partition with (id of S) begin
from S#window.length(2) select id, other, count() as c insert into O; end;

partition with (other of S) begin from S select id, other, sum(n) as s group by id insert into #I;
from #I#window.length(2) select id, other, s insert into O; end;

partition with (n == 1 as 'one' or n > 1 as 'more' of S) begin
from every e1=S -> e2=S select e1.id as a, e2.id as b insert into O; end;

define window W (id string, other string, n int) length(3) output all events; from S insert into W;
from W select other, count() as c group by id insert all events into O;

define aggregation A from S select id, other, sum(n) as s group by id aggregate every sec...min;
from S join A within '1970-**-** **:**:**' per 'seconds' select A.id as x, A.s as s insert into O;

from S#window.length(3) select map:collect(id, other) as m insert into M; from M select m insert into O;
"""

PLANS = tuple(STREAM + text for text in QUERIES.strip().split("\n\n"))


class _Sweeps:
    """Lets sweeps be due at random, and gives the ids that they free to other strings at once."""

    def __init__(self, seed: int, often: float) -> None:
        self._random = Random(seed)
        self._often = often
        self._forget_all_but = StringTable.forget_all_but
        self.count = 0

    def is_due(self, _table: StringTable) -> bool:
        return self._random.random() < self._often

    def forget(self, table: StringTable, held: Any, weight: int) -> None:
        self._forget_all_but(table, held, weight)
        self.count += 1
        for number in range(3):
            table.intern(f"noise {self.count} {number}")


def _and_noise(table: StringTable, sweeps: _Sweeps, held: Any, weight: int) -> None:
    sweeps.forget(table, held, weight)


def told(text: str, calls: list[list[tuple[int, list[Any]]]], sweeps: _Sweeps | None) -> list[Any]:
    """What each call makes the plan put out, read when all is over."""
    with pytest.MonkeyPatch.context() as patch:
        if sweeps is not None:
            patch.setattr(StringTable, "is_sweep_due", property(sweeps.is_due))
            patch.setattr(StringTable, "forget_all_but", partialmethod(_and_noise, sweeps))
        plan = Plan(text, playback=True)
        outputs = [
            plan.send("S", [row for _, row in call], timestamps=np.array([time_ms for time_ms, _ in call]))
            for call in calls
        ]
        return [{stream: repr(output.rows()) for stream, output in each.items()} for each in outputs]


def feed(random: Random) -> list[list[tuple[int, list[Any]]]]:
    """Calls of a few rows whose strings are new ones all the time, and nulls."""
    time_ms, calls = 1_000, []
    for number in range(25):
        rows: list[tuple[int, list[Any]]] = []
        for _ in range(random.choice((1, 1, 2, 4))):
            time_ms += random.choice((0, 1, 1, 3))
            texts = [random.choice((None, "null", *(f"k{number // 3 + i}" for i in range(4)))) for _ in range(2)]
            rows.append((time_ms, [*texts, random.randrange(4)]))
        calls.append(rows)
    return calls


@pytest.mark.parametrize("text", PLANS)
def test_a_plan_puts_out_the_same_wherever_strings_are_swept(text: str) -> None:
    for seed in range(2):
        calls = feed(Random(seed))
        sweeps = _Sweeps(seed, 0.5)
        assert told(text, calls, sweeps) == told(text, calls, None), seed
        assert sweeps.count


def test_what_could_be_an_id_is_held_wherever_it_stands() -> None:
    state = {
        "array": np.array([3, 70, -1], dtype=np.int32),
        "pairs": np.array([(5 << 32) | 8, -(1 << 62)], dtype=np.int64),
        "list": [11, [12, None], {13: "text"}, 1 << 80, True],
        "set": frozenset([(14,)]),
        "floats": np.array([15.0]),
    }
    held, _ = held_ids(state, 20)
    assert np.flatnonzero(held).tolist() == [0, 3, 5, 8, 11, 12, 13, 14]


def entry(number: int, body: Any) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(number), LogTimeMs(1_000 + number), body)


def published(number: int, texts: list[str]) -> LogEntry:
    schema_columns = (
        WireColumn(AttributeType.STRING, np.arange(len(texts), dtype=np.int32), None, tuple(texts)),
        WireColumn(AttributeType.STRING, np.zeros(len(texts), dtype=np.int32), None, ("same",)),
        WireColumn(AttributeType.INT, np.ones(len(texts), dtype=np.int32), None),
    )
    payload = encode(WireBatch(len(texts), None, schema_columns))
    publication = Publication(ClientId("c"), ClientSequence(number), "S", len(texts), payload)
    return entry(number, Publications((publication,)))


@settings(max_examples=15, deadline=None)
@given(st.sampled_from((PLANS[0], PLANS[2], PLANS[11], PLANS[18])), st.integers(2, 30))
def test_a_node_that_was_restored_sweeps_as_one_that_ran_through(text: str, restored_at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strings, "SWEEP_MIN", 3)
        through, other = EngineRuntime(), EngineRuntime()
        for engine in (through, other):
            assert not engine.apply(entry(1, DeployPlan("p", text))).faults
        for number in range(2, 32):
            texts = [f"id {number // 2} {place}" for place in range(1 + number % 4)]
            for engine in (through, other):
                assert not engine.apply(published(number, texts)).faults
            if number == restored_at:
                content = other.snapshot()
                other = EngineRuntime()
                other.restore(content)
            assert through.digest() == other.digest(), number


def test_strings_of_rows_that_left_do_not_stay() -> None:
    text = STREAM + "from S[n > 0]#window.length(10) select id, count() as c insert into O;"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strings, "SWEEP_MIN", 500)
        plan = Plan(text, playback=True)
        seen: list[StringTable] = []
        forget_all_but = StringTable.forget_all_but
        patch.setattr(
            StringTable, "forget_all_but", lambda table, *rest: (seen.append(table), forget_all_but(table, *rest))[1]
        )
        for number in range(200):
            plan.send("S", [(f"id {number} {place}", None, 1) for place in range(100)], timestamps=number)
        assert len(seen) > 10
        assert len(seen[-1]) < 1_000
