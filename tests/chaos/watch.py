"""Watches the nodes while things happen to them: what role each says it has, and whether one ends by itself."""

from __future__ import annotations

import http.client
import json
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.local_pair import NodeProcess
from tests.chaos.history import LogLine, RoleSample

INTERVAL_S: Final = 0.1
ANSWER_TIMEOUT_S: Final = 0.5


class RoleWatch:
    """Asks one node for its role, again and again, in a thread; keeps what changed.

    Args:
        node: the node; it may come and go.
    """

    def __init__(self, node: NodeProcess) -> None:
        self.samples: list[RoleSample] = []
        self._node = node
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {node.name}", daemon=True)
        self._connection: http.client.HTTPConnection | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        self._close()

    def _run(self) -> None:
        last = ("", "", -1)
        while not self._stop.wait(INTERVAL_S):
            at_s = time.monotonic()
            answer = self._ask()
            now = (answer.get("role", ""), answer.get("state", ""), answer.get("epoch", 0))
            if now != last:
                self.samples.append(RoleSample(at_s, self._node.name, *now))
                last = now

    def _ask(self) -> dict[str, Any]:
        seat, ports = self._node.seat, self._node.ports
        connection = self._connection
        if connection is None:
            connection = http.client.HTTPConnection(seat.host, ports.http, timeout=ANSWER_TIMEOUT_S)
            self._connection = connection
        try:
            connection.request("GET", "/role")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            self._close()
            return {}
        return found

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def log_lines(node: str, path: Path) -> list[LogLine]:
    """A node's log over all its starts; a traceback becomes a line of its own."""
    found: list[LogLine] = []
    start = 0
    for text in path.read_text(errors="replace").splitlines() if path.exists() else ():
        if text.startswith("Traceback"):
            found.append(LogLine(node, start, "ERROR", "traceback", 0, text, 0.0))
        if not text.startswith("{"):
            continue
        try:
            line = json.loads(text)
        except ValueError:
            continue  # cut off by a kill in the middle of the write
        start += line["event"] == "node_starting"
        at_wall_s = datetime.fromisoformat(line["time"]).timestamp()
        found.append(LogLine(node, start, line["level"], line["event"], line["epoch"], line["message"], at_wall_s))
    return found


def last_error(node: str, path: Path) -> str:
    """The last error in a node's log; else its last line."""
    lines = log_lines(node, path)
    errors = [line for line in lines if line.level == "ERROR" and "uvicorn" not in line.event]
    return f"{(errors or lines)[-1].event}: {(errors or lines)[-1].message}" if lines else "(nothing logged)"
