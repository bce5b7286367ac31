"""What a snapshot is: a stream of bytes cut into chunks named by their content, and a manifest that lists them.

::

    manifest = magic       8 bytes   b"EIHASNAP"
               version     u16
               reserved    u16       0
               cut bytes   u32
               chunks      u32
               of them the member's section   u32
               cut         msgpack [sequence, epoch, epoch starts]
               chunks      each: name 16 bytes (blake2b of its content), size u32
               checksum    16 bytes  blake2b of all of the above

The first chunks, one after the other, are the member's section (sessions, plans, outbox), the others the engine's. All
numbers little-endian. Equal parts of two snapshots have equal names: they are on disk once, and a joiner that has them
is not sent them. Who writes says where chunks may end, so that a change in one part leaves the others' names alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NewType, Protocol

from eiha.errors import CorruptFile, MalformedFrame
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.protocol import fields
from eiha.protocol.limits import SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_MANIFEST_BYTES_MAX

MAGIC: Final = b"EIHASNAP"
FORMAT_VERSION: Final = 2
NAME_BYTES: Final = 16

ChunkName = NewType("ChunkName", bytes)
"""16 bytes that tell a chunk's content from any other."""

_PREFIX: Final = struct.Struct("<8sHHIII")
_CHUNK: Final = struct.Struct(f"<{NAME_BYTES}sI")
HEADER_BYTES: Final = _PREFIX.size

EpochStarts = tuple[tuple[Epoch, Sequence], ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a snapshot."""

    name: ChunkName
    size: int

    def is_of(self, data: bytes | memoryview) -> bool:
        """Whether ``data`` is its content."""
        return len(data) == self.size and chunk_name(data) == self.name


@dataclass(frozen=True, slots=True)
class SnapshotManifest:
    """State as of ``position``: what it consists of, without the content.

    ``epoch_starts``: (epoch, first sequence) pairs, ascending. ``member_chunks``: how many of ``chunks``, from the
    first, hold the member's section.
    """

    position: LogPosition
    epoch_starts: EpochStarts
    member_chunks: int
    chunks: tuple[Chunk, ...]

    @property
    def bytes(self) -> int:
        """Size of the content."""
        return sum(chunk.size for chunk in self.chunks)


class StateWriter(Protocol):
    """Where a state goes."""

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""

    def cut(self) -> None:
        """A good place for a chunk to end."""


class StateReader(Protocol):
    """Where a state comes from."""

    @property
    def remaining(self) -> int:
        """Bytes that are left."""

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes. Raises ``CorruptFile`` when there are fewer."""

    def read_into(self, target: memoryview) -> None:
        """Fill ``target`` with the next bytes. Raises ``CorruptFile`` when there are fewer."""


def chunk_name(data: bytes | bytearray | memoryview) -> ChunkName:
    """The name of a chunk with this content."""
    return ChunkName(blake2b(data, digest_size=NAME_BYTES, person=b"eiha chunk").digest())


class ChunkCutter:
    """Cuts what is written into chunks of at most ``chunk_bytes`` and hands each on.

    Args:
        put: takes the next chunk; the data is only valid during the call.
        chunk_bytes: every chunk has as many, but the last before a ``cut``.
    """

    __slots__ = ("_buffer", "_chunk_bytes", "_put", "chunks")

    def __init__(
        self, put: Callable[[Chunk, bytes | memoryview], None], chunk_bytes: int = SNAPSHOT_CHUNK_BYTES_MAX
    ) -> None:
        self._put = put
        self._chunk_bytes = chunk_bytes
        self._buffer = bytearray()
        self.chunks: list[Chunk] = []

    def write(self, data: bytes | memoryview) -> None:
        """Go on with ``data``. Large data is not copied."""
        view = memoryview(data)
        room = self._chunk_bytes - len(self._buffer)
        if self._buffer:
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) == self._chunk_bytes:
                self.cut()
        while len(view) >= self._chunk_bytes:
            self._emit(view[: self._chunk_bytes])
            view = view[self._chunk_bytes :]
        self._buffer += view

    def cut(self) -> None:
        """What follows begins a new chunk."""
        if self._buffer:
            data, self._buffer = self._buffer, bytearray()
            self._emit(memoryview(data))

    def _emit(self, data: memoryview) -> None:
        chunk = Chunk(chunk_name(data), len(data))
        self.chunks.append(chunk)
        self._put(chunk, data)


def encode_manifest(manifest: SnapshotManifest) -> bytes:
    """The bytes of ``manifest``; equal manifests give equal bytes."""
    position = manifest.position
    cut = fields.pack((position.sequence, position.epoch, manifest.epoch_starts))
    header = _PREFIX.pack(MAGIC, FORMAT_VERSION, 0, len(cut), len(manifest.chunks), manifest.member_chunks)
    body = b"".join((header, cut, *(_CHUNK.pack(chunk.name, chunk.size) for chunk in manifest.chunks)))
    return body + _checksum(body)


def decode_manifest(data: bytes | memoryview) -> SnapshotManifest:
    """The manifest in ``data``.

    Raises:
        CorruptFile: magic, format version, a length or the checksum is not right; the text says which.
    """
    view = memoryview(data)
    if len(view) < HEADER_BYTES:
        raise CorruptFile(f"a snapshot has a header of {HEADER_BYTES} bytes, this has {len(view)} bytes in all")
    magic, version, _, cut_bytes, count, member_chunks = _PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise CorruptFile("this is not a snapshot: it does not begin with EIHASNAP")
    if version != FORMAT_VERSION:
        raise CorruptFile(f"a snapshot of format version {version}; this build reads {FORMAT_VERSION}")
    start = HEADER_BYTES + cut_bytes
    end = start + count * _CHUNK.size
    if len(view) != end + NAME_BYTES or len(view) > SNAPSHOT_MANIFEST_BYTES_MAX:
        raise CorruptFile(f"a manifest of {len(view)} bytes says it has {end + NAME_BYTES}: cut off or overwritten")
    if _checksum(view[:end]) != view[end:]:
        raise CorruptFile("the snapshot's manifest fails its checksum")
    position, epoch_starts = _read_cut(view[HEADER_BYTES:start])
    chunks = tuple(Chunk(ChunkName(name), size) for name, size in _CHUNK.iter_unpack(view[start:end]))
    if member_chunks > count or any(not 0 < chunk.size <= SNAPSHOT_CHUNK_BYTES_MAX for chunk in chunks):
        raise CorruptFile("the snapshot's manifest names chunks that cannot be")
    return SnapshotManifest(position, epoch_starts, member_chunks, chunks)


def _checksum(body: bytes | memoryview) -> bytes:
    return blake2b(body, digest_size=NAME_BYTES, person=b"eiha manifest").digest()


def _read_cut(section: memoryview) -> tuple[LogPosition, EpochStarts]:
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
        raise CorruptFile(f"the snapshot's cut does not decode: {cause}") from cause
