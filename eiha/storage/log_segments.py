"""The replicated log on disk: entries in segment files of bounded size, one write per group.

What an interrupted write left at the end is dropped and reported; damage anywhere else stops the start. Bytes that are
cut because another node's log won are kept in ``quarantine/``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile, MalformedFrame, StorageError
from eiha.kernel.ids import LOG_START, LogPosition, Sequence
from eiha.protocol.entry_codec import decode_entry, encode_entry
from eiha.protocol.log_entry import LogEntry
from eiha.storage.directory_lock import DirectoryLock
from eiha.storage.durable_files import make_directory, replace_durably, storage_error, sync_directory
from eiha.storage.log_record import (
    SEGMENT_HEADER_BYTES,
    BadRecord,
    Record,
    SegmentHeader,
    encode_segment_header,
    read_records,
)
from eiha.storage.segment_file import SUFFIX, SegmentFile, corrupt_text, encode_group, recover_records

QUARANTINE: Final = "quarantine"
SEGMENT_BYTES_MAX: Final = 64 << 20
"""A segment is closed once it has this many bytes: small enough to be deleted often, large enough to be few."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TornEnd:
    """Recovery dropped ``size`` bytes at ``offset`` of ``path``: a write that never finished."""

    path: Path
    offset: int
    size: int
    reason: str


class LogSegments:
    """``ports.LogStore`` on files in one directory. One thread at a time uses it.

    Args:
        directory: holds segments, ``lock`` and ``quarantine/``; made if it is not there.
        segment_bytes_max: size from which a new segment is begun.

    ``torn`` is what recovery dropped, None for nothing. After a failed flush every call raises ``StorageError``,
    since what is on disk cannot be known any more.
    """

    __slots__ = ("_directory", "_end", "_failed", "_lock", "_segment_bytes_max", "_segments", "torn")

    def __init__(self, directory: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        assert segment_bytes_max > SEGMENT_HEADER_BYTES
        self._directory = directory
        self._segment_bytes_max = segment_bytes_max
        self._segments: list[SegmentFile] = []
        self._end: LogPosition | None = None
        self._lock: DirectoryLock | None = None
        self._failed: str | None = None
        self.torn: TornEnd | None = None

    def open(self) -> tuple[LogEntry, ...]:
        """Recover all entries, in order.

        Raises:
            CorruptFile: damage that an interrupted write cannot explain, or a missing segment.
            StorageError: another process uses the directory, or it cannot be read.
        """
        assert self._lock is None, "already open"
        self._lock = DirectoryLock(self._directory)
        try:
            return self._recover()
        except BaseException:
            self._release()
            raise

    def append(self, entries: Seq[LogEntry]) -> None:
        """Hand the entries' bytes to the operating system in one write; all or none of them are then there.

        Raises:
            StoreUnavailable: the disk is full; the log is as it was, the call may be repeated.
            StorageError: the operating system refused for another reason.
        """
        self._check_usable()
        if not entries:
            return
        first = entries[0]
        if self._end is not None:
            assert first.sequence == self._end.sequence + 1, (first.position, self._end)
            assert first.epoch >= self._end.epoch, (first.position, self._end)
        items = [(entry.position, entry.encoded or encode_entry(entry)) for entry in entries]
        if not self._segments or self._segments[-1].size >= self._segment_bytes_max:
            before = self._end or LogPosition(Sequence(first.sequence - 1), LOG_START.epoch)
            self._segments.append(SegmentFile.create(self._directory, SegmentHeader(first.sequence, before)))
        try:
            self._segments[-1].append(encode_group(items))
        except StorageError:
            raise
        except OSError as cause:  # the half-written group could not be taken back
            raise self._fail(cause, "cannot take back a failed write to", self._segments[-1].path) from cause
        self._end = items[-1][0]

    def appends_in_place(self) -> bool:
        """Whether the next append goes into the segment that is open; a new one costs a flush of the directory."""
        return bool(self._segments) and self._segments[-1].size < self._segment_bytes_max

    def sync(self) -> None:
        """Flush to disk. Raises ``StorageError``; the store is then unusable."""
        self.begin_flush()()

    def begin_flush(self) -> Callable[[], None]:
        """What is appended so far, to be flushed by calling the result once, on any thread, while appends go on.

        The result raises ``StorageError``; the store is then unusable.
        """
        self._check_usable()
        pending = [(segment.path, segment.take_unsynced()) for segment in self._segments if segment.unsynced]

        def flush() -> None:
            try:
                for path, descriptor in pending:
                    try:
                        os.fdatasync(descriptor)
                    except OSError as cause:
                        raise self._fail(cause, "cannot flush", path) from cause
            finally:
                for _, descriptor in pending:
                    os.close(descriptor)

        return flush

    def truncate_after(self, last: LogPosition) -> None:
        """Copy the records after ``last`` to ``quarantine/``, then cut them off.

        Raises:
            StorageError: the log does not hold ``last``, or the disk refuses; nothing is cut before it is copied.
        """
        self._check_usable()
        if self._end is None or last.sequence >= self._end.sequence:
            return
        index, offset = self._find_end_of(last)
        self._quarantine(last, index, offset)
        self._delete_segments_from(index + 1)
        self._segments[index].cut(offset)
        self._end = last

    def reset(self, start: LogPosition) -> None:
        """Discard everything, newest first, and begin a segment that follows ``start``. Raises ``StorageError``."""
        self._check_usable()
        self._delete_segments_from(0)
        self._end = start
        header = SegmentHeader(Sequence(start.sequence + 1), start)
        self._segments.append(SegmentFile.create(self._directory, header))
        self.sync()

    def trim_through(self, sequence: Sequence) -> None:
        """Delete segments that hold nothing after ``sequence``, oldest first; never the last one."""
        if (delete := self.begin_trim(sequence)) is not None:
            for _ in delete():
                pass

    def begin_trim(self, sequence: Sequence) -> Callable[[], Iterator[None]] | None:
        """Let go of segments that hold nothing after ``sequence``, but for the last one; None: there are none.

        The result deletes them, oldest first and step by step, on any thread, while appends go on: to free the blocks
        of a gigabyte at once may hold up every other write to the file system for a good part of a second. It must have
        ended before ``truncate_after``, ``reset`` and ``close``: a crash in between would leave segments that do not
        follow one another. It raises ``StorageError``.
        """
        self._check_usable()
        kept = 0
        while kept + 1 < len(self._segments) and self._segments[kept + 1].header.first <= sequence + 1:
            kept += 1
        if not kept:
            return None
        leaving, self._segments = self._segments[:kept], self._segments[kept:]

        def delete() -> Iterator[None]:
            for segment in leaving:
                yield from segment.delete_in_steps()
            try:
                sync_directory(self._directory)
            except OSError as cause:
                raise storage_error(cause, "cannot flush", self._directory) from cause

        return delete

    def close(self) -> None:
        """Flush and close; may be called again. Raises ``StorageError`` if the flush fails."""
        if self._lock is None:
            return
        try:
            if self._failed is None:
                self.sync()
        finally:
            self._release()

    @property
    def directory(self) -> Path:
        """Where the segments are."""
        return self._directory

    @property
    def end(self) -> LogPosition:
        """Position of the last entry, or what the next entry follows."""
        return self._end or LOG_START

    # -- recovery

    def _recover(self) -> tuple[LogEntry, ...]:
        paths = sorted(self._directory.glob(f"*{SUFFIX}"))
        entries: list[LogEntry] = []
        for index, path in enumerate(paths):
            is_last = index == len(paths) - 1
            segment, data = SegmentFile.open(path)
            if isinstance(segment, str):
                self._drop_unborn_segment(path, data, segment, is_last=is_last)
                continue
            self._segments.append(segment)
            self._check_follows(segment)
            records, torn = recover_records(data, segment, is_last=is_last)
            entries.extend(_decode(segment.path, record) for record in records)
            self._end = entries[-1].position if entries else segment.header.before
            if torn is not None:
                self._drop_torn_end(segment, torn)
        return tuple(entries)

    def _check_follows(self, segment: SegmentFile) -> None:
        if self._end is not None and segment.header.first != self._end.sequence + 1:
            gap = f"it begins with entry {segment.header.first}, the segment before ends with {self._end.sequence}"
            raise CorruptFile(corrupt_text(segment.path, 0, gap))

    def _drop_unborn_segment(self, path: Path, data: bytes, reason: str, *, is_last: bool) -> None:
        """A segment whose header was never written holds nothing; any other bad header is damage."""
        unwritten = len(data) < SEGMENT_HEADER_BYTES or not any(data[:SEGMENT_HEADER_BYTES])
        if not (is_last and unwritten and not any(isinstance(r, Record) for r in read_records(data))):
            raise CorruptFile(corrupt_text(path, 0, reason))
        path.unlink()
        sync_directory(self._directory)
        self._report(TornEnd(path, 0, len(data), reason))

    def _drop_torn_end(self, segment: SegmentFile, torn: BadRecord) -> None:
        size = segment.size - torn.offset
        segment.cut(torn.offset)
        self._report(TornEnd(segment.path, torn.offset, size, torn.reason))

    def _report(self, torn: TornEnd) -> None:
        self.torn = torn
        _log.warning(
            "dropped an unfinished write at the end of the log: %s, byte %d, %d bytes: %s",
            torn.path,
            torn.offset,
            torn.size,
            torn.reason,
        )

    # -- cutting

    def _find_end_of(self, last: LogPosition) -> tuple[int, int]:
        """Segment index and offset just after the record at ``last``."""
        for index in reversed(range(len(self._segments))):
            header = self._segments[index].header
            if header.first <= last.sequence:
                for record in self._records(index):
                    if record.position == last:
                        return index, record.end
                break
            if header.before == last or (index == 0 and last.sequence == header.first - 1):
                return index, SEGMENT_HEADER_BYTES
        raise StorageError(f"the log in {self._directory} cannot be cut after {last}: it does not hold that entry")

    def _delete_segments_from(self, index: int) -> None:
        """Newest first, so that a crash in between leaves a prefix of the log."""
        while len(self._segments) > index:
            self._segments[-1].delete()
            self._segments.pop()
        sync_directory(self._directory)

    def _records(self, index: int) -> Iterator[Record]:
        segment = self._segments[index]
        for record in read_records(segment.read(0, segment.size)):
            if isinstance(record, BadRecord):
                raise CorruptFile(corrupt_text(segment.path, record.offset, record.reason))
            yield record

    def _quarantine(self, last: LogPosition, index: int, offset: int) -> None:
        """Copy everything after ``last``, at ``offset`` of segment ``index``, into one segment-shaped file."""
        place = self._directory / QUARANTINE
        make_directory(place)
        tails = [self._segments[index].read(offset, self._segments[index].size - offset)]
        tails += [s.read(SEGMENT_HEADER_BYTES, s.size - SEGMENT_HEADER_BYTES) for s in self._segments[index + 1 :]]
        first, number = Sequence(last.sequence + 1), 0
        while (path := place / f"{first:020d}-{number}{SUFFIX}").exists():
            number += 1
        replace_durably(path, [encode_segment_header(SegmentHeader(first, last)), *tails])
        _log.warning("kept the entries after %s, which are not in the cluster's log, in %s", last, path)

    # -- state

    def _check_usable(self) -> None:
        assert self._lock is not None, "the log is not open"
        if self._failed is not None:
            raise StorageError(f"the log cannot be used any more after an earlier failure: {self._failed}")

    def _fail(self, cause: OSError, doing: str, path: Path) -> StorageError:
        error = storage_error(cause, doing, path)
        self._failed = str(error)
        return StorageError(f"{error}. What is on disk is unknown: stop, check the disk, start again")

    def _release(self) -> None:
        for segment in self._segments:
            segment.close()
        self._segments = []
        self._end = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _decode(path: Path, record: Record) -> LogEntry:
    try:
        entry = decode_entry(record.payload)
    except MalformedFrame as cause:
        raise CorruptFile(corrupt_text(path, record.offset, f"the entry does not decode: {cause}")) from cause
    if entry.position != record.position:
        raise CorruptFile(corrupt_text(path, record.offset, f"entry {entry.position} is filed as {record.position}"))
    return entry
