"""Cuts snapshots on the engine's thread, in no time: a forked child writes a large state, as it was.

A small state is encoded at once, which costs less than a fork, and written by the snapshots' thread. Where the system
refuses a fork, a large state is written at once, and entries wait meanwhile: slow, but never no snapshot.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from typing import Final

from eiha.errors import CorruptFile, PlanNotSaved
from eiha.ha.effects import RestoreSnapshot, TakeSnapshot
from eiha.ha.inputs import SnapshotFacts
from eiha.ha.member_state import encode_member_state
from eiha.node.forked_child import ForkedChild, fork
from eiha.node.snapshot_saver import Recorded, SnapshotSaver
from eiha.ports import Engine, SnapshotCut, SnapshotStore

FORK_BYTES_MIN: Final = 4 << 20
"""States that may be larger than this are written by a child: encoding them takes longer than a fork (about 3 ms)."""

GROWTH: Final = 4
"""A state grows by at most so many bytes for each byte of the log, by experience."""


class SnapshotCutter:
    """Used by the engine's thread only.

    Args:
        engine: whose state it is.
        store: where snapshots go.
        saver: has the rest done on its thread.
        say: told ``(level, event, text)`` for the operator's log.
    """

    def __init__(
        self, engine: Engine, store: SnapshotStore, saver: SnapshotSaver, say: Callable[[str, str, str], None]
    ) -> None:
        self._engine = engine
        self._store = store
        self._saver = saver
        self._say = say
        self._logged_bytes = 0
        self._cut_bytes = 0

    def note_applied(self, size: int) -> None:
        """So many bytes of the log were applied."""
        self._logged_bytes += size

    def cut(self, work: TakeSnapshot) -> None:
        """Cut it; the saver answers when it is durable."""
        began_s = time.perf_counter()
        if not self._saver.last_failure:
            self._cut_bytes = 0
        self._cut_bytes += self._logged_bytes
        self._logged_bytes = 0
        small = self._saver.last_bytes + GROWTH * self._cut_bytes < FORK_BYTES_MIN
        cut = SnapshotCut(work.position, work.epoch_starts)
        if small:
            recorded = Recorded()
            try:
                self._engine.write_state(recorded)
            except PlanNotSaved as failure:
                self._saver.give_up(work.request, str(failure))
                return
            recorded.pause_s = time.perf_counter() - began_s
            self._saver.write(work.request, cut, work.member_state, recorded)
            return
        child = self._fork(cut, work)
        if child is not None:
            self._saver.await_child(work.request, child, time.perf_counter() - began_s)
            return
        self._saver.write_now(work.request, cut, work.member_state, self._engine.write_state)

    def _fork(self, cut: SnapshotCut, work: TakeSnapshot) -> ForkedChild | None:
        store, engine, state = self._store, self._engine, work.member_state

        def write() -> bytes:
            return pickle.dumps(store.write(cut, encode_member_state(state), engine.write_state))

        try:
            return fork(write)
        except OSError as refusal:
            self._say(
                "warning",
                "snapshot_not_forked",
                f"no process for the snapshot: {refusal.strerror}. It is written by the engine, entries wait meanwhile",
            )
            return None

    def restore(self, work: RestoreSnapshot) -> SnapshotFacts:
        """Replace the engine's state by that of a snapshot.

        Raises:
            CorruptFile: there is none, or it is damaged; the engine is empty then.
        """
        with self._saver.reading():
            manifest = work.manifest or self._store.newest()
            if manifest is None:
                raise CorruptFile("there is no valid snapshot file")
            member_state, engine_state = self._store.contents(manifest)
            self._engine.read_state(engine_state)
        self._saver.last_bytes = manifest.bytes
        self._logged_bytes = self._cut_bytes = 0
        return SnapshotFacts(manifest.position, manifest.epoch_starts, member_state)
