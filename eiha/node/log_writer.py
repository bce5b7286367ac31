"""The log on disk: one append, and one flush if the mode asks, for whatever is waiting.

A thread does it and answers each group once with the last position written. While it has nothing to do, small
appends that need no flush are made at once by whoever asks (``append``): to hand 200 bytes to the page cache takes
10 µs, to wake a thread and be woken by it took 500 (docs/adr/0018). A flush that nobody waits for (``interval``) runs
on a thread of its own, since a disk may take longer over it than a client should wait. So does the deletion of what a
snapshot covers, a piece at a time. A full disk is waited out: nothing is acknowledged meanwhile. Any other failure of
the disk ends the process: what is on it is then in doubt.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, assert_never

from eiha.errors import StoreUnavailable
from eiha.ha.effects import Persist, RememberWitness, ResetLog, TrimLog, TruncateLog
from eiha.kernel.ids import LogPosition
from eiha.node.thread_name import show_thread_name
from eiha.ports import LogStore
from eiha.protocol.log_entry import LogEntry

GROUP_ENTRIES_MAX: Final = 1_024
DISK_FULL_RETRY_S: Final = 0.2
IDLE_WAIT_S: Final = 0.5

AT_ONCE_BYTES_MAX: Final = 32 << 10
"""More than this goes to the thread: copying it takes longer than the hand-over is worth."""
AT_ONCE_SLOW_S: Final = 0.02
"""An append at once that took this long met a disk that is busy writing back, not just a busy machine."""
AT_ONCE_PAUSE_S: Final = 1.0
"""So long everything goes to the thread then. The caller waits for a slow disk at most once in this time."""


TRIM_PAUSE_S: Final = 0.02
"""Between one piece that is deleted and the next, so that an append waits for one of them at most: a gigabyte takes
three seconds, and nobody waits for that."""


@dataclass(frozen=True, slots=True)
class _Stop:
    """Write what is waiting, flush, end."""


LogWork = Persist | TruncateLog | ResetLog | TrimLog | RememberWitness


class LogWriter:
    """Carries out log effects in order on its own thread.

    Args:
        store: opened; used by this thread only from now on.
        remember_witness: makes a witness version durable.
        fsync: ``off``, ``interval`` or ``every``.
        fsync_interval_s: for ``interval``.
        persisted: called on this thread with the last position of each group, as durable as the mode asks.
        failed: called on this thread when the thread ends by an error.
        waiting: called on this thread with a text when the disk is full, and with an empty one when it goes on.
    """

    def __init__(
        self,
        store: LogStore,
        remember_witness: Callable[[int], None],
        *,
        fsync: str,
        fsync_interval_s: float,
        persisted: Callable[[LogPosition], None],
        failed: Callable[[BaseException], None],
        waiting: Callable[[str], None],
    ) -> None:
        self._store = store
        self._remember_witness = remember_witness
        self._fsync = fsync
        self._fsync_interval_s = fsync_interval_s
        self._persisted = persisted
        self._failed = failed
        self._waiting = waiting
        self._queue: queue.SimpleQueue[LogWork | _Stop] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._is_started = False
        self._thread = threading.Thread(target=self._run, name="eiha-log", daemon=True)
        # works given to the thread (counted by those who give) and done (counted by the thread)
        self._given = 0
        self._done = 0
        self._turn = threading.Lock()
        self._at_once_from_s = 0.0
        self._broken = False
        self._unsynced = False
        self._synced_at = time.monotonic()
        self._flusher = ThreadPoolExecutor(1, thread_name_prefix="eiha-flush")
        self._flushing: Future[None] | None = None
        self._trimmer = ThreadPoolExecutor(1, thread_name_prefix="eiha-trim")
        self._trims: list[Future[None]] = []
        self._hurry = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._is_started = True

    def put(self, work: LogWork) -> None:
        """Queue an effect. The member bounds how much it has in flight, and so this queue."""
        self._given += 1
        self._queue.put(work)

    @property
    def idle(self) -> bool:
        """Whether the thread has done all that it was given."""
        return self._given == self._done

    def append(self, work: Persist) -> LogPosition | None:
        """Write ``work`` before this returns, and answer the position; None: the thread does it and answers later.

        Called by the one thread that also calls ``put``, so nothing overtakes: at once only what nothing waits before.
        """
        if self._broken:
            return None
        entries = work.entries
        if (
            self._given != self._done
            or self._fsync == "every"
            or _size_of(entries) > AT_ONCE_BYTES_MAX
            or not self._is_started
            or not self._turn.acquire(blocking=False)
        ):
            self.put(work)
            return None
        try:
            return self._append_at_once(work)
        finally:
            self._turn.release()

    def _append_at_once(self, work: Persist) -> LogPosition | None:
        begin_s = time.monotonic()
        if begin_s < self._at_once_from_s or not self._store.appends_in_place():
            self.put(work)
            return None
        try:
            self._store.append(work.entries)
        except StoreUnavailable:
            self.put(work)  # the log is as it was; the thread waits for room and says so
            return None
        except BaseException as error:  # noqa: BLE001  reported, and the process ends by it
            self._broken = True
            self._failed(error)
            return None
        self._unsynced = True
        end_s = time.monotonic()
        if end_s - begin_s > AT_ONCE_SLOW_S:
            self._at_once_from_s = end_s + AT_ONCE_PAUSE_S
        return work.entries[-1].position

    def stop(self, timeout_s: float) -> bool:
        """Write and flush what is queued, close the store, end the thread; False if that took too long."""
        self._stopping.set()
        if self._thread.ident is None:
            self._store.close()
            return True
        self._queue.put(_Stop())
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        show_thread_name()
        try:
            while self._step():
                pass
            self._end_trims()
            self._trimmer.shutdown()
            self._flusher.shutdown()
            self._check_flush()
            self._store.close()
        except BaseException as error:  # noqa: BLE001  reported, and the process ends by it
            self._failed(error)

    def _step(self) -> bool:
        """Take and carry out what is waiting; False after ``_Stop``."""
        try:
            # also with nothing to do: what is appended at once wakes nobody, and is to be flushed in time
            first = self._queue.get(timeout=min(IDLE_WAIT_S, self._fsync_interval_s))
        except queue.Empty:
            with self._turn:
                self._sync_if_due()
            return True
        with self._turn:
            return self._carry_out(first)

    def _carry_out(self, first: LogWork | _Stop) -> bool:
        group: list[LogEntry] = []
        work: LogWork | _Stop | None = first
        taken = 0
        while work is not None:
            taken += 1
            match work:
                case Persist(entries):
                    group.extend(entries)
                case _Stop():
                    self._write(group)
                    return False
                case TruncateLog() | ResetLog() | TrimLog() | RememberWitness():
                    self._write(group)
                    group = []
                    self._change(work)
                case _:
                    assert_never(work)
            work = self._next() if len(group) < GROUP_ENTRIES_MAX and taken < GROUP_ENTRIES_MAX else None
        self._write(group)
        self._sync_if_due()
        self._done += taken
        return True

    def _next(self) -> LogWork | _Stop | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _write(self, group: list[LogEntry]) -> None:
        if not group:
            return
        self._when_there_is_room(lambda: self._store.append(group))
        self._unsynced = True
        if self._fsync == "every":
            self._sync()
        self._persisted(group[-1].position)

    def _when_there_is_room(self, write: Callable[[], None]) -> None:
        """Do ``write``, again and again while the disk is full; each of them leaves things as they were, or is done."""
        told = False
        while True:
            try:
                write()
                break
            except StoreUnavailable as error:
                if self._stopping.is_set():
                    raise
                if not told:
                    self._waiting(str(error))
                    told = True
                self._stopping.wait(DISK_FULL_RETRY_S)
        if told:
            self._waiting("")

    def _change(self, work: TruncateLog | ResetLog | TrimLog | RememberWitness) -> None:
        match work:
            case TruncateLog(last):
                self._end_trims()
                self._when_there_is_room(lambda: self._store.truncate_after(last))
            case ResetLog(start):
                self._end_trims()
                self._when_there_is_room(lambda: self._store.reset(start))
            case TrimLog(through):
                if (delete := self._store.begin_trim(through)) is not None:
                    self._trims.append(self._trimmer.submit(self._trim, delete))
            case RememberWitness(version):
                self._when_there_is_room(lambda: self._remember_witness(version))
            case _:
                assert_never(work)

    def _trim(self, delete: Callable[[], Iterator[None]]) -> None:
        for _ in delete():
            self._hurry.wait(TRIM_PAUSE_S)

    def _end_trims(self) -> None:
        """What was let go of is gone: nothing else may change the log's files before."""
        self._hurry.set()
        for trim in self._trims:
            trim.result()
        self._trims.clear()
        self._hurry.clear()

    def _check_trims(self) -> None:
        """Raise what a trim failed with."""
        while self._trims and self._trims[0].done():
            self._trims.pop(0).result()

    def _sync_if_due(self) -> None:
        self._check_flush()
        self._check_trims()
        due = time.monotonic() - self._synced_at >= self._fsync_interval_s
        if self._fsync == "interval" and self._unsynced and due and self._flushing is None:
            self._unsynced = False
            self._synced_at = time.monotonic()
            self._flushing = self._flusher.submit(self._store.begin_flush())

    def _check_flush(self) -> None:
        """Raise what a finished flush failed with: what is on disk is then in doubt."""
        if self._flushing is not None and self._flushing.done():
            flushing, self._flushing = self._flushing, None
            flushing.result()

    def _sync(self) -> None:
        self._store.sync()
        self._unsynced = False
        self._synced_at = time.monotonic()


def _size_of(entries: tuple[LogEntry, ...]) -> int:
    if len(entries) == 1:  # as with every single event
        return len(entries[0].encoded)
    return sum(len(entry.encoded) for entry in entries)
