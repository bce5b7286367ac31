"""The predecessors' algorithm in the simulator: right while nothing fails; then it loses, and doubles."""

from __future__ import annotations

from collections import Counter

import pytest

from eiha.simulation.options import SimulationOptions
from eiha.simulation.predecessor.run import PredecessorSimulator, losses_of_the_pair
from eiha.simulation.predecessor.tally import Losses, Stage, counted

SEEDS = range(6)


def _losses(profile: str, seeds: range = SEEDS) -> Losses:
    return sum(
        (PredecessorSimulator(seed, SimulationOptions(faults=profile)).losses() for seed in seeds), start=Losses()
    )


def test_nothing_is_lost_while_nothing_fails() -> None:
    losses = _losses("none")
    assert losses.acknowledged > 300
    assert losses.events_lost == losses.outputs_lost == losses.two_actives_ms == 0


def test_killed_nodes_lose_events_and_outputs() -> None:
    losses = _losses("crashes")
    assert losses.events_lost > 0
    assert losses.outputs_lost > 0
    assert losses.runs_with_wrong_state > 0


def test_partitions_make_two_actives_that_both_publish() -> None:
    losses = _losses("network")
    assert losses.two_actives_ms > 0
    assert losses.outputs_doubled > 0


@pytest.mark.parametrize("profile", ["crashes", "network"])
def test_the_pair_loses_and_doubles_nothing_under_the_same_seeds(profile: str) -> None:
    losses = sum((losses_of_the_pair(seed, SimulationOptions(faults=profile)) for seed in SEEDS), start=Losses())
    assert losses == Losses(runs=len(SEEDS), acknowledged=losses.acknowledged)
    assert losses.acknowledged > 300


def test_equal_seeds_give_equal_runs() -> None:
    assert _losses("swarm", range(3, 5)) == _losses("swarm", range(3, 5))


def test_what_was_acknowledged_counts_once_in_each_store() -> None:
    acknowledged = {("a", 1), ("a", 2), ("b", 1)}
    events = Counter({("a", 1): 1, ("a", 2): 2, ("c", 9): 1})
    outputs = Counter({("a", 1): 1, ("a", 2): 1, ("b", 1): 3})
    losses = counted(acknowledged, events, outputs, two_actives_ms=7, has_wrong_state=True)
    assert losses == Losses(1, 3, 1, 1, 0, 1, 7, 1)


def test_the_time_with_two_actives_is_that_in_which_both_are() -> None:
    stage = Stage()
    stage.becomes_active("one", 10)
    stage.becomes_active("two", 30)
    stage.becomes_active("two", 35)
    stage.ends_active("one", 100)
    stage.ends_active("one", 200)
    stage.ends_active("two", 300)
    assert stage.two_actives_us == 70
