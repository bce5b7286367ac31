"""One segment file of the log: create, read, append to, cut, delete. Knows nothing of other segments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile
from eiha.kernel.ids import LogPosition, Sequence
from eiha.storage.durable_files import storage_error, sync_directory, write_fully, write_fully_at
from eiha.storage.log_record import (
    SEGMENT_HEADER_BYTES,
    BadRecord,
    Fault,
    Record,
    SegmentHeader,
    decode_segment_header,
    encode_record,
    encode_segment_header,
    read_records,
)

SUFFIX: Final = ".log"

FREED_BYTES: Final = 8 << 20
"""So much of a file is freed at a time: a disk that is told of each block that is free takes some milliseconds."""


class SegmentFile:
    """An open segment. ``size`` counts the bytes that are valid; ``unsynced`` that some are not on disk yet."""

    __slots__ = ("_descriptor", "header", "path", "size", "unsynced")

    def __init__(self, path: Path, header: SegmentHeader, descriptor: int, size: int) -> None:
        self.path = path
        self.header = header
        self.size = size
        self.unsynced = True
        self._descriptor: int | None = descriptor

    @classmethod
    def create(cls, directory: Path, header: SegmentHeader) -> SegmentFile:
        """A new, empty segment; its name is durable when this returns. Raises ``StorageError``."""
        path = directory / f"{header.first:020d}{SUFFIX}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        except OSError as cause:
            raise storage_error(cause, "cannot create log segment", path) from cause
        try:
            write_fully(descriptor, encode_segment_header(header))
            sync_directory(directory)
        except OSError as cause:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise storage_error(cause, "cannot create log segment", path) from cause
        return cls(path, header, descriptor, SEGMENT_HEADER_BYTES)

    @classmethod
    def open(cls, path: Path) -> tuple[SegmentFile | str, bytes]:
        """An existing segment and its bytes; in place of the segment, what is wrong with its header."""
        try:
            data = path.read_bytes()
            header = decode_segment_header(data)
            if isinstance(header, str):
                return header, data
            descriptor = os.open(path, os.O_RDWR)
        except OSError as cause:
            raise storage_error(cause, "cannot read log segment", path) from cause
        return cls(path, header, descriptor, len(data)), data

    def append(self, data: bytes) -> None:
        """Hand ``data`` to the operating system; on failure the file is as it was. Raises ``StorageError``."""
        descriptor = self._open_descriptor()
        try:
            write_fully_at(descriptor, data, self.size)
        except OSError as cause:
            os.ftruncate(descriptor, self.size)
            raise storage_error(cause, "cannot append to log segment", self.path) from cause
        self.size += len(data)
        self.unsynced = True

    def take_unsynced(self) -> int:
        """A descriptor of its own: its taker flushes what is written so far, and closes it. Raises ``StorageError``."""
        try:
            descriptor = os.dup(self._open_descriptor())
        except OSError as cause:
            raise storage_error(cause, "cannot flush log segment", self.path) from cause
        self.unsynced = False
        return descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the file. Raises ``StorageError``."""
        try:
            return os.pread(self._open_descriptor(), size, offset)
        except OSError as cause:
            raise storage_error(cause, "cannot read log segment", self.path) from cause

    def cut(self, size: int) -> None:
        """Keep the first ``size`` bytes, durably. Raises ``StorageError``."""
        assert SEGMENT_HEADER_BYTES <= size <= self.size
        try:
            os.ftruncate(self._open_descriptor(), size)
            os.fsync(self._open_descriptor())
        except OSError as cause:
            raise storage_error(cause, "cannot cut log segment", self.path) from cause
        self.size = size

    def delete(self) -> None:
        """Remove the file. The caller syncs the directory. Raises ``StorageError``."""
        self.close()
        try:
            self.path.unlink()
        except OSError as cause:
            raise storage_error(cause, "cannot delete log segment", self.path) from cause

    def delete_in_steps(self) -> Iterator[None]:
        """Remove the file as ``delete`` does; its blocks go ``FREED_BYTES`` at a time, between one step and the next.

        The name goes first, so that nobody finds a file that is partly there. Raises ``StorageError``.
        """
        descriptor = self._open_descriptor()
        try:
            self.path.unlink()
            for size in range(self.size - FREED_BYTES, 0, -FREED_BYTES):
                os.ftruncate(descriptor, size)
                yield
        except OSError as cause:
            raise storage_error(cause, "cannot delete log segment", self.path) from cause
        finally:
            self.close()
        yield

    def close(self) -> None:
        """Give the descriptor back, without a flush."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open_descriptor(self) -> int:
        assert self._descriptor is not None, "the segment is closed"
        return self._descriptor


def recover_records(data: bytes, segment: SegmentFile, *, is_last: bool) -> tuple[list[Record], BadRecord | None]:
    """The valid records of a segment, and the torn end if there is one, which only the last segment may have.

    Raises:
        CorruptFile: a record that was once whole is damaged, or sequences do not follow one another.
    """
    records: list[Record] = []
    expected = segment.header.first
    for record in read_records(data):
        if isinstance(record, BadRecord):
            if is_last and record.fault is Fault.TORN:
                return records, record
            raise CorruptFile(corrupt_text(segment.path, record.offset, record.reason))
        if record.position.sequence != expected:
            found = f"entry {record.position.sequence} stands where entry {expected} should"
            raise CorruptFile(corrupt_text(segment.path, record.offset, found))
        records.append(record)
        expected = Sequence(expected + 1)
    return records, None


def corrupt_text(path: Path, offset: int, reason: str) -> str:
    """What an operator reads about a damaged segment: file, offset, what is wrong, what to do."""
    return (
        f"log segment {path} is damaged at byte {offset}: {reason}. Acknowledged events may be in the damaged part, so "
        f"nothing is dropped. If the peer runs, move the directory {path.parent} away and start again: the node gets "
        "everything from the peer. Else restore the directory from a backup"
    )


def encode_group(items: list[tuple[LogPosition, bytes]]) -> bytes:
    """The records of several entries as one piece of bytes."""
    return b"".join([part for position, payload in items for part in encode_record(position, payload)])
