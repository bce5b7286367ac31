"""The engine's queue of one process: entries and snapshots in the order in which they were asked for."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from eiha.errors import CorruptFile
from eiha.ha import effects as fx
from eiha.ha.inputs import Applied, Restored, SnapshotFacts, SnapshotRefused, SnapshotTaken
from eiha.kernel.ids import Sequence
from eiha.ports import Engine
from eiha.protocol.log_entry import LogEntry
from eiha.protocol.outputs import OutputBatch
from eiha.protocol.snapshot_format import SnapshotContent, decode_snapshot, encode_snapshot
from eiha.protocol.state_digest import StateDigest
from eiha.simulation.checkers import Checkers
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import Scheduler

Answer = Applied | SnapshotTaken | Restored | SnapshotRefused
EngineEffect = fx.Apply | fx.TakeSnapshot | fx.RestoreSnapshot


class EngineWorker:
    """Runs the engine off the member's turn, like the real shell's engine thread."""

    def __init__(
        self,
        scheduler: Scheduler,
        rng: random.Random,
        disk: SimulatedDisk,
        engine: Engine,
        deliver: Callable[[Answer], None],
        checkers: Checkers,
        name: str,
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._disk = disk
        self.engine = engine
        self._deliver = deliver
        self._checkers = checkers
        self._name = name
        self._queue: deque[EngineEffect] = deque()
        self._busy = False
        self._dead = False
        self.applied_through = 0
        self.latency_us: Callable[[], tuple[int, int]] = lambda: (30, 300)

    def run(self, effect: EngineEffect) -> None:
        """Queue any work."""
        if isinstance(effect, fx.RestoreSnapshot):
            self._told_to_restore(effect)
        self._queue.append(effect)
        if not self._busy:
            self._start_next()

    def die(self) -> None:
        """The process is gone."""
        self._dead = True
        self._queue.clear()

    def _start_next(self) -> None:
        self._busy = True
        self._scheduler.after(microseconds(self._rng, *self.latency_us()), self._finish, self._queue.popleft())

    def _finish(self, effect: EngineEffect) -> None:
        if self._dead:
            return
        match effect:
            case fx.Apply(entries):
                self._apply(entries, digest_asked=effect.digest)
            case fx.TakeSnapshot():
                content = SnapshotContent(
                    effect.position, effect.epoch_starts, effect.member_state, self.engine.snapshot()
                )
                self._deliver(SnapshotTaken(effect.request, effect.position, encode_snapshot(content)))
            case fx.RestoreSnapshot():
                self._restore(effect)
        self._busy = False
        if self._queue:
            self._start_next()

    def _apply(self, entries: tuple[LogEntry, ...], *, digest_asked: bool) -> None:
        """Apply; the answer may come in pieces, the last with the digest if one was asked for."""
        outputs: list[OutputBatch] = []
        for index, entry in enumerate(entries):
            applied = self.engine.apply(entry)
            self.applied_through = entry.sequence
            outputs.extend(applied.outputs)
            is_last = index == len(entries) - 1
            digest: StateDigest | None = None
            if is_last and digest_asked:
                digest = self.engine.digest_at(entry.sequence // self._checkers.digest_every)
                self._checkers.outputs.digest(self._name, entry.sequence, self.engine.digest())
            if is_last or self._rng.random() < 0.1:
                self._deliver(Applied(Sequence(entry.sequence), tuple(outputs), applied.next_timer_ms, digest))
                outputs = []

    def _told_to_restore(self, effect: fx.RestoreSnapshot) -> None:
        """The checkers must know at once what the next entry is that the member may apply."""
        content = self._content(effect)
        if content is not None:
            self._checkers.order.restarted_at(self._name, content.position.sequence)

    def _restore(self, effect: fx.RestoreSnapshot) -> None:
        content = self._content(effect)
        if content is None:
            self._deliver(SnapshotRefused("there is no valid snapshot"))
            return
        self.engine.restore(content.engine_state)
        self.applied_through = content.position.sequence
        facts = SnapshotFacts(content.position, content.epoch_starts, content.member_state)
        self._deliver(Restored(facts, self.engine.next_timer_ms()))

    def _content(self, effect: fx.RestoreSnapshot) -> SnapshotContent | None:
        if effect.content is None:
            return self._disk.newest_snapshot()
        try:
            return decode_snapshot(effect.content)
        except CorruptFile:
            return None
