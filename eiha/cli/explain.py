"""``eiha explain PLAN [--stage STAGE]``: what the compiler makes of a plan, stage by stage."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eiha.errors import PlanError
from eiha.node.exit_status import CONFIGURATION, OK

STAGES = ("text", "ast", "bound", "rewritten")
"""In order of compilation; ``all`` shows each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("plan", type=Path, metavar="PLAN", help="a .siddhi file")
    parser.add_argument("--stage", choices=(*STAGES, "all"), default="rewritten", help="default: rewritten")


def run(options: argparse.Namespace) -> int:
    """Print the stage; 78 if the plan is refused before it."""
    from eiha.node.plan_directory import read_plan_text
    from eiha.plan.explain import explain

    text = read_plan_text(options.plan)
    for stage in STAGES if options.stage == "all" else (options.stage,):
        if options.stage == "all":
            print(f"-- {stage}")
        try:
            print(explain(text, stage).rstrip("\n"))
        except PlanError as error:
            print(f"{options.plan}: {error}", file=sys.stderr)
            return CONFIGURATION
    return OK
