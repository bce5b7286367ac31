"""``eiha check FILE…``: plans (``.siddhi``) and node configurations (``.toml``); says what is wrong and where."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from eiha.errors import ConfigurationError, EihaError, PlanError
from eiha.node.exit_status import CONFIGURATION, OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE", help="a plan (.siddhi) or configuration (.toml)")


def run(options: argparse.Namespace) -> int:
    """Check each file; 0 if all are valid, else 78."""
    status = OK
    for path in options.paths:
        try:
            print(f"{path}: {_check(path)}")
        except PlanError as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = CONFIGURATION
        except EihaError as error:
            print(error, file=sys.stderr)
            status = CONFIGURATION
    return status


def _check(path: Path) -> str:
    """What a valid file holds. Raises ``EihaError``."""
    if path.suffix == ".toml":
        return _check_configuration(path)
    from eiha.node.plan_directory import plan_name

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    return f"valid; plan {plan_name(text, path)}"


def _check_configuration(path: Path) -> str:
    from eiha.node.config_reader import read_config
    from eiha.node.databases import check_datasources
    from eiha.node.plan_directory import read_plans
    from eiha.node.policy_of_config import policy_of

    config = read_config(path, os.environ)
    policy_of(config)
    check_datasources(config)
    plans = read_plans(Path(config.analytics.plans)) if config.analytics.plans else ()
    return f"valid; node {config.cluster.node} of {config.cluster.domain}, {len(plans)} plans"
