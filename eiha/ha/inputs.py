"""Everything that can happen to a member. The shell turns the outside world into these."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from eiha.ha.witness_row import CasOutcome, ReadOutcome
from eiha.kernel.ids import BEFORE_FIRST, ClientId, Epoch, Incarnation, LinkId, LogPosition, Sequence
from eiha.protocol.log_entry import DeployPlan, LogEntry, Publication, Quarantine, RemovePlan, TableStatement
from eiha.protocol.outputs import OutputBatch
from eiha.protocol.peer_messages import PeerIdentity, PeerMessage
from eiha.protocol.snapshot_format import SnapshotManifest
from eiha.protocol.state_digest import StateDigest
from eiha.protocol.vitals import IDLE, EngineAt


class Channel(enum.Enum):
    """The two connections between the nodes."""

    EVENT_SYNC = "eventSync"
    MANAGEMENT = "management"

    # by identity: links are looked up by channel several times with each message, and Enum's own hash is Python
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Start:
    """First input: what the disk holds. ``entries``: the whole log after the snapshot, in order.

    Entries that the snapshot covers may be among them and are passed over. A gap between the snapshot and the
    first entry (a transfer was interrupted) makes the state unusable: the member resets it and joins anew.
    ``snapshot`` is the newest valid one (None: none). ``witness_version_seen`` is the highest version ever
    persisted by ``RememberWitness``: a lower one means that the witness went backwards.
    """

    incarnation: Incarnation
    entries: tuple[LogEntry, ...]
    snapshot: SnapshotFacts | None
    witness_version_seen: int
    plans: tuple[DeployPlan, ...]
    applied_before: Sequence = BEFORE_FIRST
    """How far an engine of this disk is known to have come without harm; a lower value costs time only."""


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """A snapshot that is on disk: where it was cut, the client sessions and outbox at that point (opaque)."""

    position: LogPosition
    epoch_starts: tuple[tuple[Epoch, Sequence], ...]
    member_state: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. To be given at least every ``Policy.tick_ms``.

    ``loop_lag_ms``: how late it is given. ``engine``: what the engine's thread is at.
    """

    loop_lag_ms: int = 0
    engine: EngineAt = IDLE


@dataclass(frozen=True, slots=True)
class WitnessReadDone:
    """Answer to ``ReadWitness``."""

    request: int
    outcome: ReadOutcome


@dataclass(frozen=True, slots=True)
class WitnessCasDone:
    """Answer to ``CompareAndSet``."""

    request: int
    outcome: CasOutcome


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A handshake completed: a new connection of one channel to the peer."""

    channel: Channel
    link: LinkId
    peer: PeerIdentity


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A connection is gone; nothing more will come over it."""

    channel: Channel
    link: LinkId
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message of the peer."""

    channel: Channel
    link: LinkId
    message: PeerMessage


@dataclass(frozen=True, slots=True)
class Submit:
    """A client of this node sent publications (already checked against the stream's definition).

    ``duplicated``: the client sends everything to both nodes, so a passive keeps them and does not forward.
    """

    publications: tuple[Publication, ...]
    duplicated: bool = False


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A client connected; answered by ``AckClient`` with what is committed of it so far."""

    client_id: ClientId


@dataclass(frozen=True, slots=True)
class Flush:
    """The shell has no more input at hand: what is pending becomes an entry if the window has room."""


@dataclass(frozen=True, slots=True)
class Persisted:
    """The own log holds everything through here, as durably as the mode asks."""

    through: LogPosition


@dataclass(frozen=True, slots=True)
class Applied:
    """The engine applied everything through ``sequence``.

    ``next_timer_ms``: log time at which the earliest timer is due, None for none. ``digest``: present at
    digest positions.
    """

    sequence: Sequence
    outputs: tuple[OutputBatch, ...]
    next_timer_ms: int | None
    digest: StateDigest | None = None


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The engine cannot apply the entry that ``failure`` names; its state is that before it, and it waits.

    It passes over what it was given behind that entry, and goes on when the entry is given to it again. ``failure`` is
    what the shell found out about it; the log must say so before anybody applies the rest of the entry.
    """

    failure: Quarantine


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """Answer to ``TakeSnapshot``: it is durable; the log may be trimmed through its position."""

    request: int
    manifest: SnapshotManifest


@dataclass(frozen=True, slots=True)
class SnapshotFailed:
    """Answer to ``TakeSnapshot``: it could not be written; the one before is untouched."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChunksFound:
    """Answer to ``FindChunks``: indexes of those that are not on this disk, each content once, ascending."""

    transfer: int
    lacking: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChunkStored:
    """Answer to ``StoreChunk``: it is on this disk; or, not ``sound``, its content is not what its name says."""

    transfer: int
    index: int
    sound: bool


@dataclass(frozen=True, slots=True)
class ChunkUnreadable:
    """Instead of sending: a chunk of the transfer's snapshot is damaged or gone on this disk."""

    transfer: int
    reason: str


@dataclass(frozen=True, slots=True)
class SnapshotSaved:
    """Answer to ``SaveSnapshot``: what came from the peer is durable, and the only snapshot on this disk."""

    position: LogPosition


@dataclass(frozen=True, slots=True)
class Restored:
    """Answer to ``RestoreSnapshot``: the engine's state is that of ``facts.position``."""

    facts: SnapshotFacts
    next_timer_ms: int | None


@dataclass(frozen=True, slots=True)
class SnapshotRefused:
    """``RestoreSnapshot`` failed: content corrupt, gone, or of another format version."""

    reason: str


@dataclass(frozen=True, slots=True)
class SinkOpened:
    """Answer to ``OpenSink``: the store is fenced for the epoch and holds everything through ``published_through``.

    Also the answer to a ``Publish`` whose ``expected`` was not the store's progress (an earlier reply was lost).
    """

    sink: str
    epoch: Epoch
    published_through: Sequence


@dataclass(frozen=True, slots=True)
class Published:
    """The store committed everything of ``sink`` through here."""

    sink: str
    epoch: Epoch
    through: Sequence


@dataclass(frozen=True, slots=True)
class SinkFenced:
    """A store refused: a newer epoch owns it."""

    sink: str
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """An operator deploys, replaces or removes a plan."""

    change: DeployPlan | RemovePlan


@dataclass(frozen=True, slots=True)
class StatementAsked:
    """Somebody wants tables of a plan changed; answered by ``RejectStatement``, or by the engine that applied it."""

    statement: TableStatement


@dataclass(frozen=True, slots=True)
class SwitchoverAsked:
    """An operator wants the passive to become active, without loss."""


@dataclass(frozen=True, slots=True)
class AcceptLossAsked:
    """An operator decides that this node goes on although acknowledged events may be lost (recorded)."""


@dataclass(frozen=True, slots=True)
class SnapshotAsked:
    """An operator wants a snapshot now."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The process was asked to end: hand over if possible, then ``Halt``."""


Input = (
    Start
    | Tick
    | WitnessReadDone
    | WitnessCasDone
    | LinkUp
    | LinkDown
    | Received
    | Submit
    | ClientHello
    | Flush
    | Persisted
    | Applied
    | ApplyFailed
    | SnapshotTaken
    | SnapshotFailed
    | SnapshotSaved
    | ChunksFound
    | ChunkStored
    | ChunkUnreadable
    | Restored
    | SnapshotRefused
    | SinkOpened
    | Published
    | SinkFenced
    | ChangePlan
    | StatementAsked
    | SwitchoverAsked
    | AcceptLossAsked
    | SnapshotAsked
    | StopAsked
)
