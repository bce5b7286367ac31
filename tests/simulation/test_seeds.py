"""Volume: the pair keeps its promises under every fault there is; a failure prints the command that replays it."""

from __future__ import annotations

import pytest

from eiha.simulation.fault_profiles import PROFILES
from tests.simulation.runs import simulate

SWARM_SEEDS = 2_000
GROUP = 100


@pytest.mark.parametrize("first", range(0, SWARM_SEEDS, GROUP))
def test_swarm_seeds_keep_all_promises(first: int) -> None:
    done = simulate("--seeds", f"{first}..{first + GROUP}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("profile", [name for name in PROFILES if name not in ("swarm", "none")])
def test_directed_seeds_keep_all_promises(profile: str) -> None:
    done = simulate("--seeds", "10000..10030", "--faults", profile)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_real_engine_gives_the_rows_of_an_undisturbed_run() -> None:
    done = simulate("--seeds", "20000..20012", "--real-engine")
    assert done.returncode == 0, done.stdout + done.stderr
