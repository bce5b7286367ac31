"""The ``eiha`` command. Each subcommand is imported only when it is asked for, so that ``eiha --help`` is quick.

A subcommand is a module with ``HELP``, ``add_arguments(parser)`` and ``run(options) -> exit status``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

from eiha.errors import EihaError

SUBCOMMANDS: Final[dict[str, tuple[str, str]]] = {
    "prepare": ("eiha.cli.prepare", "compile the engine's kernels before the first start"),
    "run": ("eiha.cli.run", "start a node"),
    "check": ("eiha.cli.check", "check plans and configurations"),
    "explain": ("eiha.cli.explain", "show what the compiler makes of a plan"),
    "test": ("eiha.cli.conformance", "run cases against plans"),
    "status": ("eiha.cli.status", "show both nodes"),
    "query": ("eiha.cli.query", "ask tables, windows and aggregations, or change tables"),
    "diff": ("eiha.cli.diff", "show in what two snapshots differ, by query and key"),
    "errors": ("eiha.cli.errors", "show events that plans could not take, and publish them again"),
    "switchover": ("eiha.cli.admin", "hand over to the passive node, without loss"),
    "snapshot": ("eiha.cli.admin", "take a snapshot now"),
    "deploy": ("eiha.cli.admin", "deploy or replace a plan"),
    "remove": ("eiha.cli.admin", "remove a plan"),
    "certificates": ("eiha.cli.certificates", "make certificates for a cluster"),
    "accept-loss": ("eiha.cli.admin", "go on although acknowledged events may be lost"),
}


_COMPILING: Final = frozenset({"check", "deploy", "diff", "explain", "test"})
"""Subcommands that compile plans here and so need what packages add to the language; a node does that for itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0 ok, 1 failed, 2 usage, 69 away, 75 try again, 78 configuration."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="eiha", description="Highly available event processing on two nodes.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in given if not word.startswith("-")), None)
    for name, (module_name, help_text) in SUBCOMMANDS.items():
        subparser = commands.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
        if name == wanted:
            importlib.import_module(module_name).add_arguments(subparser)
    options = parser.parse_args(given)
    module = importlib.import_module(SUBCOMMANDS[options.command][0])
    try:
        if options.command in _COMPILING:
            from eiha.node.extension_packages import load_extension_packages

            load_extension_packages()
        return int(module.run(options))
    except EihaError as error:
        from eiha.node.exit_status import exit_status_of

        print(f"eiha {options.command}: {error}", file=sys.stderr)
        return exit_status_of(error)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
