"""Everything about snapshots that touches the disk, on a thread of its own: neither event loop, log nor engine waits.

What the engine cut is written here, or by a child that is waited for here; what the peer sends is put on disk here.
One thing at a time, in order. A full disk is waited out for what the peer sends; for what is cut here, the member is
told and asks again later, since the state has moved on by then.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

from eiha.errors import CorruptFile, PlanNotSaved, StorageError, StoreUnavailable
from eiha.ha.divergence import MINE
from eiha.ha.effects import FindChunks, KeepDump, SaveSnapshot, StoreChunk
from eiha.ha.inputs import ChunksFound, ChunkStored, Input, SnapshotFailed, SnapshotSaved, SnapshotTaken
from eiha.ha.member_state import MemberState, encode_member_state
from eiha.kernel.ids import Sequence
from eiha.node.forked_child import Died, Exited, ForkedChild, Raised, Returned, TookTooLong
from eiha.node.thread_name import show_thread_name
from eiha.ports import SnapshotCut, SnapshotStore, Written
from eiha.protocol.snapshot_format import StateWriter
from eiha.storage.divergence_dumps import DivergenceDumps

RETRY_S: Final = 1.0

CHILD_LIMIT_S: Final = 120.0
"""A child may take so long, and longer by ``CHILD_BYTES_PER_S`` for the state that was written last time. One that
hangs is ended, and said."""

CHILD_BYTES_PER_S: Final = 10_000_000

_TELLING: Final = frozenset({StoreUnavailable.__name__, PlanNotSaved.__name__})
"""Errors of a child whose text says all."""


class Recorded:
    """A small state in memory, to be written later."""

    def __init__(self) -> None:
        self._parts: list[bytes | None] = []
        self.pause_s = 0.0

    def write(self, data: bytes | memoryview) -> None:
        """Keep a copy."""
        self._parts.append(bytes(data))

    def cut(self) -> None:
        """Keep the place."""
        self._parts.append(None)

    def replay(self, writer: StateWriter) -> None:
        """The same calls to ``writer``."""
        for part in self._parts:
            if part is None:
                writer.cut()
            else:
                writer.write(part)


@dataclass(frozen=True, slots=True)
class _Write:
    request: int
    cut: SnapshotCut
    member_state: MemberState
    state: Recorded


@dataclass(frozen=True, slots=True)
class _Await:
    request: int
    child: ForkedChild
    pause_s: float
    began_s: float = field(default_factory=time.monotonic)


PeerWork = FindChunks | StoreChunk | SaveSnapshot | KeepDump
"""What a member asks of this thread."""


class SnapshotSaver:
    """Writes snapshots and what the peer sends of one.

    Args:
        store: used under this object's lock only, but for the child and for reading chunks.
        answer: called on the thread with what the member is to be told.
        failed: called on the thread when it ends by an error.
        waiting: called on the thread with why nothing can be written now; it is tried again.
        dumps: where states that differed are kept.
        say: told ``(level, event, text)`` for the operator's log.

    ``last_bytes``: size of the last snapshot, 0 for none. ``last_pause_s``: how long the engine stood still for it.
    ``failures``: snapshots that could not be written; ``last_failure``: why the last one could not, empty if it could.
    """

    def __init__(
        self,
        store: SnapshotStore,
        *,
        answer: Callable[[Input], None],
        failed: Callable[[BaseException], None],
        waiting: Callable[[str], None],
        dumps: DivergenceDumps,
        say: Callable[[str, str, str], None],
    ) -> None:
        self._store = store
        self._answer = answer
        self._failed = failed
        self._waiting = waiting
        self._dumps = dumps
        self._say = say
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Write | _Await | PeerWork | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="eiha-snapshots", daemon=True)
        self._stopping = threading.Event()
        self._child: ForkedChild | None = None
        self.saved_sequence = Sequence(0)
        self.saved_at_s = 0.0
        self.last_bytes = 0
        self.last_bytes_written = 0
        self.last_pause_s = 0.0
        self.last_duration_s = 0.0
        self.failures = 0
        self.last_failure = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, work: PeerWork) -> None:
        """Queue what the peer's snapshot needs."""
        child = self._child
        if isinstance(work, FindChunks) and child is not None:
            child.kill()  # it writes a state that is about to be discarded, and the peer's would wait for it
        self._queue.put(work)

    def write(self, request: int, cut: SnapshotCut, member_state: MemberState, state: Recorded) -> None:
        """Write a small snapshot; the member has one at a time."""
        self._queue.put(_Write(request, cut, member_state, state))

    def await_child(self, request: int, child: ForkedChild, pause_s: float) -> None:
        """A child writes it; wait for it, then make it count."""
        self._child = child
        self._queue.put(_Await(request, child, pause_s))

    def give_up(self, request: int, reason: str) -> None:
        """There will be no such snapshot; the one before stays. Any thread."""
        self.failures += 1
        self.last_failure = reason
        self._answer(SnapshotFailed(request, reason))

    def write_now(
        self, request: int, cut: SnapshotCut, member_state: MemberState, write_engine: Callable[[StateWriter], None]
    ) -> None:
        """Write a large one on the calling thread, which waits."""
        began_s = time.monotonic()
        with self._lock:
            self._take(request, lambda: self._store.write(cut, encode_member_state(member_state), write_engine))
        self.last_pause_s = time.monotonic() - began_s

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Nothing is written or deleted meanwhile."""
        with self._lock:
            yield

    def stop(self, timeout_s: float) -> bool:
        """End after what is queued; False if that took too long. A child is ended: its snapshot is not needed."""
        self._stopping.set()
        if self._child is not None:
            self._child.kill()
        if self._thread.ident is None:
            return True
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        show_thread_name()
        try:
            while (work := self._queue.get()) is not None:
                self._do(work)
        except BaseException as error:  # noqa: BLE001  reported, and the process ends by it
            self._failed(error)

    def _do(self, work: _Write | _Await | PeerWork) -> None:
        match work:
            case _Write(request, cut, member_state, state):
                self.last_pause_s = state.pause_s
                with self._lock:
                    self._take(request, lambda: self._store.write(cut, encode_member_state(member_state), state.replay))
            case _Await():
                self._await(work)
            case FindChunks(transfer, manifest):
                with self._lock:
                    lacking = self._store.lacking(manifest)
                self._answer(ChunksFound(transfer, lacking))
            case StoreChunk(transfer, index, chunk, data):
                sound = self._insist(lambda: self._store.put_chunk(chunk, data))
                if sound is not None:
                    self._answer(ChunkStored(transfer, index, sound))
            case SaveSnapshot(manifest):

                def save() -> bool:
                    self._store.save(manifest)
                    return True

                if self._insist(save):
                    self._saved(manifest.position.sequence, manifest.bytes)
                    self._answer(SnapshotSaved(manifest.position))
            case KeepDump():
                self._keep(work)
            case _:
                assert_never(work)

    def _keep(self, effect: KeepDump) -> None:
        """Keep a dump; nothing rests on it, so one that cannot be kept is told and given up."""
        at = effect.manifest.position.sequence
        try:
            with self._lock:
                try:
                    path, gone = self._dumps.keep(effect.dump, effect.side, effect.manifest, self._store.read_chunk)
                finally:
                    if effect.withdraw:
                        self._store.withdraw(effect.manifest)
        except (CorruptFile, StorageError) as error:
            self._say("error", "dump_lost", f"the state after entry {at} is not kept: {error}")
            return
        whose = "this node's state" if effect.side == MINE else "the active's state"
        self._say("warning", "state_dumped", f"{whose} after entry {at} is kept in {path}")
        for each in gone:
            self._say("warning", "dump_deleted", f"{each} gave way to newer dumps")

    def _insist(self, attempt: Callable[[], bool]) -> bool | None:
        """Do it, waiting for room on the disk; None when the node ends first."""
        while True:
            try:
                with self._lock:
                    return attempt()
            except StoreUnavailable as error:
                self._waiting(str(error))
                if self._stopping.wait(RETRY_S):
                    return None

    def _await(self, work: _Await) -> None:
        outcome = work.child.wait(CHILD_LIMIT_S + self.last_bytes / CHILD_BYTES_PER_S)
        self._child = None
        if self._stopping.is_set():
            return
        match outcome:
            case Returned(value):
                self.last_pause_s = work.pause_s
                self.last_duration_s = time.monotonic() - work.began_s
                written: Written = pickle.loads(value)  # noqa: S301  by this very program, a moment ago
                with self._lock:
                    self._take(work.request, lambda: written)
                return
            case Raised(kind, message):
                reason = message if kind in _TELLING else f"{kind}: {message}"
            case Died(number):
                reason = f"the process that wrote the snapshot was ended by {signal.Signals(number).name}"
            case Exited(status):
                reason = f"the process that wrote the snapshot ended with status {status}"
            case TookTooLong(limit_s):
                reason = f"the process that wrote the snapshot did not end within {limit_s:.0f} s"
            case _:
                assert_never(outcome)
        with self._lock:
            self._store.discard(work.child.process_id)
        self.give_up(work.request, reason)

    def _take(self, request: int, write: Callable[[], Written]) -> None:
        """Write and adopt; a full disk or a plan that fails is told to the member, another error ends the thread."""
        try:
            written = write()
            manifest = self._store.adopt(written)
        except (StoreUnavailable, PlanNotSaved) as error:
            self.give_up(request, str(error))
            return
        self.last_bytes_written = written.bytes_written
        self._saved(manifest.position.sequence, written.bytes_total)
        self._say(
            "info",
            "snapshot_saved",
            f"as of {manifest.position.sequence}: {written.bytes_total} bytes, {written.bytes_written} of them new; "
            f"the engine paused {1e3 * self.last_pause_s:.1f} ms",
        )
        self._answer(SnapshotTaken(request, manifest))

    def _saved(self, sequence: Sequence, size: int) -> None:
        self.saved_sequence = sequence
        self.saved_at_s = time.monotonic()
        self.last_bytes = size
        self.last_failure = ""
