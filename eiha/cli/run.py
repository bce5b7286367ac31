"""``eiha run``: the same as ``python -m eiha.node``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the node's TOML file")
    parser.add_argument("--check", action="store_true", help="check the file and the plans it names, then end")


def run(options: argparse.Namespace) -> int:
    """Start the node; its exit status."""
    from eiha.node.__main__ import main

    return main(["--config", str(options.config), *(["--check"] if options.check else [])])
