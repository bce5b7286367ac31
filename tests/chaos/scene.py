"""A scene: a real pair on a stage, its database, its clients and what watches them. What faults act on.

Everything a fault does to a node goes through the scene (``kill``, ``stop``, ``start``), so that a node which ends by
itself can be told from one that was ended.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from benchmarks.local_pair import SECRET, START_TIMEOUT_S, LocalPair, NodeProcess
from eiha.cli.node_client import Target, act
from tests.chaos.clients import KINDS, Load
from tests.chaos.database import OwnMariaDb
from tests.chaos.history import RoleSample, UnexpectedEnd
from tests.chaos.stage import Stage
from tests.chaos.watch import RoleWatch, last_error
from tests.chaos.workload import PLAN, PLAN_NAME

POLL_S: Final = 0.02
SETTLED_S: Final = 0.8
"""More than the nodes' ``failure_timeout_ms``: after a cut, who says that all is well may not know yet."""
WHOLE_TIMEOUT_S: Final = 240.0
"""For two nodes that start, join and catch up on a machine that has other work."""


class SceneError(RuntimeError):
    """What was waited for did not come; the text holds the nodes' last words."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """How a scene is put up.

    Attributes:
        mariadb: witness and stores in a MariaDB of its own; else SQLite files.
        durability: of the nodes' logs.
        kinds: clients, one a kind.
        rows: rows of a publication.
        interval_s: time between two publications of a client.
        failure_timeout_ms: silence after which a node suspects the other.
    """

    mariadb: bool = True
    durability: str = "replicated"
    kinds: tuple[str, ...] = KINDS
    rows: int = 10
    interval_s: float = 0.025
    failure_timeout_ms: int = 500

    def overrides(self) -> dict[str, str]:
        """TOML for the nodes: short intervals, so that a short run has snapshots, trims and digests."""
        fsync = "every" if self.durability == "disk" else "interval"
        return {
            "cluster": f"failure_timeout_ms = {self.failure_timeout_ms}\nheartbeat_interval_ms = 100",
            "persistence": f'interval_s = 5\nsegment_bytes = 1_048_576\ndurability = "{self.durability}"\n'
            f'fsync = "{fsync}"',
            "analytics": "digest_interval_entries = 64",
        }


class Scene:
    """A running pair and everything around it; a context manager.

    Args:
        directory: for configuration, data, logs; must be empty or missing.
        stage: where the pair is put up; opened and closed here.
        options: see there.
    """

    def __init__(self, directory: Path, stage: Stage, options: SceneOptions) -> None:
        self.directory = directory
        self.stage = stage
        self.options = options
        self.database: OwnMariaDb | None = None
        self.notes: list[tuple[float, str]] = []
        """When something worth telling happened, and what."""
        self.ends: list[UnexpectedEnd] = []
        self.starts = 0
        self.plan_version = 0
        """Of the plan ``tagged``, as last deployed."""
        self.may_stop: frozenset[str] = frozenset()
        """Nodes that the present fault may make end by themselves."""
        self._down: set[str] = set()
        self._stopped: set[str] = set()
        directory.mkdir(parents=True, exist_ok=True)
        plans = directory / "plans"
        plans.mkdir()
        (plans / f"{PLAN_NAME}.siddhi").write_text(PLAN)
        stage.open(directory / "stage")
        try:
            if options.mariadb:
                self.database = OwnMariaDb(directory / "mariadb", stage.database_host())
                self.database.start()
            self.database_url = None if self.database is None else self.database.url
            self.pair = LocalPair(
                directory / "pair",
                plans,
                database_url=self.database_url,
                overrides=options.overrides(),
                seating=lambda ports: stage.seats(ports, self.database_url),
            )
        except BaseException:
            self._take_down()
            raise
        self.load = Load(
            self.pair.ingest,
            [node.url for node in self.pair.nodes],
            kinds=options.kinds,
            rows=options.rows,
            interval_s=options.interval_s,
        )
        self._watches = [RoleWatch(node) for node in self.pair.nodes]

    def __enter__(self) -> Scene:
        try:
            for node in self.pair.nodes:
                self.start(node)
            self.wait_for(self._has_come_up, "an active and a synced passive", START_TIMEOUT_S)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        for watch in self._watches:
            watch.start()
        self.load.start()
        return self

    def _has_come_up(self) -> bool:
        if self.notice_ends():
            raise SceneError(f"a node does not start\n{self._last_words()}")
        return self.is_whole()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watch in self._watches:
            if watch.is_running:
                watch.stop()
        for node in self.pair.nodes:
            if node.alive():
                node.signal(signal.SIGCONT)
        for node in reversed(self.pair.nodes):
            node.stop()
        self._take_down()

    def _take_down(self) -> None:
        try:
            if self.database is not None:
                self.database.stop()
        finally:
            self.stage.close()

    @property
    def samples(self) -> list[RoleSample]:
        """What the nodes said of themselves, in the order of time."""
        return sorted((sample for watch in self._watches for sample in watch.samples), key=lambda each: each.at_s)

    # nodes

    @property
    def nodes(self) -> list[NodeProcess]:
        """Both."""
        return self.pair.nodes

    def active(self) -> NodeProcess:
        """The active; waits until there is one."""
        found: list[NodeProcess] = []

        def is_there() -> bool:
            found[:] = [node for node in self.nodes if self.runs(node) and node.role()[0] == "active"]
            return bool(found)

        self.wait_for(is_there, "an active", WHOLE_TIMEOUT_S)
        return found[0]

    def other(self, node: NodeProcess) -> NodeProcess:
        """The node that is not ``node``."""
        return self.nodes[1 - self.nodes.index(node)]

    def passive(self) -> NodeProcess:
        """The other than the active."""
        return self.other(self.active())

    def runs(self, node: NodeProcess) -> bool:
        """Whether the process is there and not frozen."""
        return node.alive() and node.name not in self._stopped

    def start(self, node: NodeProcess) -> None:
        """Start a node that is down; does not wait."""
        self._down.discard(node.name)
        self._stopped.discard(node.name)
        self.starts += 1
        node.start()

    def kill(self, node: NodeProcess) -> None:
        """``kill -9``, and wait until it is gone."""
        self._down.add(node.name)
        self._stopped.discard(node.name)
        node.kill()

    def terminate(self, node: NodeProcess) -> int:
        """SIGTERM, wait, the exit status."""
        self._down.add(node.name)
        return node.stop()

    def freeze(self, node: NodeProcess) -> None:
        """SIGSTOP."""
        self._stopped.add(node.name)
        node.signal(signal.SIGSTOP)

    def thaw(self, node: NodeProcess) -> None:
        """SIGCONT."""
        self._stopped.discard(node.name)
        node.signal(signal.SIGCONT)

    def notice_ends(self) -> list[NodeProcess]:
        """Nodes that ended by themselves since the last call; unless they might, that is a finding."""
        found = [node for node in self.nodes if not node.alive() and node.name not in self._down]
        for node in found:
            self._down.add(node.name)
            self.note(f"{node.name} ended by itself")
            if node.name not in self.may_stop:
                assert node.process is not None
                status = node.process.returncode
                self.ends.append(UnexpectedEnd(node.name, time.monotonic(), status, last_error(node.name, node.log)))
        return found

    # acting and waiting

    def note(self, text: str) -> None:
        """Put something on the timeline."""
        self.notes.append((time.monotonic(), text))

    def act(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        """An operator's action at whichever node is active. Raises ``EihaError``."""
        return act(Target(tuple(node.url for node in self.nodes), SECRET), method, path, body)

    def is_whole(self) -> bool:
        """Whether one node is active, the other follows in the same epoch, and both say that a failover is covered."""
        told = [node.get("/role", timeout_s=1.0)[1] if self.runs(node) else None for node in self.nodes]
        roles = sorted((each["role"], each["state"], each["epoch"]) for each in told if isinstance(each, dict))
        return (
            len(roles) == 2
            and [(role, state) for role, state, _ in roles] == [("active", "synced"), ("passive", "synced")]
            and roles[0][2] == roles[1][2]
        )

    def wait_until_whole(self, timeout_s: float = WHOLE_TIMEOUT_S) -> float:
        """Wait until ``is_whole`` and stays so, starting again whoever ended by itself; since when it is.

        Raises:
            SceneError: it is not within the time.
        """
        since_s: float | None = None

        def check() -> bool:
            nonlocal since_s
            for node in self.notice_ends():
                self.start(node)
            if not self.is_whole():
                since_s = None
                return False
            since_s = time.monotonic() if since_s is None else since_s
            return time.monotonic() - since_s >= SETTLED_S

        self.wait_for(check, "an active and a synced passive", timeout_s)
        assert since_s is not None
        return since_s

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Wait until ``condition`` holds. Raises ``SceneError``."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise SceneError(f"waited {timeout_s:.0f} s for {what}\n{self._last_words()}")
            time.sleep(POLL_S)

    def wait_for_ack(self, moment_s: float, timeout_s: float) -> float | None:
        """When the first publication sent after ``moment_s`` was acknowledged; None if none was within the time."""
        deadline = time.monotonic() + timeout_s
        while (found := self.load.first_ack_after(moment_s)) is None and time.monotonic() < deadline:
            time.sleep(0.002)
        return found

    def _last_words(self) -> str:
        return "\n".join(f"--- {node.name} {node.role()} alive {node.alive()}\n{node.tail()}" for node in self.nodes)


def choose(rng: random.Random, nodes: Sequence[NodeProcess]) -> NodeProcess:
    """One of them."""
    return nodes[rng.randrange(len(nodes))]


def log_uniform(rng: random.Random, low: float, high: float) -> float:
    """A number between, each order of magnitude as likely as the next."""
    return float(low * (high / low) ** rng.random())
