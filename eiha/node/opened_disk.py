"""What this node finds on its own disk when it starts: lock, log, newest snapshot, identity."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from eiha.ha.inputs import SnapshotFacts
from eiha.kernel.ids import LOG_START, Incarnation, LogPosition, Sequence
from eiha.node.config import PersistenceSection
from eiha.node.system_clock import read_clocks
from eiha.protocol.log_entry import LogEntry
from eiha.storage.apply_mark import ApplyMark
from eiha.storage.incarnation import forget_incarnation, read_incarnation
from eiha.storage.log_reading import read_entries
from eiha.storage.log_segments import LogSegments
from eiha.storage.snapshot_files import SnapshotFiles
from eiha.storage.witness_seen import WitnessSeen

LOG_DIRECTORY = "log"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedDisk:
    """Stores that are open, and what they hold. ``entries``: the whole log, in order.

    Whether log and snapshot hang together is for the member to judge: it can get everything from its peer.
    """

    log: LogSegments
    snapshots: SnapshotFiles
    witness_seen: WitnessSeen
    apply_mark: ApplyMark
    incarnation: Incarnation
    entries: tuple[LogEntry, ...]
    snapshot: SnapshotFacts | None

    def read_log(self, after: Sequence, through: Sequence) -> Iterator[LogEntry]:
        """Committed entries in ``(after, through]``, beside the thread that writes the log."""
        return read_entries(self.log.directory, after, through)


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
        snapshots = SnapshotFiles(location, lambda: read_clocks().wall_ms, keep=persistence.keep)
        leftovers = snapshots.remove_unfinished()
        if leftovers:
            _log.warning("%d files of a snapshot that was not finished are deleted in %s", leftovers, location)
        newest = snapshots.newest()
        _settle(segments, entries, LOG_START if newest is None else newest.position, directory)
        durability = cast("Literal['replicated', 'disk']", persistence.durability)
        incarnation = read_incarnation(directory, durability)
        seen = WitnessSeen(directory)
        mark = ApplyMark(directory, incarnation)
    except BaseException:
        segments.close()
        raise
    facts = None
    if newest is not None:
        facts = SnapshotFacts(newest.position, newest.epoch_starts, snapshots.contents(newest)[0])
    return OpenedDisk(segments, snapshots, seen, mark, incarnation, entries, facts)


def _settle(segments: LogSegments, entries: tuple[LogEntry, ...], cut: LogPosition, directory: Path) -> None:
    """Make the log what the member takes it for: all of it on disk, and an empty one following the snapshot.

    A killed process may have written entries that it never flushed; they count as persisted from here on. A log that is
    empty but begins behind the snapshot lacks what lies between (an interrupted transfer, a damaged snapshot), and no
    entry is there to show it: this disk is not the one that the witness may name any more, so it gets a new identity.
    """
    if entries:
        segments.sync()
    elif segments.end != cut:
        if segments.end.sequence > cut.sequence:
            forget_incarnation(directory)
        segments.reset(cut)
