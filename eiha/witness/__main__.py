"""``python -m eiha.witness --config witness.toml``: start an arbiter, the third vote where there is no database.

Exit status: 0 ended in order, 1 failed, 69 the port or the directory is taken, 75 try again, 78 the configuration is
wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from eiha.errors import EihaError
from eiha.node.exit_status import CONFIGURATION, FAILED, OK, exit_status_of
from eiha.observability.logs import EventLog, LogContext, configure_logs
from eiha.witness.arbiter_process import ArbiterProcess
from eiha.witness.config import ArbiterConfig, read_arbiter_config
from eiha.witness.recovery import history_lines, put_row, remove_row


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse ``arguments`` and run; the exit status."""
    options = _parser().parse_args(arguments)
    if not __debug__:
        sys.stderr.write("eiha does not run under python -O: its invariants are asserted also in production\n")
        return CONFIGURATION
    try:
        config = read_arbiter_config(options.config, os.environ)
        if options.check:
            sys.stdout.write(f"{config.source}: valid; {len(config.arbiter.clusters)} clusters\n")
            return OK
        if options.history:
            sys.stdout.write("".join(f"{line}\n" for line in history_lines(config)))
            return OK
        if options.remove is not None:
            return _remove(config, options.remove)
        if options.put is not None:
            row = put_row(config, options.put)
            sys.stdout.write(f"the row of {row.cluster} has version {row.version}; {row.active} is active\n")
            return OK
    except EihaError as error:
        sys.stderr.write(f"{error}\n")
        return exit_status_of(error)
    return run(config)


def run(config: ArbiterConfig) -> int:
    """Start the arbiter and run it to its end; the exit status."""
    lines = configure_logs(LogContext("arbiter"), level=config.log.level, form=config.log.format)
    try:
        asyncio.run(_run(config, lines))
    except EihaError as error:
        lines.error("arbiter_failed", str(error), error=type(error).__name__)
        return exit_status_of(error)
    return OK


async def _run(config: ArbiterConfig, log: EventLog) -> None:
    await ArbiterProcess(config, log).run()


def _remove(config: ArbiterConfig, cluster: str) -> int:
    if remove_row(config, cluster):
        sys.stdout.write(f"the row of {cluster} is removed: the next node that starts founds the cluster anew\n")
        return OK
    sys.stderr.write(f"there is no row of {cluster!r}\n")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eiha.witness", description="Start an arbiter for pairs of nodes.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the arbiter's TOML file")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="check the file, then end")
    instead.add_argument("--history", action="store_true", help="show every change that is kept, then end")
    instead.add_argument(
        "--remove", metavar="DOMAIN", help="remove the row of a cluster that is started anew (the arbiter is stopped)"
    )
    instead.add_argument(
        "--put", metavar="ROW", help="put a row by hand, as --history shows one (the arbiter is stopped)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
