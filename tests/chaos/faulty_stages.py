"""Stages with something in between: network namespaces, a TCP proxy, a library that makes disks and clocks fail."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from benchmarks.local_pair import LOOPBACK, Ports, Seat
from tests.chaos import network_namespaces
from tests.chaos.fault_shim import FaultShim, build
from tests.chaos.network_namespaces import Network
from tests.chaos.proxy_process import ProxyProcess
from tests.chaos.system_programs import ProgramMissing

NODES: Final = ("node1", "node2")
DATABASE: Final = "database"


class Namespaces:
    """Each node in a network namespace of its own; the database beside the bridge. ``network`` once it is open."""

    name = "namespaces"

    def __init__(self) -> None:
        self.network = Network(NODES, residents=(DATABASE,))

    def unavailable(self) -> str | None:
        """Needs root, ``ip`` and ``nft``."""
        return network_namespaces.unavailable()

    def open(self, directory: Path) -> None:
        """Make bridge, cables and namespaces."""
        self.network.open()

    def seats(self, ports: dict[str, Ports], database_url: str | None) -> dict[str, Seat]:
        """Addresses of their own; the database listens beside the bridge already."""
        network = self.network
        return {
            name: Seat(host=network.address(name), prefix=network.prefix(name), database_url=database_url)
            for name in ports
        }

    def database_host(self) -> str:
        """Beside the bridge."""
        return self.network.address(DATABASE)

    def close(self) -> None:
        """Take everything away."""
        self.network.close()


class Proxied:
    """The nodes reach each other and the database through a proxy. Routes are named by the constants of this class."""

    name = "proxied"
    EVENT_SYNC = "event_sync"
    MANAGEMENT = "management"

    def __init__(self) -> None:
        self._proxy: ProxyProcess | None = None

    @staticmethod
    def database_of(node: str) -> str:
        """The route of a node to the database."""
        return f"database of {node}"

    @property
    def proxy(self) -> ProxyProcess:
        """The proxy, once the stage is open."""
        assert self._proxy is not None
        return self._proxy

    def unavailable(self) -> str | None:
        """Needs nothing."""
        return None

    def open(self, directory: Path) -> None:
        """Start the proxy."""
        self._proxy = ProxyProcess()

    def seats(self, ports: dict[str, Ports], database_url: str | None) -> dict[str, Seat]:
        """``node1`` dials ``node2``, so it is told of the proxy; each node has a way to the database of its own."""
        proxy, target = self.proxy, ports["node2"]
        management = proxy.listen(self.MANAGEMENT, (LOOPBACK, target.management), seed=1)
        event_sync = proxy.listen(self.EVENT_SYNC, (LOOPBACK, target.event_sync), seed=2)
        seats: dict[str, Seat] = {}
        for name in ports:
            url = database_url
            if database_url is not None:
                parts = make_url(database_url)
                port = proxy.listen(self.database_of(name), (parts.host or LOOPBACK, parts.port or 3306), seed=3)
                url = parts.set(host=LOOPBACK, port=port).render_as_string(hide_password=False)
            peer = (LOOPBACK, management, event_sync) if name == "node1" else None
            seats[name] = Seat(peer=peer, database_url=url)
        return seats

    def database_host(self) -> str:
        """The proxy is on this machine."""
        return LOOPBACK

    def close(self) -> None:
        """End the proxy."""
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None


class Shimmed:
    """A library before libc in each node: calls on its files may fail or wait, its clock may be wrong."""

    name = "shimmed"

    def __init__(self) -> None:
        self.shims: dict[str, FaultShim] = {}

    def unavailable(self) -> str | None:
        """Needs a C compiler."""
        try:
            build()
        except ProgramMissing as reason:
            return str(reason)
        return None

    def open(self, directory: Path) -> None:
        """Make the control files."""
        directory.mkdir(parents=True, exist_ok=True)
        self.shims = {name: FaultShim(directory / f"{name}.control") for name in NODES}

    def seats(self, ports: dict[str, Ports], database_url: str | None) -> dict[str, Seat]:
        """The library in their environment."""
        return {name: Seat(environment=self.shims[name].environment, database_url=database_url) for name in ports}

    def database_host(self) -> str:
        """This machine."""
        return LOOPBACK

    def close(self) -> None:
        """Give the control files back."""
        for shim in self.shims.values():
            shim.close()
        self.shims.clear()
