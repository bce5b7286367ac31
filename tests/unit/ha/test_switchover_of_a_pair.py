"""A planned change of the active while an engine is behind: clients wait for what is left, not for all of it."""

from __future__ import annotations

from eiha.ha.inputs import SwitchoverAsked
from eiha.ha.switchover import Step
from eiha.simulation.options import SimulationOptions
from eiha.simulation.scheduler import MS
from eiha.simulation.simulator import Simulator


class LoadedPair:
    """Two real members in the simulator, synced, with clients; then every entry takes the active's engine long."""

    def __init__(self) -> None:
        self.run = Simulator(5, SimulationOptions(faults="none", clients=2, publications=2_000, safety_ms=20_000))
        for node in self.run.nodes:
            self.run.scheduler.at(0, node.start)
        for client in self.run.clients.by_id.values():
            self.run.scheduler.at(0, client.start)
        self.go_on(2_000)
        row = self.run.witness.row
        assert row is not None
        assert len(row.synced) == 2
        self.first = next(node for node in self.run.nodes if node.name == row.active)

    def go_on(self, ms: int) -> None:
        self.run.scheduler.run_until(self.run.scheduler.now_us + ms * MS)

    @property
    def step(self) -> Step:
        assert self.first.process is not None
        active = self.first.process._member.active
        return Step.NONE if active is None else active.switchover.step

    def acked(self) -> int:
        return sum(client.acked for client in self.run.clients.by_id.values())

    def fall_behind(self, apply_ms: int) -> None:
        """The active's engine takes so long for an entry that it has many to apply."""
        self.first.apply_us = (apply_ms * MS, apply_ms * MS)
        log = self.first.process._member.replica
        for _ in range(200):
            self.go_on(20)
            if log.log.end.sequence - log.applied_through > 2 * self.run.policy.switchover_behind_entries:
                return
        raise AssertionError((log.log.end, log.applied_through))

    def active(self) -> str:
        assert self.run.witness.row is not None
        return self.run.witness.row.active


def test_clients_are_served_until_the_engines_have_caught_up() -> None:
    pair = LoadedPair()
    pair.fall_behind(apply_ms=200)
    pair.first.apply_us = (2 * MS, 2 * MS)
    before = pair.acked()
    pair.first.process.ask(SwitchoverAsked())
    pair.go_on(60)
    assert pair.step is Step.APPROACHING
    assert pair.acked() > before
    pair.go_on(pair.run.policy.switchover_approach_ms + 1_000)
    assert pair.active() != pair.first.name


def test_an_engine_that_does_not_catch_up_is_waited_for_only_a_while() -> None:
    pair = LoadedPair()
    pair.fall_behind(apply_ms=200)
    pair.first.process.ask(SwitchoverAsked())
    pair.go_on(pair.run.policy.switchover_approach_ms - 100)
    assert pair.step is Step.APPROACHING
    pair.go_on(200)
    assert pair.step is Step.DRAINING


def test_a_pair_with_nothing_to_catch_up_with_changes_at_once() -> None:
    pair = LoadedPair()
    pair.first.process.ask(SwitchoverAsked())
    pair.go_on(100)
    assert pair.active() != pair.first.name
