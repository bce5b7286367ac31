"""Replacing a plan: what stands in both texts goes on with its state."""

from __future__ import annotations

from typing import Any

from eiha.engine.runtime import EngineRuntime
from eiha.events.rows import rows_to_batch
from eiha.events.wire import encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications
from eiha.protocol.outputs import AppliedEntry

STREAM = "define stream S (k string, v long);"
SUMS = "@info(name='sums') from S#window.length(3) select k, sum(v) as total group by k insert into Sums;"
COUNTS = "@info(name='counts') from S select k, count() as n group by k insert into Counts;"
TABLE = "define table T (k string, v long);"
FILL = "from S select k, v insert into T;"
PARTITION = (
    "partition with (k of S) begin from S select k, sum(v) as total insert into #I;"
    " from #I select k, total insert into Keyed; end;"
)
AGGREGATION = "define aggregation A from S select k, sum(v) as s group by k aggregate every sec, min;"


class Node:
    """An engine and the log that feeds it."""

    def __init__(self) -> None:
        self.engine = EngineRuntime()
        self.sequence = 0

    def apply(self, body: EntryBody) -> AppliedEntry:
        self.sequence += 1
        at_ms = LogTimeMs(1_000_000 + self.sequence)
        applied = self.engine.apply(LogEntry(Epoch(1), Sequence(self.sequence), at_ms, body))
        assert applied.faults == ()
        return applied

    def deploy(self, *parts: str) -> str:
        notes = self.apply(DeployPlan("p", "".join(parts))).notes
        assert len(notes) <= 1
        return "".join(notes)

    def send(self, *rows: tuple[str, int]) -> dict[str, list[tuple[Any, ...]]]:
        schema = self.engine.streams()["S"].schema
        payload = encode(rows_to_batch([list(row) for row in rows], schema))
        publication = Publication(ClientId("c"), ClientSequence(self.sequence), "S", len(rows), payload)
        outputs = self.apply(Publications((publication,))).outputs
        return {
            each.stream.name: list(zip(*(column.to_list() for column in each.batch.columns), strict=True))
            for each in outputs
        }


def test_equal_queries_keep_their_state_wherever_they_stand() -> None:
    node = Node()
    assert node.deploy(STREAM, SUMS) == ""
    node.send(("a", 1), ("b", 2))
    note = node.deploy(STREAM, COUNTS, SUMS.replace("'sums'", "'totals'"))
    assert note == "plan 'p' is replaced; state kept: query 'totals'; begin empty: query 'counts'"
    assert node.send(("a", 10)) == {"Sums": [("a", 11)], "Counts": [("a", 1)]}


def test_a_changed_query_begins_empty() -> None:
    node = Node()
    node.deploy(STREAM, SUMS)
    node.send(("a", 1))
    note = node.deploy(STREAM, SUMS.replace("length(3)", "length(4)"))
    assert "state kept: none; begin empty: query 'sums'" in note
    assert node.send(("a", 10)) == {"Sums": [("a", 10)]}


def test_a_query_over_other_attributes_begins_empty() -> None:
    node = Node()
    node.deploy(STREAM, SUMS)
    node.send(("a", 1))
    assert "begin empty: query 'sums'" in node.deploy(STREAM.replace("v long", "v int"), SUMS)


def test_tables_partitions_and_aggregations_go_on() -> None:
    node = Node()
    node.deploy(STREAM, TABLE, AGGREGATION, FILL, PARTITION)
    node.send(("a", 1), ("b", 2))
    join = "@info(name='join') from S join T on S.k == T.k select T.k as k, T.v as old insert into Found;"
    buckets = (
        "@info(name='buckets') from S join A within 0L, 2000000L per 'min' select A.k as k, A.s as s insert into B;"
    )
    note = node.deploy(STREAM, TABLE, AGGREGATION, COUNTS, join, buckets, FILL, PARTITION)
    assert note == (
        "plan 'p' is replaced; state kept: query 'query4', partition 1, table 'T', aggregation 'A';"
        " begin empty: query 'counts', query 'join', query 'buckets'"
    )
    out = node.send(("a", 10))
    assert out["Counts"] == [("a", 1)]
    assert out["Found"] == [("a", 1)]
    assert sorted(out["B"]) == [("a", 11), ("b", 2)]
    assert out["Keyed"] == [("a", 11)]


def test_a_replaced_plan_survives_a_restart() -> None:
    node, other = Node(), Node()
    node.deploy(STREAM, SUMS)
    node.send(("a", 1), ("x", 5))
    node.deploy(STREAM, COUNTS, SUMS)
    other.engine.restore(node.engine.snapshot())
    other.sequence = node.sequence
    assert other.engine.digest() == node.engine.digest()
    assert other.send(("x", 1)) == node.send(("x", 1)) == {"Sums": [("x", 6)], "Counts": [("x", 1)]}


def test_timers_of_kept_queries_still_fire() -> None:
    node = Node()
    batch = "from S#window.timeBatch(1 sec) select sum(v) as total insert into Totals;"
    node.deploy(STREAM, batch)
    node.send(("a", 1))
    due_ms = node.engine.next_timer_ms()
    assert due_ms is not None
    node.deploy(STREAM, COUNTS, batch)
    assert node.engine.next_timer_ms() == due_ms
