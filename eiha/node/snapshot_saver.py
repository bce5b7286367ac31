"""Writes snapshots to disk on a thread of its own, so that neither the event loop nor the log waits for them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from eiha.errors import CorruptFile, StorageError, StoreUnavailable
from eiha.ha.divergence import MINE
from eiha.ha.effects import KeepDump, SaveSnapshot
from eiha.ha.inputs import SnapshotSaved
from eiha.kernel.ids import Sequence
from eiha.node.thread_name import show_thread_name
from eiha.ports import SnapshotStore
from eiha.storage.divergence_dumps import DivergenceDumps

RETRY_S = 1.0


class SnapshotSaver:
    """Saves what it is given, in order; also reads the newest for whoever restores.

    Args:
        store: used under this object's lock only.
        saved: called on the thread when a snapshot is durable.
        failed: called on the thread when it ends by an error.
        waiting: called on the thread with why a snapshot cannot be saved now; it is tried again.
        dumps: where states that differed are kept.
        told: called on the thread with what became of a dump: level, event and words.
    """

    def __init__(
        self,
        store: SnapshotStore,
        *,
        saved: Callable[[SnapshotSaved], None],
        failed: Callable[[BaseException], None],
        waiting: Callable[[str], None],
        dumps: DivergenceDumps,
        told: Callable[[str, str, str], None],
    ) -> None:
        self._store = store
        self._saved = saved
        self._failed = failed
        self._waiting = waiting
        self._dumps = dumps
        self._told = told
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[SaveSnapshot | KeepDump | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="eiha-snapshots", daemon=True)
        self._stopping = threading.Event()
        self.saved_sequence = Sequence(0)
        self.saved_at_s = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, effect: SaveSnapshot | KeepDump) -> None:
        """Queue a snapshot, of which the member has one at a time, or a dump."""
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
        show_thread_name()
        try:
            while (effect := self._queue.get()) is not None:
                if isinstance(effect, KeepDump):
                    self._keep(effect)
                else:
                    self._save(effect)
        except BaseException as error:  # noqa: BLE001  reported, and the process ends by it
            self._failed(error)

    def _keep(self, effect: KeepDump) -> None:
        """Keep a dump; nothing rests on it, so one that cannot be kept is told and given up."""
        try:
            path, gone = self._dumps.keep(effect.dump, effect.side, effect.content)
        except StorageError as error:
            self._told("error", "dump_lost", f"the state after entry {effect.position.sequence} is not kept: {error}")
            return
        whose = "this node's state" if effect.side == MINE else "the active's state"
        self._told("warning", "state_dumped", f"{whose} after entry {effect.position.sequence} is kept in {path}")
        for each in gone:
            self._told("warning", "dump_deleted", f"{each} gave way to newer dumps")

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
