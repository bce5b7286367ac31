"""The publishing queue of one process and one sink: transactions in order, retried until they are decided.

Like the real shell it takes a lost reply for unknown, asks again with the same expectation, and learns from
``Displaced`` that the earlier try went through.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from eiha.ha import effects as fx
from eiha.ha.inputs import Published, SinkFenced, SinkOpened
from eiha.kernel.ids import Sequence
from eiha.ports import Committed, Displaced, Fenced, PublishOutcome
from eiha.protocol.outputs import PublishPermit
from eiha.simulation.checkers import Violation
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import MS, Scheduler
from eiha.simulation.sinks import SimulatedStore, Transaction

REQUEST_US = (200, 2 * MS)
RETRY_US = (20 * MS, 120 * MS)


class Writer(Protocol):
    """The process that writes: its pauses hold its transactions open, its death ends them."""

    alive: bool
    paused_until_us: int

    @property
    def label(self) -> str:
        """Name of the process."""


class SinkWorker:
    """Carries out ``OpenSink`` and ``Publish`` in order."""

    def __init__(
        self,
        scheduler: Scheduler,
        rng: random.Random,
        store: SimulatedStore,
        deliver: Callable[[SinkOpened | Published | SinkFenced], None],
        writer: Writer,
        committed: Callable[[SimulatedStore], None],
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._store = store
        self._deliver = deliver
        self._writer = writer
        self._committed = committed
        self._queue: deque[fx.OpenSink | fx.Publish] = deque()
        self._busy = False
        self._generation = 0
        self._connections = 0

    def open(self, permit: PublishPermit) -> None:
        """Queue the opening."""
        self._add(fx.OpenSink(self._store.name, permit))

    def publish(self, effect: fx.Publish) -> None:
        """Queue a transaction."""
        self._add(effect)

    def revoke(self) -> None:
        """Drop what is queued; a commit that is on its way may land, its answer is nobody's."""
        self._generation += 1
        self._store.end_transactions_of(self._connection())
        self._queue.clear()
        self._busy = False

    def die(self) -> None:
        """The process is gone: the store rolls back what its connection left open."""
        self.revoke()

    def _connection(self) -> str:
        return f"{self._writer.label}/{self._connections}"

    def _add(self, effect: fx.OpenSink | fx.Publish) -> None:
        self._queue.append(effect)
        if not self._busy:
            self._next()

    def _next(self) -> None:
        if self._queue:
            self._busy = True
            self._after(self._request_us(), self._try, self._queue[0])
        else:
            self._busy = False

    def _request_us(self) -> tuple[int, int]:
        return self._store.request_us or REQUEST_US

    def _after(self, range_us: tuple[int, int], action: Callable[..., None], *arguments: object) -> None:
        self._scheduler.after(microseconds(self._rng, *range_us), self._if_current, self._generation, action, arguments)

    def _if_current(self, generation: int, action: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if generation != self._generation:
            return
        if self._scheduler.now_us < self._writer.paused_until_us:
            self._scheduler.at(self._writer.paused_until_us, self._if_current, generation, action, arguments)
            return
        action(*arguments)

    def _try(self, effect: fx.OpenSink | fx.Publish) -> None:
        if not self._store.up:
            self._retry(effect)
        elif isinstance(effect, fx.OpenSink):
            self._opened(effect, self._store.open(effect.permit.epoch))
        else:
            transaction = Transaction(
                self._connection(), effect.permit.epoch, effect.outputs, effect.expected, effect.through
            )
            if self._store.begin(transaction):
                self._after(self._request_us(), self._send_commit, effect, transaction)
            else:
                self._retry(effect)

    def _retry(self, effect: fx.OpenSink | fx.Publish) -> None:
        """Not available, or no reply: a new connection later."""
        self._store.end_transactions_of(self._connection())
        self._connections += 1
        self._after(RETRY_US, self._try, effect)

    def _opened(self, effect: fx.OpenSink, outcome: Committed | Fenced) -> None:
        if self._reply_lost():
            self._retry(effect)
            return
        match outcome:
            case Committed(through):
                self._answer(SinkOpened(self._store.name, effect.permit.epoch, through))
            case Fenced(epoch):
                self._answer(SinkFenced(self._store.name, epoch))

    def _send_commit(self, effect: fx.Publish, transaction: Transaction) -> None:
        """From here on the commit may happen whatever becomes of the process."""
        transaction.commit_sent = True
        delay_us = microseconds(self._rng, *REQUEST_US)
        self._scheduler.after(delay_us, self._commit, effect, transaction, self._generation)

    def _commit(self, effect: fx.Publish, transaction: Transaction, generation: int) -> None:
        outcome = self._store.commit(transaction)
        if isinstance(outcome, Committed):
            self._committed(self._store)
        if outcome is None or self._reply_lost():
            self._if_current(generation, self._retry, (effect,))
        else:
            self._scheduler.after(
                microseconds(self._rng, *REQUEST_US), self._if_current, generation, self._decided, (effect, outcome)
            )

    def _decided(self, effect: fx.Publish, outcome: PublishOutcome) -> None:
        match outcome:
            case Committed(through):
                self._answer(Published(effect.sink, effect.permit.epoch, through))
            case Fenced(epoch):
                self._answer(SinkFenced(effect.sink, epoch))
            case Displaced(through):
                self._displaced(effect, through)

    def _displaced(self, effect: fx.Publish, through: Sequence) -> None:
        """An earlier try was committed, its reply lost; anything else means that two wrote."""
        if through < effect.through:
            raise Violation(
                "store progress",
                f"{self._writer.label} expected {effect.expected} in {effect.sink} and found {through}",
            )
        self._answer(Published(effect.sink, effect.permit.epoch, effect.through))

    def _answer(self, answer: SinkOpened | Published | SinkFenced) -> None:
        self._queue.popleft()
        self._deliver(answer)
        self._next()

    def _reply_lost(self) -> bool:
        return self._rng.random() < self._store.reply_loss_odds
