"""Where this node is, where the other one is: from the configuration's list, or from announcements."""

from __future__ import annotations

from collections.abc import Callable

from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.discovery import MulticastDiscovery, MulticastGroup
from eiha.net.member_address import MemberLocation
from eiha.node.config import NodeConfig
from eiha.node.tls_settings import is_encrypted
from eiha.observability.logs import EventLog


def own_location(config: NodeConfig) -> MemberLocation:
    """This node as it is announced to others."""
    management, event_sync = config.management, config.event_sync
    return MemberLocation(
        NodeId(config.cluster.node),
        management.advertised_host or management.host,
        event_sync.advertised_host or event_sync.host,
        management.advertised_port or management.port,
        event_sync.advertised_port or event_sync.port,
        config.http.advertised_port or config.http.port,
        config.ingest.advertised_port or config.ingest.port,
    )


def ingest_address(config: NodeConfig) -> str:
    """Where clients reach this node, as they are told."""
    ingest = config.ingest
    return f"{ingest.advertised_host or ingest.host}:{ingest.advertised_port or ingest.port}"


def http_scheme(config: NodeConfig) -> str:
    """``https`` where the HTTP port is encrypted; both nodes are configured alike."""
    return "https" if is_encrypted(config, "http") else "http"


def http_url(config: NodeConfig) -> str:
    """Where this node's status is read, as others are told."""
    http = config.http
    return f"{http_scheme(config)}://{http.advertised_host or http.host}:{http.advertised_port or http.port}"


class Membership:
    """The other member of the pair, as far as it is known.

    Args:
        config: scheme, members, multicast group.
        incarnation: goes into announcements.
        log: a line when a member is added.
    """

    def __init__(self, config: NodeConfig, incarnation: Incarnation, log: EventLog) -> None:
        self._config = config
        self._log = log
        self._listed = _listed_peer(config)
        self._discovery = (
            _discovery(config, incarnation, self._found, log)
            if config.cluster.membership_scheme == "multicast"
            else None
        )
        self.allowed = (
            frozenset(NodeId(member.node) for member in config.cluster.members) - {NodeId(config.cluster.node)}
            if config.cluster.membership_scheme == "wka"
            else frozenset()
        )

    def peer(self) -> MemberLocation | None:
        """Where the other node is; None while nobody knows."""
        return self._listed if self._discovery is None else self._discovery.peer

    async def run(self) -> None:
        """Say who is expected (wka), or announce this node until cancelled (multicast)."""
        if self._discovery is not None:
            await self._discovery.run()
        elif self._listed is not None:
            self._added(self._listed)
        else:
            self._log.warning("no_other_member", "cluster.members names no other node: this one runs alone")

    def _found(self, location: MemberLocation) -> None:
        self._added(location)

    def _added(self, location: MemberLocation) -> None:
        self._log.info(
            "member_added",
            f"member added: {location.node} at {location.host}:{location.management_port} (management), "
            f"{location.event_sync_host}:{location.event_sync_port} (eventSync)",
            member=location.node,
        )


def _listed_peer(config: NodeConfig) -> MemberLocation | None:
    for member in config.cluster.members:
        if member.node != config.cluster.node:
            return MemberLocation(
                NodeId(member.node),
                member.host,
                member.host,
                member.management_port,
                member.event_sync_port,
                member.http_port,
                member.ingest_port,
            )
    return None


def _discovery(
    config: NodeConfig, incarnation: Incarnation, found: Callable[[MemberLocation], None], log: EventLog
) -> MulticastDiscovery:
    cluster = config.cluster
    group = MulticastGroup(
        cluster.multicast_address,
        cluster.multicast_port,
        cluster.multicast_ttl,
        cluster.multicast_interface,
        cluster.multicast_interval_ms / 1_000,
    )
    return MulticastDiscovery(
        group,
        cluster.domain,
        own_location(config),
        incarnation,
        cluster.secret.encode(),
        found,
        log,
        previous_secret=cluster.secret_previous.encode(),
    )
