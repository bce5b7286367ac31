"""An active whose log takes nothing lets a peer with a better disk go on, and takes nothing itself meanwhile."""

from __future__ import annotations

from eiha.ha import stuck_log
from eiha.ha.policy import Policy
from eiha.protocol.vitals import Vitals
from eiha.simulation.options import SimulationOptions
from eiha.simulation.scheduler import MS
from eiha.simulation.simulator import Simulator


class PairWithAFullDisk:
    """Two real members in the simulator and their clients, synced; then the active's disk takes nothing any more."""

    def __init__(self, *, both: bool = False) -> None:
        self.run = Simulator(3, SimulationOptions(faults="none", clients=2, publications=400, safety_ms=20_000))
        for node in self.run.nodes:
            self.run.scheduler.at(0, node.start)
        for client in self.run.clients.by_id.values():
            self.run.scheduler.at(0, client.start)
        self.go_on(2_000)
        row = self.run.witness.row
        assert row is not None
        assert len(row.synced) == 2
        self.first = row.active
        for node in self.run.nodes:
            node.disk_full = both or node.name == row.active

    def go_on(self, ms: int) -> None:
        self.run.scheduler.run_until(self.run.scheduler.now_us + ms * MS)

    def acked(self) -> list[int]:
        return [client.acked for client in self.run.clients.by_id.values()]

    @property
    def active(self) -> str:
        assert self.run.witness.row is not None
        return self.run.witness.row.active

    def limit_ms(self) -> int:
        return self.run.policy.slow_peer_ms


def test_a_log_is_stuck_when_it_owes_longer_than_a_slow_peer_may() -> None:
    policy = Policy()
    assert not stuck_log.is_stuck(Vitals(log_ms=policy.slow_peer_ms), policy)
    assert stuck_log.is_stuck(Vitals(log_ms=policy.slow_peer_ms + 1), policy)


def test_the_pair_goes_on_with_the_other_disk_and_is_whole_again_when_there_is_room() -> None:
    pair = PairWithAFullDisk()
    pair.go_on(pair.limit_ms() + 3_000)
    assert pair.active != pair.first
    before = pair.acked()
    pair.go_on(2_000)
    assert all(after > was for after, was in zip(pair.acked(), before, strict=True))
    assert pair.run.witness.row is not None
    assert len(pair.run.witness.row.synced) == 1
    for node in pair.run.nodes:
        node.disk_full = False
    pair.go_on(3_000)
    assert len(pair.run.witness.row.synced) == 2


def test_with_both_disks_full_nobody_gives_way_to_the_other() -> None:
    pair = PairWithAFullDisk(both=True)
    version = pair.run.witness.row.version if pair.run.witness.row else 0
    pair.go_on(3 * pair.limit_ms() + 3_000)
    assert pair.active == pair.first
    for node in pair.run.nodes:
        node.disk_full = False
    before = pair.acked()
    pair.go_on(15_000)
    assert all(after > was for after, was in zip(pair.acked(), before, strict=True))
    assert pair.run.witness.row is not None
    assert pair.run.witness.row.version >= version


def test_a_node_whose_log_is_stuck_does_not_take_the_row_back() -> None:
    pair = PairWithAFullDisk()
    other = next(node for node in pair.run.nodes if node.name != pair.first)
    pair.go_on(200)
    other.kill()
    pair.go_on(pair.limit_ms() + 5_000)
    versions = [row.epoch for row in pair.run.witness.history]
    pair.go_on(5_000)
    assert [row.epoch for row in pair.run.witness.history] == versions
