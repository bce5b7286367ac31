"""The oracles themselves: each finds a bad history made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from eiha.events.wire import WireBatch, WireColumn
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, Incarnation, LogPosition, LogTimeMs, NodeId, Sequence
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import LogEntry, Publication, Publications, Quarantine, TimeTick
from eiha.protocol.outputs import OutputBatch
from eiha.protocol.peer_messages import PeerIdentity
from eiha.simulation.checkers import Checkers, Violation
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.engine import TICKS, SummingEngine, encode_rows
from eiha.simulation.sinks import SimulatedStore, rows_of

CLIENT = ClientId("client")


def entry(sequence: int, *numbers: int, epoch: int = 1, value: int = 1) -> LogEntry:
    items = tuple(
        Publication(CLIENT, ClientSequence(number), TICKS, 1, encode_rows([(number, value)])) for number in numbers
    )
    body = Publications(items) if items else TimeTick()
    bare = LogEntry(Epoch(epoch), Sequence(sequence), LogTimeMs(sequence), body)
    return LogEntry(bare.epoch, bare.sequence, bare.log_time_ms, body, encode_entry(bare))


def row(version: int, *, epoch: int = 1, active: str = "node1", synced: tuple[str, ...] = ("node1",)) -> WitnessRow:
    return WitnessRow(
        cluster="c",
        epoch=Epoch(epoch),
        active=NodeId(active),
        active_incarnation=Incarnation(f"{active}-d1"),
        synced=tuple(PeerIdentity(NodeId(name), Incarnation(f"{name}-d1")) for name in synced),
        version=version,
        reason="",
    )


def checkers() -> Checkers:
    return Checkers(SummingEngine(), digest_every=2)


def test_another_entry_at_the_same_position_is_found() -> None:
    oracles = checkers()
    oracles.order.written("node1", [entry(1, 1)])
    with pytest.raises(Violation, match="one order"):
        oracles.order.written("node2", [entry(1, 1, value=2)])


def test_a_committed_entry_that_is_replaced_is_found() -> None:
    oracles = checkers()
    oracles.applied("node1", entry(1, 1))
    with pytest.raises(Violation, match="one order"):
        oracles.applied("node2", entry(1, 1, epoch=2))


def test_an_entry_that_is_skipped_is_found() -> None:
    oracles = checkers()
    oracles.applied("node1", entry(1, 1))
    with pytest.raises(Violation, match="one order"):
        oracles.applied("node1", entry(3, 2))


def test_a_restore_of_what_never_was_committed_is_found() -> None:
    with pytest.raises(Violation, match="one order"):
        checkers().order.restarted_at("node1", 1)


def test_a_publication_twice_in_the_log_is_found() -> None:
    oracles = checkers()
    oracles.applied("node1", entry(1, 1))
    with pytest.raises(Violation, match="once in log"):
        oracles.applied("node1", entry(2, 1))


def test_a_gap_in_a_clients_publications_is_found() -> None:
    with pytest.raises(Violation, match="once in log"):
        checkers().applied("node1", entry(1, 2))


def test_an_acknowledgement_of_what_was_never_sent_is_found() -> None:
    with pytest.raises(Violation, match="nothing lost"):
        checkers().lost.acknowledged("node1", CLIENT, ClientSequence(2), sent=1)


def test_a_synced_disk_that_misses_an_acknowledged_event_is_found() -> None:
    oracles = checkers()
    whole, short = SimulatedDisk("node1", False), SimulatedDisk("node2", False)
    whole.append((entry(1, 1), entry(2, 2)))
    short.append((entry(1, 1),))
    oracles.lost.acknowledged("node1", CLIENT, ClientSequence(2), sent=2)
    oracles.row_changed(None, row(1), [whole, short])
    with pytest.raises(Violation, match="nothing lost"):
        oracles.row_changed(row(1), row(2, synced=("node1", "node2")), [whole, short])


def test_a_disk_that_holds_acknowledged_events_in_its_snapshot_is_fine() -> None:
    oracles = checkers()
    oracles.applied("node1", entry(1, 1))
    oracles.lost.acknowledged("node1", CLIENT, ClientSequence(1), sent=1)
    disk = SimulatedDisk("node1", False)
    disk.add_snapshot(LogPosition(Sequence(1), Epoch(1)), b"")
    disk.reset(LogPosition(Sequence(1), Epoch(1)))
    oracles.lost.check(disk, "now")


def test_a_log_that_does_not_connect_to_its_snapshot_does_not_count() -> None:
    oracles = checkers()
    for number in (1, 2):
        oracles.applied("node1", entry(number, number))
    oracles.lost.acknowledged("node1", CLIENT, ClientSequence(2), sent=2)
    disk = SimulatedDisk("node1", False)
    disk.reset(LogPosition(Sequence(2), Epoch(1)))
    with pytest.raises(Violation, match="nothing lost"):
        oracles.lost.check(disk, "now")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(row(1), row(1), id="version not raised"),
        pytest.param(row(1), row(2, active="node2", synced=("node2",)), id="two actives in one epoch"),
        pytest.param(row(1), row(2, epoch=3), id="an epoch skipped"),
        pytest.param(row(2, epoch=2), row(3, epoch=1), id="an epoch back"),
        pytest.param(row(1), row(2, epoch=2, active="node2", synced=("node2",)), id="taken by a stranger"),
        pytest.param(None, row(1, active="node2"), id="active not synced"),
    ],
)
def test_an_unlawful_change_of_the_row_is_found(before: WitnessRow | None, after: WitnessRow) -> None:
    with pytest.raises(Violation, match="witness"):
        checkers().row_changed(before, after, [])


def test_lawful_changes_of_the_row_pass() -> None:
    oracles = checkers()
    rows = [
        row(1),
        row(2, synced=("node1", "node2")),
        row(3, epoch=2, active="node2", synced=("node2",)),
        row(4, epoch=2, active="node2", synced=("node2", "node1")),
    ]
    for before, after in zip([None, *rows], rows, strict=False):
        oracles.row_changed(before, after, [])


def test_two_processes_that_act_in_one_epoch_are_found() -> None:
    oracles = checkers()
    oracles.row_changed(None, row(1), [])
    oracles.active.acts("node1#1", "node1-d1", Epoch(1), "publishes")
    with pytest.raises(Violation, match="one active"):
        oracles.active.acts("node1#2", "node1-d1", Epoch(1), "publishes")


def test_a_process_that_the_witness_did_not_name_is_found() -> None:
    oracles = checkers()
    oracles.row_changed(None, row(1), [])
    with pytest.raises(Violation, match="one active"):
        oracles.active.acts("node2#1", "node2-d1", Epoch(1), "publishes")


def test_rows_twice_missing_or_changed_are_found() -> None:
    good = SummingEngine().apply(entry(1, 1)).outputs
    for rows in (
        [*rows_of(good[0]), *rows_of(good[0])],
        [("sums", "Ticks", 1, 0, 1, (7, 7))],
    ):
        oracles = checkers()
        oracles.executed("node1", entry(1, 1))
        store = SimulatedStore("events", rows=rows)
        with pytest.raises(Violation, match="outputs once"):
            oracles.outputs.store_committed(store)


def test_the_rows_of_the_reference_run_pass_and_complete_the_store() -> None:
    oracles = checkers()
    oracles.executed("node1", entry(1, 1))
    store = SimulatedStore("events")
    assert not oracles.outputs.complete(store)
    store.rows.extend(rows_of(SummingEngine().apply(entry(1, 1)).outputs[0]))
    oracles.outputs.store_committed(store)
    assert oracles.outputs.complete(store)


def test_a_digest_that_differs_is_found() -> None:
    oracles = checkers()
    engine = SummingEngine()
    for each in (entry(1, 1), entry(2, 2)):
        oracles.executed("node1", each)
        engine.apply(each)
    oracles.outputs.digest("node1", 2, engine.digest())
    engine.flip()
    with pytest.raises(Violation, match="equal digests"):
        oracles.outputs.digest("node1", 2, engine.digest())


def test_a_node_that_leaves_out_something_else_is_found() -> None:
    oracles = checkers()
    poison = Quarantine(Sequence(1), "sums", (), suspends=False, cause="raised", reason="")
    oracles.executed("node1", entry(1, 1), (poison,))
    oracles.executed("node2", entry(1, 1), (poison,))
    with pytest.raises(Violation, match="same left out"):
        oracles.executed("node1", entry(1, 1))


def test_a_second_process_that_ends_by_one_entry_is_found() -> None:
    oracles = checkers()
    oracles.died_of_poison(Sequence(1))
    oracles.died_of_poison(Sequence(2))
    with pytest.raises(Violation, match="second process"):
        oracles.died_of_poison(Sequence(1))


def test_rows_carry_their_ids() -> None:
    stream = SummingEngine().streams()[TICKS]
    columns = tuple(WireColumn(a.type, np.array([5, 6], dtype=np.int32)) for a in stream.schema.attributes)
    batch = WireBatch(2, np.array([10, 11], dtype=np.int64), columns)
    output = OutputBatch("events", "p", stream, Sequence(3), LogTimeMs(10), 4, batch)
    assert rows_of(output) == [("p", TICKS, 3, 4, 10, (5, 5)), ("p", TICKS, 3, 5, 11, (6, 6))]
