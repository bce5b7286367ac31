"""Messages between the two nodes. Every one carries what the receiver needs to tell a stale one.

eventSync (data): Append, AppendAck, Forward, Committed.
management (control): Ping, Pong, JoinRequest, JoinReply, SnapshotBegin, SnapshotLacks, SnapshotChunk, SnapshotAck,
JoinDone, DigestReport, Resync, SwitchoverPropose, SwitchoverReady, SwitchoverAbort.
"""

from __future__ import annotations

from dataclasses import dataclass

from eiha.kernel.ids import BEFORE_FIRST, Epoch, Incarnation, LogPosition, NodeId, Sequence
from eiha.protocol.log_entry import Publication
from eiha.protocol.state_digest import PartDigest
from eiha.protocol.vitals import QUIET, Vitals


@dataclass(frozen=True, slots=True)
class Append:
    """Active → passive: entries that follow ``previous``.

    ``encoded`` holds the entries' bytes in sequence order. ``committed_through`` lets the passive commit,
    ``applied_through``, how far the active's engine is, lets it apply: what kills one node must not reach the other.
    """

    epoch: Epoch
    previous: LogPosition
    encoded: tuple[bytes, ...]
    committed_through: Sequence
    applied_through: Sequence = BEFORE_FIRST


@dataclass(frozen=True, slots=True)
class AppendAck:
    """Passive → active: my log holds everything through here, as durably as the mode asks.

    ``applied_through`` stays 0 while the joiner has no complete state (a snapshot is still on its way).

    ``incarnation`` names the disk that holds it (rule R13). ``rejected``: ``previous`` did not match; ``through``
    is then the last position that may match, and the active probes again from there.
    """

    epoch: Epoch
    incarnation: Incarnation
    through: LogPosition
    applied_through: Sequence
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """Active → passive, when no Append is due: the commit watermark, or that of the engine, moved."""

    epoch: Epoch
    committed_through: Sequence
    applied_through: Sequence = BEFORE_FIRST


@dataclass(frozen=True, slots=True)
class Forward:
    """Passive → active: publications that the passive's clients sent."""

    epoch: Epoch
    publications: tuple[Publication, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """Either way, each heartbeat. ``nonce`` comes back in the Pong: liveness is a round trip.

    ``loop_progress`` counts turns of the sender's main loop. ``published_through`` (active only) says per sink
    how far outputs are in the store, so that the passive trims its outbox. ``vitals``: how the sender is getting on.
    """

    epoch: Epoch
    incarnation: Incarnation
    role: str
    nonce: int
    loop_progress: int
    log_end: LogPosition
    committed_through: Sequence
    published_through: tuple[tuple[str, Sequence], ...] = ()
    vitals: Vitals = QUIET


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a Ping."""

    nonce: int
    epoch: Epoch
    witness_reachable: bool


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Joiner → active: where my log stands. ``epoch_starts``: (epoch, first sequence) pairs, ascending.

    ``snapshot_sequence``: what my engine has applied, or my snapshot covers; state cannot go back behind it.
    ``attempt`` comes back in the reply, so that a reply to an earlier request is told apart.
    """

    incarnation: Incarnation
    log_first: Sequence
    log_end: LogPosition
    epoch_starts: tuple[tuple[Epoch, Sequence], ...]
    snapshot_sequence: Sequence
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class JoinReply:
    """Active → joiner: keep your log through ``common``, then follow the appends.

    ``snapshot``: None when the log suffices, else the transfer that begins; the log starts anew after it.
    """

    epoch: Epoch
    common: LogPosition
    snapshot: int | None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotBegin:
    """Active → joiner: a snapshot follows; ``manifest`` tells where it was cut and which chunks it consists of."""

    epoch: Epoch
    transfer: int
    manifest: bytes


@dataclass(frozen=True, slots=True)
class SnapshotLacks:
    """Joiner → active: of the manifest's chunks I lack those whose bit is set (chunk i: bit i % 8 of byte i // 8)."""

    transfer: int
    lacking: bytes


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    """Active → joiner: the content of chunk ``index`` of the manifest, whose name there is its checksum."""

    transfer: int
    index: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SnapshotAck:
    """Joiner → active: of the chunks that I lacked I have the first ``through`` on disk."""

    transfer: int
    through: int


@dataclass(frozen=True, slots=True)
class JoinDone:
    """Active → joiner: the witness names you in the synced set as of ``version``."""

    epoch: Epoch
    version: int


@dataclass(frozen=True, slots=True)
class DigestReport:
    """Passive → active: digests of what is covered of my state after applying ``sequence``.

    ``names_digest`` tells whether my parts are numbered as yours are; see ``state_digest``.
    """

    epoch: Epoch
    sequence: Sequence
    names_digest: bytes
    covered: tuple[PartDigest, ...]


@dataclass(frozen=True, slots=True)
class Resync:
    """Active → passive: your state differs or your log does not fit; discard it and join anew.

    ``state_at``: keep your state as of this position before; my engine is past it, and I keep mine. 0: do not.
    """

    epoch: Epoch
    reason: str
    state_at: Sequence = BEFORE_FIRST


@dataclass(frozen=True, slots=True)
class SwitchoverPropose:
    """Active → passive: intake is stopped at ``position``; take over when you hold and applied it."""

    epoch: Epoch
    position: LogPosition


@dataclass(frozen=True, slots=True)
class SwitchoverReady:
    """Passive → active: I hold and applied everything; I am about to take epoch + 1."""

    epoch: Epoch
    incarnation: Incarnation


@dataclass(frozen=True, slots=True)
class SwitchoverAbort:
    """Either way: the switchover is off; the active goes on."""

    epoch: Epoch
    reason: str


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """What the handshake proved about the other side of a link."""

    node: NodeId
    incarnation: Incarnation


EventSyncMessage = Append | AppendAck | Committed | Forward
ManagementMessage = (
    Ping
    | Pong
    | JoinRequest
    | JoinReply
    | SnapshotBegin
    | SnapshotLacks
    | SnapshotChunk
    | SnapshotAck
    | JoinDone
    | DigestReport
    | Resync
    | SwitchoverPropose
    | SwitchoverReady
    | SwitchoverAbort
)
PeerMessage = EventSyncMessage | ManagementMessage
