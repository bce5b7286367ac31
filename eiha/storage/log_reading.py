"""Reads committed entries from the log's files beside the thread that writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eiha.errors import CorruptFile, MalformedFrame
from eiha.kernel.ids import Sequence
from eiha.protocol.entry_codec import decode_entry
from eiha.protocol.log_entry import LogEntry
from eiha.storage.durable_files import storage_error
from eiha.storage.log_record import BadRecord, read_records
from eiha.storage.segment_file import SUFFIX


def read_entries(directory: Path, after: Sequence, through: Sequence) -> Iterator[LogEntry]:
    """The entries in ``(after, through]``, in order; all of them were handed to the operating system before.

    One segment is held in memory at a time.

    Raises:
        CorruptFile: one of them is not there.
        StorageError: a file cannot be read.
    """
    expected = after + 1
    paths = sorted(directory.glob(f"*{SUFFIX}"))
    firsts = [int(path.stem) for path in paths]
    for index, path in enumerate(paths):
        if expected > through:
            return
        if index + 1 < len(paths) and firsts[index + 1] <= expected:
            continue
        try:
            data = path.read_bytes()
        except OSError as cause:
            raise storage_error(cause, "cannot read log segment", path) from cause
        for record in read_records(data):
            if isinstance(record, BadRecord) or expected > through:
                break
            sequence = record.position.sequence
            if sequence < expected:
                continue
            if sequence > expected:
                raise CorruptFile(f"log segment {path} has entry {sequence} where {expected} should be")
            try:
                yield decode_entry(record.payload)
            except MalformedFrame as cause:
                raise CorruptFile(f"log segment {path}: entry {sequence} does not decode: {cause}") from cause
            expected += 1
    if expected <= through:
        raise CorruptFile(f"the log in {directory} ends before entry {expected}; {through} was wanted")
