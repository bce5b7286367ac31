"""The two channels to the peer, told to the member as inputs and to the operator as lines."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from eiha.ha.inputs import Channel, LinkDown, LinkUp, Received
from eiha.kernel.ids import Incarnation, LinkId, NodeId
from eiha.net.channel_links import ChannelLinks, LinkSettings, PeerTls
from eiha.net.member_address import MemberLocation
from eiha.node.config import NodeConfig
from eiha.node.node_tls import NodeTls
from eiha.observability.logs import EventLog
from eiha.observability.node_metrics import NodeMetrics
from eiha.protocol.peer_messages import PeerIdentity, PeerMessage

MANAGEMENT_QUEUE_BYTES_MAX = 64 << 20
"""Snapshots go in acknowledged chunks, so the control channel never has much to say."""


class PeerChannels:
    """Both channels; a ``LinkObserver`` of each.

    Args:
        config: addresses, secret, timeouts.
        incarnation: what this node proves to be.
        allowed: ids of members that may connect; empty: whoever knows the secret.
        locate: where the peer is.
        feed: gives an input to the member.
        metrics: link gauges.
        log: for the operator.
        tls: contexts of encrypted ports; None: nothing is encrypted.
    """

    def __init__(
        self,
        config: NodeConfig,
        incarnation: Incarnation,
        allowed: frozenset[NodeId],
        locate: Callable[[], MemberLocation | None],
        feed: Callable[[LinkUp | LinkDown | Received], None],
        metrics: NodeMetrics,
        log: EventLog,
        tls: NodeTls | None = None,
    ) -> None:
        self._config = config
        self._feed = feed
        self._metrics = metrics
        self._log = log
        numbers = itertools.count(1)
        self.peer: PeerIdentity | None = None
        self.links = {
            channel: ChannelLinks(
                channel,
                _settings(config, channel, incarnation, allowed, tls),
                self,
                locate,
                lambda: LinkId(next(numbers)),
                log,
            )
            for channel in Channel
        }

    async def start(self) -> None:
        """Listen on both ports. Raises ``AddressUnavailable``."""
        for channel, links in self.links.items():
            self._metrics.link_up.set(0, channel.value)
            await links.start()
        management, event_sync = self._config.management, self._config.event_sync
        self._log.info("snapshot_server_started", f"HA snapshot server started on {management.host}:{management.port}")
        self._log.info("event_sync_started", f"eventSync server started on {event_sync.host}:{event_sync.port}")

    async def stop(self, reason: str) -> None:
        """Close both."""
        for links in self.links.values():
            await links.stop(reason)

    def count_refusals(self, metrics: NodeMetrics) -> None:
        """Bring the metric of refusals up to date."""
        for channel, links in self.links.items():
            for code, count in links.refused_by_code.items():
                metrics.refused.add(count - metrics.refused.value(channel.value, code), channel.value, code)

    def link_up(self, channel: Channel, link: LinkId, peer: PeerIdentity) -> None:
        """A link is open."""
        self.peer = peer
        self._metrics.link_up.set(1, channel.value)
        if channel is Channel.MANAGEMENT:
            self._log.info("member_connected", f"{peer.node} is connected", member=peer.node)
        else:
            self._log.info(
                "sync_publisher_initiated", f"sync publisher initiated to member {peer.node}", member=peer.node
            )
        self._feed(LinkUp(channel, link, peer))

    def link_down(self, channel: Channel, link: LinkId, reason: str) -> None:
        """A link is gone."""
        self._metrics.link_up.set(0, channel.value)
        member = self.peer.node if self.peer is not None else ""
        self._log.info("link_closed", f"{channel.value} to {member} closed: {reason}", member=member)
        self._feed(LinkDown(channel, link, reason))

    def peer_message(self, channel: Channel, link: LinkId, message: PeerMessage) -> None:
        """A message came."""
        self._feed(Received(channel, link, message))


def _peer_tls(config: NodeConfig, channel: Channel, tls: NodeTls | None) -> PeerTls | None:
    port = "management" if channel is Channel.MANAGEMENT else "event_sync"
    listening = tls.listening(port) if tls is not None else None
    dialling = tls.dialling(port) if tls is not None else None
    if listening is None or dialling is None:
        return None
    pins = {NodeId(member.node): tuple(member.pins.split()) for member in config.cluster.members if member.pins}
    return PeerTls(listening, dialling, pins)


def _settings(
    config: NodeConfig,
    channel: Channel,
    incarnation: Incarnation,
    allowed: frozenset[NodeId],
    tls: NodeTls | None,
) -> LinkSettings:
    if channel is Channel.MANAGEMENT:
        host, port, key = config.management.host, config.management.port, "management.port"
        queue_bytes_max, socket_buffer_bytes = MANAGEMENT_QUEUE_BYTES_MAX, 0
    else:
        host, port, key = config.event_sync.host, config.event_sync.port, "event_sync.port"
        queue_bytes_max = config.event_sync.queue_bytes_max
        socket_buffer_bytes = config.event_sync.send_buffer_bytes
    return LinkSettings(
        cluster=config.cluster.domain,
        node=NodeId(config.cluster.node),
        incarnation=incarnation,
        secret=config.cluster.secret.encode(),
        host=host,
        port=port,
        port_key=key,
        members=allowed,
        connect_timeout_s=config.management.connect_timeout_ms / 1_000,
        retry_max_s=config.management.reconnection_interval_ms / 1_000,
        queue_bytes_max=queue_bytes_max,
        socket_buffer_bytes=socket_buffer_bytes,
        secret_previous=config.cluster.secret_previous.encode(),
        tls=_peer_tls(config, channel, tls),
    )
