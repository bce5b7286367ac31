"""Faults of the database that holds witness and stores: stopped, killed, frozen, and a failover while it is away."""

from __future__ import annotations

import random
import signal
import time
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from benchmarks.local_pair import NodeProcess
from tests.chaos.database import OwnMariaDb
from tests.chaos.fault import Injected, Kind
from tests.chaos.scene import Scene, log_uniform

OUTAGE_S: Final = (0.2, 8.0)
ACK_WITHIN_S: Final = 5.0
"""A whole pair needs no database to acknowledge: publications go on while it is away."""


class _Outage(ABC):
    """Draws how long, takes the database away, says so."""

    kind: ClassVar[Kind] = Kind.OUTAGE
    stages: ClassVar[frozenset[str]] = frozenset()
    name = ""
    told: ClassVar[str]
    """What was done, with ``{:.2f}`` for how long it lasts."""

    def unavailable(self) -> str | None:
        """A scene on SQLite has no database to take away."""
        return None

    def needs_mariadb(self) -> bool:
        """The campaign leaves these out where there is none, and says so."""
        return True

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Take it away."""
        hold_s = log_uniform(rng, *OUTAGE_S)
        moment_s = time.monotonic()
        self.take_away(_database(scene))
        return Injected("database", self.told.format(hold_s), hold_s, moment_s, ACK_WITHIN_S)

    def heal(self, scene: Scene) -> None:
        """Start it at the same port."""
        _database(scene).start()

    @abstractmethod
    def take_away(self, database: OwnMariaDb) -> None:
        """What this fault does to it."""


class StopDatabase(_Outage):
    """An orderly stop and a start."""

    name = "stop-database"
    told = "database stopped for {:.2f} s"

    def take_away(self, database: OwnMariaDb) -> None:
        """SIGTERM."""
        database.stop()


class KillDatabase(_Outage):
    """``kill -9`` in the middle of transactions; the next start recovers them."""

    name = "kill-database"
    told = "database killed, back after {:.2f} s"

    def take_away(self, database: OwnMariaDb) -> None:
        """SIGKILL."""
        database.kill()


class FreezeDatabase(_Outage):
    """SIGSTOP: connections stay open and nothing answers."""

    name = "freeze-database"
    told = "database frozen for {:.2f} s"

    def take_away(self, database: OwnMariaDb) -> None:
        """SIGSTOP."""
        database.signal(signal.SIGSTOP)

    def heal(self, scene: Scene) -> None:
        """SIGCONT."""
        _database(scene).signal(signal.SIGCONT)


class FreezeDatabaseKillActive(FreezeDatabase):
    """The active dies while the database is frozen: the failover must wait for it, and then happen."""

    name = "freeze-database-kill-active"

    def __init__(self) -> None:
        self._killed: NodeProcess | None = None

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """SIGSTOP of the database, then ``kill -9`` of the active."""
        frozen = super().inject(scene, rng)
        self._killed = scene.active()
        scene.kill(self._killed)
        what = f"{frozen.what}, active killed meanwhile"
        return Injected("database", what, frozen.hold_s, frozen.moment_s)

    def heal(self, scene: Scene) -> None:
        """SIGCONT, and start the node."""
        super().heal(scene)
        assert self._killed is not None
        scene.start(self._killed)


class KillDatabaseAndActive(KillDatabase):
    """Both die at once, as on one host."""

    name = "kill-database-and-active"

    def __init__(self) -> None:
        self._killed: NodeProcess | None = None

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """SIGKILL of both."""
        self._killed = scene.active()
        scene.kill(self._killed)
        killed = super().inject(scene, rng)
        return Injected("database", f"{killed.what}, active killed with it", killed.hold_s, killed.moment_s)

    def heal(self, scene: Scene) -> None:
        """Start both."""
        super().heal(scene)
        assert self._killed is not None
        scene.start(self._killed)


def _database(scene: Scene) -> OwnMariaDb:
    assert scene.database is not None
    return scene.database
