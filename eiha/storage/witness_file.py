"""The arbiter's file: every accepted swap, appended and on disk before it is answered.

::

    file   = magic 8 bytes b"EIHAWIT1" · version u32 · crc32 of the 12 bytes before u32, record*
    record = as in a log segment (``log_record``), with sequences 1, 2, 3 …; its payload is one change
             (``protocol.witness_codec``)

So what is known of the log holds here: an interrupted write at the end is dropped, anything else is damage and is
refused. What was dropped was never answered. The file is written anew, shorter, when it holds much that is forgotten.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile, MalformedFrame, StorageError
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.protocol.witness_codec import decode_change, encode_change
from eiha.protocol.witness_messages import RowChange
from eiha.storage.directory_lock import DirectoryLock
from eiha.storage.durable_files import remove_unfinished, replace_durably, storage_error, write_fully
from eiha.storage.log_record import BadRecord, Fault, encode_record, read_records

FILE: Final = "witness.rows"
MAGIC: Final = b"EIHAWIT1"
FORMAT_VERSION: Final = 1

_HEADER: Final = struct.Struct("<8sI")
_CHECKSUM: Final = struct.Struct("<I")
HEADER_BYTES: Final = _HEADER.size + _CHECKSUM.size


class WitnessFile:
    """One file in a directory of its own, used by one process.

    Args:
        directory: made if it is not there.

    Raises:
        DirectoryInUse: another arbiter has the directory.
        StorageError: the directory cannot be made or locked.

    After a failed flush every further call fails: nobody knows what is on disk, only a new start can tell.
    """

    __slots__ = ("_descriptor", "_failure", "_lock", "_size", "count", "dropped", "path")

    def __init__(self, directory: Path) -> None:
        self._lock = DirectoryLock(directory, "every arbiter its own arbiter.directory")
        self.path = directory / FILE
        self.count = 0
        """Changes in the file."""
        self.dropped = ""
        """What was cut off at the end when the file was opened; empty: nothing."""
        self._descriptor: int | None = None
        self._size = 0
        self._failure = ""

    def open(self) -> tuple[RowChange, ...]:
        """All changes in their order; what an interrupted write left is cut off. Everything told is on disk.

        Raises:
            CorruptFile: anything else is wrong with the file.
            StorageError: it cannot be read or written.
        """
        remove_unfinished(self.path.parent)
        if not self.path.exists():
            replace_durably(self.path, [_header()])
        data = self._read()
        changes, end = recover_changes(data, self.path)
        try:
            self._descriptor = os.open(self.path, os.O_RDWR)
            if end < len(data):
                self.dropped = f"{len(data) - end} bytes of a write that was interrupted, from byte {end} on"
                os.ftruncate(self._descriptor, end)
            # what an arbiter that was killed had not flushed yet may be read now, and so must be kept
            os.fsync(self._descriptor)
        except OSError as cause:
            raise storage_error(cause, "cannot open", self.path) from cause
        self._size = end
        self.count = len(changes)
        return changes

    def append(self, change: RowChange) -> None:
        """Put ``change`` on disk. On ``StoreUnavailable`` (full disk) the file is as it was.

        Raises:
            StoreUnavailable: the disk is full.
            StorageError: the disk failed; the file must not be used again.
        """
        descriptor = self._usable()
        record = b"".join(encode_record(_position(self.count + 1, change), encode_change(change)))
        try:
            os.lseek(descriptor, self._size, os.SEEK_SET)
            write_fully(descriptor, record)
        except OSError as cause:
            self._take_back(descriptor)
            raise storage_error(cause, "cannot write", self.path) from cause
        self._flush(descriptor)
        self._size += len(record)
        self.count += 1

    def rewrite(self, changes: Iterable[RowChange]) -> None:
        """Make the file hold ``changes`` only. On ``StoreUnavailable`` it is as it was. Raises ``StorageError``."""
        held = self._usable()
        records = [
            b"".join(encode_record(_position(number, change), encode_change(change)))
            for number, change in enumerate(changes, 1)
        ]
        try:
            replace_durably(self.path, [_header(), *records])
            self._descriptor = os.open(self.path, os.O_RDWR)
        except (OSError, StorageError) as cause:
            if self._is_replaced(held):
                # what is open has no name any more: whatever is appended to it would be lost
                self._failure = f"{self.path} was replaced, but cannot be used: {cause}"
                raise StorageError(self._failure) from cause
            raise
        os.close(held)
        self._size = HEADER_BYTES + sum(map(len, records))
        self.count = len(records)

    def close(self) -> None:
        """Let another process have the directory. May be called again."""
        self._close_descriptor()
        self._lock.release()

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as cause:
            raise storage_error(cause, "cannot read", self.path) from cause

    def _usable(self) -> int:
        if self._failure:
            raise StorageError(f"{self._failure}; start the arbiter again, it reads what is on disk")
        assert self._descriptor is not None, "the file is not open"
        return self._descriptor

    def _is_replaced(self, descriptor: int) -> bool:
        try:
            return not os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError:
            return True

    def _take_back(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, self._size)
        except OSError as cause:
            self._failure = f"half a record is at the end of {self.path} and cannot be cut off: {cause}"

    def _flush(self, descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError as cause:
            self._failure = f"cannot flush {self.path}: {cause.strerror or cause}; what the disk holds is in doubt"
            raise StorageError(self._failure) from cause

    def _close_descriptor(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def recover_changes(data: bytes, path: Path) -> tuple[tuple[RowChange, ...], int]:
    """The changes in a file's bytes, and where the last whole one ends. Raises ``CorruptFile``."""
    if data[:HEADER_BYTES] != _header():
        raise _corrupt(path, 0, f"it does not begin with {MAGIC.decode()} and format version {FORMAT_VERSION}")
    changes: list[RowChange] = []
    end = HEADER_BYTES
    for record in read_records(data, HEADER_BYTES):
        if isinstance(record, BadRecord):
            if record.fault is Fault.TORN:
                break
            raise _corrupt(path, record.offset, record.reason)
        if record.position.sequence != len(changes) + 1:
            found = f"change {record.position.sequence} stands where change {len(changes) + 1} should"
            raise _corrupt(path, record.offset, found)
        try:
            changes.append(decode_change(record.payload))
        except MalformedFrame as cause:
            raise _corrupt(path, record.offset, str(cause)) from cause
        end = record.end
    return tuple(changes), end


def _header() -> bytes:
    head = _HEADER.pack(MAGIC, FORMAT_VERSION)
    return head + _CHECKSUM.pack(zlib.crc32(head))


def _position(number: int, change: RowChange) -> LogPosition:
    return LogPosition(Sequence(number), Epoch(0) if change.row is None else change.row.epoch)


def _corrupt(path: Path, offset: int, reason: str) -> CorruptFile:
    return CorruptFile(
        f"{path} is damaged at byte {offset}: {reason}. Who may be active is written there, so nothing is guessed. "
        "A pair that runs goes on without the arbiter. Move the file away and put the last row of each cluster back "
        "with --put, as docs/operations.md says under The arbiter"
    )
