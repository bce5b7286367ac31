"""Writes snapshots to disk on a thread of its own, so that neither the event loop nor the log waits for them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from eiha.errors import CorruptFile, StoreUnavailable
from eiha.ha.effects import SaveSnapshot
from eiha.ha.inputs import SnapshotSaved
from eiha.kernel.ids import Sequence
from eiha.ports import SnapshotStore

RETRY_S = 1.0


class SnapshotSaver:
    """Saves what it is given, in order; also reads the newest for whoever restores.

    Args:
        store: used under this object's lock only.
        saved: called on the thread when a snapshot is durable.
        failed: called on the thread when it ends by an error.
        waiting: called on the thread with why a snapshot cannot be saved now; it is tried again.
    """

    def __init__(
        self,
        store: SnapshotStore,
        *,
        saved: Callable[[SnapshotSaved], None],
        failed: Callable[[BaseException], None],
        waiting: Callable[[str], None],
    ) -> None:
        self._store = store
        self._saved = saved
        self._failed = failed
        self._waiting = waiting
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[SaveSnapshot | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="eiha-snapshots", daemon=True)
        self._stopping = threading.Event()
        self.saved_sequence = Sequence(0)
        self.saved_at_s = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, effect: SaveSnapshot) -> None:
        """Queue a snapshot; the member has one at a time."""
        self._queue.put(effect)

    def newest(self) -> bytes | None:
        """The newest valid snapshot's bytes."""
        with self._lock:
            found = self._store.newest()
        return None if found is None else found[1]

    def stop(self, timeout_s: float) -> bool:
        """End after what is queued; False if that took too long."""
        self._stopping.set()
        if self._thread.ident is None:
            return True
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (effect := self._queue.get()) is not None:
                self._save(effect)
        except BaseException as error:  # noqa: BLE001  reported, and the process ends by it
            self._failed(error)

    def _save(self, effect: SaveSnapshot) -> None:
        while True:
            try:
                with self._lock:
                    self._store.save(effect.position, effect.content)
                break
            except CorruptFile:
                raise
            except StoreUnavailable as error:
                self._waiting(str(error))
                if self._stopping.wait(RETRY_S):
                    return
        self.saved_sequence = effect.position.sequence
        self.saved_at_s = time.monotonic()
        self._saved(SnapshotSaved(effect.position))
