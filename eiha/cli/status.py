"""``eiha status``: both nodes in one table; ``--watch`` keeps it up to date, ``--json`` is for scripts."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Final

from eiha.cli.node_client import NodeUnreachable, Target, add_target_arguments, read_json, read_target
from eiha.node.exit_status import OK, UNAVAILABLE

WATCH_INTERVAL_S: Final = 1.0
TRANSITIONS_SHOWN: Final = 5
SILENCE_TOLD_MS: Final = 500
PLAIN_WIDTH: Final = 160
"""Characters of a line where there is no terminal to ask."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_target_arguments(parser)
    parser.add_argument("--watch", action="store_true", help="show it again each second, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="the status documents, for scripts")


def run(options: argparse.Namespace) -> int:
    """Show the nodes; 0 if at least one answered, else 69."""
    target = read_target(options)
    if options.json:
        found = read_status(target)
        print(json.dumps({"nodes": found}, indent=2))
        return OK if any("role" in status for status in found) else UNAVAILABLE
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    if not options.watch:
        found = read_status(target)
        console.print(render(found))
        return OK if any("role" in status for status in found) else UNAVAILABLE
    from rich.live import Live

    with Live(render(read_status(target)), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_INTERVAL_S)
            live.update(render(read_status(target)), refresh=True)


def read_status(target: Target) -> list[dict[str, Any]]:
    """The status document of each node; ``{"url", "error"}`` for one that does not answer.

    Nodes name one another, so that asking one shows both.
    """
    pending = list(target.urls)
    asked: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    while pending:
        url = pending.pop(0)
        if url in asked:
            continue
        asked.append(url)
        try:
            status = read_json(f"{url}/status", tls=target.tls)
        except NodeUnreachable as error:
            found[url] = {"url": url, "error": str(error)}
            continue
        found[str(status["node"])] = {"url": url, **status}
        pending += [member["url"] for member in status["members"]]
    return sorted(found.values(), key=lambda status: str(status.get("node", status["url"])))


def render(statuses: list[dict[str, Any]]) -> Any:
    """A rich renderable of all nodes."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    answering = [status for status in statuses if "role" in status]
    parts: list[Any] = [Text(_headline(answering))]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("NODE", "ROLE", "STATE", "EPOCH"):
        table.add_column(name, no_wrap=True)
    for name in ("LOG END", "COMMITTED", "APPLIED", "LAG", "IN/s", "OUT/s", "WAITING"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("DIGEST", "UPTIME", "SINCE"):
        table.add_column(name, no_wrap=True)
    for status in statuses:
        table.add_row(*_row(status))
    parts.append(table)
    parts.append(_plans(answering))
    parts.append(_sinks(answering))
    parts.append(_transfers(answering))
    parts.append(_troubles(answering))
    parts.append(_transitions(answering))
    return Group(*[part for part in parts if part is not None])


def _headline(answering: list[dict[str, Any]]) -> str:
    active = next((status for status in answering if status["role"] == "active"), None)
    if active is None:
        return "NO ACTIVE NODE" + (f" in {answering[0]['cluster']}" if answering else "")
    witness = "reachable" if active["witness_reachable"] else f"AWAY ({active['witness_cause']})"
    return (
        f"CLUSTER {active['cluster']}  epoch {active['epoch']}  {active['state']}  witness {witness}  "
        f"cover: {active['failover_cover']}"
    )


def _row(status: dict[str, Any]) -> tuple[str, ...]:
    if "role" not in status:
        return (status["url"], "○ away", status["error"].split(": ", 1)[-1], *[""] * 11)
    mark = "●" if status["role"] == "active" else "○"
    waiting = status["pending_publications"] + status["outbox_rows"]
    digest = f"{status['digest'][:8]}@{status['digest_sequence']}" if status["digest"] else "none yet"
    return (
        status["node"],
        f"{mark} {status['role']}",
        status["state"],
        str(status["epoch"]),
        f"{status['log_end']:,}",
        f"{status['committed_through']:,}",
        f"{status['applied_through']:,}",
        f"{status['peer_lag_entries']:,}",
        f"{status['events_in_per_s']:,.0f}",
        f"{status['rows_out_per_s']:,.0f}",
        f"{waiting:,}",
        digest,
        _span(status["uptime_s"]),
        _span(max(0, int(time.time() - status["role_since_ms"] / 1_000))),
    )


def _plans(answering: list[dict[str, Any]]) -> Any:
    from rich.text import Text

    active = next((status for status in answering if status["role"] == "active"), None)
    if active is None or "plans" not in active:
        return None  # nobody to say, or a node of a release that does not
    return Text("PLANS " + (", ".join(active["plans"]) or "none; eiha deploy PLAN.siddhi deploys one"))


def _sinks(answering: list[dict[str, Any]]) -> Any:
    from rich.text import Text

    active = next((status for status in answering if status["role"] == "active"), None)
    if active is None or not active["sinks"]:
        return None
    away = {store["sink"]: store["away"] for store in active["stores"]}
    words = []
    for sink in active["sinks"]:
        text = f"{sink['sink']} published through {sink['published_through']:,}, {sink['waiting_rows']:,} rows wait"
        words.append(text + (f" (AWAY: {away[sink['sink']]})" if away.get(sink["sink"]) else ""))
    return Text("SINKS " + "; ".join(words))


def _transfers(answering: list[dict[str, Any]]) -> Any:
    """Snapshots on their way from one node to the other, as each sees it."""
    from rich.text import Text

    lines = [
        f"{status['node']}: {status['transfer_told']}" for status in answering if status.get("transfer") is not None
    ]
    return Text("SNAPSHOT\n  " + "\n  ".join(lines)) if lines else None


def _troubles(answering: list[dict[str, Any]]) -> Any:
    """What is slow or stuck: what each node says of itself, and of its peer where that one does not answer."""
    from rich.text import Text

    here = {status["node"] for status in answering}
    lines = []
    for status in answering:
        words = list(status["symptoms"])
        if not status["intake_open"] and status["role"] in ("active", "passive"):
            words.append(f"takes no events: {status['intake_reason']}")
        if status["peer_silence_ms"] >= SILENCE_TOLD_MS:
            words.append(f"the passive has acknowledged nothing for {status['peer_silence_ms']} ms")
        if status["snapshot_failure"]:
            words.append(f"no snapshot: {status['snapshot_failure']}")
        if status["peer_held_off_ms"]:
            count, held_ms = status["peer_put_out_count"], status["peer_held_off_ms"]
            words.append(f"the peer was put out {count} times and is not let in for {held_ms} ms")
        lines += [f"{status['node']}: {word}" for word in words]
        if status["peer"] is not None and status["peer"] not in here:
            lines += [f"{status['peer']}, as {status['node']} heard: {word}" for word in status["peer_symptoms"]]
    return Text("SLOW OR STUCK\n  " + "\n  ".join(lines)) if lines else None


def _transitions(answering: list[dict[str, Any]]) -> Any:
    from rich.text import Text

    moves = [(move["at_wall_ms"], status["node"], move) for status in answering for move in status["transitions"]]
    if not moves:
        return None
    lines = []
    for at_ms, node, move in sorted(moves, key=lambda item: item[:2])[-TRANSITIONS_SHOWN:]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ms / 1_000))
        detail = f" ({move['detail']})" if move["detail"] else ""
        lines.append(f"{at}  {node}: {move['before']} → {move['after']}, {move['trigger']}{detail}")
    return Text("LAST CHANGES\n  " + "\n  ".join(lines))


def _span(seconds: int) -> str:
    """A length of time in its two largest units."""
    for size, unit, part, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // part} {small}"
    return f"{seconds} s"
