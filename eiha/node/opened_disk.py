"""What this node finds on its own disk when it starts: lock, log, newest snapshot, identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from eiha.errors import CorruptFile
from eiha.ha.inputs import SnapshotFacts
from eiha.kernel.ids import Incarnation
from eiha.node.config import PersistenceSection
from eiha.node.system_clock import read_clocks
from eiha.protocol.log_entry import LogEntry
from eiha.storage.incarnation import read_incarnation
from eiha.storage.log_segments import LogSegments
from eiha.storage.snapshot_files import SnapshotFiles
from eiha.storage.witness_seen import WitnessSeen

LOG_DIRECTORY = "log"


@dataclass(frozen=True, slots=True)
class OpenedDisk:
    """Stores that are open, and what they hold. ``entries``: the log after the snapshot, in order."""

    log: LogSegments
    snapshots: SnapshotFiles
    witness_seen: WitnessSeen
    incarnation: Incarnation
    entries: tuple[LogEntry, ...]
    snapshot: SnapshotFacts | None


def open_disk(persistence: PersistenceSection) -> OpenedDisk:
    """Lock the node's directory and read what is in it.

    Raises:
        CorruptFile: the log or the identity is damaged; the text says what to do.
        StorageError: the directory cannot be used, or another process uses it.
    """
    location = Path(persistence.location)
    directory = location / LOG_DIRECTORY
    segments = LogSegments(directory, segment_bytes_max=persistence.segment_bytes)
    entries = segments.open()
    try:
        durability = cast("Literal['replicated', 'disk']", persistence.durability)
        incarnation = read_incarnation(directory, durability)
        seen = WitnessSeen(directory)
        snapshots = SnapshotFiles(location, lambda: read_clocks().wall_ms, keep=persistence.keep)
        newest = snapshots.newest()
    except BaseException:
        segments.close()
        raise
    facts = None if newest is None else newest[0]
    if facts is not None:
        entries = tuple(entry for entry in entries if entry.sequence > facts.position.sequence)
    _check_reach(location, entries, facts)
    return OpenedDisk(segments, snapshots, seen, incarnation, entries, facts)


def _check_reach(location: Path, entries: tuple[LogEntry, ...], snapshot: SnapshotFacts | None) -> None:
    """Raise if the log does not begin where the newest valid snapshot ends."""
    after = snapshot.position.sequence if snapshot is not None else 0
    if entries and entries[0].sequence != after + 1:
        raise CorruptFile(
            f"{location}: the newest valid snapshot ends at {after}, but the log begins at {entries[0].sequence}; what "
            "lies between was in a snapshot that is damaged. Move the directory away and start again: the node joins "
            "as a new one and gets everything from its peer"
        )
