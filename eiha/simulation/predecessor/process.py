"""One run of a predecessor node.

Modelled on what is published of the algorithm: each node processes what it receives at once, in its own order, and
then forwards it to the other, which is told nothing back; the active announces a time up to which it publishes and
then publishes; the passive keeps its own outputs until such a time passes them; the active writes its state to its own
disk now and then; a node that becomes passive asks for the whole state. Who is active is decided by locks that a
partition gives to both sides.

Its times are scaled to those that this project's nodes have in the same run (the originals are minutes), and all nodes
share one perfect clock: what is counted is the algorithm, not its settings.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, assert_never, cast

from eiha.ha.inputs import (
    AcceptLossAsked,
    ChangePlan,
    Channel,
    LinkDown,
    LinkUp,
    Received,
    SnapshotFacts,
    StatementAsked,
    StopAsked,
    Submit,
    SwitchoverAsked,
)
from eiha.kernel.ids import ClientId, Epoch, LinkId, LogTimeMs, Sequence
from eiha.ports import Engine
from eiha.protocol.log_entry import DeployPlan, LogEntry, Publication, Publications, RemovePlan
from eiha.protocol.peer_messages import PeerMessage
from eiha.simulation.engine import SummingEngine
from eiha.simulation.network import Endpoint
from eiha.simulation.node import SimulatedNode
from eiha.simulation.predecessor.messages import Alive, Forwarded, Message, Role, State, StateAsked, Watermark
from eiha.simulation.predecessor.tally import EventId, Stage
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import MS

OUTPUTS_MAX: Final = 20_000
"""Outputs that a passive keeps; at the bound the oldest is dropped without a word."""

_TURN_US: Final = (20, 150)
_STORE_US: Final = (1 * MS, 20 * MS)
"""How long a row takes on its way into the database."""

_BATCH_US: Final = 50 * MS
"""How long raw events wait in memory for their batch insert."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Timers, in ms: membership, attempts to get the locks, repeated requests for the state, persistence."""

    heartbeat_ms: int
    failure_timeout_ms: int
    try_state_ms: int
    sync_retry_ms: int
    persistence_ms: int


class PredecessorProcess:
    """Satisfies ``simulation.node.RunningNode``."""

    def __init__(self, node: SimulatedNode, stage: Stage, timing: Timing) -> None:
        self.alive = True
        self.dies_after_effects = -1
        self.role = Role.UNDECIDED
        self.summing = SummingEngine()
        self._node = node
        self._stage = stage
        self._timing = timing
        self._scheduler = node.world.scheduler
        self._disk = node.disk.incarnation
        self._rng = random.Random(node.rng.random())  # noqa: S311
        self._endpoint = Endpoint(node.name, node.identity, self._deliver)
        self._links: dict[Channel, LinkId] = {}
        self._paused_until_us = 0
        self._free_at_us = 0
        self._started_us = self._scheduler.now_us
        self._heard_us = self._scheduler.now_us
        self._peer_role: Role | None = None
        self._was_synced = False
        self._syncing = False
        self._held: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._applied = 0
        self._batch: list[EventId] = []
        self._kept: deque[tuple[int, EventId]] = deque()

    @property
    def engine(self) -> Engine:
        """Its state."""
        return self.summing

    @property
    def applied_through(self) -> int:
        """How many publications it processed in this run."""
        return self._applied

    # Life

    def boot(self, snapshot: SnapshotFacts | None, entries: tuple[LogEntry, ...]) -> None:  # noqa: ARG002 - no log
        """Begin; nothing is read before a lock is had."""
        self._node.world.network.attach(self._endpoint)
        self._repeat(self._timing.heartbeat_ms, self._beat)
        self._repeat(self._timing.try_state_ms, self._try_state)
        self._repeat(self._timing.persistence_ms, self._persist)
        self._repeat(_BATCH_US // MS, self._insert_batch)

    def die(self, *, silently: bool) -> None:
        """Stop at once; whatever is in memory is gone."""
        self.alive = False
        self._stage.ends_active(self._node.name, self._scheduler.now_us)
        self._node.world.network.detach(self._endpoint, silently=silently)

    def pause(self, duration_us: int) -> None:
        """SIGSTOP."""
        self._paused_until_us = max(self._paused_until_us, self._scheduler.now_us + duration_us)

    def resume(self) -> None:
        """SIGCONT; what waits goes on at its time."""
        self._paused_until_us = min(self._paused_until_us, self._scheduler.now_us)

    # From outside

    def hello(self, client: ClientId) -> None:
        """A client connected; it goes on after what any node ever took."""
        taken = self._node.world.checkers.lost.acked.get(client, 0)
        self._soon(self._node.world.clients.ack, self._node.name, client, taken)

    def submit(self, item: Submit) -> None:
        """Taken is told to the client as soon as it is in the queue."""
        if not self.alive:
            return
        for publication in item.publications:
            self._soon(self._take_in, publication, item.duplicated)

    def ask(self, item: SwitchoverAsked | StopAsked | ChangePlan | StatementAsked | AcceptLossAsked) -> None:
        """A stop ends it, without a last snapshot; there is nothing else that it could be asked."""
        if isinstance(item, StopAsked):
            self._node.kill()

    def change_plan(self, change: DeployPlan | RemovePlan) -> None:
        """Plans are copied to both nodes by hand; this comparison leaves them as they are."""

    def _deliver(self, item: LinkUp | LinkDown | Received) -> None:
        self._soon(self._hear, item)

    # Turns

    def _soon(self, action: Callable[..., None], *arguments: object) -> None:
        at_us = max(self._scheduler.now_us + microseconds(self._rng, *_TURN_US), self._free_at_us + 1)
        self._free_at_us = at_us
        self._scheduler.at(max(at_us, self._paused_until_us), self._act, action, arguments)

    def _act(self, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if not self.alive:
            return
        if self._scheduler.now_us < self._paused_until_us:
            self._scheduler.at(self._paused_until_us, self._act, action, arguments)
            return
        action(*arguments)
        if self.dies_after_effects >= 0:
            self.dies_after_effects -= 1
            if self.dies_after_effects < 0 and self.alive:
                self._node.kill()

    def _repeat(self, interval_ms: int, action: Callable[[], None]) -> None:
        def again() -> None:
            if self.alive:
                self._act(action, ())
                self._scheduler.after(interval_ms * MS, again)

        self._scheduler.after(interval_ms * MS, again)

    # Events

    def _take_in(self, publication: Publication, duplicated: bool) -> None:
        self._node.world.clients.ack(self._node.name, publication.client_id, publication.client_sequence)
        if self.role is Role.UNDECIDED:
            return
        if self._syncing:
            self._held.append((self._process, (publication, not duplicated)))
        else:
            self._process(publication, not duplicated)

    def _process(self, publication: Publication, forwards: bool) -> None:
        now_us = self._scheduler.now_us
        self._applied += 1
        body = Publications((publication,))
        self.summing.apply(LogEntry(Epoch(1), Sequence(self._applied), LogTimeMs(now_us // MS), body))
        event = (publication.client_id, publication.client_sequence)
        if self.role is Role.ACTIVE:
            self._batch.append(event)
            for _, kept in self._kept:
                self._write_later(self._stage.outputs, [kept])
            self._kept.clear()
            self._send(Channel.MANAGEMENT, Watermark(now_us))
            self._write_later(self._stage.outputs, [event])
        else:
            self._kept.append((now_us, event))
            if len(self._kept) > OUTPUTS_MAX:
                self._kept.popleft()
        if forwards:
            self._soon(self._send, Channel.EVENT_SYNC, Forwarded(publication))

    def _insert_batch(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._write_later(self._stage.events, batch)

    def _write_later(self, table: Any, events: list[EventId]) -> None:
        self._scheduler.after(microseconds(self._rng, *_STORE_US), self._act, self._write, (table, events))

    def _write(self, table: Any, events: list[EventId]) -> None:
        """A failed insert is logged, and that is all."""
        if all(store.up for store in self._node.world.stores.values()):
            table.update(events)

    # The other node

    def _send(self, channel: Channel, message: Message) -> None:
        link = self._links.get(channel)
        if link is not None:
            # the network carries whatever it is given
            self._node.world.network.send(self._node.name, link, cast("PeerMessage", message))

    def _hear(self, item: LinkUp | LinkDown | Received) -> None:
        match item:
            case LinkUp(channel, link, _):
                self._links[channel] = link
            case LinkDown(channel, link):
                if self._links.get(channel) == link:
                    del self._links[channel]
                    if channel is Channel.MANAGEMENT:
                        self._peer_role = None
            case Received(_, _, message):
                self._understand(cast("Message", message))
            case _:
                assert_never(item)

    def _understand(self, message: Message) -> None:
        match message:
            case Alive(role):
                self._heard_us = self._scheduler.now_us
                self._peer_role = role
                if role is Role.ACTIVE and self.role is Role.ACTIVE and self._node.name > min(self._names()):
                    self._become_passive()  # a merge: the map of roles names one of the two
            case Forwarded(publication):
                if self._syncing:
                    self._held.append((self._process, (publication, False)))
                else:
                    self._process(publication, forwards=False)
            case Watermark(time_us):
                while self._kept and self._kept[0][0] <= time_us:
                    self._kept.popleft()
            case StateAsked():
                if self.role is Role.ACTIVE:
                    self._send(Channel.MANAGEMENT, State(self.summing.snapshot()))
            case State(content):
                self._take_over(content)
            case _:
                assert_never(message)

    def _names(self) -> list[str]:
        return list(self._node.world.network.nodes)

    # Roles

    def _beat(self) -> None:
        self._send(Channel.MANAGEMENT, Alive(self.role))
        if self._scheduler.now_us - self._heard_us > self._timing.failure_timeout_ms * MS:
            self._peer_role = None
            self._try_state()

    def _try_state(self) -> None:
        """Ask for the locks: whoever sees nobody else gets them, on both sides of a cut."""
        if self.role is Role.ACTIVE:
            return
        if self._peer_role is None:
            waited_us = self._scheduler.now_us - max(self._started_us, self._heard_us)
            if waited_us > self._timing.failure_timeout_ms * MS or Channel.MANAGEMENT not in self._links:
                self._become_active()
        elif self._peer_role is Role.ACTIVE:
            if self.role is Role.UNDECIDED:
                self._become_passive()
        elif self._node.name == min(self._names()):
            self._become_active()

    def _become_active(self) -> None:
        if self.role is Role.UNDECIDED and self._scheduler.now_us - self._started_us < self._joining_us:
            return
        if not self._was_synced and (content := self._stage.files.get(self._disk)) is not None:
            self.summing.restore(content)
        self.role = Role.ACTIVE
        self._stage.becomes_active(self._node.name, self._scheduler.now_us)
        self._go_on_without_state()

    @property
    def _joining_us(self) -> int:
        """A node that starts looks for the other one first."""
        return self._timing.failure_timeout_ms * MS

    def _become_passive(self) -> None:
        self.role = Role.PASSIVE
        self._stage.ends_active(self._node.name, self._scheduler.now_us)
        self._syncing = True
        self._ask_state()

    def _ask_state(self) -> None:
        if self._syncing and self.alive:
            self._send(Channel.MANAGEMENT, StateAsked())
            self._scheduler.after(self._timing.sync_retry_ms * MS, self._act, self._ask_state, ())

    def _take_over(self, content: bytes) -> None:
        if self._syncing:
            self.summing.restore(content)
            self._was_synced = True
            self._go_on_without_state()

    def _go_on_without_state(self) -> None:
        """What waited for the state is processed."""
        self._syncing = False
        while self._held:
            action, arguments = self._held.popleft()
            action(*arguments)

    def _persist(self) -> None:
        if self.role is Role.ACTIVE:
            self._stage.files[self._disk] = self.summing.snapshot()
