"""What shells must provide, grouped by obligation. Each promise is checked by a contract test that runs against
every implementation: the real ones in ``storage`` and those of the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import Protocol

from eiha.events.schema import StreamDefinition
from eiha.ha.witness_row import CasOutcome, ReadOutcome, WitnessRow
from eiha.kernel.ids import Epoch, LogPosition, LogTimeMs, Sequence
from eiha.protocol.answers import RowsFound, StatementFits
from eiha.protocol.log_entry import LogEntry, Quarantine
from eiha.protocol.outputs import AppliedEntry as AppliedEntry
from eiha.protocol.outputs import OutputBatch, PublishPermit
from eiha.protocol.snapshot_format import Chunk, EpochStarts, SnapshotManifest, StateReader, StateWriter
from eiha.protocol.state_digest import StateDigest


class Witness(Protocol):
    """Obligation: linearizable compare-and-set on one row. Safety rests on this alone."""

    async def read(self) -> ReadOutcome:
        """The row, by a locking read on the writer; ``Unknown`` when it cannot be reached in time."""

    async def compare_and_set(self, expected_version: int | None, row: WitnessRow) -> CasOutcome:
        """Replace the row, and append to the history, iff its version is ``expected_version`` (None: no row).

        Never raises for a lost connection: a commit whose reply was lost is ``Unknown``.
        """

    async def close(self) -> None:
        """Give the connection back."""


class LogStore(Protocol):
    """Obligation: what ``append`` returned from is in the operating system; what ``sync`` returned from is on disk.

    Synchronous: called by one thread at a time. Raises ``StorageError``; after a failed ``sync`` the
    store must not be used again.
    """

    def open(self) -> tuple[LogEntry, ...]:
        """Recover: drop a torn last record, refuse a corrupt earlier one (``CorruptFile``), return all entries."""

    def append(self, entries: Seq[LogEntry]) -> None:
        """Hand the entries' bytes to the operating system."""

    def appends_in_place(self) -> bool:
        """Whether the next append is one write and nothing else: no new file, nothing that waits for a disk."""

    def sync(self) -> None:
        """Flush to disk."""

    def begin_flush(self) -> Callable[[], None]:
        """A flush of what is appended so far, to be called on any thread while appends go on."""

    def truncate_after(self, last: LogPosition) -> None:
        """Cut the tail after ``last`` into quarantine."""

    def reset(self, start: LogPosition) -> None:
        """Discard everything; the next entry follows ``start``."""

    def begin_trim(self, sequence: Sequence) -> Callable[[], Iterator[None]] | None:
        """Let go of whole segments that hold nothing after ``sequence``; the result deletes them step by step.

        On any thread, while appends go on; to its end before anything else than these. None: nothing to delete.
        """

    def close(self) -> None:
        """Flush and close."""


@dataclass(frozen=True, slots=True)
class SnapshotCut:
    """Where a snapshot is cut."""

    position: LogPosition
    epoch_starts: EpochStarts


@dataclass(frozen=True, slots=True)
class Written:
    """A snapshot that is on disk but does not count yet. ``bytes_written``: what was not there before."""

    path: str
    bytes_total: int
    bytes_written: int


class SnapshotStore(Protocol):
    """Obligation: a manifest that is on disk has all its chunks on disk; ``newest`` never returns damaged ones.

    Each method is called by one thread at a time; ``write`` also in a forked child, while nothing else writes.
    """

    def write(self, cut: SnapshotCut, member_state: bytes, write_engine: Callable[[StateWriter], None]) -> Written:
        """Make the content durable, chunk by chunk, and the manifest under a name that does not count yet."""

    def adopt(self, written: Written) -> SnapshotManifest:
        """The manifest counts from here on, durably; prune to the number to keep."""

    def discard(self, process_id: int) -> None:
        """Delete what a child of that number left half written."""

    def lacking(self, manifest: SnapshotManifest) -> tuple[int, ...]:
        """Which chunks of ``manifest`` are not here, each content once. What is here is kept until ``save``."""

    def put_chunk(self, chunk: Chunk, data: bytes) -> bool:
        """Keep a chunk that came from the peer; False if it is not what its name says."""

    def save(self, manifest: SnapshotManifest) -> None:
        """Make a manifest count whose chunks are all here; other snapshots are of another log, and go."""

    def withdraw(self, manifest: SnapshotManifest) -> None:
        """Let no start use this snapshot, whose state is wrong. Raises ``StorageError``."""

    def read_chunk(self, chunk: Chunk) -> bytes:
        """The content of a chunk. Raises ``CorruptFile`` when it is damaged or gone."""

    def newest(self) -> SnapshotManifest | None:
        """The newest snapshot whose every byte checks out; damaged ones are reported and passed over."""

    def contents(self, manifest: SnapshotManifest) -> tuple[bytes, StateReader]:
        """The member's section, and the engine's to read; each chunk is checked when its turn comes."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The transaction is in the store."""

    through: Sequence


@dataclass(frozen=True, slots=True)
class Fenced:
    """A newer epoch owns the sink; nothing was written."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Displaced:
    """The store's progress is not what was expected (an earlier write whose reply was lost); nothing was written."""

    published_through: Sequence


PublishOutcome = Committed | Fenced | Displaced


class Sink(Protocol):
    """Obligation: rows, progress and epoch check in one transaction. Raises ``StoreUnavailable``: retry later."""

    name: str

    async def open(self, permit: PublishPermit) -> Committed | Fenced:
        """Fence: raise the sink's epoch, end a stale writer's open transaction, return the progress."""

    async def publish(
        self, outputs: Seq[OutputBatch], *, expected: Sequence, through: Sequence, permit: PublishPermit
    ) -> PublishOutcome:
        """Write ``outputs`` and move progress from ``expected`` to ``through``, all or nothing."""

    async def close(self) -> None:
        """Give connections back."""


class Engine(Protocol):
    """Obligation: the same entries give the same outputs and the same digest, on any node, at any time.

    Synchronous: called from the engine's thread only.
    """

    def apply(self, entry: LogEntry, quarantined: tuple[Quarantine, ...] = ()) -> AppliedEntry:
        """Apply one entry, without what is quarantined of it. What fails as it may is a fact in its own outputs.

        Raises ``PlanFailed`` for what nobody expected: the state is then undefined until the next ``restore``.
        """

    def snapshot(self) -> bytes:
        """The whole state, plans included, cut between entries."""

    def restore(self, content: bytes) -> None:
        """Replace the whole state. Raises ``CorruptFile`` for content that is not a snapshot of a known version."""

    def write_state(self, writer: StateWriter) -> None:
        """The same as a stream, a piece at a time. Called in a forked child where the state is large."""

    def read_state(self, reader: StateReader) -> None:
        """Replace the whole state by that of a stream. Raises ``CorruptFile``; the engine is empty then."""

    def streams(self) -> Mapping[str, StreamDefinition]:
        """The streams that may be published to, by name: those that deployed plans define."""

    def digest(self) -> bytes:
        """16 bytes that are equal iff the states are. Encodes all of it: for tests and for the simulator."""

    def digest_at(self, position: int) -> StateDigest:
        """Digests of what position number ``position`` covers: bounded work; in time, all of the state is covered."""

    def next_timer_ms(self) -> LogTimeMs | None:
        """Log time of the earliest timer."""


class AskedEngine(Engine, Protocol):
    """Obligation: a question changes nothing at all, so that a node may answer it without its peer."""

    def ask(self, plan: str, text: str, rows_max: int) -> RowsFound | StatementFits:
        """Answer a question from what is applied; a statement is only looked at.

        Raises ``PlanError`` when it does not fit the plan, and ``UnknownPlan``, ``AnswerTooLarge``, ``QueryFailed``.
        """

    def strings(self) -> Mapping[str, int]:
        """How many different strings each plan holds, by name."""

    def suspended(self) -> Mapping[str, str]:
        """Plans that get nothing until they are deployed anew, each with why."""
