"""The log writer's queue of one process: one write at a time, batched, in order; half done when the process dies."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import assert_never

from eiha.ha import effects as fx
from eiha.ha.inputs import Persisted
from eiha.protocol.log_entry import LogEntry
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import Scheduler

DiskEffect = fx.Persist | fx.TruncateLog | fx.ResetLog | fx.TrimLog | fx.RememberWitness

RETRY_US = 20_000
"""A full disk is tried again so often."""
SYNC_ODDS = 0.1
"""Where writes need not be durable: how often a write happens to be followed by a sync."""


class LogWriter:
    """Carries out what a member asks of its disk.

    Args:
        discarded: called when entries were cut off or the log began anew.
        durable: answer only after a sync.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        rng: random.Random,
        disk: SimulatedDisk,
        deliver: Callable[[Persisted], None],
        discarded: Callable[[], None],
        *,
        durable: bool,
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._disk = disk
        self._deliver = deliver
        self._discarded = discarded
        self._durable = durable
        self._queue: deque[DiskEffect] = deque()
        self._running: DiskEffect | None = None
        self._dead = False
        self.latency_us: Callable[[], tuple[int, int]] = lambda: (50, 800)
        self.is_full: Callable[[], bool] = lambda: False

    def persist(self, entries: tuple[LogEntry, ...]) -> None:
        """Queue entries."""
        self.run(fx.Persist(entries))

    def run(self, effect: DiskEffect) -> None:
        """Queue any work."""
        self._queue.append(effect)
        if self._running is None:
            self._start_next()

    def die(self) -> None:
        """The process is gone: what is queued never happens, what runs has happened, or not, or half."""
        self._dead = True
        self._queue.clear()
        running, self._running = self._running, None
        if self.is_full():
            return
        if isinstance(running, fx.Persist):
            self._disk.append(running.entries[: self._rng.randint(0, len(running.entries))])
        elif running is not None and self._rng.random() < 0.5:
            self._do(running)

    def _start_next(self) -> None:
        effect = self._queue.popleft()
        if isinstance(effect, fx.Persist):
            entries = list(effect.entries)
            while self._queue and isinstance(self._queue[0], fx.Persist):
                following = self._queue.popleft()
                assert isinstance(following, fx.Persist)
                entries.extend(following.entries)
            effect = fx.Persist(tuple(entries))
        self._running = effect
        self._scheduler.after(microseconds(self._rng, *self.latency_us()), self._finish)

    def _finish(self) -> None:
        if self._dead:
            return
        if self.is_full():
            self._scheduler.after(RETRY_US, self._finish)
            return
        effect, self._running = self._running, None
        assert effect is not None
        self._do(effect)
        if isinstance(effect, fx.Persist) and effect.entries:
            self._deliver(Persisted(effect.entries[-1].position))
        if self._queue:
            self._start_next()

    def _do(self, effect: DiskEffect) -> None:
        disk = self._disk
        match effect:
            case fx.Persist(entries):
                disk.append(entries)
                if self._durable or self._rng.random() < SYNC_ODDS:
                    disk.sync()
            case fx.TruncateLog(last):
                disk.truncate_after(last)
                self._discarded()
            case fx.ResetLog(start):
                disk.reset(start)
                self._discarded()
            case fx.TrimLog(through):
                disk.trim_through(through)
            case fx.RememberWitness(version):
                disk.witness_version_seen = max(disk.witness_version_seen, version)
                if self._durable:
                    disk.sync()
            case _:
                assert_never(effect)
