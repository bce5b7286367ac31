"""A snapshot on its way: cut into checksummed chunks, a window of them in flight, checked at the other end."""

from __future__ import annotations

import zlib

from eiha.kernel.ids import Epoch, LogPosition, MonotonicMs
from eiha.protocol.peer_messages import SnapshotAck, SnapshotBegin, SnapshotChunk


class SnapshotSender:
    """The active's side of one transfer. ``done`` once the joiner has every chunk."""

    __slots__ = ("_acked", "_chunk_bytes", "_content", "_next", "_window", "begin", "progressed_ms")

    def __init__(
        self,
        transfer: int,
        epoch: Epoch,
        position: LogPosition,
        content: bytes,
        *,
        chunk_bytes: int,
        window: int,
        now_ms: MonotonicMs,
    ) -> None:
        chunks = max(1, -(-len(content) // chunk_bytes))
        self.begin = SnapshotBegin(epoch, transfer, position, chunks, len(content), zlib.crc32(content))
        self.progressed_ms = now_ms
        self._content = memoryview(content)
        self._chunk_bytes = chunk_bytes
        self._window = window
        self._acked = 0
        self._next = 0

    @property
    def done(self) -> bool:
        """Whether the joiner has everything."""
        return self._acked == self.begin.chunks

    def due(self) -> list[SnapshotChunk]:
        """The chunks to send now: as many as the window allows."""
        chunks: list[SnapshotChunk] = []
        while self._next < self.begin.chunks and self._next - self._acked < self._window:
            start = self._next * self._chunk_bytes
            data = bytes(self._content[start : start + self._chunk_bytes])
            chunks.append(SnapshotChunk(self.begin.transfer, self._next, data, zlib.crc32(data)))
            self._next += 1
        return chunks

    def acknowledged(self, ack: SnapshotAck, now_ms: MonotonicMs) -> None:
        """The joiner has every chunk below ``ack.through``. Acknowledgements of other transfers are passed over."""
        if ack.transfer != self.begin.transfer or not self._acked < ack.through <= self._next:
            return
        self._acked = ack.through
        self.progressed_ms = now_ms


class SnapshotReceiver:
    """The joiner's side: chunks in order, each checked, then the whole."""

    __slots__ = ("_chunks", "begin", "failure", "progressed_ms", "received")

    def __init__(self, begin: SnapshotBegin, now_ms: MonotonicMs) -> None:
        self.begin = begin
        self.received = 0
        self.failure: str | None = None
        self.progressed_ms = now_ms
        self._chunks: list[bytes] = []

    def take(self, chunk: SnapshotChunk, now_ms: MonotonicMs) -> SnapshotAck | None:
        """Keep the next chunk and acknowledge it. Others are passed over; a damaged one is a ``failure``."""
        if chunk.transfer != self.begin.transfer or chunk.index != self.received or self.received >= self.begin.chunks:
            return None
        if zlib.crc32(chunk.data) != chunk.checksum:
            self.failure = f"chunk {chunk.index} of snapshot transfer {chunk.transfer} fails its checksum"
            return None
        self._chunks.append(chunk.data)
        self.received += 1
        self.progressed_ms = now_ms
        return SnapshotAck(self.begin.transfer, self.received)

    def content(self) -> bytes | None:
        """The snapshot once all chunks are here and the whole is sound; else None (see ``failure``)."""
        if self.received < self.begin.chunks:
            return None
        whole = b"".join(self._chunks)
        if len(whole) != self.begin.size or zlib.crc32(whole) != self.begin.checksum:
            self.failure = f"snapshot transfer {self.begin.transfer} fails its checksum as a whole"
            return None
        return whole
