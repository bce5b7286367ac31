"""The chunks of a snapshot as one stream, one of them in memory at a time."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Seq

from eiha.errors import CorruptFile
from eiha.protocol.snapshot_format import Chunk


class SnapshotReader:
    """Reads chunks one after the other.

    Args:
        read_chunk: gives the content of a chunk, checked.
        chunks: in order.
    """

    __slots__ = ("_chunks", "_current", "_next", "_read_chunk", "_remaining")

    def __init__(self, read_chunk: Callable[[Chunk], bytes], chunks: Seq[Chunk]) -> None:
        self._read_chunk = read_chunk
        self._chunks = chunks
        self._next = 0
        self._current = memoryview(b"")
        self._remaining = sum(chunk.size for chunk in chunks)

    @property
    def remaining(self) -> int:
        """Bytes that are left."""
        return self._remaining

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes. Raises ``CorruptFile`` when there are fewer, or a chunk is damaged."""
        data = bytearray(self._checked(size))
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, target: memoryview) -> None:
        """Fill ``target`` with the next bytes. Raises ``CorruptFile`` when there are fewer, or a chunk is damaged."""
        size = self._checked(len(target))
        filled = 0
        while filled < size:
            if not self._current:
                self._current = memoryview(self._read_chunk(self._chunks[self._next]))
                self._next += 1
            part = self._current[: size - filled]
            target[filled : filled + len(part)] = part
            self._current = self._current[len(part) :]
            filled += len(part)
        self._remaining -= size

    def _checked(self, size: int) -> int:
        if size > self._remaining:
            raise CorruptFile(f"a snapshot ends {size - self._remaining} bytes too early")
        return size
