"""What a snapshot is as bytes: a header that is checked before anything is trusted, then two opaque sections.

::

    magic      8 bytes   b"EIHASNAP"
    version    u16
    sections   u16       3
    per section: name 8 bytes, length u64, crc32 u32
    crc32 of all of the above, u32
    section bytes, one after the other: cut (msgpack), member, engine

All numbers little-endian. The same bytes are a file on disk and what a joining node is sent.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from eiha.errors import CorruptFile, MalformedFrame
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.protocol import fields

MAGIC: Final = b"EIHASNAP"
FORMAT_VERSION: Final = 1
SECTIONS: Final = (b"cut", b"member", b"engine")

_PREFIX: Final = struct.Struct("<8sHH")
_SECTION: Final = struct.Struct("<8sQI")
_CHECKSUM: Final = struct.Struct("<I")
HEADER_BYTES: Final = _PREFIX.size + len(SECTIONS) * _SECTION.size + _CHECKSUM.size


@dataclass(frozen=True, slots=True)
class SnapshotContent:
    """State as of ``position``.

    ``epoch_starts``: (epoch, first sequence) pairs, ascending. ``member_state``: client sessions and outbox, opaque
    to all but ``ha``. ``engine_state``: opaque to all but ``engine``.
    """

    position: LogPosition
    epoch_starts: tuple[tuple[Epoch, Sequence], ...]
    member_state: bytes
    engine_state: bytes


def encode_snapshot(content: SnapshotContent) -> bytes:
    """The bytes of ``content``; equal contents give equal bytes."""
    position = content.position
    cut = fields.pack((position.sequence, position.epoch, content.epoch_starts))
    sections = (cut, content.member_state, content.engine_state)
    header = _PREFIX.pack(MAGIC, FORMAT_VERSION, len(sections)) + b"".join(
        _SECTION.pack(name, len(data), zlib.crc32(data)) for name, data in zip(SECTIONS, sections, strict=True)
    )
    return b"".join((header, _CHECKSUM.pack(zlib.crc32(header)), *sections))


def decode_snapshot(data: bytes | memoryview) -> SnapshotContent:
    """The content of ``data``.

    Raises:
        CorruptFile: magic, format version, a length or a checksum is not right; the text says which.
    """
    view = memoryview(data)
    lengths = _read_header(view)
    expected = HEADER_BYTES + sum(length for length, _ in lengths)
    if len(view) != expected:
        raise CorruptFile(f"a snapshot of {len(view)} bytes says it has {expected}: it was cut off or overwritten")
    sections: list[memoryview] = []
    offset = HEADER_BYTES
    for name, (length, checksum) in zip(SECTIONS, lengths, strict=True):
        section = view[offset : offset + length]
        if zlib.crc32(section) != checksum:
            raise CorruptFile(f"the snapshot's section {name.decode()!r} fails its checksum")
        sections.append(section)
        offset += length
    position, epoch_starts = _read_cut(sections[0])
    return SnapshotContent(position, epoch_starts, bytes(sections[1]), bytes(sections[2]))


def cut_bytes(header: bytes) -> int:
    """How many bytes from the start hold header and cut, told by the first ``HEADER_BYTES``. Raises ``CorruptFile``."""
    return HEADER_BYTES + _read_header(memoryview(header))[0][0]


def decode_cut(data: bytes) -> tuple[LogPosition, tuple[tuple[Epoch, Sequence], ...]]:
    """Position and epoch starts, from the first ``cut_bytes`` of a snapshot: enough to order files by. Raises
    ``CorruptFile``; what follows the cut is not checked."""
    view = memoryview(data)
    length, checksum = _read_header(view)[0]
    section = view[HEADER_BYTES : HEADER_BYTES + length]
    if zlib.crc32(section) != checksum:
        raise CorruptFile("the snapshot's section 'cut' fails its checksum")
    return _read_cut(section)


def _read_header(view: memoryview) -> list[tuple[int, int]]:
    if len(view) < HEADER_BYTES:
        raise CorruptFile(f"a snapshot has a header of {HEADER_BYTES} bytes, this has {len(view)} bytes in all")
    magic, version, count = _PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise CorruptFile("this is not a snapshot: it does not begin with EIHASNAP")
    if version != FORMAT_VERSION:
        raise CorruptFile(f"a snapshot of format version {version}; this build reads {FORMAT_VERSION}")
    body = HEADER_BYTES - _CHECKSUM.size
    if count != len(SECTIONS) or zlib.crc32(view[:body]) != _CHECKSUM.unpack_from(view, body)[0]:
        raise CorruptFile("the snapshot's header fails its checksum")
    lengths: list[tuple[int, int]] = []
    for index, expected in enumerate(SECTIONS):
        name, length, checksum = _SECTION.unpack_from(view, _PREFIX.size + index * _SECTION.size)
        if name.rstrip(b"\0") != expected:
            raise CorruptFile(f"the snapshot's section {index} is not {expected.decode()!r}")
        lengths.append((length, checksum))
    return lengths


def _read_cut(section: memoryview) -> tuple[LogPosition, tuple[tuple[Epoch, Sequence], ...]]:
    try:
        sequence, epoch, starts = fields.record(fields.unpack(section, "the cut"), "the cut", 3)
        position = LogPosition(
            Sequence(fields.integer(sequence, "the cut's sequence")), Epoch(fields.integer(epoch, "the cut's epoch"))
        )
        pairs = [fields.record(pair, "an epoch start", 2) for pair in fields.sequence(starts, "the epoch starts")]
        return position, tuple(
            (Epoch(fields.integer(first, "an epoch")), Sequence(fields.integer(second, "its first sequence")))
            for first, second in pairs
        )
    except MalformedFrame as cause:
        raise CorruptFile(f"the snapshot's section 'cut' does not decode: {cause}") from cause
