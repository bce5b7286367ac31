"""What no protocol can mend: the pair stands still, says why, and goes on when an operator decides."""

from __future__ import annotations

import pytest

from eiha.ha.inputs import AcceptLossAsked
from eiha.simulation.options import SimulationOptions
from eiha.simulation.scheduler import MS
from eiha.simulation.simulator import Simulator

QUIET = SimulationOptions(faults="none", durability="replicated", safety_ms=3_000, healing_ms=8_000)


def _both_machines_lose_power(simulator: Simulator) -> None:
    for node in simulator.nodes:
        node.kill(silently=True)
        node.disk.sync()  # nothing is lost in fact, but no node can know
        node.disk.boot += 1
        simulator.scheduler.after(500 * MS, node.start)


@pytest.mark.parametrize("seed", range(5))
def test_when_both_machines_lost_power_nobody_takes_over_by_itself(seed: int) -> None:
    simulator = Simulator(seed, QUIET)
    simulator.scheduler.at(1_500 * MS, _both_machines_lose_power, simulator)
    verdict = simulator.run()
    assert verdict.checker == "convergence"
    assert "is not synced" in str(verdict.violation)


@pytest.mark.parametrize("seed", range(5))
def test_when_an_operator_accepts_loss_the_pair_goes_on(seed: int) -> None:
    simulator = Simulator(seed, QUIET)
    simulator.scheduler.at(1_500 * MS, _both_machines_lose_power, simulator)

    def decide() -> None:
        simulator.checkers.witness.loss_accepted = True
        best = max(simulator.nodes, key=lambda node: node.disk.log_end)
        assert best.process is not None
        best.process.ask(AcceptLossAsked())

    simulator.scheduler.at(4_000 * MS, decide)
    verdict = simulator.run()
    assert verdict.passed, verdict.violation


@pytest.mark.parametrize("seed", range(5))
def test_a_witness_that_went_back_in_time_stops_the_node_that_sees_it(seed: int) -> None:
    simulator = Simulator(seed, QUIET)

    def restore_from_backup() -> None:
        witness = simulator.witness
        assert witness.row is not None
        assert len(witness.history) > 1, "the pair is synced by now"
        active = witness.row.active
        witness.row = witness.history[0]
        next(node for node in simulator.nodes if node.name != active).kill()

    simulator.scheduler.at(1_500 * MS, restore_from_backup)
    verdict = simulator.run()
    assert verdict.checker == "halt"
    assert "the witness shows version 1 after it had shown" in str(verdict.violation)
