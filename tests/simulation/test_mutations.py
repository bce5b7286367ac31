"""Planted bugs: what the simulator would say if the protocol were wrong. Each must be found, and soon."""

from __future__ import annotations

import re

import pytest

from eiha.simulation.mutations import MUTATIONS
from tests.simulation.runs import simulate


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_planted_bug_is_found(name: str) -> None:
    mutation = MUTATIONS[name]
    done = simulate("--seeds", f"0..{mutation.seeds_max}", "--mutation", name)
    assert done.returncode == 0, f"{mutation.story}\n{done.stdout}{done.stderr}"


def test_a_failure_prints_the_command_that_replays_it() -> None:
    done = simulate("--seeds", "0..50", "--mutation", "no_dedupe")
    command = re.search(r"replay: python -m eiha.simulation (--seed .*)", done.stdout)
    assert command is not None, done.stdout
    again = simulate(*command.group(1).split())
    assert again.returncode == 1
    assert "VIOLATION" in again.stdout
    first = re.search(r"failed (at [0-9.]+ ms: .*)", done.stdout)
    assert first is not None
    assert first.group(1) in again.stdout
