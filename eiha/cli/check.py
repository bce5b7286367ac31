"""``eiha check FILE…``: plans (``.siddhi``) and node configurations (``.toml``); says what is wrong and where,
and what has no effect."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eiha.errors import EihaError
from eiha.node.exit_status import CONFIGURATION, OK

if TYPE_CHECKING:
    from eiha.node.plan_directory import ReadPlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE", help="a plan (.siddhi) or configuration (.toml)")


def run(options: argparse.Namespace) -> int:
    """Check each file; 0 if all are valid, else 78."""
    status = OK
    for path in options.paths:
        try:
            said, warnings = _check(path)
        except EihaError as error:
            print(error, file=sys.stderr)
            status = CONFIGURATION
            continue
        print(f"{path}: {said}")
        for warning in warnings:
            print(warning, file=sys.stderr)
    return status


def _check(path: Path) -> tuple[str, list[str]]:
    """What a valid file holds, and what of it has no effect, with the plan's file. Raises ``EihaError``."""
    if path.suffix == ".toml":
        return _check_configuration(path)
    from eiha.node.plan_directory import read_plan

    plan = read_plan(path)
    return f"valid; plan {plan.name}", _warnings(plan)


def _warnings(*plans: ReadPlan) -> list[str]:
    return [f"{plan.path}: warning: {warning}" for plan in plans for warning in plan.warnings]


def _check_configuration(path: Path) -> tuple[str, list[str]]:
    from eiha.node.config_reader import read_config
    from eiha.node.databases import check_datasources
    from eiha.node.plan_directory import read_plans
    from eiha.node.policy_of_config import policy_of

    config = read_config(path, os.environ)
    policy_of(config)
    check_datasources(config)
    plans = read_plans(Path(config.analytics.plans)) if config.analytics.plans else ()
    return f"valid; node {config.cluster.node} of {config.cluster.domain}, {len(plans)} plans", _warnings(*plans)
