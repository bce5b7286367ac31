"""Reads the chunks of a snapshot that the peer lacks on a thread of its own; the event loop only sends them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from eiha.errors import CorruptFile, StorageError
from eiha.ha.effects import SendChunk
from eiha.ha.inputs import ChunkUnreadable
from eiha.kernel.ids import LinkId
from eiha.node.thread_name import show_thread_name
from eiha.ports import SnapshotStore
from eiha.protocol.peer_messages import SnapshotChunk


class ChunkSender:
    """Carries out ``SendChunk``. The member bounds how many are queued: no more than are in flight.

    Args:
        store: read from, while others write to it.
        send: called on the thread with each chunk, checked.
        answer: called on the thread when a chunk cannot be read.
    """

    def __init__(
        self,
        store: SnapshotStore,
        *,
        send: Callable[[LinkId, SnapshotChunk], None],
        answer: Callable[[ChunkUnreadable], None],
    ) -> None:
        self._store = store
        self._send = send
        self._answer = answer
        self._queue: queue.SimpleQueue[SendChunk | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="eiha-chunks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, effect: SendChunk) -> None:
        """Queue a chunk."""
        self._queue.put(effect)

    def stop(self, timeout_s: float) -> bool:
        """End after what is queued; False if that took too long."""
        if self._thread.ident is None:
            return True
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        show_thread_name()
        while (effect := self._queue.get()) is not None:
            try:
                data = self._store.read_chunk(effect.chunk)
            except (CorruptFile, StorageError) as error:
                self._answer(ChunkUnreadable(effect.transfer, str(error)))
            else:
                self._send(effect.link, SnapshotChunk(effect.transfer, effect.index, data))
