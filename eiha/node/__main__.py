"""``python -m eiha.node --config node1.toml``: start a node; with ``--check`` only say whether it could be.

Exit status: 0 ended in order, 1 failed, 69 a port is taken, 70 stuck, 75 try again, 78 the configuration is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from eiha.errors import EihaError
from eiha.node.config import NodeConfig
from eiha.node.config_reader import read_config
from eiha.node.exit_status import CONFIGURATION, FAILED, OK, exit_status_of
from eiha.node.extension_packages import load_extension_packages
from eiha.node.plan_directory import read_plans
from eiha.node.policy_of_config import policy_of
from eiha.observability.logs import EventLog, LogContext, configure_logs

SWITCH_INTERVAL_S = 0.0002
"""The event loop must get the interpreter back soon after the engine's thread took it: an event that comes while an
entry is applied waits for it, on both nodes. What takes the engine long are kernels, which hold no interpreter."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse ``arguments`` and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m eiha.node", description="Start one node of a pair.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the node's TOML file")
    parser.add_argument("--check", action="store_true", help="check the file and the plans it names, then end")
    options = parser.parse_args(arguments)
    if not __debug__:
        sys.stderr.write("eiha does not run under python -O: its invariants are asserted also in production\n")
        return CONFIGURATION
    try:
        config = read_config(options.config, os.environ)
        load_extension_packages()
        return check(config) if options.check else run(config)
    except EihaError as error:
        sys.stderr.write(f"{error}\n")
        return exit_status_of(error)


def check(config: NodeConfig) -> int:
    """Check what can be checked without starting: values, plans, database URLs. Raises ``EihaError``."""
    from eiha.node.databases import check_datasources

    policy_of(config)
    check_datasources(config)
    plans = read_plans(Path(config.analytics.plans)) if config.analytics.plans else ()
    for plan in plans:
        for warning in plan.warnings:
            sys.stderr.write(f"{plan.path}: warning: {warning}\n")
    node = f"node {config.cluster.node} of {config.cluster.domain}"
    sys.stdout.write(f"{config.source}: valid; {node}, {len(plans)} plans\n")
    return OK


def run(config: NodeConfig) -> int:
    """Start the node and run it to its end; the exit status. Raises ``EihaError`` when it cannot start."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.disable()  # what is imported and read at the start stays: looking through it again and again costs a fifth of it
    context = LogContext(config.cluster.node)
    lines = configure_logs(context, level=config.log.level, form=config.log.format)
    lines.info("node_starting", f"node {config.cluster.node} of {config.cluster.domain} starts", config=config.source)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(config, context))
    except EihaError as error:
        lines.error("start_failed", str(error), error=type(error).__name__)
        return exit_status_of(error)
    except BaseExceptionGroup as group:
        return _report_group(group, lines)


async def _run(config: NodeConfig, context: LogContext) -> int:
    """Prepare everything that takes long before the node is seen by others, then run it."""
    from eiha.engine.runtime import EngineRuntime
    from eiha.node.databases import check_datasources, plain_databases
    from eiha.node.kernel_loading import prepare_kernels, record_directory
    from eiha.node.node import Node
    from eiha.node.opened_disk import open_disk

    lines = EventLog()
    check_datasources(config)
    for text in plain_databases(config):
        lines.warning("plaintext_allowed", text)
    plans = read_plans(Path(config.analytics.plans)) if config.analytics.plans else ()
    for plan in plans:
        for warning in plan.warnings:
            lines.warning("plan_warning", f"{plan.path}: {warning}", plan=plan.name)
    disk = open_disk(config.persistence)
    lines.info(
        "log_opened",
        f"log and snapshots opened in {config.persistence.location}",
        entries=len(disk.entries),
        snapshot=disk.snapshot.position.sequence if disk.snapshot is not None else 0,
    )
    is_blank = disk.snapshot is None and not disk.entries
    kernels, loaded = prepare_kernels(record_directory(Path(config.persistence.location)), is_blank=is_blank)
    lines.info("engine_ready", f"engine ready: {kernels} kernels, {loaded} of them loaded, {len(plans)} plans")
    deployments = tuple(plan.deployment for plan in plans)
    node = Node(config, disk, EngineRuntime(), deployments, lines, context)
    gc.freeze()
    gc.enable()
    return await node.run()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where it is installed, else asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _report_group(group: BaseExceptionGroup[BaseException], lines: EventLog) -> int:
    """Say what ended the node, with a traceback if nobody expected it; the exit status."""
    expected, unexpected = group.split(EihaError)
    status = FAILED
    for error in _leaves(expected):
        lines.error("node_failed", str(error), error=type(error).__name__)
        status = exit_status_of(error)
    if unexpected is not None:
        lines.failure("node_failed", f"ended by an error in itself: {unexpected.exceptions[0]!r}", unexpected)
        return FAILED
    return status


def _leaves(group: BaseExceptionGroup[EihaError] | None) -> list[EihaError]:
    found: list[EihaError] = []
    for error in group.exceptions if group is not None else ():
        if isinstance(error, BaseExceptionGroup):
            found += _leaves(error)
        else:
            found.append(error)
    return found


if __name__ == "__main__":
    sys.exit(main())
