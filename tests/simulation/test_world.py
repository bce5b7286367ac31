"""The simulated parts keep the promises of what they stand for: links, disks, the witness, stores, time."""

from __future__ import annotations

import random

from eiha.ha.inputs import Channel, LinkDown, LinkUp, Received
from eiha.ha.witness_row import CasOutcome, Mine, Others, Read, ReadOutcome, Unknown, WitnessRow
from eiha.kernel.ids import LOG_START, Epoch, Incarnation, LogPosition, LogTimeMs, NodeId, Sequence
from eiha.ports import Committed, Displaced, Fenced
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.protocol.peer_messages import PeerIdentity, Pong
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.network import Endpoint, SimulatedNetwork
from eiha.simulation.randomness import Randomness
from eiha.simulation.scheduler import MS, Scheduler
from eiha.simulation.sinks import SimulatedStore, Transaction
from eiha.simulation.witness import SimulatedWitness

# Time


def test_actions_run_in_order_of_time_then_of_planning() -> None:
    scheduler, seen = Scheduler(), []
    scheduler.after(20, seen.append, "late")
    scheduler.after(10, seen.append, "first")
    scheduler.after(10, seen.append, "second")
    scheduler.run_until(15)
    assert (seen, scheduler.now_us) == (["first", "second"], 15)


def test_purposes_draw_independent_and_repeatable_numbers() -> None:
    first, again = Randomness(7), Randomness(7)
    assert first.stream("a").random() == again.stream("a").random()
    assert first.stream("a").random() != first.stream("b").random()


# Links


class Wire:
    """Two endpoints and what they were told."""

    def __init__(self, seed: int = 1) -> None:
        self.scheduler = Scheduler()
        self.network = SimulatedNetwork(self.scheduler, random.Random(seed), ("a", "b"))
        self.told: dict[str, list[LinkUp | LinkDown | Received]] = {"a": [], "b": []}
        self.endpoints: dict[str, Endpoint] = {}
        for name in ("a", "b"):
            self.attach(name)
        self.run(200)

    def attach(self, name: str) -> None:
        identity = PeerIdentity(NodeId(name), Incarnation(name))
        self.endpoints[name] = Endpoint(name, identity, self.told[name].append)
        self.network.attach(self.endpoints[name])

    def run(self, for_ms: int) -> None:
        self.scheduler.run_until(self.scheduler.now_us + for_ms * MS)

    def link(self, name: str, channel: Channel = Channel.EVENT_SYNC) -> int:
        return [i.link for i in self.told[name] if isinstance(i, LinkUp) and i.channel is channel][-1]

    def nonces(self, name: str) -> list[int]:
        return [i.message.nonce for i in self.told[name] if isinstance(i, Received) and isinstance(i.message, Pong)]

    def downs(self, name: str) -> int:
        return sum(isinstance(i, LinkDown) for i in self.told[name])

    def send(self, name: str, *nonces: int) -> None:
        for nonce in nonces:
            self.network.send(name, self.link(name), Pong(nonce, Epoch(1), True))


def test_both_channels_come_up_on_both_sides_with_the_others_identity() -> None:
    wire = Wire()
    for name, other in (("a", "b"), ("b", "a")):
        ups = [i for i in wire.told[name] if isinstance(i, LinkUp)]
        assert {i.channel for i in ups} == set(Channel)
        assert all(i.peer.node == other for i in ups)


def test_a_link_keeps_order_and_loses_nothing() -> None:
    wire = Wire()
    wire.send("a", *range(200))
    wire.run(1_000)
    assert wire.nonces("b") == list(range(200))


def test_a_cut_pipe_delivers_after_the_repair_and_the_other_direction_goes_on() -> None:
    wire = Wire()
    wire.network.cut("a", Channel.EVENT_SYNC)
    wire.send("a", 1, 2)
    wire.send("b", 3)
    wire.run(1_000)
    assert (wire.nonces("b"), wire.nonces("a")) == ([], [3])
    wire.network.repair("a", Channel.EVENT_SYNC)
    wire.run(100)
    assert wire.nonces("b") == [1, 2]


def test_the_end_of_a_killed_process_is_heard_after_what_it_sent() -> None:
    wire = Wire()
    wire.send("a", 1)
    wire.network.detach(wire.endpoints["a"], silently=False)
    wire.run(100)
    assert wire.nonces("b") == [1]
    assert wire.downs("b") == 2


def test_nobody_hears_of_a_machine_that_lost_power_until_it_is_back() -> None:
    wire = Wire()
    wire.network.detach(wire.endpoints["a"], silently=True)
    wire.run(2_000)
    assert wire.downs("b") == 0
    wire.attach("a")
    wire.run(1_000)
    assert wire.downs("b") == 2


def test_a_message_of_an_old_link_may_arrive_after_a_new_link_is_up() -> None:
    wire = Wire()
    wire.network.latency_us = (500 * MS, 500 * MS)
    wire.send("a", 1)
    wire.network.close("a", wire.link("a"), "test")
    wire.network.latency_us = (100, 200)
    wire.run(2_000)
    kinds = [
        type(i).__name__
        for i in wire.told["b"]
        if isinstance(i, Received) or i.channel is Channel.EVENT_SYNC  # type: ignore[union-attr]
    ]
    assert kinds == ["LinkUp", "LinkUp", "Received", "LinkDown"]


def test_what_was_under_way_is_lost_with_a_reset() -> None:
    wire = Wire()
    wire.send("a", 1)
    wire.network.reset_links(Channel.EVENT_SYNC)
    wire.run(1_000)
    assert wire.nonces("b") == []
    assert wire.link("a") == wire.link("b")


# Disks


def entries(first: int, last: int) -> tuple[LogEntry, ...]:
    return tuple(LogEntry(Epoch(1), Sequence(n), LogTimeMs(0), TimeTick()) for n in range(first, last + 1))


def test_power_loss_takes_only_what_was_not_synced_and_names_a_new_boot() -> None:
    for seed in range(20):
        disk = SimulatedDisk("n", boot_counts=True)
        before = disk.incarnation
        disk.append(entries(1, 3))
        disk.sync()
        disk.append(entries(4, 9))
        disk.lose_power(random.Random(seed))
        assert 3 <= disk.log_end.sequence <= 9
        assert disk.incarnation != before


def test_a_wiped_disk_is_empty_and_another() -> None:
    disk = SimulatedDisk("n", boot_counts=False)
    disk.append(entries(1, 3))
    before = disk.incarnation
    disk.wipe()
    assert disk.log_end == LOG_START
    assert disk.incarnation != before


def test_a_cut_tail_goes_to_quarantine() -> None:
    disk = SimulatedDisk("n", boot_counts=False)
    disk.append(entries(1, 5))
    disk.truncate_after(LogPosition(Sequence(3), Epoch(1)))
    assert disk.log_end.sequence == 3
    assert [e.sequence for e in disk.quarantined] == [4, 5]


# The witness


def row(version: int) -> WitnessRow:
    me = PeerIdentity(NodeId("a"), Incarnation("a"))
    return WitnessRow("c", Epoch(1), me.node, me.incarnation, (me,), version, "")


class WitnessBench:
    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.witness = SimulatedWitness(self.scheduler, random.Random(3), lambda before, after: None)
        self.outcomes: list[CasOutcome | ReadOutcome] = []

    def swap(self, expected: int | None, version: int) -> CasOutcome | ReadOutcome:
        self.witness.compare_and_set("a", expected, row(version), self.outcomes.append)
        self.scheduler.run_until(self.scheduler.now_us + 5_000 * MS)
        return self.outcomes[-1]


def test_a_swap_succeeds_once_and_tells_the_second_what_the_row_is() -> None:
    bench = WitnessBench()
    assert bench.swap(None, 1) == Mine(row(1))
    assert bench.swap(None, 1) == Others(row(1))
    assert bench.swap(1, 2) == Mine(row(2))
    bench.witness.read("a", bench.outcomes.append)
    bench.scheduler.run_until(bench.scheduler.now_us + 1_000 * MS)
    assert bench.outcomes[-1] == Read(row(2))


def test_a_swap_whose_reply_is_lost_is_unknown_though_it_was_made() -> None:
    bench = WitnessBench()
    bench.witness.compare_and_set("a", None, row(1), bench.outcomes.append)
    bench.scheduler.run_until(bench.scheduler.now_us + 200)
    bench.witness.loss_odds = 1.0
    bench.scheduler.run_until(5_000 * MS)
    assert isinstance(bench.outcomes[-1], Unknown)
    assert bench.witness.row == row(1)


def test_a_swap_may_be_made_after_its_sender_gave_up() -> None:
    bench = WitnessBench()
    bench.witness.late_odds = 1.0
    late = 0
    for version in range(1, 30):
        outcome = bench.swap(None if version == 1 else version - 1, version)
        assert bench.witness.row == row(version)
        late += isinstance(outcome, Unknown)
    assert late > 10


# Stores


def transaction(writer: str, epoch: int, expected: int, through: int) -> Transaction:
    return Transaction(writer, Epoch(epoch), (), Sequence(expected), Sequence(through))


def test_a_store_commits_only_on_top_of_the_progress_expected() -> None:
    store = SimulatedStore("s")
    store.open(Epoch(1))
    for each, outcome in (
        (transaction("w", 1, 0, 4), Committed(Sequence(4))),
        (transaction("w", 1, 0, 4), Displaced(Sequence(4))),
    ):
        assert store.begin(each)
        assert store.commit(each) == outcome


def test_a_new_active_ends_the_transaction_of_a_paused_one_and_fences_it() -> None:
    store = SimulatedStore("s")
    store.open(Epoch(1))
    paused = transaction("old", 1, 0, 4)
    assert store.begin(paused)
    assert store.open(Epoch(2)) == Committed(Sequence(0))
    assert store.commit(paused) is None
    again = transaction("old", 1, 0, 4)
    assert store.begin(again)
    assert store.commit(again) == Fenced(Epoch(2))


def test_an_open_transaction_holds_off_others_of_its_epoch_until_its_writer_is_gone() -> None:
    store = SimulatedStore("s")
    store.open(Epoch(1))
    assert store.begin(transaction("one", 1, 0, 4))
    assert not store.begin(transaction("two", 1, 0, 4))
    store.end_transactions_of("one")
    assert store.begin(transaction("two", 1, 0, 4))
