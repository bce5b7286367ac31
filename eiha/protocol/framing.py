"""Frames: how messages are cut out of a stream of bytes, on every channel.

::

    length   u32   bytes of the body
    crc32    u32   of version, type and body
    version  u8    protocol version
    type     u8    which message
    body     length bytes

All numbers little-endian. The first eight bytes keep their meaning in every protocol version, so that two builds can
at least tell each other that they do not understand each other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eiha.errors import MalformedFrame, VersionMismatch

PROTOCOL_VERSION: Final = 1
"""What this build speaks. Raised by any change that an older build would misread."""

_HEADER: Final = struct.Struct("<IIBB")
HEADER_BYTES: Final = _HEADER.size
_CHECKSUMS: Final = tuple(zlib.crc32(bytes((PROTOCOL_VERSION, type_))) for type_ in range(256))
"""By type: of version and type, with which the checksum of a frame begins."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``body`` is a view of the bytes fed, or of one joined copy; whoever keeps it keeps those alive."""

    type: int
    body: memoryview


def encode_frame(type_: int, body: bytes) -> bytes:
    """A whole frame in one piece; for small ones."""
    return b"".join(encode_frame_parts(type_, (body,)))


def encode_frame_parts(type_: int, parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """A frame as pieces for a vectored write: the header, then ``parts`` untouched, which together are the body."""
    length = 0
    checksum = _CHECKSUMS[type_]
    for part in parts:
        length += len(part)
        checksum = zlib.crc32(part, checksum)
    return [_HEADER.pack(length, checksum, PROTOCOL_VERSION, type_), *parts]


SPEAKS_TLS: Final = (
    "the other side speaks TLS on this connection and this side does not: configure [tls] on both, or on neither"
)


def _begins_tls_record(length: int) -> bool:
    """Whether the bytes of ``length`` are the type and the version of a TLS record."""
    kind, major, minor, _ = length.to_bytes(4, "little")
    return 0x14 <= kind <= 0x17 and major == 3 and minor <= 4


class FrameDecoder:
    """Cuts frames out of bytes that come in arbitrary pieces: ``receive`` each piece, then ``next_frame`` until None.

    A frame inside one piece is a view of it; only one that spans pieces is copied, once, when it is complete. What is
    kept is never more than what was received: a length that lies costs nothing. ``frame_bytes_max`` bounds a body, is
    checked as soon as the header is there, and may be raised between frames, when the other side is authenticated.

    Once ``next_frame`` raised, the stream cannot be trusted any more, and every further call raises the same.
    """

    __slots__ = ("_failure", "_offset", "_pieces", "_size", "_wanted", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._pieces: list[memoryview] = []
        self._offset = 0  # where the next frame begins in the first piece
        self._size = 0  # bytes received and not yet given out
        self._wanted = HEADER_BYTES  # bytes that must be here before looking again
        self._failure: MalformedFrame | VersionMismatch | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the rest of their frame; not 0 at the end of a stream means truncation."""
        return self._size

    @property
    def holds_tls_record(self) -> bool:
        """Whether what waits begins like a TLS record; a short one never becomes a frame."""
        head = b"".join(self._pieces)[self._offset : self._offset + 4] if 4 <= self._size < HEADER_BYTES else b""
        return len(head) == 4 and _begins_tls_record(int.from_bytes(head, "little"))

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take a piece. It must not change afterwards: frames may be views of it."""
        if len(data) and self._failure is None:
            self._pieces.append(memoryview(data))
            self._size += len(data)

    def next_frame(self) -> Frame | None:
        """The next complete frame, or None until more is received.

        Raises:
            MalformedFrame: the frame is too long for here, or its checksum is wrong.
            VersionMismatch: it is of another protocol version.
        """
        if self._failure is not None:
            raise self._failure
        if self._size < self._wanted:
            return None
        try:
            return self._cut_from_one_piece() or self._cut()
        except (MalformedFrame, VersionMismatch) as failure:
            self._failure = failure
            self._pieces = []
            self._size = 0
            raise

    def _cut_from_one_piece(self) -> Frame | None:
        """A frame of which nothing is wrong and that lies within the first piece: nearly all do. None: look closer."""
        view, start = self._pieces[0], self._offset
        size = len(view)
        if size - start < HEADER_BYTES:
            return None
        length, checksum, version, type_ = _HEADER.unpack_from(view, start)
        body = start + HEADER_BYTES
        end = body + length
        if version != PROTOCOL_VERSION or length > self.frame_bytes_max or end > size:
            return None
        if zlib.crc32(view[start + 8 : end]) != checksum:
            return None
        self._size -= end - start
        self._wanted = HEADER_BYTES
        if end == size:
            del self._pieces[0]
            self._offset = 0
        else:
            self._offset = end
        return Frame(type_, view[body:end])

    def _cut(self) -> Frame | None:
        if len(self._pieces) > 1 and len(self._pieces[0]) - self._offset < self._wanted:
            self._pieces[0] = self._pieces[0][self._offset :]
            self._pieces = [memoryview(b"".join(self._pieces))]
            self._offset = 0
        view, start = self._pieces[0], self._offset
        length, checksum, version, type_ = _HEADER.unpack_from(view, start)
        self._check_header(length, version)
        self._wanted = HEADER_BYTES + length
        if self._size < self._wanted:
            return None
        end = start + self._wanted
        if end > len(view):
            return self._cut()  # complete, but over several pieces: the join above makes them one
        # the checksum covers version and type, the last two bytes of the header, and the body
        if zlib.crc32(view[start + 8 : end]) != checksum:
            raise MalformedFrame(f"a frame of type {type_} with {length} bytes fails its checksum")
        self._advance(end, len(view))
        return Frame(type_, view[start + HEADER_BYTES : end])

    def _check_header(self, length: int, version: int) -> None:
        if (version != PROTOCOL_VERSION or length > self.frame_bytes_max) and _begins_tls_record(length):
            raise MalformedFrame(SPEAKS_TLS)
        if version != PROTOCOL_VERSION:
            raise VersionMismatch(
                f"the other side sent a frame of protocol version {version}, this build speaks {PROTOCOL_VERSION}: "
                "is it an eiha port, and the same release on both sides?"
            )
        if length > self.frame_bytes_max:
            raise MalformedFrame(f"a frame of {length} bytes; at most {self.frame_bytes_max} are taken here")

    def _advance(self, end: int, piece_bytes: int) -> None:
        self._size -= self._wanted
        self._wanted = HEADER_BYTES
        self._offset = end
        if end == piece_bytes:
            del self._pieces[0]
            self._offset = 0
        assert self._size >= 0
