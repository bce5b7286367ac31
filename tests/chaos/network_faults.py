"""Faults of the network between nodes, database and clients: packets that do not arrive, and proxies that misbehave.

Each tells the moment when it was in force: putting a filter into force takes some 50 ms itself.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final

from benchmarks.local_pair import NodeProcess
from tests.chaos.fault import Injected, Kind
from tests.chaos.faulty_stages import DATABASE, Namespaces, Proxied
from tests.chaos.network_namespaces import Network
from tests.chaos.proxy_process import ProxyProcess
from tests.chaos.scene import Scene, log_uniform

PARTITION_S: Final = (0.2, 12.0)
ACK_WITHIN_S: Final = 10.0
"""Far above what is aimed at, as for kills: slowness is measured here, not judged."""
CORRUPTING: Final = ("flip", "duplicate", "drop")
ENDING: Final = ("truncate", "reset", "half_close")


def _network(scene: Scene) -> Network:
    assert isinstance(scene.stage, Namespaces)
    return scene.stage.network


def _proxy(scene: Scene) -> ProxyProcess:
    assert isinstance(scene.stage, Proxied)
    return scene.stage.proxy


class _Partition:
    kind: ClassVar[Kind] = Kind.PARTITION
    stages: ClassVar[frozenset[str]] = frozenset({Namespaces.name})

    def unavailable(self) -> str | None:
        """As the stage."""
        return Namespaces().unavailable()

    def needs_mariadb(self) -> bool:
        """Nodes on hosts of their own do not share SQLite files."""
        return True

    def heal(self, scene: Scene) -> None:
        """Every packet arrives again."""
        _network(scene).heal()


class CutPeer(_Partition):
    """The nodes do not hear each other; both reach the database and the clients."""

    name = "cut-peer"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Cut both ways."""
        hold_s = log_uniform(rng, *PARTITION_S)
        _network(scene).cut("node1", "node2")
        return Injected("both", f"nodes cut apart for {hold_s:.2f} s", hold_s, time.monotonic(), ACK_WITHIN_S)


class CutPeerOneWay(_Partition):
    """One node does not hear the other, which hears it."""

    name = "cut-peer-one-way"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Cut one way."""
        active = scene.active()
        deaf = active if rng.random() < 0.5 else scene.other(active)
        role = "active" if deaf is active else "passive"
        hold_s = log_uniform(rng, *PARTITION_S)
        _network(scene).cut_one_way(scene.other(deaf).name, deaf.name)
        what = f"the {role} does not hear the other for {hold_s:.2f} s"
        return Injected(deaf.name, what, hold_s, time.monotonic(), ACK_WITHIN_S)


class _CutOffActive(_Partition, ABC):
    """Something of the active's network goes, long enough for the other to take over; the campaign sees its status."""

    told: ClassVar[str]

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Cut it off."""
        active = scene.active()
        hold_s = max(2.0, log_uniform(rng, *PARTITION_S))
        self.cut(_network(scene), active)
        what = f"the active {self.told} for {hold_s:.2f} s"
        return Injected(active.name, what, hold_s, time.monotonic(), ACK_WITHIN_S, takes_over=True)

    @abstractmethod
    def cut(self, network: Network, active: NodeProcess) -> None:
        """What goes."""


class IsolateActive(_CutOffActive):
    """The active reaches nobody and is reached by nobody; no connection is closed by it."""

    name = "isolate-active"
    told = "isolated"

    def cut(self, network: Network, active: NodeProcess) -> None:
        """Both ways."""
        network.isolate(active.name, (active.ports.http,))


class DeafenActive(_CutOffActive):
    """What the active sends gets out, nothing reaches it."""

    name = "deafen-active"
    told = "deaf"

    def cut(self, network: Network, active: NodeProcess) -> None:
        """Its hearing."""
        network.deafen(active.name, (active.ports.http,))


class IsolatePassive(_Partition):
    """The passive reaches nobody and is reached by nobody."""

    name = "isolate-passive"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Cut it off, but for the campaign's view of its status."""
        passive = scene.passive()
        hold_s = log_uniform(rng, *PARTITION_S)
        _network(scene).isolate(passive.name, (passive.ports.http,))
        return Injected(
            passive.name, f"the passive isolated for {hold_s:.2f} s", hold_s, time.monotonic(), ACK_WITHIN_S
        )


class CutDatabase(_Partition):
    """One node, or both, do not reach the database: witness and stores are away, silently."""

    name = "cut-database"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Cut one node or both."""
        nodes = rng.choice((scene.nodes, [scene.active()], [scene.passive()]))
        hold_s = log_uniform(rng, *PARTITION_S)
        for node in nodes:
            _network(scene).cut(node.name, DATABASE)
        names = " and ".join(node.name for node in nodes)
        what = f"{names} cut off from the database for {hold_s:.2f} s"
        return Injected(nodes[0].name if len(nodes) == 1 else "both", what, hold_s, time.monotonic(), ACK_WITHIN_S)


class CutEverythingFromEachOther(_Partition):
    """Neither peer nor database: no second vote anywhere, so nobody may go on."""

    name = "cut-peer-and-database"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Cut all three apart."""
        hold_s = log_uniform(rng, *PARTITION_S)
        network = _network(scene)
        network.cut("node1", "node2")
        for node in scene.nodes:
            network.cut(node.name, DATABASE)
        return Injected("both", f"nodes and database cut apart for {hold_s:.2f} s", hold_s, time.monotonic())


class _ProxyFault:
    kind: ClassVar[Kind] = Kind.PARTITION
    stages: ClassVar[frozenset[str]] = frozenset({Proxied.name})

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def unavailable(self) -> str | None:
        """Needs nothing."""
        return None

    def heal(self, scene: Scene) -> None:
        """Let everything flow."""
        while self._undo:
            self._undo.pop()()


class DelayPeer(_ProxyFault):
    """Both channels between the nodes are slow, and unevenly so."""

    name = "delay-peer"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Delay both ways."""
        proxy = _proxy(scene)
        delay_s = log_uniform(rng, 0.002, 0.1)
        hold_s = log_uniform(rng, *PARTITION_S)
        for route in (Proxied.EVENT_SYNC, Proxied.MANAGEMENT):
            proxy.delay(route, delay_s, delay_s)
            self._undo.append(lambda route=route: proxy.mend(route))
        what = f"{delay_s * 1000:.0f} to {delay_s * 2000:.0f} ms between the nodes for {hold_s:.2f} s"
        return Injected("both", what, hold_s, time.monotonic(), ACK_WITHIN_S)


class StallPeer(_ProxyFault):
    """One channel, or both, carry nothing; connections stay open."""

    name = "stall-peer"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Stall one way or both."""
        proxy = _proxy(scene)
        routes = rng.choice(((Proxied.EVENT_SYNC,), (Proxied.MANAGEMENT,), (Proxied.EVENT_SYNC, Proxied.MANAGEMENT)))
        directions = rng.choice((("up",), ("down",), ("up", "down")))
        hold_s = log_uniform(rng, *PARTITION_S)
        for route in routes:
            proxy.stall(route, directions)
            self._undo.append(lambda route=route: proxy.mend(route))
        what = f"{' and '.join(routes)} stalled ({', '.join(directions)}) for {hold_s:.2f} s"
        return Injected("both", what, hold_s, time.monotonic(), ACK_WITHIN_S)


class DamagePeer(_ProxyFault):
    """Bytes between the nodes are flipped, doubled or left out, or the connection is torn in the middle of a frame."""

    name = "damage-peer"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Damage what passes next, a few times."""
        proxy = _proxy(scene)
        route = rng.choice((Proxied.EVENT_SYNC, Proxied.EVENT_SYNC, Proxied.MANAGEMENT))
        damage = rng.choice(CORRUPTING + ENDING)
        direction = rng.choice(("up", "down"))
        times = rng.randint(1, 4)
        moment_s = time.monotonic()
        for _ in range(times):
            proxy.damage(route, damage, (direction,))
            time.sleep(0.15)
        self._undo.append(lambda: proxy.mend(route))
        return Injected("both", f"{route}: {damage} {times} times ({direction})", 0.5, moment_s, ACK_WITHIN_S)


class BreakDatabaseConnections(_ProxyFault):
    """A node's connections to the database are reset, torn, stalled or slow. Bytes are not flipped: MySQL's protocol
    has no checksum of its own and relies on TCP, or on TLS."""

    name = "break-database-connections"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Break those of one node."""
        proxy = _proxy(scene)
        node = rng.choice((scene.active(), scene.passive()))
        route = Proxied.database_of(node.name)
        what = rng.choice(("reset all", "stalled", "slow", *ENDING))
        hold_s = log_uniform(rng, 0.2, 6.0)
        match what:
            case "reset all":
                proxy.reset(route)
            case "stalled":
                proxy.stall(route, rng.choice((("up",), ("down",), ("up", "down"))))
            case "slow":
                proxy.delay(route, 0.05, 0.1)
            case _:
                proxy.damage(route, what, (rng.choice(("up", "down")),))
        self._undo.append(lambda: proxy.mend(route))
        told = f"database connections of {node.name}: {what}, {hold_s:.2f} s"
        return Injected(node.name, told, hold_s, time.monotonic(), ACK_WITHIN_S)

    def needs_mariadb(self) -> bool:
        """A scene on SQLite has none."""
        return True
