"""What is left when the states of the nodes differed: both states as files, ``<location>/divergence/<entry>/<side>``.

A file is a packed snapshot, which needs no other file, and is read by ``eiha diff`` only: no node ever starts from it.
The newest few are kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from eiha.kernel.ids import Sequence
from eiha.protocol.snapshot_format import Chunk, SnapshotManifest
from eiha.storage.durable_files import storage_error
from eiha.storage.packed_snapshot import pack_snapshot

DIRECTORY: Final = "divergence"

DUMPS_KEPT: Final = 4
"""Differences whose dumps are kept, each of which is as large as two snapshots; the oldest gives way."""


class DivergenceDumps:
    """The dumps of one node. Used by one thread at a time."""

    __slots__ = ("_directory",)

    def __init__(self, location: Path) -> None:
        self._directory = location / DIRECTORY

    def keep(
        self, dump: Sequence, side: str, manifest: SnapshotManifest, read_chunk: Callable[[Chunk], bytes]
    ) -> tuple[Path, tuple[Path, ...]]:
        """Write the dump of one side of the difference as of entry ``dump``; its file, and the directories that went.

        Raises:
            CorruptFile: a chunk of it is damaged or gone.
            StorageError: it cannot be written, for instance because the disk is full.
        """
        directory = self._directory / str(dump)
        path = directory / side
        pack_snapshot(path, manifest, read_chunk)
        return path, self._prune(directory)

    def _prune(self, newest: Path) -> tuple[Path, ...]:
        """Delete all but the newest by the time of their last change: after a loss of data, entries count anew."""
        try:
            known = sorted(
                (each for each in self._directory.iterdir() if each.is_dir() and each != newest),
                key=lambda each: (each.stat().st_mtime_ns, len(each.name), each.name),  # the clock of files is coarse
            )
            gone = tuple(known[: max(0, len(known) + 1 - DUMPS_KEPT)])
            for each in gone:
                shutil.rmtree(each)
        except OSError as cause:
            raise storage_error(cause, "cannot delete old dumps in", self._directory) from cause
        return gone
