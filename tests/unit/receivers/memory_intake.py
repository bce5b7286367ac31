"""A node's intake in memory: dedup by session, acknowledgement in the next turn of the loop, two nodes on one log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import decode
from eiha.receivers.intake import IntakeState, NodeFacts

TRADES = StreamDefinition(
    "Trades",
    Schema(
        (
            Attribute("symbol", AttributeType.STRING),
            Attribute("price", AttributeType.DOUBLE),
            Attribute("volume", AttributeType.LONG),
        )
    ),
)


@dataclass
class MemoryLog:
    """What is committed; shared by the intakes of one cluster."""

    publications: list = field(default_factory=list)
    sessions: dict = field(default_factory=dict)

    def rows(self, definition=TRADES):
        """All rows of the stream, in order."""
        found = []
        for publication in self.publications:
            if publication.stream == definition.name:
                batch = decode(publication.payload, definition.schema)
                found += [list(row) for row in zip(*(c.to_list() for c in batch.columns), strict=True)]
        return found


class MemoryIntake:
    """An ``Intake``. ``held``: publications are logged but not acknowledged until ``release``."""

    def __init__(self, log, node="node1", role="active", active_address=""):
        self.log = log
        self.node_facts = NodeFacts(node, role, active_address)
        self.definitions = {TRADES.name: TRADES}
        self.current = IntakeState(open=True)
        self.watchers = []
        self.listeners = {}
        self.held = False
        self.refuse_next = 0
        self.submissions = []
        self.duplicated = set()
        self.waiting = []

    def facts(self):
        return self.node_facts

    def streams(self):
        return self.definitions

    def state(self):
        return self.current

    def set_state(self, state):
        self.current = state
        for watcher in list(self.watchers):
            watcher(state)

    def watch(self, changed):
        self.watchers.append(changed)
        return lambda: self.watchers.remove(changed)

    def attach(self, client, listener):
        self.listeners.setdefault(client, []).append(listener)
        asyncio.get_running_loop().call_soon(self._answer, client, listener, self.log.sessions.get(client, 0))
        return lambda: self.listeners[client].remove(listener)

    def _answer(self, client, listener, committed):
        if listener in self.listeners[client]:
            listener.acked(committed)

    def submit(self, publications, *, duplicated=False):
        self.submissions.append(publications)
        self.duplicated.add(duplicated)
        for publication in publications:
            client, sequence = publication.client_id, publication.client_sequence
            last = self.log.sessions.get(client, 0)
            if self.refuse_next or sequence > last + 1:
                self.refuse_next = max(0, self.refuse_next - 1)
                asyncio.get_running_loop().call_soon(self._reject, client, sequence, last + 1)
            elif sequence == last + 1:
                self.log.sessions[client] = sequence
                self.log.publications.append(publication)
        if not self.held:
            self.release()
        for waiter in self.waiting:
            waiter.set()

    async def logged(self, count):
        """Until that many publications are in the log."""
        event = asyncio.Event()
        self.waiting.append(event)
        while len(self.log.publications) < count:
            await event.wait()
            event.clear()
        self.waiting.remove(event)

    def release(self):
        for client in dict.fromkeys(self.listeners):
            asyncio.get_running_loop().call_soon(self._ack, client)

    def _ack(self, client):
        for listener in list(self.listeners[client]):
            listener.acked(self.log.sessions.get(client, 0))

    def _reject(self, client, sequence, expected):
        for listener in list(self.listeners[client]):
            listener.rejected(sequence, "the window is full", 5, expected)
