"""Snapshots as files: ``<location>/<tenant>/<plan>/<TIMESTAMP>_<plan>``, the layout of the predecessors.

A snapshot of the node holds all its plans, so it stands under the predecessors' tenant ``-1234`` and the name
``node``. The file is the manifest of ``protocol.snapshot_format``; the content is in ``<location>/<tenant>/chunks``,
where equal parts of several snapshots are one file. Which snapshot is newest is told by the log position in it, not by
the time in its name: clocks jump, epochs do not.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile
from eiha.kernel.ids import Epoch, LogPosition, Sequence, WallMs
from eiha.ports import SnapshotCut, Written
from eiha.protocol.snapshot_format import (
    Chunk,
    ChunkCutter,
    ChunkName,
    SnapshotManifest,
    StateWriter,
    decode_manifest,
    encode_manifest,
)
from eiha.storage.chunk_files import ChunkFiles
from eiha.storage.durable_files import (
    TEMPORARY_SUFFIX,
    make_directory,
    remove_unfinished,
    replace_durably,
    storage_error,
    sync_directory,
    write_fully,
)
from eiha.storage.snapshot_reader import SnapshotReader

TENANT: Final = "-1234"
NODE_SNAPSHOT: Final = "node"
CHUNKS: Final = "chunks"
FILES_KEPT: Final = 2

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
    manifest: SnapshotManifest


class SnapshotFiles:
    """``ports.SnapshotStore`` on one directory.

    Args:
        location: root of the snapshots (``[persistence] location``).
        wall_ms: wall clock for the names of new files.
        name: ``<plan>`` in the layout.
        tenant: ``<tenant>`` in the layout.
        keep: files to keep; at least 1.

    ``damaged`` lists what ``newest`` or ``adopt`` passed over, newest report last.
    """

    __slots__ = ("_chunks_directory", "_directory", "_incoming", "_keep", "_name", "_pattern", "_received", "_wall_ms",
                 "damaged")  # fmt: skip

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
        assert name != CHUNKS
        self._directory = location / tenant / name
        self._chunks_directory = location / tenant / CHUNKS
        self._wall_ms = wall_ms
        self._name = name
        self._pattern = re.compile(rf"\d+_{re.escape(name)}")
        self._keep = keep
        self._received = ChunkFiles(self._chunks_directory)
        self._incoming: frozenset[ChunkName] = frozenset()
        self.damaged: list[DamagedSnapshot] = []

    # -- written here

    def write(self, cut: SnapshotCut, member_state: bytes, write_engine: Callable[[StateWriter], None]) -> Written:
        """Write chunks and manifest durably; ``adopt`` makes them count. May run in a forked child.

        Raises:
            StoreUnavailable: the disk is full; older snapshots are untouched.
            StorageError: the operating system refused for another reason.
        """
        make_directory(self._directory)
        chunks = ChunkFiles(self._chunks_directory)
        cutter = ChunkCutter(chunks.put)
        try:
            cutter.write(member_state)
            cutter.cut()
            member_chunks = len(cutter.chunks)
            write_engine(cutter)
            cutter.cut()
            chunks.sync()
        except BaseException:
            chunks.abandon()
            raise
        manifest = SnapshotManifest(cut.position, cut.epoch_starts, member_chunks, tuple(cutter.chunks))
        temporary = self._directory / f"{os.getpid()}{TEMPORARY_SUFFIX}"
        _write_durably(temporary, encode_manifest(manifest))
        return Written(str(temporary), manifest.bytes, chunks.bytes_written)

    def adopt(self, written: Written) -> SnapshotManifest:
        """Give the manifest its name, durably; then delete all but the newest, and the chunks that nothing needs.

        Raises:
            StorageError: the operating system refused.
        """
        temporary = Path(written.path)
        manifest = decode_manifest(_read(temporary))
        try:
            temporary.rename(self._free_path())
            sync_directory(self._directory)
        except OSError as cause:
            raise storage_error(cause, "cannot rename", temporary) from cause
        self._prune(self._candidates()[: self._keep])
        return manifest

    # -- sent by the peer

    def lacking(self, manifest: SnapshotManifest) -> tuple[int, ...]:
        """Which chunks of ``manifest`` are not here, each content once; those that are, stay until ``save``.

        What an interrupted transfer brought is here and need not come again.
        """
        self._received.abandon()
        self._incoming = frozenset(chunk.name for chunk in manifest.chunks)
        seen: set[ChunkName] = set()
        lacking: list[int] = []
        for index, chunk in enumerate(manifest.chunks):
            if chunk.name not in seen:
                seen.add(chunk.name)
                if not self._received.is_sound(chunk):
                    lacking.append(index)
        return tuple(lacking)

    def put_chunk(self, chunk: Chunk, data: bytes) -> bool:
        """Keep a chunk that came; False, and nothing kept, if it is not what its name says. Raises ``StorageError``."""
        if not chunk.is_of(data):
            return False
        self._received.put(chunk, data)
        return True

    def save(self, manifest: SnapshotManifest) -> None:
        """Make ``manifest`` the only snapshot: others are of a log that was discarded for it.

        Raises:
            CorruptFile: a chunk of it is not here.
            StorageError: the operating system refused.
        """
        self._received.sync()
        missing = {chunk.name for chunk in manifest.chunks} - self._received.names()
        if missing:
            raise CorruptFile(f"{len(missing)} chunks of a snapshot that came are not here")
        make_directory(self._directory)
        path = self._free_path()
        replace_durably(path, (encode_manifest(manifest),))
        self._incoming = frozenset()
        self._prune([candidate for candidate in self._candidates() if candidate.path == path])

    def withdraw(self, manifest: SnapshotManifest) -> None:
        """Let no start use this snapshot: its state is wrong. Raises ``StorageError``."""
        for candidate in self._candidates():
            if candidate.manifest != manifest:
                continue
            try:
                candidate.path.unlink()
                sync_directory(self._directory)
            except OSError as cause:
                raise storage_error(cause, "cannot delete", candidate.path) from cause

    # -- read

    def read_chunk(self, chunk: Chunk) -> bytes:
        """The content of a chunk. Raises ``CorruptFile``, ``StorageError``."""
        return ChunkFiles(self._chunks_directory).read(chunk)

    def newest(self) -> SnapshotManifest | None:
        """The newest snapshot whose every byte checks out; damaged ones are reported and passed over.

        Raises:
            StorageError: a file cannot be read at all.
        """
        chunks = ChunkFiles(self._chunks_directory)
        for candidate in self._candidates():
            try:
                for chunk in candidate.manifest.chunks:
                    chunks.read(chunk)
            except CorruptFile as cause:
                self._pass_over(candidate.path, str(cause))
                continue
            return candidate.manifest
        return None

    def contents(self, manifest: SnapshotManifest) -> tuple[bytes, SnapshotReader]:
        """The member's section, and the engine's to read; each chunk is checked when its turn comes."""
        member = SnapshotReader(self.read_chunk, manifest.chunks[: manifest.member_chunks])
        engine = SnapshotReader(self.read_chunk, manifest.chunks[manifest.member_chunks :])
        return member.read(member.remaining), engine

    def positions(self) -> tuple[LogPosition, ...]:
        """Where the snapshots on disk were cut, newest first. The log must reach back to the last of these for a
        fall-back to be of use."""
        return tuple(candidate.manifest.position for candidate in self._candidates())

    def remove_unfinished(self) -> int:
        """Delete what a crash left half written; returns how many files. Whole chunks stay: a transfer goes on from
        them, and the next snapshot deletes those that it does not need. Raises ``StorageError``."""
        return len(remove_unfinished(self._directory)) + self._received.remove_unfinished()

    def discard(self, process_id: int) -> None:
        """Delete what a child of this number left half written. Raises ``StorageError``."""
        (self._directory / f"{process_id}{TEMPORARY_SUFFIX}").unlink(missing_ok=True)
        self._received.remove_unfinished_of(process_id)

    def _candidates(self) -> list[_Candidate]:
        """Snapshots whose manifest is whole, newest first."""
        found: list[_Candidate] = []
        for path in sorted(self._directory.glob("*")):
            if not self._pattern.fullmatch(path.name):
                continue
            try:
                manifest = decode_manifest(_read(path))
            except CorruptFile as cause:
                self._pass_over(path, str(cause))
                continue
            # a later epoch's snapshot replaces those of an earlier one even if it is shorter: its log won
            position = manifest.position
            found.append(_Candidate((position.epoch, position.sequence), path, manifest))
        return sorted(found, key=lambda candidate: (candidate.age, candidate.path.name), reverse=True)

    def _free_path(self) -> Path:
        stamp = self._wall_ms()
        while (path := self._directory / f"{stamp}_{self._name}").exists():
            stamp = WallMs(stamp + 1)
        return path

    def _prune(self, kept: list[_Candidate]) -> None:
        """Delete the other snapshots, then, once that is durable, the chunks that only they needed."""
        paths = {candidate.path for candidate in kept}
        others = [candidate.path for candidate in self._candidates() if candidate.path not in paths]
        try:
            for path in others:
                path.unlink()
            if others:
                sync_directory(self._directory)
        except OSError as cause:
            raise storage_error(cause, "cannot delete old snapshots in", self._directory) from cause
        self._received.remove_all_but(_names(kept) | self._incoming)

    def _pass_over(self, path: Path, reason: str) -> None:
        if all(known.path != path for known in self.damaged):
            self.damaged.append(DamagedSnapshot(path, reason))
            _log.error("snapshot %s is damaged and not used: %s. Delete it once its cause is known", path, reason)


def _names(candidates: Iterable[_Candidate]) -> frozenset[ChunkName]:
    return frozenset(chunk.name for candidate in candidates for chunk in candidate.manifest.chunks)


def _write_durably(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            write_fully(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as cause:
        path.unlink(missing_ok=True)
        raise storage_error(cause, "cannot write", path) from cause


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise storage_error(cause, "cannot read snapshot", path) from cause
