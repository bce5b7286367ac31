"""States that are made to differ: both are kept as of one position, and the pair converges."""

from __future__ import annotations

import pytest

from eiha.ha.divergence import MINE, PEER
from eiha.ha.effects import KeepDump
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.protocol.snapshot_format import SnapshotManifest
from eiha.simulation.checkers import StateDumps, Violation
from eiha.simulation.options import SimulationOptions
from eiha.simulation.simulator import Simulator


@pytest.mark.parametrize("seed", range(4))
def test_each_difference_leaves_both_states_as_of_one_position(seed: int) -> None:
    simulator = Simulator(seed, SimulationOptions(faults="divergence"))
    verdict = simulator.run()
    assert verdict.violation is None, verdict
    dumps = simulator.checkers.dumps
    assert dumps.complete > 0
    assert dumps.of_nodes == 2 * dumps.complete, "on either node its own, and beside one of them the peer's"


def at(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


def dump(side: str, cut: int) -> KeepDump:
    return KeepDump(Sequence(7), side, SnapshotManifest(at(cut), (), 0, ()))


def test_a_state_kept_elsewhere_than_was_ordered_is_found_unless_it_was_told() -> None:
    dumps = StateDumps()
    dumps.kept("node1", dump(MINE, 7), b"a")
    with pytest.raises(Violation, match="instead of 7"):
        dumps.kept("node2", dump(MINE, 6), b"b")
    dumps.not_reached("node2")
    dumps.kept("node2", dump(MINE, 6), b"b")


def test_one_state_kept_as_both_is_found() -> None:
    dumps = StateDumps()
    dumps.kept("node1", dump(MINE, 7), b"a")
    with pytest.raises(Violation, match="twice"):
        dumps.kept("node1", dump(PEER, 7), b"a")
    dumps.kept("node1", dump(PEER, 7), b"b")
    assert dumps.complete == 1
