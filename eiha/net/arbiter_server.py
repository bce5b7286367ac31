"""Where nodes reach the arbiter: connections are proven under their cluster's secret, then carry requests and answers.

Nothing is decided here: each request is handed to the owner with its ``Asker``. Bounds: a stranger costs one frame of
4 KiB for a few seconds, and the oldest stranger makes room for the next; a cluster has a few connections, and the
oldest makes room, so that what a dead node left behind keeps nobody out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from eiha.errors import AuthenticationFailed, MalformedFrame, OtherCluster, ProtocolError
from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.framed_connection import FramedConnection
from eiha.net.listening import listen
from eiha.observability.logs import EventLog
from eiha.observability.repeated_lines import RepeatedLines
from eiha.protocol.framing import Frame
from eiha.protocol.handshake import HANDSHAKE_TABLE, Handshake, HandshakeIdentity, Hello, Side, refusal
from eiha.protocol.limits import NONCE_BYTES, WITNESS_REQUEST_BYTES_MAX, WITNESS_REQUESTS_MAX
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.witness_codec import WITNESS_CHANNEL, WITNESS_TABLE
from eiha.protocol.witness_messages import (
    HistoryHeld,
    NotDone,
    NotSwapped,
    RowHeld,
    Swapped,
    WitnessAnswer,
    WitnessRequest,
)
from eiha.transport.admission_limits import AdmissionLimits, FailedLogins
from eiha.transport.gated_listener import Admission, GatedListener, MakeContext

HANDSHAKE_TIMEOUT_S: Final = 5.0
STRANGERS_MAX: Final = 64
CONNECTIONS_PER_CLUSTER_MAX: Final = 8
QUEUE_BYTES_MAX: Final = 8 << 20
"""Answers that wait because a node does not read, at most; more than it may have asked for."""

CONNECTIONS_MAX: Final = 8_192
"""In all: what 1,000 clusters may have, and strangers."""

PORT_KEY: Final = "arbiter.port"


@dataclass(frozen=True, slots=True)
class ArbiterSettings:
    """``secrets`` by cluster; ``name``: unlike any node's, so that a node never takes the arbiter for itself.

    ``secrets_previous``: accepted, too, while a secret is changed. ``tls``: None: not encrypted.
    """

    host: str
    port: int
    secrets: Mapping[str, bytes]
    name: str
    idle_timeout_s: float
    secrets_previous: Mapping[str, bytes] = field(default_factory=dict)
    tls: MakeContext | None = None


class ArbiterServer:
    """All connections to the arbiter.

    Args:
        settings: see ``ArbiterSettings``.
        on_request: gets each request of a proven node; may raise ``ProtocolError``, which ends that connection.
        log: a line for each node that comes or is refused.
    """

    def __init__(
        self, settings: ArbiterSettings, on_request: Callable[[Asker, WitnessRequest], None], log: EventLog
    ) -> None:
        self.settings = settings
        self._on_request = on_request
        self._log = log
        self._lines = RepeatedLines(log)
        self._listener = GatedListener(
            self._accept,
            limits=AdmissionLimits(connections_max=CONNECTIONS_MAX, handshakes_max=STRANGERS_MAX),
            tls=settings.tls,
            handshake_timeout_s=HANDSHAKE_TIMEOUT_S,
            refused=self._refused_at_the_gate,
        )
        self._failed_logins = FailedLogins()
        self._strangers: dict[Asker, None] = {}
        self._proven: dict[str, dict[Asker, None]] = {cluster: {} for cluster in settings.secrets}

    async def start(self) -> int:
        """Listen; the port. Raises ``AddressUnavailable``."""
        return await listen(self._listener, self.settings.host, self.settings.port, PORT_KEY)

    async def stop(self) -> None:
        """Close everything. What was answered is sent first."""
        self._listener.close()
        for asker in list(self._strangers):
            asker.connection.abort("the arbiter stops")
        proven = [asker for askers in self._proven.values() for asker in askers]
        for asker in proven:
            asker.connection.close("the arbiter stops")
        if proven:
            await asyncio.wait([asker.ended for asker in proven], timeout=1.0)
        await self._listener.wait_closed()

    # -- for the connections

    def _accept(self, admission: Admission) -> FramedConnection:
        if len(self._strangers) >= STRANGERS_MAX:
            next(iter(self._strangers)).connection.abort("too many connections that prove nothing")
        asker = Asker(self, admission)
        self._strangers[asker] = None
        return asker.connection

    def _established(self, asker: Asker, cluster: str, peer: PeerIdentity) -> None:
        self._strangers.pop(asker, None)
        askers = self._proven[cluster]
        if len(askers) >= CONNECTIONS_PER_CLUSTER_MAX:
            next(iter(askers)).connection.abort("replaced by a newer connection of its cluster")
        askers[asker] = None
        where = asker.connection.peer_address
        self._log.info("node_connected", f"{peer.node} of {cluster} at {where}", cluster=cluster, peer=peer.node)

    def _refused_at_the_gate(self, code: str, address: str, sentence: str) -> None:
        if sentence:
            self._lines.say("warning", "node_refused", code, f"connection of {address}: {sentence}", error=code)

    def _refused(self, asker: Asker, failure: ProtocolError) -> None:
        where = asker.connection.peer_address
        code = type(failure).__name__
        self._lines.say(
            "warning",
            "node_refused",
            f"{code} {asker.connection.peer_host}",
            f"connection of {where}: {failure}",
            error=code,
        )

    def _answer_after_s(self, failure: ProtocolError, address: str) -> float:
        """How late a stranger is told of ``failure``: in time for one who means well to hear it."""
        if not isinstance(failure, AuthenticationFailed):
            return 0.0
        delay_s = self._failed_logins.failed(address, asyncio.get_running_loop().time())
        return min(delay_s, HANDSHAKE_TIMEOUT_S / 2)

    def _gone(self, asker: Asker) -> None:
        self._strangers.pop(asker, None)
        if asker.cluster in self._proven:
            self._proven[asker.cluster].pop(asker, None)

    def _request(self, asker: Asker, request: WitnessRequest) -> None:
        self._on_request(asker, request)


class Asker:
    """One connection: first its handshake, then its requests. ``cluster`` is empty until it is proven."""

    def __init__(self, owner: ArbiterServer, admission: Admission) -> None:
        self.connection = FramedConnection(queue_bytes_max=QUEUE_BYTES_MAX, ended=admission.end)
        self.cluster = ""
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._owner = owner
        self._address = admission.address
        self._late_answer: asyncio.TimerHandle | None = None
        self._handshake: Handshake | None = None
        self._claimed = ""
        self._waiting = 0
        self._last_request_s = loop.time()
        self._alarm = loop.call_later(HANDSHAKE_TIMEOUT_S, self._expire, "the handshake was not finished in time")
        self.connection.attach(self._on_frame, self._on_lost)

    def answer(self, message: WitnessAnswer) -> None:
        """Send an answer; whoever is gone by now has to read again."""
        self._waiting -= 1
        self.connection.send(*WITNESS_TABLE.encode(message))

    def refuse(self, failure: ProtocolError) -> None:
        """The request cannot be meant: say why, and close."""
        self._owner._refused(self, failure)
        self.connection.send_bytes(refusal(failure))
        self.connection.close(str(failure))

    def _on_frame(self, frame: Frame) -> None:
        if not self.cluster:
            self._shake_hands(frame)
            return
        request = WITNESS_TABLE.decode(frame.type, frame.body)
        if isinstance(request, RowHeld | Swapped | NotSwapped | HistoryHeld | NotDone):
            raise MalformedFrame(f"{type(request).__name__} is for a node, not for an arbiter")
        self._waiting += 1
        if self._waiting > WITNESS_REQUESTS_MAX:
            raise MalformedFrame(f"more than {WITNESS_REQUESTS_MAX} requests at once")
        self._last_request_s = self._loop.time()
        self._owner._request(self, request)

    def _shake_hands(self, frame: Frame) -> None:
        if self._late_answer is not None:
            return
        if self._handshake is None:
            try:
                self._handshake = self._handshake_for(frame)
            except AuthenticationFailed as failure:
                self._turn_away(failure, refusal(failure))
                return
        step = self._handshake.receive(frame)
        if step.failure is not None:
            self._turn_away(step.failure, step.send)
            return
        if step.send:
            self.connection.send_bytes(step.send)
        if step.peer is not None:
            self.cluster = self._claimed
            self.connection.allow_frames_of(WITNESS_REQUEST_BYTES_MAX)
            self._alarm.cancel()
            self._watch_idleness()
            self._owner._established(self, self.cluster, step.peer)

    def _turn_away(self, failure: ProtocolError, answer: bytes) -> None:
        """Say why not, the later the more often this address failed to prove a secret; nobody else waits for that."""
        self._owner._refused(self, failure)
        delay_s = self._owner._answer_after_s(failure, self._address) if answer else 0.0
        if delay_s:
            self._late_answer = self._loop.call_later(delay_s, self._answer_and_close, failure, answer)
        else:
            self._answer_and_close(failure, answer)

    def _answer_and_close(self, failure: ProtocolError, answer: bytes) -> None:
        if answer:
            self.connection.send_bytes(answer)
        self.connection.close(str(failure))

    def _handshake_for(self, frame: Frame) -> Handshake:
        """The handshake of the cluster that the first frame names: it decides which secret is asked for."""
        hello = HANDSHAKE_TABLE.decode(frame.type, frame.body)
        if not isinstance(hello, Hello):
            raise MalformedFrame(f"{type(hello).__name__} came out of turn, awaiting hello")
        settings = self._owner.settings
        secret = settings.secrets.get(hello.cluster)
        if secret is None:
            raise OtherCluster(
                f"node {hello.node!r} belongs to cluster {hello.cluster!r}, which this arbiter does not serve: "
                "add it to arbiter.clusters, or check the node's cluster.domain"
            )
        self._claimed = hello.cluster
        me = HandshakeIdentity(hello.cluster, WITNESS_CHANNEL, NodeId(settings.name), Incarnation(settings.name))
        previous = settings.secrets_previous.get(hello.cluster, b"")
        nonce = secrets.token_bytes(NONCE_BYTES)
        handshake = Handshake(Side.RESPONDER, me, secret, nonce, previous_secret=previous)
        own, _ = self.connection.certificates
        handshake.bind(own, b"")
        return handshake

    def _watch_idleness(self) -> None:
        idle_s = self._loop.time() - self._last_request_s
        limit_s = self._owner.settings.idle_timeout_s
        if idle_s >= limit_s and not self._waiting:
            self._expire(f"nothing was asked for {limit_s:g} s")
            return
        self._alarm = self._loop.call_later(max(limit_s - idle_s, 0.1), self._watch_idleness)

    def _expire(self, reason: str) -> None:
        self.connection.abort(reason)

    def _on_lost(self, _reason: str) -> None:
        self._alarm.cancel()
        if self._late_answer is not None:
            self._late_answer.cancel()
        if self.connection.failure is not None:
            self._owner._refused(self, self.connection.failure)
        elif self.connection.tls_failure and not self.cluster:
            self._owner._refused(self, AuthenticationFailed(self.connection.tls_failure))
        self._owner._gone(self)
        if not self.ended.done():
            self.ended.set_result(None)
