"""The engine's queue of one process: entries and snapshots in the order in which they were asked for."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from eiha.errors import CorruptFile
from eiha.ha import effects as fx
from eiha.ha.inputs import Applied, ApplyFailed, Restored, SnapshotFacts, SnapshotRefused
from eiha.kernel.ids import Sequence
from eiha.ports import Engine
from eiha.protocol.log_entry import LogEntry
from eiha.protocol.outputs import OutputBatch
from eiha.protocol.snapshot_format import SnapshotManifest
from eiha.protocol.state_digest import StateDigest
from eiha.protocol.vitals import IDLE, EngineAt
from eiha.simulation.checkers import Checkers
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.engine_guard import HARMS, EngineGuard
from eiha.simulation.poison import NeverEnds, ProcessKilled
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import Scheduler

Answer = Applied | ApplyFailed | Restored | SnapshotRefused
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
        fork: Callable[[fx.TakeSnapshot, Engine], None],
        checkers: Checkers,
        name: str,
        ended: Callable[..., None],
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._disk = disk
        self.engine = engine
        self._guard = EngineGuard(engine, disk, rng)
        self._ended = ended
        self._never_ends = False
        self._deliver = deliver
        self._fork = fork
        self._checkers = checkers
        self._name = name
        self._queue: deque[EngineEffect] = deque()
        self._busy = False
        self._dead = False
        self.applied_through = 0
        self._units = 0
        self.at: EngineAt = IDLE
        self._sticks = False
        self._stuck_at: EngineEffect | None = None
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

    @property
    def is_stuck(self) -> bool:
        """Whether an entry was begun that is not going to end."""
        return self._never_ends or self._stuck_at is not None

    def stick(self, *, stuck: bool) -> None:
        """Entries do not end any more; or they do again."""
        if self._never_ends:
            return
        self._sticks = stuck
        effect, self._stuck_at = self._stuck_at, None
        if effect is not None and not stuck:
            self._finish(effect)
        elif stuck:
            self._stuck_at = effect

    def _start_next(self) -> None:
        self._busy = True
        self._units += 1
        self.at = _at(self._units, self._queue[0])
        self._scheduler.after(microseconds(self._rng, *self.latency_us()), self._finish, self._queue.popleft())

    def _finish(self, effect: EngineEffect) -> None:
        if self._dead:
            return
        if self._sticks and isinstance(effect, fx.Apply):
            self._stuck_at = effect
            return
        match effect:
            case fx.Apply():
                self._apply(effect)
                if self._never_ends:
                    return
            case fx.TakeSnapshot():
                self._fork(effect, self.engine)
            case fx.RestoreSnapshot():
                self._restore(effect)
        self._busy = False
        self.at = IDLE
        if self._queue:
            self._start_next()

    def _apply(self, work: fx.Apply) -> None:
        """Apply; suspects only as far as a copy survives them. What does harm is reported, or ends the process."""
        if not self._guard.takes(work):
            return
        count, harm = self._guard.survivors(work.entries) if work.suspects else (len(work.entries), None)
        if not self._apply_entries(work.entries[:count], digest_asked=work.digest and harm is None):
            return
        if harm is not None:
            self._deliver(ApplyFailed(self._guard.verdict(work.entries[count], harm)))

    def _apply_entries(self, entries: tuple[LogEntry, ...], *, digest_asked: bool) -> bool:
        """Apply; the answer may come in pieces, the last with the digest if one was asked for. False: one did harm."""
        outputs: list[OutputBatch] = []
        told = True
        for index, entry in enumerate(entries):
            quarantined = self._guard.quarantined(entry)
            try:
                applied = self.engine.apply(entry, quarantined)
            except HARMS as harm:
                if not told:
                    self._deliver(Applied(Sequence(entry.sequence - 1), tuple(outputs), self.engine.next_timer_ms()))
                self._harmed(entry, harm)
                return False
            self._checkers.executed(self._name, entry, quarantined)
            self.applied_through = entry.sequence
            self._disk.applied_mark = max(self._disk.applied_mark, entry.sequence)
            outputs.extend(applied.outputs)
            is_last = index == len(entries) - 1
            digest: StateDigest | None = None
            if is_last and digest_asked:
                digest = self.engine.digest_at(entry.sequence // self._checkers.digest_every)
                self._checkers.outputs.digest(self._name, entry.sequence, self.engine.digest())
            told = is_last or self._rng.random() < 0.1
            if told:
                self._deliver(Applied(Sequence(entry.sequence), tuple(outputs), applied.next_timer_ms, digest))
                outputs = []
        return True

    def _harmed(self, entry: LogEntry, harm: Exception) -> None:
        match harm:
            case ProcessKilled():
                self._checkers.died_of_poison(entry.sequence)
                self._ended(kills=True)
            case NeverEnds():
                self._checkers.died_of_poison(entry.sequence)
                self._never_ends = True
                self._ended(kills=False)
            case _:
                self._guard.go_back(Sequence(entry.sequence - 1))
                self._deliver(ApplyFailed(self._guard.verdict(entry, harm)))

    def _told_to_restore(self, effect: fx.RestoreSnapshot) -> None:
        """The checkers must know at once what the next entry is that the member may apply."""
        manifest = self._manifest(effect)
        if manifest is not None:
            self._checkers.order.restarted_at(self._name, manifest.position.sequence)

    def _restore(self, effect: fx.RestoreSnapshot) -> None:
        manifest = self._manifest(effect)
        if manifest is None:
            self._deliver(SnapshotRefused("there is no valid snapshot"))
            return
        self._guard.replaced()
        try:
            member_state, engine_state = self._disk.contents(manifest)
            self.engine.read_state(engine_state)
        except CorruptFile as damage:
            self._deliver(SnapshotRefused(str(damage)))
            return
        self.applied_through = manifest.position.sequence
        facts = SnapshotFacts(manifest.position, manifest.epoch_starts, member_state)
        self._deliver(Restored(facts, self.engine.next_timer_ms()))

    def _manifest(self, effect: fx.RestoreSnapshot) -> SnapshotManifest | None:
        return self._disk.newest_snapshot() if effect.manifest is None else effect.manifest


def _at(unit: int, effect: EngineEffect) -> EngineAt:
    match effect:
        case fx.Apply(entries):
            return EngineAt(unit, "entry", entries[0].sequence)
        case fx.TakeSnapshot():
            return EngineAt(unit, "snapshot")
        case fx.RestoreSnapshot():
            return EngineAt(unit, "restore")
