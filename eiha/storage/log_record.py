"""How log entries stand in a segment file, and how a torn end is told from a damaged middle. Bytes only, no files.

::

    segment = header, record*
    header  = magic 8 bytes b"EIHALOG1" · version u32 · first sequence u64 · sequence before u64 · epoch before u64
              · crc32 of all before u32
    record  = marker 4 bytes · payload length u32 · sequence u64 · epoch u64 · crc32 of payload u32
              · crc32 of the 28 bytes before u32 · payload (``protocol.entry_codec``)

All numbers little-endian. The header has a checksum of its own, so a length can be trusted before the payload is
there: a record that reaches beyond the end of the file was being written when the process or machine died.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.protocol.limits import ENTRY_BYTES_MAX

MAGIC: Final = b"EIHALOG1"
FORMAT_VERSION: Final = 1
MARKER: Final = b"\xe1\x1a\x0e\xce"

_SEGMENT_HEADER: Final = struct.Struct("<8sIQQQ")
_RECORD_HEADER: Final = struct.Struct("<4sIQQI")
_CHECKSUM: Final = struct.Struct("<I")
SEGMENT_HEADER_BYTES: Final = _SEGMENT_HEADER.size + _CHECKSUM.size
RECORD_HEADER_BYTES: Final = _RECORD_HEADER.size + _CHECKSUM.size

_SECTOR_BYTES: Final = 512
"""A disk writes at least this much or nothing (same unit as etcd's torn-entry test)."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The first record's sequence, and the position that it follows."""

    first: Sequence
    before: LogPosition


@dataclass(frozen=True, slots=True)
class Record:
    """One entry in a segment: where it stands in the log, where in the file, and its bytes."""

    position: LogPosition
    offset: int
    payload: bytes

    @property
    def end(self) -> int:
        """Offset of what follows."""
        return self.offset + RECORD_HEADER_BYTES + len(self.payload)


class Fault(enum.Enum):
    """What a byte that is no valid record means."""

    TORN = "torn"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class BadRecord:
    """No valid record at ``offset``."""

    fault: Fault
    offset: int
    reason: str


def encode_segment_header(header: SegmentHeader) -> bytes:
    """The first bytes of a segment file."""
    data = _SEGMENT_HEADER.pack(MAGIC, FORMAT_VERSION, header.first, header.before.sequence, header.before.epoch)
    return data + _CHECKSUM.pack(zlib.crc32(data))


def decode_segment_header(data: bytes) -> SegmentHeader | str:
    """The header of a segment file, or what is wrong with it."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return f"the header has {len(data)} of {SEGMENT_HEADER_BYTES} bytes"
    magic, version, first, sequence, epoch = _SEGMENT_HEADER.unpack_from(data)
    if magic != MAGIC:
        return "it does not begin with EIHALOG1: not a log segment"
    if zlib.crc32(data[: _SEGMENT_HEADER.size]) != _CHECKSUM.unpack_from(data, _SEGMENT_HEADER.size)[0]:
        return "the header fails its checksum"
    if version != FORMAT_VERSION:
        return f"it has format version {version}; this build reads {FORMAT_VERSION}"
    return SegmentHeader(Sequence(first), LogPosition(Sequence(sequence), Epoch(epoch)))


def encode_record(position: LogPosition, payload: bytes) -> tuple[bytes, bytes]:
    """A record's header and payload, to be written one after the other."""
    assert 0 < len(payload) <= ENTRY_BYTES_MAX
    head = _RECORD_HEADER.pack(MARKER, len(payload), position.sequence, position.epoch, zlib.crc32(payload))
    return head + _CHECKSUM.pack(zlib.crc32(head)), payload


def read_records(data: bytes, offset: int = SEGMENT_HEADER_BYTES) -> Iterator[Record | BadRecord]:
    """The records in ``data`` from ``offset`` on, in order. Ends at the end of ``data`` or after one ``BadRecord``."""
    while offset < len(data):
        record = _read_record(data, offset)
        if isinstance(record, str):
            yield BadRecord(_judge(data, offset), offset, record)
            return
        yield record
        offset = record.end


def _read_record(data: bytes, offset: int) -> Record | str:
    if offset + RECORD_HEADER_BYTES > len(data):
        return f"a record's header has {len(data) - offset} of {RECORD_HEADER_BYTES} bytes"
    marker, length, sequence, epoch, checksum = _RECORD_HEADER.unpack_from(data, offset)
    head = data[offset : offset + _RECORD_HEADER.size]
    if marker != MARKER or zlib.crc32(head) != _CHECKSUM.unpack_from(data, offset + _RECORD_HEADER.size)[0]:
        return "a record's header fails its checksum"
    start = offset + RECORD_HEADER_BYTES
    payload = data[start : start + length]
    if len(payload) < length:
        return f"entry {sequence} has {len(payload)} of {length} bytes"
    if zlib.crc32(payload) != checksum:
        return f"entry {sequence} fails its checksum"
    return Record(LogPosition(Sequence(sequence), Epoch(epoch)), offset, payload)


def _judge(data: bytes, offset: int) -> Fault:
    """Whether the bytes from ``offset`` on can be what an interrupted write leaves.

    An interrupted write leaves a file that ends too early, or sectors that were never written and read as zeros,
    and nothing valid after it. All else is damage to what was once whole.
    """
    if _valid_record_after(data, offset + 1):
        return Fault.CORRUPT
    if _has_unwritten_sector(data, offset) or _is_cut_off(data, offset):
        return Fault.TORN
    return Fault.CORRUPT


def _valid_record_after(data: bytes, offset: int) -> bool:
    found = data.find(MARKER, offset)
    while found >= 0:
        if isinstance(_read_record(data, found), Record):
            return True
        found = data.find(MARKER, found + 1)
    return False


def _has_unwritten_sector(data: bytes, offset: int) -> bool:
    start = offset
    while start < len(data):
        stop = min(start - start % _SECTOR_BYTES + _SECTOR_BYTES, len(data))
        if not any(data[start:stop]):
            return True
        start = stop
    return False


def _is_cut_off(data: bytes, offset: int) -> bool:
    rest = len(data) - offset
    if rest < RECORD_HEADER_BYTES:
        return data[offset : offset + len(MARKER)] == MARKER[:rest]
    head = data[offset : offset + _RECORD_HEADER.size]
    if zlib.crc32(head) != _CHECKSUM.unpack_from(data, offset + _RECORD_HEADER.size)[0]:
        return False
    marker, length, _, _, _ = _RECORD_HEADER.unpack(head)
    return bool(marker == MARKER and rest < RECORD_HEADER_BYTES + length)
