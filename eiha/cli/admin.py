"""``eiha switchover | snapshot | deploy | remove | accept-loss``: act on the active node."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eiha.cli.node_client import NodeRefused, Target, act, add_target_arguments, read_target, send_signed
from eiha.errors import ConfigurationError
from eiha.node.plan_directory import read_plan, read_plan_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; the subcommand is the parser's last word."""
    add_target_arguments(parser)
    command = parser.prog.split()[-1]
    if command == "deploy":
        parser.add_argument("plan", type=Path, metavar="PLAN", help="a .siddhi file")
        parser.add_argument("--name", default="", help="name of the plan; default: its @app:name, else the file's")
    elif command == "remove":
        parser.add_argument("plan", metavar="NAME", help="name of the plan")
    elif command == "accept-loss":
        parser.add_argument("--yes", action="store_true", help="I know that acknowledged events may be lost")


def run(options: argparse.Namespace) -> int:
    """Act; 0 when it is done. Raises ``EihaError``."""
    target = read_target(options)
    match options.command:
        case "switchover":
            print(f"{act(target, 'POST', '/v1/admin/switchover')['active']} is active")
        case "snapshot":
            print(f"snapshot saved at sequence {act(target, 'POST', '/v1/admin/snapshot')['sequence']}")
        case "deploy":
            _deploy(options.plan, options.name, target)
        case "remove":
            answer = act(target, "DELETE", f"/v1/admin/plans/{options.plan}")
            print(f"plan {options.plan} removed at sequence {answer['removed_at']}")
        case command:
            assert command == "accept-loss", command
            _accept_loss(options, target)
    return 0


def _deploy(path: Path, name: str, target: Target) -> None:
    """Without a name the text is compiled here, to find it; with one the node alone judges, by the packages it has."""
    if name:
        text = read_plan_text(path)
    else:
        plan = read_plan(path)
        name, text = plan.name, plan.text
    try:
        answer = act(target, "PUT", f"/v1/admin/plans/{name}", text.encode())
    except NodeRefused as error:
        raise NodeRefused(f"{path}: {error}") from error
    print(f"plan {name} deployed at sequence {answer['deployed_at']}")
    for warning in answer.get("warnings", ()):
        print(f"{path}: warning: {warning}", file=sys.stderr)


def _accept_loss(options: argparse.Namespace, target: Target) -> None:
    if not options.yes:
        raise ConfigurationError(
            "this node goes on with what it has; events that only the other node holds are lost. Start the other node "
            "if it can be started. If it cannot, say --yes"
        )
    if len(options.config) + len(options.url) != 1:
        raise ConfigurationError("name exactly one node, the one that is to go on")
    answer = send_signed(target.urls[0], target.secret, "POST", "/v1/admin/accept-loss", b"", target.tls)
    print(f"{answer['accepted']} is active")
