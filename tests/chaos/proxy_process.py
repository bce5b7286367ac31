"""The TCP proxy as a process, and the orders that a test gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
BOTH: Final = ("up", "down")
STOP_TIMEOUT_S: Final = 10.0


class ProxyProcess:
    """A running proxy; see ``tcp_proxy`` for what its faults do.

    Args:
        prefix: put before the command, such as that of a network namespace.
    """

    def __init__(self, prefix: tuple[str, ...] = ()) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.chaos.tcp_proxy"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    def listen(
        self, route: str, target: tuple[str, int] | str, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0
    ) -> int:
        """Open ``route`` to ``target`` (an address, or a Unix socket's path); the port that it listens on."""
        answer = self._order(
            {"do": "listen", "route": route, "target": target, "host": host, "port": port, "seed": seed}
        )
        found: int = answer["port"]
        return found

    def delay(self, route: str, delay_s: float, jitter_s: float = 0.0, directions: Sequence[str] = BOTH) -> None:
        """What passes from now on arrives later by this much."""
        self._order(
            {"do": "delay", "route": route, "delay_s": delay_s, "jitter_s": jitter_s, "directions": list(directions)}
        )

    def stall(self, route: str, directions: Sequence[str] = BOTH) -> None:
        """Nothing passes; connections stay open, new ones are accepted."""
        self._order({"do": "stall", "route": route, "directions": list(directions)})

    def damage(self, route: str, damage: str, directions: Sequence[str] = BOTH) -> None:
        """The next bytes that pass are damaged, once in each of the directions."""
        self._order({"do": "damage", "route": route, "damage": damage, "directions": list(directions)})

    def reset(self, route: str) -> int:
        """Reset every connection of the route; how many there were."""
        closed: int = self._order({"do": "close", "route": route, "reset": True})["closed"]
        return closed

    def mend(self, route: str) -> None:
        """All flows again. What was damaged stays so."""
        self._order({"do": "mend", "route": route})

    def count(self, route: str, directions: Sequence[str] = BOTH) -> dict[str, int]:
        """``accepted`` connections, ``damaged`` chunks and ``bytes`` so far."""
        return self._order({"do": "count", "route": route, "directions": list(directions)})

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> ProxyProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the proxy ended with {self._process.wait(STOP_TIMEOUT_S)} at {order}")
        answer: dict[str, Any] = json.loads(line)
        return answer
