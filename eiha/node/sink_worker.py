"""One worker per sink: opens (fences) it and writes outputs in order, retrying while the store is away.

A revoked permit drops what is queued and abandons a retry at once; a transaction under way ends in the store, which
checks the epoch itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, assert_never

from eiha.errors import StaleEpoch, StorageError, StoreUnavailable
from eiha.ha.effects import OpenSink, Publish
from eiha.ha.inputs import Published, SinkFenced, SinkOpened
from eiha.kernel.ids import Epoch, Sequence
from eiha.observability.logs import EventLog
from eiha.observability.node_metrics import NodeMetrics
from eiha.ports import Committed, Displaced, Fenced, Sink

RETRY_FIRST_S: Final = 0.05
RETRY_MAX_S: Final = 2.0

SinkAnswer = SinkOpened | Published | SinkFenced


class SinkWorker:
    """Serial access to one sink.

    Args:
        sink: used by this worker only.
        answer: called on the event loop.
        metrics: counts rows, retries and rejections.
        log: a store that is away, and back, is worth a line each.
        turn: held during each transaction, by all sinks of one SQLite file: it takes one writer at a time, and one
            that waits for its lock polls, gives up and reports a store that is away.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        answer: Callable[[SinkAnswer], None],
        metrics: NodeMetrics,
        log: EventLog,
        turn: asyncio.Lock | None = None,
    ) -> None:
        self._sink = sink
        self._answer = answer
        self._metrics = metrics
        self._log = log
        self._turn = turn if turn is not None else asyncio.Lock()
        self._queue: deque[OpenSink | Publish] = deque()
        self._wake = asyncio.Event()
        self._generation = 0
        self._away = ""

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._sink.name

    @property
    def away(self) -> str:
        """Why the store cannot be reached; empty when it can."""
        return self._away

    @property
    def waiting_rows(self) -> int:
        """Rows queued for the store."""
        return sum(batch.batch.rows for work in self._queue if isinstance(work, Publish) for batch in work.outputs)

    def put(self, work: OpenSink | Publish) -> None:
        """Queue an effect; the member bounds how much."""
        self._queue.append(work)
        self._wake.set()

    def revoke(self) -> None:
        """The permit is void: forget what is queued."""
        self._queue.clear()
        self._generation += 1
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._carry_out(self._queue.popleft())

    async def close(self) -> None:
        """Give the store's connections back."""
        await self._sink.close()

    async def _carry_out(self, work: OpenSink | Publish) -> None:
        generation = self._generation
        wait_s = RETRY_FIRST_S
        while generation == self._generation:
            try:
                async with self._turn:
                    answer = await (self._open(work) if isinstance(work, OpenSink) else self._publish(work))
            except StaleEpoch:
                self._metrics.fence_rejections.add(1, self.name)
                answer = SinkFenced(self.name, work.permit.epoch)
            except StoreUnavailable as error:
                self._note_away(str(error))
                self._metrics.publish_retries.add(1, self.name)
                await self._pause(wait_s)
                wait_s = min(wait_s * 2, RETRY_MAX_S)
                continue
            self._note_back()
            if generation == self._generation:
                self._answer(answer)
            return

    async def _open(self, work: OpenSink) -> SinkAnswer:
        outcome = await self._sink.open(work.permit)
        match outcome:
            case Committed(through):
                return SinkOpened(self.name, work.permit.epoch, through)
            case Fenced(epoch):
                return self._fenced(epoch)
            case _:
                assert_never(outcome)

    async def _publish(self, work: Publish) -> SinkAnswer:
        outcome = await self._sink.publish(
            work.outputs, expected=work.expected, through=work.through, permit=work.permit
        )
        match outcome:
            case Committed(through):
                rows = sum(batch.batch.rows for batch in work.outputs)
                self._metrics.outputs_committed.add(rows, self.name)
                return Published(self.name, work.permit.epoch, through)
            case Fenced(epoch):
                return self._fenced(epoch)
            case Displaced(published_through):
                return await self._publish_rest(work, published_through)
            case _:
                assert_never(outcome)

    async def _publish_rest(self, work: Publish, published_through: Sequence) -> SinkAnswer:
        """An earlier write of ours whose reply was lost did commit: write only what it did not hold."""
        if published_through >= work.through:
            return Published(self.name, work.permit.epoch, published_through)
        if published_through < work.expected:
            raise StorageError(
                f"{self.name}: the store holds outputs through {published_through}, but {work.expected} was committed "
                "there before: it went back in time. Was it restored from a backup? Outputs in between are missing"
            )
        rest = tuple(batch for batch in work.outputs if batch.sequence > published_through)
        return await self._publish(replace(work, outputs=rest, expected=published_through))

    def _fenced(self, epoch: Epoch) -> SinkFenced:
        self._metrics.fence_rejections.add(1, self.name)
        self._log.warning("sink_fenced", f"{self.name}: epoch {epoch} owns the store now", sink=self.name)
        return SinkFenced(self.name, epoch)

    async def _pause(self, wait_s: float) -> None:
        """Wait, but not after a revocation."""
        generation = self._generation
        until = asyncio.get_running_loop().time() + wait_s
        while generation == self._generation:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                break
        self._wake.set()

    def _note_away(self, cause: str) -> None:
        if not self._away:
            self._log.warning(
                "store_unreachable",
                f"{self.name}: {cause}. Outputs wait and are written when it is back: check its datasource",
                sink=self.name,
            )
        self._away = cause

    def _note_back(self) -> None:
        if self._away:
            self._log.info("store_reachable", f"{self.name}: the store takes outputs again", sink=self.name)
        self._away = ""
