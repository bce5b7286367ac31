"""A node's disk: a log with what is written apart from what is synced, snapshots, the witness version seen.

A killed process leaves written pages to its machine; a machine that loses power loses the unsynced tail, sometimes
in the middle of a record (which recovery then drops). A wiped disk is a new disk.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from eiha.errors import CorruptFile
from eiha.ha.inputs import SnapshotFacts
from eiha.kernel.ids import LOG_START, Incarnation, LogPosition, Sequence
from eiha.protocol.log_entry import LogEntry
from eiha.protocol.snapshot_format import Chunk, ChunkName, SnapshotManifest, decode_manifest
from eiha.storage.snapshot_reader import SnapshotReader

SNAPSHOTS_KEPT = 2


@dataclass(slots=True)
class SimulatedDisk:
    """What one machine keeps. ``identity`` counts disks, ``boot`` counts starts of the machine."""

    name: str
    boot_counts: bool
    identity: int = 1
    boot: int = 1
    log_start: LogPosition = LOG_START
    reset_at: LogPosition = LOG_START
    entries: list[LogEntry] = field(default_factory=list)
    synced_entries: int = 0
    snapshots: list[tuple[LogPosition, bytes]] = field(default_factory=list)
    chunks: dict[ChunkName, bytes] = field(default_factory=dict)
    unsynced_chunks: set[ChunkName] = field(default_factory=set)
    incoming: frozenset[ChunkName] = frozenset()
    damaged_chunks: set[ChunkName] = field(default_factory=set)
    witness_version_seen: int = 0
    witness_version_synced: int = 0
    quarantined: list[LogEntry] = field(default_factory=list)
    applied_mark: int = 0
    """How far an engine of this disk came; lost with the machine's memory, and then of no use to another identity."""

    @property
    def incarnation(self) -> Incarnation:
        """The disk's identity and, where unsynced pages count (``boot_counts``), the boot's."""
        return Incarnation(f"{self.name}-d{self.identity}" + (f"-b{self.boot}" if self.boot_counts else ""))

    @property
    def log_end(self) -> LogPosition:
        """Position of the last entry written."""
        return self.entries[-1].position if self.entries else self.log_start

    # What the log writer does

    def append(self, entries: tuple[LogEntry, ...]) -> None:
        """Write entries, which must follow on the log."""
        for entry in entries:
            expected = self.log_end.sequence + 1
            assert entry.sequence == expected, f"{self.name} writes {entry.sequence} where {expected} is next"
            self.entries.append(entry)

    def sync(self) -> None:
        """Everything written is on disk from here on."""
        self.synced_entries = len(self.entries)
        self.witness_version_synced = self.witness_version_seen

    def truncate_after(self, last: LogPosition) -> None:
        """Cut the tail after ``last`` durably; the cut entries go to quarantine."""
        keep = last.sequence - self.log_start.sequence
        assert 0 <= keep <= len(self.entries), (
            f"{self.name} cuts at {last}, its log is {self.log_start}..{self.log_end}"
        )
        held = self.entries[keep - 1].position if keep else self.log_start
        assert held == last, f"{self.name} cuts after {last} but holds {held} there"
        self.quarantined.extend(self.entries[keep:])
        del self.entries[keep:]
        self.sync()

    def reset(self, start: LogPosition) -> None:
        """Discard the log, durably; the next entry follows ``start``."""
        self.log_start = self.reset_at = start
        self.entries.clear()
        self.sync()

    def trim_through(self, through: Sequence) -> None:
        """Delete entries through ``through``."""
        gone = min(through - self.log_start.sequence, len(self.entries))
        if gone <= 0:
            return
        self.log_start = self.entries[gone - 1].position
        del self.entries[:gone]
        self.synced_entries = max(0, self.synced_entries - gone)

    # What the snapshots' thread does

    def put_chunk(self, chunk: Chunk, data: bytes) -> None:
        """Write a chunk, unless it is there as it should be."""
        if self.chunks.get(chunk.name) != data:
            self.chunks[chunk.name] = data
            self.unsynced_chunks.add(chunk.name)
            self.damaged_chunks.discard(chunk.name)

    def sync_chunks(self) -> None:
        """What was written of chunks is on disk from here on."""
        self.unsynced_chunks.clear()

    def add_snapshot(self, position: LogPosition, manifest: bytes) -> None:
        """The snapshot counts from here on, durably."""
        self.snapshots.append((position, manifest))

    def prune_snapshots(self, keep: int = SNAPSHOTS_KEPT) -> None:
        """Older ones go."""
        del self.snapshots[:-keep]

    def withdraw_snapshot(self, position: LogPosition) -> None:
        """No start may use the snapshot of a state that is wrong."""
        self.snapshots = [each for each in self.snapshots if each[0] != position]

    def collect_chunks(self) -> None:
        """Chunks that no snapshot and no transfer needs go."""
        used = set(self.incoming)
        for _, manifest in self.snapshots:
            if (decoded := _decoded(manifest)) is not None:
                used.update(chunk.name for chunk in decoded.chunks)
        self.chunks = {name: data for name, data in self.chunks.items() if name in used}
        self.unsynced_chunks &= used

    def lacking(self, manifest: SnapshotManifest) -> tuple[int, ...]:
        """Which chunks are not here, each content once; those that are, stay."""
        self.incoming = frozenset(chunk.name for chunk in manifest.chunks)
        seen: set[ChunkName] = set()
        found: list[int] = []
        for index, chunk in enumerate(manifest.chunks):
            if chunk.name not in seen and not self.has(chunk):
                found.append(index)
            seen.add(chunk.name)
        return tuple(found)

    def has(self, chunk: Chunk) -> bool:
        """Whether the chunk is here with every byte as it should be."""
        return chunk.is_of(self.chunks.get(chunk.name, b""))

    def read_chunk(self, chunk: Chunk) -> bytes:
        """A chunk's content. Raises ``CorruptFile``."""
        if not self.has(chunk):
            raise CorruptFile(f"chunk {chunk.name.hex()} is damaged or gone")
        return self.chunks[chunk.name]

    def contents(self, manifest: SnapshotManifest) -> tuple[bytes, SnapshotReader]:
        """The member's section, and the engine's to read. Raises ``CorruptFile``."""
        member = SnapshotReader(self.read_chunk, manifest.chunks[: manifest.member_chunks])
        engine = SnapshotReader(self.read_chunk, manifest.chunks[manifest.member_chunks :])
        return member.read(member.remaining), engine

    # What befalls it

    def lose_power(self, rng: random.Random) -> int:
        """The machine stops: of the unsynced tail a random prefix survives. Returns the entries lost."""
        unsynced = len(self.entries) - self.synced_entries
        survive = 0 if rng.random() < 0.7 else rng.randint(0, unsynced)
        lost = unsynced - survive
        if lost:
            del self.entries[len(self.entries) - lost :]
        for name in sorted(self.unsynced_chunks):
            if rng.random() < 0.7:
                self.chunks[name] = b""  # its name is there, its content is not
        self.unsynced_chunks.clear()
        self.witness_version_seen = self.witness_version_synced
        self.applied_mark = 0
        self.boot += 1
        self.sync()
        return lost

    def wipe(self) -> None:
        """Another, empty disk is put in."""
        self.identity += 1
        self.boot += 1
        self.log_start = self.reset_at = LOG_START
        self.entries.clear()
        self.snapshots.clear()
        self.chunks.clear()
        self.unsynced_chunks.clear()
        self.damaged_chunks.clear()
        self.incoming = frozenset()
        self.quarantined.clear()
        self.applied_mark = 0
        self.witness_version_seen = 0
        self.sync()

    def corrupt_newest_snapshot(self, rng: random.Random) -> bool:
        """Flip a byte of the newest snapshot if there is a valid older one from the same log, which has no part in it.

        From there the log must reach on: trimming it further would be the node's mistake.
        """
        if len(self.snapshots) < SNAPSHOTS_KEPT:
            return False
        older_position, older = self.snapshots[-2]
        before = _decoded(older)
        if self.reset_at.sequence > older_position.sequence or before is None:
            return False
        shared = {chunk.name for chunk in before.chunks}
        if shared & self.damaged_chunks:
            return False
        position, content = self.snapshots[-1]
        newest = _decoded(content)
        chunks = () if newest is None else newest.chunks
        own = [chunk for chunk in chunks if chunk.name not in shared and self.chunks.get(chunk.name)]
        if own and rng.random() < 0.7:
            name = rng.choice(own).name
            self.chunks[name] = _flipped(self.chunks[name], rng)
            self.damaged_chunks.add(name)
        else:
            self.snapshots[-1] = (position, _flipped(content, rng))
        return True

    # What a starting node reads

    def newest_snapshot(self) -> SnapshotManifest | None:
        """The newest valid snapshot; damaged ones are passed over."""
        for _, content in reversed(self.snapshots):
            if self._is_valid(content):
                return decode_manifest(content)
        return None

    def _is_valid(self, content: bytes) -> bool:
        manifest = _decoded(content)
        return manifest is not None and all(map(self.has, manifest.chunks))

    def recover(self) -> tuple[SnapshotFacts | None, tuple[LogEntry, ...]]:
        """The newest valid snapshot's facts and the whole log, as ``inputs.Start`` wants them.

        Whether they hang together is for the member to judge. Only a log without entries tells nothing of where it
        stands: it is made to follow the snapshot, and if it began behind it, the disk counts as another one.
        """
        snapshot = self.newest_snapshot()
        position = LOG_START if snapshot is None else snapshot.position
        facts = None
        if snapshot is not None:
            facts = SnapshotFacts(position, snapshot.epoch_starts, self.contents(snapshot)[0])
        if not self.entries:
            if self.log_start.sequence > position.sequence:
                self.identity += 1
            self.reset(position)
        return facts, tuple(self.entries)


def _decoded(content: bytes) -> SnapshotManifest | None:
    try:
        return decode_manifest(content)
    except CorruptFile:
        return None


def _flipped(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    damaged[rng.randrange(len(damaged))] ^= 0x40
    return bytes(damaged)
