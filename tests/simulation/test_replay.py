"""A seed is a promise: the same seed gives the same run to the last bit, whatever the process."""

from __future__ import annotations

import re

from eiha.simulation.options import SimulationOptions
from eiha.simulation.simulator import Simulator
from tests.simulation.runs import simulate


def test_a_seed_run_twice_gives_the_same_checksum_and_figures() -> None:
    first, second = (Simulator(11).run() for _ in range(2))
    assert first == second


def test_different_seeds_give_different_runs() -> None:
    assert Simulator(11).run().checksum != Simulator(12).run().checksum


def test_the_trace_does_not_change_the_run() -> None:
    plain = Simulator(13).run()
    traced = Simulator(13, SimulationOptions(trace=True)).run()
    assert (plain.checksum, plain.figures) == (traced.checksum, traced.figures)
    assert len(traced.timeline) > 100


def test_hash_randomisation_does_not_change_the_run() -> None:
    checksums = set()
    for hash_seed in ("0", "1", "4242"):
        done = simulate("--seed", "14", hash_seed=hash_seed)
        found = re.search(r"checksum ([0-9a-f]{8})", done.stdout)
        assert found is not None, done.stdout + done.stderr
        checksums.add(found.group(1))
    assert len(checksums) == 1
