"""The snapshots' thread of one process, and its children: small steps, between any two of which it may die."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Final, assert_never

from eiha.ha import effects as fx
from eiha.ha.inputs import ChunksFound, ChunkStored, ChunkUnreadable, SnapshotFailed, SnapshotSaved, SnapshotTaken
from eiha.ha.member_state import encode_member_state
from eiha.kernel.ids import LinkId
from eiha.ports import Engine
from eiha.protocol.peer_messages import SnapshotChunk
from eiha.protocol.snapshot_format import Chunk, ChunkCutter, SnapshotManifest, encode_manifest
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.log_writer import RETRY_US
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import Scheduler

CHILD_FAILS: Final = 0.02
"""How often a child is killed, or finds the disk full, before it is done."""

Answer = SnapshotTaken | SnapshotFailed | SnapshotSaved | ChunksFound | ChunkStored | ChunkUnreadable
SnapshotEffect = fx.FindChunks | fx.StoreChunk | fx.SaveSnapshot | fx.SendChunk


class SnapshotWorker:
    """Does one thing at a time, in order.

    Args:
        send: sends a chunk to the peer.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        rng: random.Random,
        disk: SimulatedDisk,
        deliver: Callable[[Answer], None],
        send: Callable[[LinkId, SnapshotChunk], None],
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._disk = disk
        self._deliver = deliver
        self._send = send
        self._steps: deque[Callable[[], None]] = deque()
        self._running: Callable[[], None] | None = None
        self._dead = False
        self.chunk_bytes = rng.choice((40, 300, 1 << 18))
        self.latency_us: Callable[[], tuple[int, int]] = lambda: (50, 800)
        self.is_full: Callable[[], bool] = lambda: False

    def fork(self, effect: fx.TakeSnapshot, engine: Engine) -> None:
        """A child sees the engine as it is now and writes it, step by step, while the engine goes on."""
        parts: list[tuple[Chunk, bytes]] = []
        cutter = ChunkCutter(lambda chunk, data: parts.append((chunk, bytes(data))), self.chunk_bytes)
        cutter.write(encode_member_state(effect.member_state))
        cutter.cut()
        member_chunks = len(cutter.chunks)
        engine.write_state(cutter)
        cutter.cut()
        manifest = SnapshotManifest(effect.position, effect.epoch_starts, member_chunks, tuple(cutter.chunks))
        disk = self._disk
        if self._rng.random() < CHILD_FAILS:
            parts = parts[: self._rng.randint(0, len(parts))]
            self._add(*(_put(disk, chunk, data) for chunk, data in parts))
            self._add(lambda: self._deliver(SnapshotFailed(effect.request, "the child was killed")))
            return
        self._add(*(_put(disk, chunk, data) for chunk, data in parts))
        self._add(
            disk.sync_chunks,
            lambda: disk.add_snapshot(manifest.position, encode_manifest(manifest)),
            disk.prune_snapshots,
            disk.collect_chunks,
            lambda: self._deliver(SnapshotTaken(effect.request, manifest)),
        )

    def run(self, effect: SnapshotEffect) -> None:
        """Queue what a transfer needs."""
        disk = self._disk
        match effect:
            case fx.FindChunks(transfer, manifest):
                self._add(lambda: self._deliver(ChunksFound(transfer, disk.lacking(manifest))))
            case fx.StoreChunk(transfer, index, chunk, data):
                self._add(lambda: self._store(transfer, index, chunk, data))
            case fx.SaveSnapshot(manifest):
                self._save(manifest)
            case fx.SendChunk():
                self._add(lambda: self._read(effect))
            case _:
                assert_never(effect)

    def die(self) -> None:
        """The process is gone: what runs has happened, or not; what is queued never happens."""
        running, self._running = self._running, None
        if running is not None and not self.is_full() and self._rng.random() < 0.5:
            running()
        self._dead = True
        self._steps.clear()
        self._disk.incoming = frozenset()

    def _save(self, manifest: SnapshotManifest) -> None:
        disk = self._disk

        def forget_incoming() -> None:
            disk.incoming = frozenset()

        self._add(
            disk.sync_chunks,
            lambda: disk.add_snapshot(manifest.position, encode_manifest(manifest)),
            lambda: disk.prune_snapshots(1),
            forget_incoming,
            disk.collect_chunks,
            lambda: self._deliver(SnapshotSaved(manifest.position)),
        )

    def _store(self, transfer: int, index: int, chunk: Chunk, data: bytes) -> None:
        sound = chunk.is_of(data)
        if sound:
            self._disk.put_chunk(chunk, data)
        self._deliver(ChunkStored(transfer, index, sound))

    def _read(self, effect: fx.SendChunk) -> None:
        if self._disk.has(effect.chunk):
            data = self._disk.read_chunk(effect.chunk)
            self._send(effect.link, SnapshotChunk(effect.transfer, effect.index, data))
        else:
            self._deliver(ChunkUnreadable(effect.transfer, f"chunk {effect.index} is gone"))

    def _add(self, *steps: Callable[[], None]) -> None:
        self._steps.extend(steps)
        self._go_on()

    def _go_on(self) -> None:
        if self._running is not None or not self._steps:
            return
        self._running = self._steps.popleft()
        self._scheduler.after(microseconds(self._rng, *self.latency_us()), self._finish)

    def _finish(self) -> None:
        if self._dead:
            return
        if self.is_full():
            self._scheduler.after(RETRY_US, self._finish)
            return
        step, self._running = self._running, None
        assert step is not None
        step()
        self._go_on()


def _put(disk: SimulatedDisk, chunk: Chunk, data: bytes) -> Callable[[], None]:
    return lambda: disk.put_chunk(chunk, data)
