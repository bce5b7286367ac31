"""Clients: they number what they publish, reconnect, try the other node, resend what is not acknowledged.

They keep the rules of ``eiha/client.py``: a publication is forgotten only when acknowledged, after a reconnect all
others are sent again in order, after a refusal sending goes on from the number that the node expects.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from eiha.ha.effects import RejectClient
from eiha.ha.inputs import Submit
from eiha.kernel.ids import ClientId, ClientSequence
from eiha.protocol.log_entry import Publication
from eiha.simulation.checkers import Checkers
from eiha.simulation.engine import TICKS, encode_rows
from eiha.simulation.node import ClientPort, RunningNode, SimulatedNode
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import MS, Scheduler
from eiha.simulation.trace import Trace

MakePayload = Callable[[random.Random], tuple[str, int, bytes]]
"""Gives stream, rows and payload of one publication."""

LATENCY_US = (100, 2 * MS)
LOOK_US = 100 * MS
WINDOW = 40
SUBMIT_PUBLICATIONS_MAX = 8


class Connection:
    """One connection of a client to a process; ordered both ways."""

    __slots__ = ("arrives_us", "greeted", "next_to_send", "open", "process", "progress_us", "returns_us", "waiting")

    def __init__(self, process: RunningNode, now_us: int) -> None:
        self.process = process
        self.open = True
        self.greeted = False
        self.waiting = False
        self.next_to_send = 1
        self.arrives_us = 0
        self.returns_us = 0
        self.progress_us = now_us


class SimulatedClient:
    """One client. ``both``: it sends everything to both nodes (``events_duplicated_in_cluster``)."""

    def __init__(
        self,
        scheduler: Scheduler,
        trace: Trace,
        rng: random.Random,
        client: ClientId,
        nodes: tuple[SimulatedNode, ...],
        make_payload: MakePayload,
        *,
        total: int,
        interval_us: int,
        both: bool,
    ) -> None:
        self._scheduler = scheduler
        self._trace = trace
        self._rng = rng
        self._nodes = nodes
        self._make_payload = make_payload
        self._interval_us = interval_us
        self._favourite = rng.randrange(len(nodes))
        self._connections: dict[str, Connection] = {}
        self._publications: list[Publication] = []
        self.client = client
        self.both = both
        self.total = total
        self.acked = 0
        self.patience_us = microseconds(rng, 600 * MS, 2_000 * MS)

    @property
    def sent(self) -> int:
        """The highest number made so far."""
        return len(self._publications)

    @property
    def publications(self) -> tuple[Publication, ...]:
        """All that was made so far."""
        return tuple(self._publications)

    @property
    def is_done(self) -> bool:
        """Everything was published and acknowledged."""
        return self.sent >= self.total and self.acked == self.sent

    def start(self) -> None:
        """Begin to publish and to look after the connections."""
        self._produce()
        self._look()

    def burst(self, count: int) -> None:
        """Publish ``count`` more at once."""
        self.total = max(self.total, self.sent + count)
        for _ in range(count):
            self._make()
        self._send_all()

    def publish_poison(self, key: int) -> None:
        """Publish a row of ``key`` among good ones, for the engine that sums up."""
        rows = [(int(self._rng.random() * 12), 1) for _ in range(self._rng.randint(0, 3))]
        rows.insert(self._rng.randint(0, len(rows)), (key, 1))
        self.total = max(self.total, self.sent + 1)
        number = ClientSequence(self.sent + 1)
        self._publications.append(Publication(self.client, number, TICKS, len(rows), encode_rows(rows)))
        self._send_all()

    def disconnect(self) -> None:
        """Lose all connections."""
        for connection in self._connections.values():
            connection.open = False
        self._connections.clear()

    def on_ack(self, node: str, through: ClientSequence) -> None:
        """A node says that everything through here is committed."""
        self._return(node, self._acked, through)

    def on_reject(self, node: str, effect: RejectClient) -> None:
        """A node refused a publication."""
        self._return(node, self._rejected, effect)

    def _return(self, node: str, action: Callable[..., None], argument: object) -> None:
        connection = self._connections.get(node)
        if connection is None or not connection.open:
            return
        arrival = max(self._scheduler.now_us + microseconds(self._rng, *LATENCY_US), connection.returns_us + 1)
        connection.returns_us = arrival
        self._scheduler.at(arrival, self._if_open, connection, action, argument)

    def _if_open(self, connection: Connection, action: Callable[..., None], argument: object) -> None:
        if connection.open:
            action(connection, argument)

    def _acked(self, connection: Connection, through: ClientSequence) -> None:
        if through > self.acked:
            self.acked = through
            for other in self._connections.values():
                other.progress_us = self._scheduler.now_us
        connection.progress_us = self._scheduler.now_us
        if not connection.greeted:
            connection.greeted = True
            connection.next_to_send = through + 1
        connection.next_to_send = max(connection.next_to_send, through + 1)
        self._send(connection)

    def _rejected(self, connection: Connection, effect: RejectClient) -> None:
        if connection.waiting:
            return
        connection.waiting = True
        self._trace.mark(self.client, "rejected")
        first = effect.expected if effect.expected > 0 else self.acked + 1
        self._scheduler.after(max(effect.retry_after_ms, 5) * MS, self._go_on, connection, first)

    def _go_on(self, connection: Connection, first: int) -> None:
        connection.waiting = False
        connection.next_to_send = max(first, self.acked + 1)
        self._send(connection)

    def _produce(self) -> None:
        if self.sent >= self.total:
            return
        if self.sent - self.acked < WINDOW:
            for _ in range(min(self._rng.choice((1, 1, 1, 2, 5)), self.total - self.sent)):
                self._make()
            self._send_all()
        self._scheduler.after(microseconds(self._rng, 1, 2 * self._interval_us), self._produce)

    def _make(self) -> None:
        stream, rows, payload = self._make_payload(self._rng)
        number = ClientSequence(len(self._publications) + 1)
        self._publications.append(Publication(self.client, number, stream, rows, payload))

    def _send_all(self) -> None:
        for connection in self._connections.values():
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        if not (connection.open and connection.greeted) or connection.waiting:
            return
        while connection.next_to_send <= self.sent:
            first = connection.next_to_send - 1
            chunk = tuple(self._publications[first : first + self._rng.randint(1, SUBMIT_PUBLICATIONS_MAX)])
            connection.next_to_send += len(chunk)
            self._transmit(connection, connection.process.submit, Submit(chunk, duplicated=self.both))

    def _transmit(self, connection: Connection, action: Callable[..., None], argument: object) -> None:
        arrival = max(self._scheduler.now_us + microseconds(self._rng, *LATENCY_US), connection.arrives_us + 1)
        connection.arrives_us = arrival
        self._scheduler.at(arrival, self._if_sent, connection, action, argument)

    def _if_sent(self, connection: Connection, action: Callable[..., None], argument: object) -> None:
        if connection.process.alive:
            action(argument)

    def _look(self) -> None:
        """Now and then: drop connections that are dead or make no progress, make new ones."""
        now_us = self._scheduler.now_us
        for node, connection in list(self._connections.items()):
            stuck = self.acked < self.sent and now_us - connection.progress_us > self.patience_us
            if stuck or not connection.process.alive:
                connection.open = False
                del self._connections[node]
                if not self.both:
                    self._favourite = (self._favourite + 1) % len(self._nodes)
        if not self.is_done:
            wanted = self._nodes if self.both else (self._nodes[self._favourite],)
            for target in wanted:
                if target.name not in self._connections:
                    self._connect(target)
        if not self.both and not self._connections:
            self._favourite = (self._favourite + 1) % len(self._nodes)
        self._scheduler.after(microseconds(self._rng, LOOK_US // 2, LOOK_US * 2), self._look)

    def _connect(self, target: SimulatedNode) -> None:
        if target.process is None:
            return
        connection = Connection(target.process, self._scheduler.now_us)
        self._connections[target.name] = connection
        self._trace.note(self.client, "connects", target.name)
        self._transmit(connection, target.process.hello, self.client)


class Clients(ClientPort):
    """All clients: where the nodes' answers go, and what the checkers hear of them."""

    def __init__(self, trace: Trace, checkers: Checkers) -> None:
        self._trace = trace
        self._checkers = checkers
        self.by_id: dict[ClientId, SimulatedClient] = {}

    def add(self, client: SimulatedClient) -> None:
        """A client takes part."""
        self.by_id[client.client] = client

    def ack(self, node: str, client: ClientId, through: ClientSequence) -> None:
        """An acknowledgement leaves a node: from here on it is a promise."""
        target = self.by_id.get(client)
        if target is None:
            return
        self._checkers.lost.acknowledged(node, client, through, target.sent)
        target.on_ack(node, through)

    def reject(self, node: str, effect: RejectClient) -> None:
        """A refusal leaves a node."""
        target = self.by_id.get(effect.client_id)
        if target is not None:
            target.on_reject(node, effect)
