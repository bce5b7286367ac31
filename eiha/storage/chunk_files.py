"""Chunks of snapshots as files named by their content: ``<directory>/<first two digits>/<name>``.

Equal content is one file, whichever snapshots it belongs to. A file that is there already is compared before it is
relied on, so that damage does not spread into the next snapshot but is mended by it: the content in memory is good. For
the same reason a file that a crash left under its name with less in it than it should have does no harm.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile
from eiha.protocol.snapshot_format import Chunk, ChunkName
from eiha.storage.durable_files import (
    TEMPORARY_SUFFIX,
    make_directory,
    remove_unfinished,
    storage_error,
    sync_directory,
    write_fully,
)

BATCH_CHUNKS: Final = 64
"""So many new chunks are written before they are flushed together: one flush of 16 MiB does not hold up the log's for
long, and a flush for each chunk would cost more than the chunks."""

_NUMBERS: Final = itertools.count()


class ChunkFiles:
    """Chunks in one directory. Used by one thread, or one process, at a time.

    ``bytes_written`` counts what was written since the object was made.
    """

    __slots__ = ("_directory", "_new", "_touched", "_unflushed", "bytes_written")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._new: list[tuple[int, Path, Path]] = []
        self._unflushed: set[ChunkName] = set()
        self._touched: set[Path] = set()
        self.bytes_written = 0

    def put(self, chunk: Chunk, data: bytes | memoryview) -> None:
        """Keep ``data``, which must be what ``chunk`` says. Durable after ``sync``.

        Raises:
            StoreUnavailable: the disk is full.
            StorageError: the operating system refused for another reason.
        """
        path = self._path(chunk.name)
        if chunk.name in self._unflushed or _holds(path, data):
            return
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{next(_NUMBERS)}{TEMPORARY_SUFFIX}")
        try:
            if path.parent not in self._touched:
                make_directory(path.parent)
                self._touched.add(path.parent)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            self._new.append((descriptor, temporary, path))
            self._unflushed.add(chunk.name)
            write_fully(descriptor, data)
        except OSError as cause:
            self.abandon()
            raise storage_error(cause, "cannot write", path) from cause
        self.bytes_written += len(data)
        if len(self._new) >= BATCH_CHUNKS:
            self._flush()

    def sync(self) -> None:
        """Everything that was put is durable. Raises ``StorageError``."""
        self._flush()
        try:
            for directory in sorted(self._touched):
                sync_directory(directory)
        except OSError as cause:
            raise storage_error(cause, "cannot flush", self._directory) from cause
        self._touched.clear()

    def abandon(self) -> None:
        """Forget what was not flushed."""
        new, self._new = self._new, []
        self._unflushed.clear()
        for descriptor, temporary, _ in new:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)

    def read(self, chunk: Chunk) -> bytes:
        """The content of ``chunk``.

        Raises:
            CorruptFile: the file is not there, or holds something else.
            StorageError: it cannot be read at all.
        """
        path = self._path(chunk.name)
        try:
            data = path.read_bytes()
        except FileNotFoundError as cause:
            raise CorruptFile(f"chunk {path} is not there") from cause
        except OSError as cause:
            raise storage_error(cause, "cannot read", path) from cause
        if not chunk.is_of(data):
            raise CorruptFile(f"chunk {path} fails its checksum")
        return data

    def is_sound(self, chunk: Chunk) -> bool:
        """Whether the chunk is here with every byte as it should be. Raises ``StorageError``."""
        try:
            self.read(chunk)
        except CorruptFile:
            return False
        return True

    def remove_unfinished(self) -> int:
        """Delete what a crash left half written; returns how many files. Raises ``StorageError``."""
        return sum(len(remove_unfinished(directory)) for directory in self._directories())

    def remove_unfinished_of(self, process_id: int) -> None:
        """Delete what that process left half written. Raises ``StorageError``."""
        for directory in self._directories():
            for path in directory.glob(f"*.{process_id}-*{TEMPORARY_SUFFIX}"):
                path.unlink(missing_ok=True)

    def remove_all_but(self, used: Iterable[ChunkName]) -> int:
        """Delete the chunks that are not ``used``; returns how many. Raises ``StorageError``."""
        kept = {name.hex() for name in used}
        removed = 0
        for path in self._files():
            if path.name not in kept:
                try:
                    path.unlink(missing_ok=True)
                except OSError as cause:
                    raise storage_error(cause, "cannot delete", path) from cause
                removed += 1
        return removed

    def names(self) -> frozenset[ChunkName]:
        """The chunks that are here, sound or not."""
        return frozenset(ChunkName(bytes.fromhex(path.name)) for path in self._files())

    def _directories(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from sorted(path for path in self._directory.iterdir() if path.is_dir())

    def _files(self) -> Iterator[Path]:
        for directory in self._directories():
            yield from (path for path in sorted(directory.iterdir()) if path.suffix != TEMPORARY_SUFFIX)

    def _flush(self) -> None:
        """Flush and name what is new."""
        try:
            for descriptor, _, _ in self._new:
                os.fdatasync(descriptor)
            for _, temporary, path in self._new:
                temporary.rename(path)
        except OSError as cause:
            self.abandon()
            raise storage_error(cause, "cannot flush", self._directory) from cause
        for descriptor, _, _ in self._new:
            os.close(descriptor)
        self._new.clear()
        self._unflushed.clear()

    def _path(self, name: ChunkName) -> Path:
        text = name.hex()
        return self._directory / text[:2] / text


def _holds(path: Path, data: bytes | memoryview) -> bool:
    """Whether the file holds exactly ``data``; a file that cannot be read is written anew."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
