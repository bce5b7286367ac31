"""``eiha explain PLAN [--stage STAGE]``: what the compiler makes of a plan, stage by stage."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eiha.errors import ConfigurationError, PlanError
from eiha.node.exit_status import CONFIGURATION, OK
from eiha.node.unreadable_file import why_unreadable

STAGES = ("text", "ast", "bound", "rewritten")
"""In order of compilation; ``all`` shows each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("plan", type=Path, metavar="PLAN", help="a .siddhi file")
    parser.add_argument("--stage", choices=(*STAGES, "all"), default="rewritten", help="default: rewritten")


def run(options: argparse.Namespace) -> int:
    """Print the stage; 78 if the plan is refused before it."""
    from eiha.plan.explain import explain

    try:
        text = options.plan.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{options.plan}: cannot be read: {why_unreadable(error)}") from error
    for stage in STAGES if options.stage == "all" else (options.stage,):
        if options.stage == "all":
            print(f"-- {stage}")
        try:
            print(explain(text, stage).rstrip("\n"))
        except PlanError as error:
            print(f"{options.plan}: {error}", file=sys.stderr)
            return CONFIGURATION
    return OK
