from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eiha.ha.effects import CompareAndSet, ReadWitness
from eiha.ha.inputs import WitnessCasDone, WitnessReadDone
from eiha.ha.witness_row import CasOutcome, Mine, Read, ReadOutcome, Unknown, WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.node.witness_worker import WitnessWorker
from eiha.observability.logs import EventLog
from eiha.ports import Witness
from eiha.protocol.peer_messages import PeerIdentity
from eiha.storage.datasource import parse_datasource
from eiha.storage.witness_sql import SqlWitness

TIMEOUT_S = 20.0
ME = PeerIdentity(NodeId("node1"), Incarnation("disk"))
ROW = WitnessRow("c", Epoch(1), ME.node, ME.incarnation, (ME,), 1, "founded")


class SilentWitness:
    """Never answers, as a database behind a cable that was pulled."""

    async def read(self) -> ReadOutcome:
        await asyncio.Event().wait()
        raise AssertionError

    async def compare_and_set(self, expected_version: int | None, row: WitnessRow) -> CasOutcome:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        pass


class Running:
    def __init__(self, witness: Witness, timeout_s: float) -> None:
        self.answers: asyncio.Queue[WitnessReadDone | WitnessCasDone] = asyncio.Queue()
        log = EventLog(logging.getLogger("test"))
        self.worker = WitnessWorker(witness, timeout_s=timeout_s, answer=self.answers.put_nowait, log=log)
        self.task = asyncio.create_task(self.worker.run())

    async def ask(self, request: ReadWitness | CompareAndSet) -> WitnessReadDone | WitnessCasDone:
        self.worker.put(request)
        async with asyncio.timeout(TIMEOUT_S):
            return await self.answers.get()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.worker.close()


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(SqlWitness(parse_datasource(f"sqlite+aiosqlite:///{tmp_path}/witness.db"), "c"), 10.0)
    yield running
    await running.stop()


async def test_requests_are_answered_in_order(on_sqlite: Running) -> None:
    assert await on_sqlite.ask(ReadWitness(1)) == WitnessReadDone(1, Read(None))
    assert await on_sqlite.ask(CompareAndSet(2, None, ROW)) == WitnessCasDone(2, Mine(ROW))
    assert await on_sqlite.ask(ReadWitness(3)) == WitnessReadDone(3, Read(ROW))


async def test_silence_is_unknown_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    running = Running(SilentWitness(), 0.01)
    for number in (1, 2):
        answer = await running.ask(ReadWitness(number))
        assert answer == WitnessReadDone(number, Unknown("no answer within 0.01 s"))
    assert isinstance(await running.ask(CompareAndSet(3, None, ROW)), WitnessCasDone)
    assert not running.worker.reachable
    assert len([record for record in caplog.records if "check [witness]" in record.message]) == 1
    await running.stop()
