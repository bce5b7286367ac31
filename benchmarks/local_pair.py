"""A pair of real node processes on this machine, in a directory of its own: started, watched, killed, started again.

Used by the failover benchmark, the demo and the integration tests. Synchronous: the nodes are other processes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from eiha.transport.issue_certificates import Wanted, issue, make_authority

SECRET: Final = "a secret for pairs on one machine only"
LOOPBACK: Final = "127.0.0.1"
DOMAIN: Final = "local.pair"
START_TIMEOUT_S: Final = 120.0
"""The first start of an installation compiles the kernels, on a slow machine for more than a minute."""


class PairError(RuntimeError):
    """A node did not do what was waited for; the text holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one node."""

    management: int
    event_sync: int
    http: int
    ingest: int


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one node runs and how it reaches the others; as it stands: on the loopback, with nothing in between.

    Attributes:
        host: address the node listens on and is reached at, by its peer, by clients and for its status.
        prefix: put before the command, e.g. ``("ip", "netns", "exec", "node1")``; must end by becoming the node.
        environment: added to the node's environment, e.g. ``LD_PRELOAD``.
        peer: host, management port and eventSync port under which this node finds the other; None: as it listens.
        database_url: of witness and stores as seen from here; None: the pair's.
        witness_url: of the witness alone; None: as ``database_url``.
        location: the node's data directory; None: under the pair's.
    """

    host: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    peer: tuple[str, int, int] | None = None
    database_url: str | None = None
    witness_url: str | None = None
    location: Path | None = None


Seating = Callable[[dict[str, Ports]], dict[str, Seat]]
"""Each node's seat, once the ports are known; names are ``node1`` and ``node2``."""


def make_certificates(directory: Path, nodes: int = 2) -> Path:
    """An authority and a certificate for each node of a pair on this machine; returns ``directory``."""
    make_authority(directory, "authority of a local pair")
    for number in range(1, nodes + 1):
        issue(directory, Wanted(f"node{number}", DOMAIN, ("127.0.0.1", "localhost")))
    return directory


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; taken together, so that they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass(slots=True)
class NodeProcess:
    """One node: its configuration file, its log file and, while it runs, its process."""

    name: str
    directory: Path
    ports: Ports
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    seat: Seat = field(default_factory=Seat)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.directory / f"{self.name}.toml"

    @property
    def log(self) -> Path:
        """Everything the node printed, over all its starts."""
        return self.directory / f"{self.name}.log"

    @property
    def location(self) -> Path:
        """The data directory."""
        return self.seat.location or self.directory / self.name

    @property
    def ingest(self) -> str:
        """``host:port`` for clients."""
        return f"{self.seat.host}:{self.ports.ingest}"

    @property
    def url(self) -> str:
        """Of the HTTP port."""
        return f"http://{self.seat.host}:{self.ports.http}"

    def start(self) -> None:
        """Start the process; does not wait."""
        assert self.process is None or self.process.poll() is not None, self.name
        # an installed node has its modules compiled; without this one would compile them all at each of its starts
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.seat.prefix, sys.executable, "-m", "eiha.node", "--config", str(self.config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**inherited, **self.seat.environment, **self.environment, "EIHA_CLUSTER_SECRET": SECRET},
                start_new_session=True,
            )

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGKILL, SIGSTOP, SIGCONT, SIGTERM."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """``kill -9`` and wait until the process is gone."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(timeout=30)

    def stop(self, timeout_s: float = 30.0) -> int:
        """SIGTERM, wait, and the exit status; SIGKILL when it takes too long."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def get(self, path: str, timeout_s: float = 2.0) -> tuple[int, Any]:
        """Status code and JSON (or text) of a GET on the node's HTTP port; code 0 when it does not answer."""
        try:
            with urllib.request.urlopen(
                f"http://{self.seat.host}:{self.ports.http}{path}", timeout=timeout_s
            ) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())
        except OSError:
            return 0, None

    def role(self) -> tuple[str, str]:
        """Role and state as ``/role`` tells them; empty words when the node does not answer."""
        _, answer = self.get("/role")
        return (answer["role"], answer["state"]) if isinstance(answer, dict) else ("", "")

    def tail(self, lines: int = 30) -> str:
        """The end of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _found_at(viewer: NodeProcess, member: NodeProcess) -> tuple[str, int, int]:
    """Host, management port and eventSync port that ``viewer`` is told for ``member``."""
    if member is not viewer and viewer.seat.peer is not None:
        return viewer.seat.peer
    return member.seat.host, member.ports.management, member.ports.event_sync


def _sqlite(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path.resolve()}"


class LocalPair:
    """Nodes ``node1`` and ``node2`` with embedded stores (or a database) under ``directory``.

    Args:
        directory: made if missing; holds configuration, logs and data.
        plans: directory of plans to deploy.
        database_url: SQLAlchemy URL of a database for witness and stores; None: SQLite files under ``directory``.
        arbiter: ``tcp://host:port`` of an arbiter as the witness; None: the database.
        nodes: 2, or 1 for an undisturbed reference run.
        overrides: TOML lines added to sections, e.g. ``{"cluster": "failure_timeout_ms = 400"}``.
        certificates: directory with ``ca.pem`` and each node's certificate (``make_certificates`` below): all ports
            but HTTP, which the pair is watched by, are encrypted. None: none is.
        seating: where each node runs; None: all on the loopback.
    """

    def __init__(
        self,
        directory: Path,
        plans: Path,
        *,
        database_url: str | None = None,
        arbiter: str | None = None,
        nodes: int = 2,
        overrides: dict[str, str] | None = None,
        certificates: Path | None = None,
        seating: Seating | None = None,
    ) -> None:
        self.certificates = certificates
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        # SQLite has one writer a file: each store has its own
        self.event_store_url = database_url or _sqlite(directory / "events.db")
        self.processed_store_url = database_url or _sqlite(directory / "processed.db")
        ports = free_ports(4 * nodes)
        self.nodes = [
            NodeProcess(f"node{index + 1}", directory, Ports(*ports[4 * index : 4 * index + 4]))
            for index in range(nodes)
        ]
        if seating is not None:
            seats = seating({node.name: node.ports for node in self.nodes})
            for node in self.nodes:
                node.seat = seats[node.name]
        self._arbiter = arbiter
        witness = database_url or _sqlite(directory / "witness.db")
        for node in self.nodes:
            node.config.write_text(self._config(node, plans, witness, overrides or {}))

    def _config(self, node: NodeProcess, plans: Path, witness: str, overrides: dict[str, str]) -> str:
        members = ",\n".join(
            f'  {{ node = "{each.name}", host = "{host}", management_port = {management}, '
            f"event_sync_port = {event_sync}, http_port = {each.ports.http}, "
            f"ingest_port = {each.ports.ingest} }}"
            for each in self.nodes
            for host, management, event_sync in [_found_at(node, each)]
        )
        seat = node.seat
        plaintext = "" if seat.host == LOOPBACK else "allow_plaintext = true\n"
        bound = f'host = "{seat.host}"\n{plaintext}'
        events, processed = (seat.database_url or url for url in (self.event_store_url, self.processed_store_url))
        sections = {
            "cluster": f'node = "{node.name}"\ndomain = "{DOMAIN}"\nsecret = "${{env:EIHA_CLUSTER_SECRET}}"\n'
            f"members = [\n{members}\n]",
            "management": f"{bound}port = {node.ports.management}",
            "event_sync": f"{bound}port = {node.ports.event_sync}",
            "http": f"{bound}port = {node.ports.http}",
            "ingest": f"{bound}port = {node.ports.ingest}",
            "persistence": f'location = "{node.location.resolve()}"',
            "datasources.witness": f'url = "{seat.witness_url or seat.database_url or witness}"\n{plaintext}',
            "datasources.events": f'url = "{events}"\n{plaintext}',
            "datasources.processed": f'url = "{processed}"\n{plaintext}',
            "witness": f'arbiter = "{self._arbiter}"\n{plaintext}' if self._arbiter else 'datasource = "witness"',
            "analytics": f'plans = "{plans.resolve()}"\nevent_store = "events"\nprocessed_store = "processed"\n'
            'event_table_prefix = "event_"',
            "log": 'format = "json"',
        }
        if self.certificates is not None:
            own = self.certificates.resolve()
            sections["tls"] = (
                f'certificate = "{own}/{node.name}.pem"\nprivate_key = "{own}/{node.name}.key"\nca = "{own}/ca.pem"'
            )
            sections["tls_ports.http"] = 'tls = "off"'
        unknown = set(overrides) - set(sections)
        assert not unknown, unknown
        return "\n".join(f"[{name}]\n{body}\n{overrides.get(name, '')}\n" for name, body in sections.items())

    def __enter__(self) -> LocalPair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            if node.alive():
                node.signal(signal.SIGCONT)
        for node in reversed(self.nodes):
            node.stop()

    @property
    def ingest(self) -> list[str]:
        """``host:port`` of every node, for clients."""
        return [node.ingest for node in self.nodes]

    def start(self) -> None:
        """Start all nodes and wait until one is active and the other, if there is one, synced."""
        for node in self.nodes:
            node.start()
        self.wait_for(
            lambda: self.covered() or not all(node.alive() for node in self.nodes), "the start", START_TIMEOUT_S
        )
        for node in self.nodes:
            if not node.alive():
                raise PairError(f"{node.name} ended while it started\n{node.tail()}")

    def active(self) -> NodeProcess | None:
        """The node that says it is active, if one does."""
        return next((node for node in self.nodes if node.alive() and node.role()[0] == "active"), None)

    def passive(self) -> NodeProcess | None:
        """The node that runs and is not active."""
        active = self.active()
        return next((node for node in self.nodes if node.alive() and node is not active), None)

    def covered(self) -> bool:
        """Whether an active runs and a failover would lose nothing (alone: whether it is active)."""
        active = self.active()
        return active is not None and (len(self.nodes) == 1 or active.role()[1] == "synced")

    def wait_until_covered(self, timeout_s: float) -> None:
        """Wait for ``covered``."""
        self.wait_for(self.covered, "an active and a synced passive", timeout_s)

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Wait until ``condition`` holds.

        Raises:
            PairError: it did not within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {node.name} {node.role()}\n{node.tail()}" for node in self.nodes)
                raise PairError(f"waited {timeout_s:.0f} s for {what}\n{logs}")
            time.sleep(0.01)
