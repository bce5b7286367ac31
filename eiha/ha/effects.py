"""Everything a member can ask of its shell. Effects of one step are to be carried out in order."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.ha.inputs import Channel
from eiha.ha.member_state import MemberState
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LinkId, LogPosition, Sequence
from eiha.protocol.log_entry import LogEntry, Quarantine
from eiha.protocol.outputs import OutputBatch, PublishPermit
from eiha.protocol.peer_messages import PeerMessage
from eiha.protocol.snapshot_format import Chunk, SnapshotManifest


@dataclass(frozen=True, slots=True)
class Send:
    """Send to the peer over this very link; drop it if the link is gone."""

    channel: Channel
    link: LinkId
    message: PeerMessage


@dataclass(frozen=True, slots=True)
class CloseLink:
    """Close a link that misbehaves or stalls."""

    channel: Channel
    link: LinkId
    reason: str


@dataclass(frozen=True, slots=True)
class Persist:
    """Append to the own log; answered by ``Persisted`` when as durable as the mode asks. May be batched."""

    entries: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class TruncateLog:
    """Cut everything after ``last`` (uncommitted tail of a former active); keep the cut bytes in quarantine."""

    last: LogPosition


@dataclass(frozen=True, slots=True)
class ResetLog:
    """Discard the whole log: it starts anew after ``start`` (a snapshot is being received)."""

    start: LogPosition


@dataclass(frozen=True, slots=True)
class TrimLog:
    """Entries through here are covered by a durable snapshot and may be deleted."""

    through: Sequence


@dataclass(frozen=True, slots=True)
class RememberWitness:
    """Persist the highest witness version seen, so that a witness gone backwards is noticed after a restart."""

    version: int


@dataclass(frozen=True, slots=True)
class Apply:
    """Feed committed entries to the engine, in order; answered by ``Applied``. FIFO with snapshot effects.

    ``digest``: also compute the state digest after the last entry and give it in ``Applied``. The shell may
    answer an ``Apply`` with several ``Applied``, in order; the digest belongs to the last. An entry that cannot be
    applied is answered by ``ApplyFailed``.

    ``quarantined``: what is to be left out of these entries. ``suspects``: the last active may have died of one of
    them: try them first where that does no harm.
    """

    entries: tuple[LogEntry, ...]
    digest: bool = False
    quarantined: tuple[Quarantine, ...] = ()
    suspects: bool = False


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Cut a snapshot of the engine as it is, which is applied through ``position``, and make it durable.

    Answered by ``SnapshotTaken`` or ``SnapshotFailed``, maybe much later: entries may follow at once. One at a time.
    """

    request: int
    position: LogPosition
    epoch_starts: tuple[tuple[Epoch, Sequence], ...]
    member_state: MemberState


@dataclass(frozen=True, slots=True)
class SendChunk:
    """Send a chunk of a snapshot on this disk to the peer (``SnapshotChunk``), or answer ``ChunkUnreadable``."""

    link: LinkId
    transfer: int
    index: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class FindChunks:
    """Which chunks of the peer's snapshot are on this disk already? Answered by ``ChunksFound``; they are kept."""

    transfer: int
    manifest: SnapshotManifest


@dataclass(frozen=True, slots=True)
class StoreChunk:
    """Check a chunk that came and put it on disk; answered by ``ChunkStored``."""

    transfer: int
    index: int
    chunk: Chunk
    data: bytes


@dataclass(frozen=True, slots=True)
class SaveSnapshot:
    """All chunks of the peer's snapshot are stored: make it durable, and the only one; answered by ``SnapshotSaved``.

    Others are of the log that was discarded for it.
    """

    manifest: SnapshotManifest


@dataclass(frozen=True, slots=True)
class KeepDump:
    """Keep a state for comparison: the states of the nodes differed, and both are kept as of entry ``dump``.

    ``side``: ``mine`` or ``peer``. ``manifest``: of the snapshot on this disk that is copied; it was cut at ``dump``
    unless that could not be reached. ``withdraw``: its state is wrong, so it is no snapshot any more, kept or not. Not
    answered: nothing rests on it, and a dump that cannot be kept is told in the log.
    """

    dump: Sequence
    side: str
    manifest: SnapshotManifest
    withdraw: bool = False


@dataclass(frozen=True, slots=True)
class RestoreSnapshot:
    """Replace the engine's state by that of a snapshot on disk; None: the newest valid one.

    Answered by ``Restored`` or ``SnapshotRefused``.
    """

    manifest: SnapshotManifest | None


@dataclass(frozen=True, slots=True)
class ReadWitness:
    """Read the row with a locking read; answered by ``WitnessReadDone``."""

    request: int


@dataclass(frozen=True, slots=True)
class CompareAndSet:
    """Replace the row if its version is ``expected_version`` (None: if there is no row)."""

    request: int
    expected_version: int | None
    row: WitnessRow


@dataclass(frozen=True, slots=True)
class AckClient:
    """Everything of the client through ``through`` is committed. Ignored by a shell that has no such client."""

    client_id: ClientId
    through: ClientSequence


@dataclass(frozen=True, slots=True)
class RejectClient:
    """Not accepted, nothing changed. ``expected``: the sequence this client must send next (0: unknown)."""

    client_id: ClientId
    client_sequence: ClientSequence
    reason: str
    retry_after_ms: int
    expected: ClientSequence


@dataclass(frozen=True, slots=True)
class SetIntake:
    """Read from clients, or stop reading (bound reached, no quorum, switchover)."""

    open: bool
    reason: str


@dataclass(frozen=True, slots=True)
class RejectStatement:
    """The statement of ``request`` is not in the log and will not be; ``reason`` says why. It may be asked again."""

    request: str
    reason: str


@dataclass(frozen=True, slots=True)
class OpenSink:
    """Fence the sink's store for the permit's epoch and read its progress; retried by the shell until it answers."""

    sink: str
    permit: PublishPermit


@dataclass(frozen=True, slots=True)
class Publish:
    """Write outputs to the sink in one or more transactions, in order; answered by ``Published`` or ``SinkFenced``.

    ``expected`` is the store's progress before; ``through`` after (there may be no output in between).
    A store whose progress was not ``expected`` is answered as ``SinkOpened`` with the progress it has.
    """

    sink: str
    outputs: tuple[OutputBatch, ...]
    expected: Sequence
    through: Sequence
    permit: PublishPermit


@dataclass(frozen=True, slots=True)
class RevokePermit:
    """The permit is void: drop queued publishing work before anything else."""


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """A fact for logs, metrics and ``/role``: the member moved."""

    before: str
    after: str
    trigger: str
    detail: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact for the log. ``event`` is a stable id such as ``member_joined``; ``level`` is ``info|warning|error``."""

    level: str
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop the process: a doubt that must not be guessed away, or an orderly end (``failed`` False).

    ``stuck``: a part of this process does not move; a new process can go on.
    """

    reason: str
    failed: bool
    stuck: bool = False


Effect = (
    Send
    | CloseLink
    | Persist
    | TruncateLog
    | ResetLog
    | TrimLog
    | RememberWitness
    | Apply
    | TakeSnapshot
    | SendChunk
    | FindChunks
    | StoreChunk
    | SaveSnapshot
    | KeepDump
    | RestoreSnapshot
    | ReadWitness
    | CompareAndSet
    | AckClient
    | RejectClient
    | SetIntake
    | RejectStatement
    | OpenSink
    | Publish
    | RevokePermit
    | RoleChanged
    | Fact
    | Halt
)
