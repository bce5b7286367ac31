"""A snapshot on its way: the joiner tells which chunks it lacks, gets those in order, a window of them in flight.

The content is on the disks of both; what is here knows names and numbers only.
"""

from __future__ import annotations

from typing import Final

from eiha.ha.effects import FindChunks, SaveSnapshot, SendChunk, StoreChunk
from eiha.ha.inputs import ChunksFound, ChunkStored
from eiha.ha.status import TransferStatus
from eiha.kernel.ids import Epoch, LinkId, MonotonicMs, NodeId
from eiha.protocol.peer_messages import SnapshotAck, SnapshotBegin, SnapshotChunk, SnapshotLacks
from eiha.protocol.snapshot_format import SnapshotManifest, decode_manifest, encode_manifest

TOLD_EVERY_MS: Final = 5_000
"""How often the log tells how far a long transfer is."""


class ChunkWindow:
    """How many chunks may be in flight: more while all goes well, few when this node is late with other things.

    At 0 one chunk goes with each tick: the transfer is slow then, and never stands still.
    """

    __slots__ = ("_acked", "_most", "size")

    def __init__(self, most: int) -> None:
        self._most = most
        self._acked = 0
        self.size = min(2, most)

    def acknowledged(self, chunks: int) -> None:
        """So many arrived. A whole window without delay: one more."""
        self._acked += chunks
        if self._acked > self.size:
            self._acked = 0
            self.size = min(self._most, self.size + 1)

    def narrow(self) -> None:
        """This node was late: half of it."""
        self._acked = 0
        self.size //= 2


class _Progress:
    """How far one side is."""

    __slots__ = ("_begun_ms", "_done_bytes", "_peer", "_sending", "_told_ms", "progressed_ms", "total_bytes")

    def __init__(self, peer: NodeId, now_ms: MonotonicMs, total_bytes: int, *, sending: bool) -> None:
        self._peer = peer
        self._sending = sending
        self._begun_ms = now_ms
        self._told_ms = now_ms
        self._done_bytes = 0
        self.total_bytes = total_bytes
        self.progressed_ms = now_ms

    def begin(self, total_bytes: int, now_ms: MonotonicMs) -> None:
        self.total_bytes = total_bytes
        self._begun_ms = self._told_ms = self.progressed_ms = now_ms

    def add(self, size: int, now_ms: MonotonicMs) -> None:
        self._done_bytes += size
        self.progressed_ms = now_ms

    def status(self, now_ms: MonotonicMs) -> TransferStatus:
        return TransferStatus(
            "sending" if self._sending else "receiving",
            self._peer,
            self._done_bytes,
            self.total_bytes,
            max(1, now_ms - self._begun_ms),
        )

    def is_to_be_told(self, now_ms: MonotonicMs) -> bool:
        if now_ms - self._told_ms < TOLD_EVERY_MS:
            return False
        self._told_ms = now_ms
        return True


class SnapshotSender:
    """The active's side of one transfer. ``done`` once the joiner has every chunk."""

    __slots__ = ("_acked", "_lacking", "_next", "_ticked", "begin", "manifest", "progress", "window")

    def __init__(
        self, transfer: int, epoch: Epoch, manifest: SnapshotManifest, *, peer: NodeId, window: int, now_ms: MonotonicMs
    ) -> None:
        self.begin = SnapshotBegin(epoch, transfer, encode_manifest(manifest))
        self.manifest = manifest
        self.window = ChunkWindow(window)
        self.progress = _Progress(peer, now_ms, manifest.bytes, sending=True)
        self._lacking: tuple[int, ...] | None = None
        self._acked = 0
        self._next = 0
        self._ticked = False

    @property
    def done(self) -> bool:
        """Whether the joiner has everything."""
        return self._lacking is not None and self._acked == len(self._lacking)

    def lacks(self, message: SnapshotLacks, now_ms: MonotonicMs) -> bool:
        """The joiner tells what it lacks. False: of another transfer, said already, or of chunks that there are not."""
        if message.transfer != self.begin.transfer or self._lacking is not None:
            return False
        chunks = self.manifest.chunks
        lacking = indexes_of(message.lacking)
        if lacking and lacking[-1] >= len(chunks):
            return False
        self._lacking = lacking
        self.progress.begin(sum(chunks[index].size for index in lacking), now_ms)
        return True

    def due(self, link: LinkId) -> list[SendChunk]:
        """The chunks to send now: as many as the window allows."""
        effects: list[SendChunk] = []
        if self._lacking is None:
            return effects
        room = self.window.size
        if self._ticked and not room and self._next == self._acked:
            room = 1
        self._ticked = False
        while self._next < len(self._lacking) and self._next - self._acked < room:
            index = self._lacking[self._next]
            effects.append(SendChunk(link, self.begin.transfer, index, self.manifest.chunks[index]))
            self._next += 1
        return effects

    def tick(self) -> None:
        """Time passed."""
        self._ticked = True

    def acknowledged(self, ack: SnapshotAck, now_ms: MonotonicMs) -> None:
        """The joiner has so many chunks. Acknowledgements of other transfers are passed over."""
        if ack.transfer != self.begin.transfer or not self._acked < ack.through <= self._next:
            return
        assert self._lacking is not None
        arrived = self._lacking[self._acked : ack.through]
        self.progress.add(sum(self.manifest.chunks[index].size for index in arrived), now_ms)
        self.window.acknowledged(ack.through - self._acked)
        self._acked = ack.through


class SnapshotReceiver:
    """The joiner's side: asks its disk what it lacks, has each chunk stored, acknowledges what is.

    Raises:
        CorruptFile: the manifest is damaged.
    """

    __slots__ = ("_lacking", "_stored", "_taken", "begin", "failure", "manifest", "progress")

    def __init__(self, begin: SnapshotBegin, peer: NodeId, now_ms: MonotonicMs) -> None:
        self.begin = begin
        self.manifest = decode_manifest(begin.manifest)
        self.failure: str | None = None
        self.progress = _Progress(peer, now_ms, self.manifest.bytes, sending=False)
        self._lacking: tuple[int, ...] | None = None
        self._taken = 0
        self._stored = 0

    @property
    def finding(self) -> bool:
        """Whether the disk has not told yet what it lacks."""
        return self._lacking is None

    def find(self) -> FindChunks:
        """The first thing to ask."""
        return FindChunks(self.begin.transfer, self.manifest)

    def found(self, answer: ChunksFound, now_ms: MonotonicMs) -> SnapshotLacks | None:
        """The disk told what is not there. None: of another transfer."""
        if answer.transfer != self.begin.transfer or self._lacking is not None:
            return None
        self._lacking = answer.lacking
        self.progress.begin(sum(self.manifest.chunks[index].size for index in answer.lacking), now_ms)
        return SnapshotLacks(self.begin.transfer, bits_of(answer.lacking))

    def take(self, message: SnapshotChunk) -> StoreChunk | None:
        """A chunk came. Others than the next one are passed over."""
        lacking = self._lacking
        if message.transfer != self.begin.transfer or lacking is None or self._taken == len(lacking):
            return None
        if message.index != lacking[self._taken]:
            return None
        self._taken += 1
        return StoreChunk(message.transfer, message.index, self.manifest.chunks[message.index], message.data)

    def stored(self, answer: ChunkStored, now_ms: MonotonicMs) -> SnapshotAck | None:
        """A chunk is on disk. None: of another transfer, or damaged (``failure``)."""
        lacking = self._lacking
        if answer.transfer != self.begin.transfer or lacking is None or self._stored >= self._taken:
            return None
        if not answer.sound:
            self.failure = f"chunk {answer.index} of snapshot transfer {answer.transfer} is not what its name says"
            return None
        self.progress.add(self.manifest.chunks[answer.index].size, now_ms)
        self._stored += 1
        return SnapshotAck(answer.transfer, self._stored)

    def complete(self) -> SaveSnapshot | None:
        """Once all chunks are here, what is to be done with them."""
        if self.failure is not None or self._lacking is None or self._stored < len(self._lacking):
            return None
        return SaveSnapshot(self.manifest)


def bits_of(indexes: tuple[int, ...]) -> bytes:
    """Bit i % 8 of byte i // 8 is set for each i."""
    bits = bytearray(indexes[-1] // 8 + 1 if indexes else 0)
    for index in indexes:
        bits[index // 8] |= 1 << index % 8
    return bytes(bits)


def indexes_of(bits: bytes) -> tuple[int, ...]:
    """The numbers of the bits that are set, ascending."""
    return tuple(8 * place + bit for place, byte in enumerate(bits) if byte for bit in range(8) if byte >> bit & 1)
