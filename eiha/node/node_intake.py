"""What the node offers its receivers: streams, intake state, clients' acknowledgements (``receivers.intake.Intake``).

It holds no publications; it only remembers when each was submitted, to measure how long acknowledgements take.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from eiha.events.schema import StreamDefinition
from eiha.ha.effects import AckClient, RejectClient, SetIntake
from eiha.ha.inputs import ClientHello, Submit
from eiha.ha.roles import Role
from eiha.kernel.ids import ClientId, ClientSequence
from eiha.observability.node_metrics import NodeMetrics
from eiha.protocol.log_entry import Publication
from eiha.receivers.intake import ClientListener, IntakeState, NodeFacts

STARTING = IntakeState(open=False, reason="the node is starting", retry_after_ms=500)
CLOSED_RETRY_MS = 200
_WHOLE: Final = (Role.ACTIVE.value, Role.PASSIVE.value)
"""Roles of a node whose log is that of the cluster."""


class NodeIntake:
    """One per node.

    Args:
        feed: gives an input to the member.
        facts: who the node is, now.
        log_end: the log's last sequence, now.
        metrics: counts events in, acknowledged and refused.

        plans: how many plans a new cluster is founded with.

    The first time the member opens the intake, it stays shut until the streams are known, else clients would be told
    that there are none: until the engine has streams and has applied the first entries of the log, which deploy the
    founding plans, or everything. It does not wait for the rest of a replay. Of a node that joins, everything is what
    its log has when it is synced in: before, it may lack the very first entries.
    """

    def __init__(
        self,
        feed: Callable[[ClientHello | Submit], None],
        facts: Callable[[], NodeFacts],
        log_end: Callable[[], int],
        metrics: NodeMetrics,
        *,
        plans: int,
    ) -> None:
        self._feed = feed
        self._facts = facts
        self._log_end = log_end
        self._plans = plans
        self._opens_at: int | None = None
        self._is_held_back = True
        self._wanted: SetIntake | None = None
        self._metrics = metrics
        self._streams: Mapping[str, StreamDefinition] = MappingProxyType({})
        self._state = STARTING
        self._watchers: dict[int, Callable[[IntakeState], None]] = {}
        self._listeners: dict[ClientId, dict[int, ClientListener]] = {}
        self._underway: dict[ClientId, deque[tuple[ClientSequence, int, float]]] = {}
        self._next_key = 0
        self._applied_through = 0

    # -- receivers.intake.Intake

    def facts(self) -> NodeFacts:
        """Who the node is, now."""
        return self._facts()

    def streams(self) -> Mapping[str, StreamDefinition]:
        """The streams that may be published to."""
        return self._streams

    def state(self) -> IntakeState:
        """Whether publications are taken now."""
        return self._state

    def watch(self, changed: Callable[[IntakeState], None]) -> Callable[[], None]:
        """Call ``changed`` at every change of ``state``; the result ends the watch."""
        key = self._key()
        self._watchers[key] = changed
        return lambda: self._watchers.pop(key, None) and None

    def attach(self, client: ClientId, listener: ClientListener) -> Callable[[], None]:
        """Listen for ``client``; the result detaches."""
        key = self._key()
        self._listeners.setdefault(client, {})[key] = listener
        self._metrics.client_connections.set(len(self._listeners))
        self._feed(ClientHello(client))
        return lambda: self._detach(client, key)

    def submit(self, publications: tuple[Publication, ...], *, duplicated: bool = False) -> None:
        """Hand publications to the member, in order."""
        now_s = time.monotonic()
        for publication in publications:
            entry = (publication.client_sequence, publication.rows, now_s)
            self._underway.setdefault(publication.client_id, deque()).append(entry)
        self._feed(Submit(publications, duplicated))
        for publication in publications:  # while the peer writes its log
            self._metrics.events_received.add(publication.rows, publication.stream)

    # -- for the node

    def acked(self, effect: AckClient) -> None:
        """Tell the client's listeners."""
        for listener in tuple(self._listeners.get(effect.client_id, {}).values()):
            listener.acked(effect.through)
        underway = self._underway.get(effect.client_id)
        if underway:
            self._measure(effect.client_id, underway, effect.through)

    def rejected(self, effect: RejectClient) -> None:
        """Tell the client's listeners."""
        underway = self._underway.get(effect.client_id)
        if underway:
            kept = deque(entry for entry in underway if entry[0] != effect.client_sequence)
            rows = sum(entry[1] for entry in underway) - sum(entry[1] for entry in kept)
            self._metrics.events_rejected.add(rows, "refused by the pair")
            self._underway[effect.client_id] = kept
            if not kept:
                del self._underway[effect.client_id]
        for listener in tuple(self._listeners.get(effect.client_id, {}).values()):
            listener.rejected(effect.client_sequence, effect.reason, effect.retry_after_ms, effect.expected)

    def set_state(self, effect: SetIntake) -> None:
        """The member opens or closes the intake."""
        self._wanted = effect
        self._show_state()

    def note_applied(self, sequence: int) -> None:
        """The engine is at ``sequence``."""
        self._applied_through = sequence
        if self._is_held_back:
            self._show_state()

    def note_role(self) -> None:
        """The member is another one now."""
        if self._is_held_back:
            self._show_state()

    def _streams_are_known(self) -> bool:
        if self._streams and self._applied_through > self._plans:
            return True
        if self._facts().role not in _WHOLE:
            return False
        if self._opens_at is None:
            self._opens_at = self._log_end()
        return self._applied_through >= self._opens_at

    def _show_state(self) -> None:
        """Tell all watchers if the state is another one now."""
        effect = self._wanted
        if effect is None:
            return
        if effect.open and self._is_held_back:
            self._is_held_back = not self._streams_are_known()
        if effect.open and self._is_held_back:
            effect = SetIntake(open=False, reason="the plans are being deployed")
        state = IntakeState(effect.open, "" if effect.open else effect.reason, CLOSED_RETRY_MS)
        if state != self._state:
            self._state = state
            for changed in tuple(self._watchers.values()):
                changed(state)

    def set_streams(self, streams: Mapping[str, StreamDefinition]) -> None:
        """Plans changed."""
        self._streams = MappingProxyType(dict(streams))

    def _key(self) -> int:
        self._next_key += 1
        return self._next_key

    def _detach(self, client: ClientId, key: int) -> None:
        listeners = self._listeners.get(client, {})
        listeners.pop(key, None)
        if not listeners:
            self._listeners.pop(client, None)
            self._underway.pop(client, None)
        self._metrics.client_connections.set(len(self._listeners))

    def _measure(
        self, client: ClientId, underway: deque[tuple[ClientSequence, int, float]], through: ClientSequence
    ) -> None:
        now_s = time.monotonic()
        while underway and underway[0][0] <= through:
            _, rows, submitted_s = underway.popleft()
            self._metrics.events_acked.add(rows)
            self._metrics.ack_latency.observe(now_s - submitted_s)
        if not underway:
            del self._underway[client]
