from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field

import numpy as np
import pytest

from eiha.errors import StorageError, StoreUnavailable
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn
from eiha.ha.effects import OpenSink, Publish
from eiha.ha.inputs import Published, SinkFenced, SinkOpened
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence
from eiha.node.sink_worker import SinkAnswer, SinkWorker
from eiha.observability.logs import EventLog
from eiha.observability.node_metrics import NodeMetrics
from eiha.ports import Committed, Displaced, Fenced, PublishOutcome
from eiha.protocol.outputs import OutputBatch, PublishPermit

PERMIT = PublishPermit(Epoch(3))
STREAM = StreamDefinition("Out", Schema((Attribute("x", AttributeType.LONG),)))
TIMEOUT_S = 10.0


def output(sequence: int) -> OutputBatch:
    stamps = np.zeros(2, dtype=np.int64)
    batch = WireBatch(2, stamps, (WireColumn(AttributeType.LONG, np.zeros(2, dtype=np.int64)),))
    return OutputBatch("processed", "p", STREAM, Sequence(sequence), LogTimeMs(0), 0, batch)


def publish(expected: int, through: int) -> Publish:
    outputs = tuple(output(sequence) for sequence in range(expected + 1, through + 1))
    return Publish("processed", outputs, Sequence(expected), Sequence(through), PERMIT)


@dataclass
class ScriptedSink:
    """A store that does what the script says, in order; afterwards it commits everything."""

    name: str = "processed"
    script: list[PublishOutcome | Exception] = field(default_factory=list)
    calls: list[tuple[int, int, int]] = field(default_factory=list)
    blocked: asyncio.Event | None = None

    async def open(self, permit: PublishPermit) -> Committed | Fenced:
        outcome = self._next(Committed(Sequence(0)))
        assert not isinstance(outcome, Displaced)
        return outcome

    async def publish(
        self, outputs: Seq[OutputBatch], *, expected: Sequence, through: Sequence, permit: PublishPermit
    ) -> PublishOutcome:
        self.calls.append((expected, through, len(outputs)))
        return self._next(Committed(through))

    async def close(self) -> None:
        pass

    def _next(self, default: PublishOutcome) -> PublishOutcome:
        outcome = self.script.pop(0) if self.script else default
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Running:
    def __init__(self, sink: ScriptedSink) -> None:
        self.sink = sink
        self.answers: asyncio.Queue[SinkAnswer] = asyncio.Queue()
        self.metrics = NodeMetrics()
        self.worker = SinkWorker(
            sink, answer=self.answers.put_nowait, metrics=self.metrics, log=EventLog(logging.getLogger("test"))
        )
        self.task = asyncio.create_task(self.worker.run())

    async def answer(self) -> SinkAnswer:
        async with asyncio.timeout(TIMEOUT_S):
            return await self.answers.get()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    made = Running(ScriptedSink())
    yield made
    made.task.cancel()
    await asyncio.wait([made.task])


async def test_outputs_are_written_in_order_and_counted(running: Running) -> None:
    running.worker.put(OpenSink("processed", PERMIT))
    running.worker.put(publish(0, 2))
    running.worker.put(publish(2, 3))
    assert await running.answer() == SinkOpened("processed", Epoch(3), Sequence(0))
    assert await running.answer() == Published("processed", Epoch(3), Sequence(2))
    assert await running.answer() == Published("processed", Epoch(3), Sequence(3))
    assert running.sink.calls == [(0, 2, 2), (2, 3, 1)]
    assert running.metrics.outputs_committed.value("processed") == 6


async def test_a_store_that_is_away_is_tried_again_and_said_once(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    running.sink.script = [StoreUnavailable("away"), StoreUnavailable("away"), Committed(Sequence(1))]
    running.worker.put(publish(0, 1))
    assert await running.answer() == Published("processed", Epoch(3), Sequence(1))
    assert running.metrics.publish_retries.value("processed") == 2
    said = [record.message for record in caplog.records]
    assert len([text for text in said if "away" in text]) == 1
    assert "processed: the store takes outputs again" in said
    assert running.worker.away == ""


async def test_a_fenced_sink_says_which_epoch_owns_it(running: Running) -> None:
    running.sink.script = [Fenced(Epoch(4))]
    running.worker.put(publish(0, 1))
    assert await running.answer() == SinkFenced("processed", Epoch(4))
    assert running.metrics.fence_rejections.value("processed") == 1


async def test_a_write_whose_reply_was_lost_is_not_written_twice(running: Running) -> None:
    running.sink.script = [Displaced(Sequence(2))]
    running.worker.put(publish(0, 3))
    assert await running.answer() == Published("processed", Epoch(3), Sequence(3))
    assert running.sink.calls == [(0, 3, 3), (2, 3, 1)]


async def test_all_of_a_lost_reply_counts_as_published(running: Running) -> None:
    running.sink.script = [Displaced(Sequence(3))]
    running.worker.put(publish(0, 3))
    assert await running.answer() == Published("processed", Epoch(3), Sequence(3))
    assert running.sink.calls == [(0, 3, 3)]


async def test_a_store_that_went_back_in_time_ends_the_node(running: Running) -> None:
    running.sink.script = [Displaced(Sequence(1))]
    running.worker.put(publish(2, 3))
    with pytest.raises(StorageError, match="went back in time"):
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.shield(running.task)


async def test_a_revoked_permit_drops_what_waits_and_ends_a_retry(running: Running) -> None:
    running.sink.script = [StoreUnavailable("away")] * 3
    running.worker.put(publish(0, 1))
    running.worker.put(publish(1, 2))
    async with asyncio.timeout(TIMEOUT_S):
        while not running.worker.away:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    running.worker.revoke()
    running.sink.script = []
    running.worker.put(OpenSink("processed", PublishPermit(Epoch(5))))
    assert await running.answer() == SinkOpened("processed", Epoch(5), Sequence(0))
    assert (1, 2, 1) not in running.sink.calls
    assert running.answers.empty()
