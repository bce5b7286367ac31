"""A real arbiter process on this machine, in a directory of its own: started, killed, started again at its port."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from benchmarks.process_log import logged

START_TIMEOUT_S: Final = 30.0


class LocalArbiter:
    """One arbiter.

    Args:
        directory: made if missing; holds configuration, log and data.
        clusters: secret by domain.
        port: where it listens.
        history_changes: changes kept of each row.
        host: the address it listens on.
        prefix: put before its command, such as that of a network namespace.
    """

    def __init__(
        self,
        directory: Path,
        clusters: dict[str, str],
        port: int,
        history_changes: int = 1_000,
        *,
        host: str = "127.0.0.1",
        prefix: tuple[str, ...] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.host = host
        self._prefix = prefix
        self.data = directory / "data"
        self.config = directory / "witness.toml"
        self.log = directory / "witness.log"
        self.process: subprocess.Popen[bytes] | None = None
        served = ", ".join(f"{{ domain = {json.dumps(d)}, secret = {json.dumps(s)} }}" for d, s in clusters.items())
        plaintext = "" if host == "127.0.0.1" else "allow_plaintext = true\n"
        self.config.write_text(
            f'[arbiter]\nhost = "{host}"\n{plaintext}port = {port}\ndirectory = "{self.data.resolve()}"\n'
            f"clusters = [{served}]\n"
            f'history_changes = {history_changes}\n[log]\nformat = "json"\n'
        )

    @property
    def address(self) -> str:
        """What nodes are told."""
        return f"tcp://{self.host}:{self.port}"

    def command(self, *options: str) -> list[str]:
        """The command line."""
        return [*self._prefix, sys.executable, "-m", "eiha.witness", "--config", str(self.config), *options]

    def start(self) -> None:
        """Start the process and wait until it listens."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._listens():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the arbiter does not listen"
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """``kill -9`` and wait until the process is gone."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """SIGTERM, wait, and the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(timeout=30)
        return self.process.returncode

    def lines(self) -> list[dict[str, Any]]:
        """What it logged, over all its starts."""
        return logged(self.log)

    def __enter__(self) -> LocalArbiter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
