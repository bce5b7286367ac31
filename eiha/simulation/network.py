"""Connections between the two nodes: two channels, each a sequence of links, each link two ordered pipes.

Within a link nothing is lost, doubled or reordered (it is TCP); all that comes from links that end, stall or overlap:
a pipe that is cut holds its messages (and its end) until it is repaired, a message of an old link may arrive after a
new link is up, and what was under way when a machine died never arrives.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Final

from eiha.ha.inputs import Channel, LinkDown, LinkUp, Received
from eiha.kernel.ids import LinkId
from eiha.protocol.peer_messages import PeerIdentity, PeerMessage
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import MS, Scheduler

Deliver = Callable[[LinkUp | LinkDown | Received], None]

CONNECT_US: Final = (2 * MS, 60 * MS)
RESET_US: Final = (1 * MS, 300 * MS)
"""When a rebooted machine's reset reaches a side that still holds an old link (at its next packet)."""

KEEPALIVE_US: Final = 20_000 * MS
"""How long an end keeps a link that the other machine no longer knows, if nobody closes it (TCP_USER_TIMEOUT)."""


class Endpoint:
    """One process's side of the network. A restarted process has a new one."""

    __slots__ = ("alive", "deliver", "identity", "node")

    def __init__(self, node: str, identity: PeerIdentity, deliver: Deliver) -> None:
        self.node = node
        self.identity = identity
        self.deliver = deliver
        self.alive = True


class Pipe:
    """One direction of a link: messages arrive in order, ``None`` is the end of the stream."""

    __slots__ = ("broken", "held", "last_arrival_us", "receiver", "sender")

    def __init__(self, sender: Endpoint, receiver: Endpoint) -> None:
        self.sender = sender
        self.receiver = receiver
        self.last_arrival_us = 0
        self.held: deque[PeerMessage | None] = deque()
        self.broken = False

    def destroy(self) -> None:
        """What is under way never arrives."""
        self.broken = True
        self.held.clear()


class Link:
    """One connection of one channel. ``told``: the node's process has been given its ``LinkUp``."""

    __slots__ = ("channel", "number", "open_at", "pipes", "told")

    def __init__(self, number: LinkId, channel: Channel, first: Endpoint, second: Endpoint) -> None:
        self.number = number
        self.channel = channel
        self.pipes = {first.node: Pipe(first, second), second.node: Pipe(second, first)}
        self.open_at: dict[str, bool] = {first.node: True, second.node: True}
        self.told: dict[str, bool] = {first.node: False, second.node: False}


class SimulatedNetwork:
    """The wire between two nodes."""

    def __init__(self, scheduler: Scheduler, rng: random.Random, nodes: tuple[str, str]) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self.nodes = nodes
        self._endpoints: dict[str, Endpoint] = {}
        self._links: dict[LinkId, Link] = {}
        self._link_count = 0
        self._dialling: dict[Channel, bool] = {}
        self._cut: dict[tuple[str, Channel], int] = {}
        self.latency_us: tuple[int, int] = (100, 2 * MS)

    # Processes

    def attach(self, endpoint: Endpoint) -> None:
        """A process listens and dials; its machine answers what came for an earlier one with a reset."""
        self._endpoints[endpoint.node] = endpoint
        peer = self._peer_of(endpoint.node)
        for link in self._links.values():
            if link.open_at[peer] and not link.open_at[endpoint.node]:
                self._scheduler.after(microseconds(self._rng, *RESET_US), self._end_unless_cut, link, endpoint.node)
        for channel in Channel:
            self._dial_later(channel)

    def detach(self, endpoint: Endpoint, *, silently: bool) -> None:
        """A process is gone. ``silently``: its machine too, so nobody tells the other side."""
        endpoint.alive = False
        if self._endpoints.get(endpoint.node) is endpoint:
            del self._endpoints[endpoint.node]
        for link in list(self._links.values()):
            if not link.open_at[endpoint.node]:
                continue
            assert link.pipes[endpoint.node].sender is endpoint
            link.open_at[endpoint.node] = False
            if silently:
                link.pipes[endpoint.node].destroy()
                self._scheduler.after(KEEPALIVE_US, self._end_of_stream, link, endpoint.node)
            else:
                self._push(link, endpoint.node, None)

    # What a process does

    def send(self, node: str, number: LinkId, message: PeerMessage) -> None:
        """Put a message into a link; nothing happens if ``node`` holds it no more."""
        link = self._links.get(number)
        if link is not None and link.open_at[node]:
            self._push(link, node, message)

    def close(self, node: str, number: LinkId, reason: str) -> None:
        """Close ``node``'s side; the other learns it after what was sent before."""
        link = self._links.get(number)
        if link is None or not link.open_at[node]:
            return
        link.open_at[node] = False
        self._push(link, node, None)
        link.pipes[node].sender.deliver(LinkDown(link.channel, number, reason))
        self._dial_later(link.channel)

    # Faults

    def cut(self, sender: str, channel: Channel) -> None:
        """Cut one direction of one channel: its messages wait. Cuts of several causes add up."""
        self._cut[(sender, channel)] = self._cut.get((sender, channel), 0) + 1

    def repair(self, sender: str, channel: Channel) -> None:
        """Undo one ``cut``; what was held arrives now."""
        self._cut[(sender, channel)] -= 1
        if self._cut[(sender, channel)]:
            return
        for link in list(self._links.values()):
            if link.channel is channel:
                pipe = link.pipes[sender]
                held, pipe.held = pipe.held, deque()
                for message in held:
                    self._push(link, sender, message)
        self._dial_later(channel)

    def reset_links(self, channel: Channel) -> None:
        """Both ends of a channel's links get a reset; what was under way is lost."""
        for link in list(self._links.values()):
            if link.channel is channel:
                for node in self.nodes:
                    link.pipes[node].destroy()
                for node in self.nodes:
                    self._end_of_stream(link, node)

    # Inner life

    def _push(self, link: Link, sender: str, message: PeerMessage | None) -> None:
        pipe = link.pipes[sender]
        if pipe.broken:
            return
        if self._cut.get((sender, link.channel)):
            pipe.held.append(message)
            return
        arrival = max(self._scheduler.now_us + microseconds(self._rng, *self.latency_us), pipe.last_arrival_us + 1)
        pipe.last_arrival_us = arrival
        self._scheduler.at(arrival, self._arrive, link, sender, message)

    def _arrive(self, link: Link, sender: str, message: PeerMessage | None) -> None:
        pipe = link.pipes[sender]
        receiver = pipe.receiver
        if pipe.broken or not link.open_at[receiver.node]:
            return
        if message is None:
            self._end_of_stream(link, sender)
        else:
            receiver.deliver(Received(link.channel, link.number, message))

    def _end_unless_cut(self, link: Link, sender: str) -> None:
        if not self._cut.get((sender, link.channel)):
            self._end_of_stream(link, sender)

    def _end_of_stream(self, link: Link, sender: str) -> None:
        receiver = link.pipes[sender].receiver
        if not link.open_at[receiver.node]:
            return
        link.open_at[receiver.node] = False
        self._push(link, receiver.node, None)
        if link.told[receiver.node]:
            receiver.deliver(LinkDown(link.channel, link.number, "closed by the other side"))
        self._dial_later(link.channel)

    def _dial_later(self, channel: Channel) -> None:
        if not self._dialling.get(channel):
            self._dialling[channel] = True
            self._scheduler.after(microseconds(self._rng, *CONNECT_US), self._dial, channel)

    def _dial(self, channel: Channel) -> None:
        """Either side without a link makes a new one; the other may still believe in the old."""
        self._dialling[channel] = False
        self._forget_dead_links()
        first, second = (self._endpoints.get(node) for node in self.nodes)
        if first is None or second is None or any(self._cut.get((node, channel)) for node in self.nodes):
            return
        if all(self._holds(node, channel) for node in self.nodes):
            return
        self._link_count += 1
        link = Link(LinkId(self._link_count), channel, first, second)
        self._links[link.number] = link
        if self._rng.random() < 0.5:
            first, second = second, first
        later_us = self._scheduler.now_us + microseconds(self._rng, *self.latency_us)
        link.pipes[first.node].last_arrival_us = later_us
        self._scheduler.at(later_us, self._tell, link, second, first)
        self._tell(link, first, second)

    def _tell(self, link: Link, endpoint: Endpoint, peer: Endpoint) -> None:
        if link.open_at[endpoint.node]:
            link.told[endpoint.node] = True
            endpoint.deliver(LinkUp(link.channel, link.number, peer.identity))

    def _holds(self, node: str, channel: Channel) -> bool:
        return any(link.channel is channel and link.open_at[node] for link in self._links.values())

    def _forget_dead_links(self) -> None:
        for number, link in list(self._links.items()):
            if not any(link.open_at.values()):
                del self._links[number]

    def _peer_of(self, node: str) -> str:
        return self.nodes[1] if node == self.nodes[0] else self.nodes[0]
