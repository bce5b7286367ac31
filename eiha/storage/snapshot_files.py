"""Snapshots as files: ``<location>/<tenant>/<plan>/<TIMESTAMP>_<plan>``, the layout of the predecessors.

A snapshot of the node holds all its plans, so it stands under the predecessors' tenant ``-1234`` and the name
``node``. The file is exactly what ``protocol.snapshot_format`` encodes: magic, version, checksums. Which file is newest
is told by the log position in it, not by the time in its name: clocks jump, epochs do not.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile
from eiha.ha.inputs import SnapshotFacts
from eiha.kernel.ids import Epoch, LogPosition, Sequence, WallMs
from eiha.protocol.snapshot_format import HEADER_BYTES, cut_bytes, decode_cut, decode_snapshot
from eiha.storage.durable_files import make_directory, remove_unfinished, replace_durably, storage_error

TENANT: Final = "-1234"
NODE_SNAPSHOT: Final = "node"
FILES_KEPT: Final = 2
_PART_BYTES: Final = 8 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DamagedSnapshot:
    """A file that was passed over, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    age: tuple[Epoch, Sequence]
    path: Path


class SnapshotFiles:
    """``ports.SnapshotStore`` on one directory. Used by one thread at a time.

    Args:
        location: root of the snapshots (``[persistence] location``).
        wall_ms: wall clock for the names of new files.
        name: ``<plan>`` in the layout.
        tenant: ``<tenant>`` in the layout.
        keep: files to keep; at least 1.

    ``damaged`` lists what ``newest`` or ``save`` passed over, newest report last.
    """

    __slots__ = ("_directory", "_keep", "_name", "_pattern", "_wall_ms", "damaged")

    def __init__(
        self,
        location: Path,
        wall_ms: Callable[[], WallMs],
        *,
        name: str = NODE_SNAPSHOT,
        tenant: str = TENANT,
        keep: int = FILES_KEPT,
    ) -> None:
        assert keep >= 1
        assert "/" not in name + tenant
        self._directory = location / tenant / name
        self._wall_ms = wall_ms
        self._name = name
        self._pattern = re.compile(rf"\d+_{re.escape(name)}")
        self._keep = keep
        self.damaged: list[DamagedSnapshot] = []

    def save(self, position: LogPosition, content: bytes) -> None:
        """Write ``content`` durably under a new name, then delete all but the newest.

        Raises:
            CorruptFile: ``content`` is not a snapshot cut at ``position``; nothing is written.
            StoreUnavailable: the disk is full; older snapshots are untouched.
            StorageError: the operating system refused for another reason.
        """
        found, _ = decode_cut(content[: cut_bytes(content[:HEADER_BYTES])])
        if found != position:
            raise CorruptFile(f"a snapshot said to be cut at {position} says that it was cut at {found}")
        make_directory(self._directory)
        remove_unfinished(self._directory)
        view = memoryview(content)
        parts = (view[start : start + _PART_BYTES] for start in range(0, len(view), _PART_BYTES))
        replace_durably(self._free_path(), parts)
        self._prune()

    def newest(self) -> tuple[SnapshotFacts, bytes] | None:
        """The newest snapshot whose every byte checks out; damaged ones are reported and passed over.

        Raises:
            StorageError: a file cannot be read at all.
        """
        for candidate in self._candidates():
            content = _read(candidate.path)
            try:
                snapshot = decode_snapshot(content)
            except CorruptFile as cause:
                self._pass_over(candidate.path, str(cause))
                continue
            return SnapshotFacts(snapshot.position, snapshot.epoch_starts, snapshot.member_state), content
        return None

    def positions(self) -> tuple[LogPosition, ...]:
        """Where the files on disk were cut, newest first. The log must reach back to the last of these for a fall-back
        to be of use."""
        return tuple(LogPosition(c.age[1], c.age[0]) for c in self._candidates())

    def _candidates(self) -> list[_Candidate]:
        """Files whose header and cut are whole, newest first."""
        found: list[_Candidate] = []
        for path in sorted(self._directory.glob("*")):
            if not self._pattern.fullmatch(path.name):
                continue
            try:
                position = _read_position(path)
            except CorruptFile as cause:
                self._pass_over(path, str(cause))
                continue
            # a later epoch's snapshot replaces those of an earlier one even if it is shorter: its log won
            found.append(_Candidate((position.epoch, position.sequence), path))
        return sorted(found, key=lambda candidate: (candidate.age, candidate.path.name), reverse=True)

    def _free_path(self) -> Path:
        stamp = self._wall_ms()
        while (path := self._directory / f"{stamp}_{self._name}").exists():
            stamp = WallMs(stamp + 1)
        return path

    def _prune(self) -> None:
        for candidate in self._candidates()[self._keep :]:
            try:
                candidate.path.unlink()
            except OSError as cause:
                raise storage_error(cause, "cannot delete old snapshot", candidate.path) from cause

    def _pass_over(self, path: Path, reason: str) -> None:
        if all(known.path != path for known in self.damaged):
            self.damaged.append(DamagedSnapshot(path, reason))
            _log.error("snapshot %s is damaged and not used: %s. Delete it once its cause is known", path, reason)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise storage_error(cause, "cannot read snapshot", path) from cause


def _read_position(path: Path) -> LogPosition:
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
            length = cut_bytes(header)
            if length > path.stat().st_size:
                raise CorruptFile(f"{path.stat().st_size} bytes are less than its header and cut of {length}")
            return decode_cut(header + file.read(length - HEADER_BYTES))[0]
    except OSError as cause:
        raise storage_error(cause, "cannot read snapshot", path) from cause
