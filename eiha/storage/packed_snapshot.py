"""A snapshot as one file that needs no other: its manifest, then its chunks. For keeping, sending and comparing.

::

    length of the manifest u32 | manifest | content of the chunks, in order
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile
from eiha.protocol.limits import SNAPSHOT_MANIFEST_BYTES_MAX
from eiha.protocol.snapshot_format import MAGIC, Chunk, SnapshotManifest, decode_manifest, encode_manifest
from eiha.storage.chunk_files import ChunkFiles
from eiha.storage.durable_files import make_directory, replace_durably, storage_error
from eiha.storage.snapshot_reader import SnapshotReader

_LENGTH: Final = struct.Struct("<I")


def pack_snapshot(path: Path, manifest: SnapshotManifest, read_chunk: Callable[[Chunk], bytes]) -> None:
    """Write it, durably, a chunk at a time.

    Raises:
        CorruptFile: a chunk is damaged or gone; there is no file then.
        StoreUnavailable: the disk is full.
        StorageError: the operating system refused for another reason.
    """
    make_directory(path.parent)
    replace_durably(path, _parts(encode_manifest(manifest), manifest, read_chunk))


def _parts(encoded: bytes, manifest: SnapshotManifest, read_chunk: Callable[[Chunk], bytes]) -> Iterator[bytes]:
    yield _LENGTH.pack(len(encoded))
    yield encoded
    for chunk in manifest.chunks:
        yield read_chunk(chunk)


def read_snapshot_file(path: Path, chunks_directory: Path | None = None) -> tuple[SnapshotManifest, SnapshotReader]:
    """A packed snapshot, or a snapshot of a node's directory: its manifest, and the engine's section to read.

    Args:
        path: the file.
        chunks_directory: where the chunks of a node's snapshot are; None: where they are in a node's directory.

    Raises:
        CorruptFile: it is damaged; damage to its content is noticed when that is read.
        StorageError: it cannot be read at all.
    """
    try:
        with path.open("rb") as file:
            first = file.read(len(MAGIC))
            if first == MAGIC:
                manifest = decode_manifest(first + file.read(SNAPSHOT_MANIFEST_BYTES_MAX))
                directory = chunks_directory or path.parent.parent / "chunks"
                return manifest, SnapshotReader(ChunkFiles(directory).read, manifest.chunks[manifest.member_chunks :])
            length = _LENGTH.unpack(first[: _LENGTH.size])[0] if len(first) >= _LENGTH.size else 0
            if first[_LENGTH.size :] != MAGIC[: len(MAGIC) - _LENGTH.size] or length > SNAPSHOT_MANIFEST_BYTES_MAX:
                raise CorruptFile("this is not a snapshot")
            file.seek(_LENGTH.size)
            manifest = decode_manifest(file.read(length))
    except OSError as cause:
        raise storage_error(cause, "cannot read snapshot", path) from cause
    return manifest, _reader(path, manifest, _LENGTH.size + length)


def _reader(path: Path, manifest: SnapshotManifest, start: int) -> SnapshotReader:
    """The engine's section."""
    offset = start + sum(chunk.size for chunk in manifest.chunks[: manifest.member_chunks])
    expected = start + manifest.bytes
    size = path.stat().st_size
    if size != expected:
        raise CorruptFile(f"a packed snapshot of {size} bytes says it has {expected}: cut off or overwritten")

    def read(chunk: Chunk) -> bytes:
        nonlocal offset
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(chunk.size)
        offset += chunk.size
        if not chunk.is_of(data):
            raise CorruptFile("a part of the packed snapshot fails its checksum")
        return data

    return SnapshotReader(read, manifest.chunks[manifest.member_chunks :])
