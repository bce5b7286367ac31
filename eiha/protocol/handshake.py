"""How two nodes prove to each other, before anything else, that they belong together. Pure.

::

    initiator                                              responder
        Hello(versions, cluster, channel, node, incarnation, nonce)  →
        ←  Reply(version, cluster, channel, node, incarnation, nonce, proof)
        Proof(proof)  →
        ←  Accepted
    either:  Refused(code, reason), then the connection is closed

``proof`` is HMAC-SHA256 under the cluster secret over the side's label, everything both sides said and, over TLS, the
fingerprints of both certificates. So it proves knowledge of the secret, answers this nonce only, cannot be sent back
as the other side's proof, and cannot be relayed by somebody in between who holds a valid certificate: both sides then
see another certificate than the one that was shown. Without TLS the bytes that follow are neither secret nor protected.

While a secret is changed, a side knows two: a responder proves knowledge of each (a reply then holds two proofs, the
present one first), the initiator answers under the one that both know.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from dataclasses import astuple, dataclass, replace
from typing import Final

from eiha.errors import (
    AuthenticationFailed,
    MalformedFrame,
    NodeIdInUse,
    OtherCluster,
    ProtocolError,
    VersionMismatch,
    WrongChannel,
)
from eiha.kernel.ids import Incarnation, NodeId
from eiha.protocol import fields
from eiha.protocol.framing import PROTOCOL_VERSION, Frame, encode_frame
from eiha.protocol.limits import HANDSHAKE_FRAME_BYTES_MAX, NONCE_BYTES, REASON_LENGTH_MAX, SMALL_MESSAGE_ITEMS_MAX
from eiha.protocol.message_table import (
    NAME,
    MessageSpec,
    MessageTable,
    binary_field,
    integer_field,
    text_field,
)
from eiha.protocol.peer_messages import PeerIdentity


class Side(enum.Enum):
    """Who connected (initiator) and who listened (responder); the value labels the proof."""

    INITIATOR = "eiha initiator"
    RESPONDER = "eiha responder"


class HandshakeState(enum.Enum):
    """What is awaited."""

    AWAITING_HELLO = "awaiting hello"
    AWAITING_REPLY = "awaiting reply"
    AWAITING_PROOF = "awaiting proof"
    AWAITING_ACCEPTED = "awaiting accepted"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HandshakeIdentity:
    """Who a node says it is on one channel (``eventSync`` or ``management``)."""

    cluster: str
    channel: str
    node: NodeId
    incarnation: Incarnation


@dataclass(frozen=True, slots=True)
class Hello:
    """Initiator → responder."""

    version_min: int
    version_max: int
    cluster: str
    channel: str
    node: str
    incarnation: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Responder → initiator: the version chosen, and the proof first."""

    version: int
    cluster: str
    channel: str
    node: str
    incarnation: str
    nonce: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """Initiator → responder."""

    proof: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """Responder → initiator: messages may follow."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Either way: why the connection is closed. ``code`` is a key of ``REFUSALS``."""

    code: str
    reason: str


HandshakeMessage = Hello | Reply | Proof | Accepted | Refused

_VERSION: Final = integer_field(0, 255)
_NONCE: Final = binary_field(NONCE_BYTES)
_PROOF_BYTES: Final = 32
_SECRETS_MAX: Final = 2
_PROOFS: Final = binary_field(_SECRETS_MAX * _PROOF_BYTES)

HANDSHAKE_TABLE: Final[MessageTable[HandshakeMessage]] = MessageTable(
    "handshake",
    (
        MessageSpec(1, Hello, (_VERSION, _VERSION, NAME, NAME, NAME, NAME, _NONCE), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(2, Reply, (_VERSION, NAME, NAME, NAME, NAME, _NONCE, _PROOFS), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(3, Proof, (binary_field(_PROOF_BYTES),), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(4, Accepted, (), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(5, Refused, (NAME, text_field(REASON_LENGTH_MAX)), SMALL_MESSAGE_ITEMS_MAX),
    ),
)

TRANSITIONS: Final[dict[tuple[HandshakeState, type[HandshakeMessage]], HandshakeState]] = {
    (HandshakeState.AWAITING_HELLO, Hello): HandshakeState.AWAITING_PROOF,
    (HandshakeState.AWAITING_REPLY, Reply): HandshakeState.AWAITING_ACCEPTED,
    (HandshakeState.AWAITING_PROOF, Proof): HandshakeState.DONE,
    (HandshakeState.AWAITING_ACCEPTED, Accepted): HandshakeState.DONE,
    (HandshakeState.AWAITING_HELLO, Refused): HandshakeState.FAILED,
    (HandshakeState.AWAITING_REPLY, Refused): HandshakeState.FAILED,
    (HandshakeState.AWAITING_PROOF, Refused): HandshakeState.FAILED,
    (HandshakeState.AWAITING_ACCEPTED, Refused): HandshakeState.FAILED,
}
"""Anything else is a protocol error of the other side."""

REFUSALS: Final[dict[str, type[ProtocolError]]] = {
    "authentication-failed": AuthenticationFailed,
    "other-cluster": OtherCluster,
    "version-mismatch": VersionMismatch,
    "node-id-in-use": NodeIdInUse,
    "wrong-channel": WrongChannel,
    "malformed": MalformedFrame,
}
"""What a refusal's code stands for on both sides."""

_CODES: Final = {error: code for code, error in REFUSALS.items()}


@dataclass(frozen=True, slots=True)
class HandshakeStep:
    """What one frame led to: bytes to send first, then the proven peer, or the failure after which to close.

    ``by_previous_secret``: the peer was proven under the secret that is being replaced.
    """

    send: bytes = b""
    peer: PeerIdentity | None = None
    failure: ProtocolError | None = None
    by_previous_secret: bool = False


class Handshake:
    """One handshake on one connection.

    Args:
        side: whether this node connected or listened.
        me: who this node is.
        secret: the cluster secret, not empty.
        nonce: ``NONCE_BYTES`` bytes from a cryptographic source, never used before.
        previous_secret: accepted, too, while the secret is changed; empty: none.

    The shell gives the decoder ``HANDSHAKE_FRAME_BYTES_MAX`` until ``peer`` is there, and bounds the time.
    """

    frame_bytes_max: Final = HANDSHAKE_FRAME_BYTES_MAX

    def __init__(
        self, side: Side, me: HandshakeIdentity, secret: bytes, nonce: bytes, *, previous_secret: bytes = b""
    ) -> None:
        assert secret
        assert len(nonce) == NONCE_BYTES
        self.side = side
        self.state = HandshakeState.AWAITING_REPLY if side is Side.INITIATOR else HandshakeState.AWAITING_HELLO
        self._me = me
        self._secrets = (secret, previous_secret) if previous_secret else (secret,)
        self._agreed = secret
        self._certificates = (b"", b"")
        self._nonce = nonce
        self._hello: Hello | None = None
        self._reply: Reply | None = None

    def bind(self, own_certificate: bytes, peer_certificate: bytes) -> None:
        """Over TLS, before the first frame: the fingerprints of the certificates that both sides showed."""
        assert self._hello is None
        mine_first = self.side is Side.INITIATOR
        self._certificates = (own_certificate, peer_certificate) if mine_first else (peer_certificate, own_certificate)

    @property
    def claimed(self) -> PeerIdentity | None:
        """Who the other side says it is, proven or not; None before it said so."""
        other = self._hello if self.side is Side.RESPONDER else self._reply
        return PeerIdentity(NodeId(other.node), Incarnation(other.incarnation)) if other is not None else None

    def start(self) -> bytes:
        """The first bytes to send; none for the responder."""
        if self.side is Side.RESPONDER:
            return b""
        me = self._me
        self._hello = Hello(
            PROTOCOL_VERSION, PROTOCOL_VERSION, me.cluster, me.channel, me.node, me.incarnation, self._nonce
        )
        return _frame(self._hello)

    def receive(self, frame: Frame) -> HandshakeStep:
        """Take the next frame. Never raises: a failure is in the step, with the refusal to send before closing."""
        try:
            message = HANDSHAKE_TABLE.decode(frame.type, frame.body)
            after = TRANSITIONS.get((self.state, type(message)))
            if after is None:
                raise MalformedFrame(f"{type(message).__name__} came out of turn, {self.state.value}")
            step = self._take(message)
            self.state = after
            return step
        except ProtocolError as failure:
            self.state = HandshakeState.FAILED
            return HandshakeStep(refusal(failure), failure=failure)

    def _take(self, message: HandshakeMessage) -> HandshakeStep:
        match message:
            case Hello():
                return self._answer_hello(message)
            case Reply():
                return self._answer_reply(message)
            case Proof(proof):
                self._check_proof(proof, Side.INITIATOR)
                return HandshakeStep(_frame(Accepted()), peer=self._peer(), by_previous_secret=self._by_previous())
            case Accepted():
                return HandshakeStep(peer=self._peer(), by_previous_secret=self._by_previous())
            case Refused(code, reason):
                error = REFUSALS.get(code, ProtocolError)
                return HandshakeStep(failure=error(f"the other side refused: {reason}"))

    def _answer_hello(self, hello: Hello) -> HandshakeStep:
        if not hello.version_min <= PROTOCOL_VERSION <= hello.version_max:
            raise VersionMismatch(
                f"node {hello.node!r} speaks protocol versions {hello.version_min} to {hello.version_max}, "
                f"node {self._me.node!r} speaks {PROTOCOL_VERSION}: run the same release on both nodes"
            )
        self._check_identity(hello.cluster, hello.channel, hello.node, hello.incarnation, hello.nonce)
        self._hello = hello
        me = self._me
        self._reply = Reply(PROTOCOL_VERSION, me.cluster, me.channel, me.node, me.incarnation, self._nonce, b"")
        proofs = b"".join(self._prove(Side.RESPONDER, secret) for secret in self._secrets)
        return HandshakeStep(_frame(replace(self._reply, proof=proofs)))

    def _answer_reply(self, reply: Reply) -> HandshakeStep:
        if reply.version != PROTOCOL_VERSION:
            raise VersionMismatch(
                f"node {reply.node!r} chose protocol version {reply.version}, this node speaks {PROTOCOL_VERSION}"
            )
        self._check_identity(reply.cluster, reply.channel, reply.node, reply.incarnation, reply.nonce)
        self._reply = reply
        self._check_proof(reply.proof, Side.RESPONDER)
        return HandshakeStep(_frame(Proof(self._prove(Side.INITIATOR, self._agreed))))

    def _check_identity(self, cluster: str, channel: str, node: str, incarnation: str, nonce: bytes) -> None:
        me = self._me
        if len(nonce) != NONCE_BYTES:
            raise MalformedFrame(f"a nonce must have {NONCE_BYTES} bytes, not {len(nonce)}")
        if cluster != me.cluster:
            raise OtherCluster(
                f"node {node!r} belongs to cluster {cluster!r}, node {me.node!r} to {me.cluster!r}: "
                "check cluster.domain and the members' addresses"
            )
        if channel != me.channel:
            raise WrongChannel(
                f"node {node!r} speaks {channel} and node {me.node!r} {me.channel} on this connection: "
                "check that the ports are not mixed up"
            )
        if node == me.node and incarnation == me.incarnation:
            raise NodeIdInUse(f"node {node!r} reached itself: one of the members' addresses is its own")
        if node == me.node:
            raise NodeIdInUse(f"both nodes are called {node!r}: give each its own node id")

    def _prove(self, side: Side, secret: bytes) -> bytes:
        assert self._hello is not None
        assert self._reply is not None
        said = fields.pack((side.value, astuple(self._hello), astuple(self._reply)[:-1], self._certificates))
        return hmac.new(secret, said, hashlib.sha256).digest()

    def _check_proof(self, proofs: bytes, side: Side) -> None:
        """Agree on the first of this side's secrets that ``proofs``, one or two, were made with."""
        given = [proofs[at : at + _PROOF_BYTES] for at in range(0, len(proofs), _PROOF_BYTES)]
        for secret in self._secrets:
            expected = self._prove(side, secret)
            if any(hmac.compare_digest(proof, expected) for proof in given):
                self._agreed = secret
                return
        between = ", and that nothing between them ends TLS" if any(self._certificates) else ""
        raise AuthenticationFailed(
            f"the secret of cluster {self._me.cluster!r} is not the same on both nodes: "
            f"check cluster.secret on each{between}"
        )

    def _by_previous(self) -> bool:
        return self._agreed != self._secrets[0]

    def _peer(self) -> PeerIdentity:
        peer = self.claimed
        assert peer is not None
        return peer


def refusal(failure: ProtocolError) -> bytes:
    """The frame that tells the other side why the connection is closed; also for failures of the decoder."""
    code = next((_CODES[cls] for cls in type(failure).__mro__ if cls in _CODES), "malformed")
    return _frame(Refused(code, str(failure) or type(failure).__name__))


def _frame(message: HandshakeMessage) -> bytes:
    return encode_frame(*HANDSHAKE_TABLE.encode(message))
