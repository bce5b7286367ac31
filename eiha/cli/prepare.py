"""``eiha prepare``: compile the engine's kernels now, once for an installation, so that no start has to."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(_options: argparse.Namespace) -> int:
    """Compile or load all of them; 0."""
    from eiha.node.kernel_loading import prepare_kernels, record_directory

    with TemporaryDirectory() as instead:  # an installation that this user cannot write keeps no record of it
        kernels, _ = prepare_kernels(record_directory(Path(instead)))
    print(f"{kernels} kernels are ready")
    return 0
