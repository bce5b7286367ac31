"""Starts simulations in processes of their own: coverage measures the tests' process, and would slow volume down."""

from __future__ import annotations

import os
import subprocess
import sys


def simulate(*arguments: str, hash_seed: str = "random", timeout_s: int = 280) -> subprocess.CompletedProcess[str]:
    """Run ``python -m eiha.simulation`` with ``arguments``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["PYTHONHASHSEED"] = hash_seed
    return subprocess.run(
        [sys.executable, "-m", "eiha.simulation", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=timeout_s,
    )
