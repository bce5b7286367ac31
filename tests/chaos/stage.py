"""Where a pair is put up: on the loopback interface as it is, or with something in between.

A stage decides how a node's process is started (a prefix of its command, its environment), on which addresses it
listens, how it reaches its peer and the database, and where its data directory is. Faults of networks and disks need
stages of their own; the others run on any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from benchmarks.local_pair import Ports, Seat


class Stage(Protocol):
    """A place for one pair, used as: ``open``, then ``seats`` once, at the end ``close``.

    Attributes:
        name: what faults name in ``stages``.
    """

    name: str

    def unavailable(self) -> str | None:
        """Why it cannot be had on this machine; None when it can."""
        ...

    def open(self, directory: Path) -> None:
        """Make what is needed, with files under ``directory``."""
        ...

    def seats(self, ports: dict[str, Ports], database_url: str | None) -> dict[str, Seat]:
        """How each node is run, by name.

        ``database_url``: where the database listens on the loopback of this machine; None: SQLite files.
        """
        ...

    def database_host(self) -> str:
        """The address that the database listens on, so that nodes on this stage reach it."""
        ...

    def close(self) -> None:
        """Take everything away, also after an error."""
        ...


class Loopback:
    """Nothing in between."""

    name = "loopback"

    def unavailable(self) -> str | None:
        """Always there."""
        return None

    def open(self, directory: Path) -> None:
        """Nothing is needed."""

    def seats(self, ports: dict[str, Ports], database_url: str | None) -> dict[str, Seat]:
        """Every node as it is."""
        return {name: Seat(database_url=database_url) for name in ports}

    def database_host(self) -> str:
        """This machine."""
        return "127.0.0.1"

    def close(self) -> None:
        """Nothing was made."""
