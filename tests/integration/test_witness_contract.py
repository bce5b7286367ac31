"""What every witness promises, asked of MariaDB, SQLite, an arbiter and the simulator's."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pymysql
import pytest
from sqlalchemy import make_url

from benchmarks.local_arbiter import LocalArbiter
from benchmarks.local_pair import free_ports
from eiha.errors import ConfigurationError
from eiha.ha.witness_row import CasOutcome, Mine, Others, Read, ReadOutcome, Unknown, WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.net.arbiter_witness import ArbiterAddress, ArbiterWitness
from eiha.ports import Witness
from eiha.protocol.peer_messages import PeerIdentity
from eiha.simulation.scheduler import Scheduler
from eiha.simulation.witness import TIMEOUT_US, SimulatedWitness
from eiha.storage.datasource import parse_datasource
from eiha.storage.witness_sql import SqlWitness

SECRET = "a secret for tests"

Make = Callable[[], Witness]
MakeSql = Callable[[], SqlWitness]
Outcome = TypeVar("Outcome")

A = PeerIdentity(NodeId("node1"), Incarnation("disk-a@boot"))
B = PeerIdentity(NodeId("node2"), Incarnation("disk-b@boot"))


def row(
    version: int, epoch: int = 1, active: PeerIdentity = A, *synced: PeerIdentity, cluster: str = "c"
) -> WitnessRow:
    return WitnessRow(
        cluster, Epoch(epoch), active.node, active.incarnation, synced or (active,), version, f"v{version}"
    )


@pytest.fixture(params=[pytest.param("mariadb", marks=pytest.mark.mariadb), "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "mariadb":
        found: str = request.getfixturevalue("mysql_url")
        return found
    return sqlite_url(tmp_path)


class SimulatedWitnessOfANode:
    """The simulator's witness, asked as a shell asks: virtual time runs until it answers."""

    def __init__(self, scheduler: Scheduler, shared: SimulatedWitness, node: str) -> None:
        self._scheduler = scheduler
        self._shared = shared
        self._node = node

    async def read(self) -> ReadOutcome:
        answers: list[ReadOutcome] = []
        self._shared.read(self._node, answers.append)
        return self._first(answers)

    async def compare_and_set(self, expected_version: int | None, row: WitnessRow) -> CasOutcome:
        answers: list[CasOutcome] = []
        self._shared.compare_and_set(self._node, expected_version, row, answers.append)
        return self._first(answers)

    async def close(self) -> None:
        assert self._shared is not None

    def _first(self, answers: list[Outcome]) -> Outcome:
        assert self._scheduler.run_until(self._scheduler.now_us + TIMEOUT_US + 1, lambda: bool(answers))
        return answers[0]


def make_simulated() -> Make:
    scheduler = Scheduler()
    shared = SimulatedWitness(scheduler, random.Random(7), lambda before, after: None)
    numbers = itertools.count()
    return lambda: SimulatedWitnessOfANode(scheduler, shared, f"node{next(numbers)}")


@pytest.fixture
async def make_sql(url: str) -> AsyncIterator[MakeSql]:
    made: list[SqlWitness] = []

    def one_more() -> SqlWitness:
        made.append(SqlWitness(parse_datasource(url), "c"))
        return made[-1]

    yield one_more
    for witness in made:
        await witness.close()


KINDS = [
    pytest.param("mariadb", marks=pytest.mark.mariadb),
    "sqlite",
    pytest.param("arbiter", marks=pytest.mark.processes),
    "simulated",
]


@pytest.fixture(params=KINDS)
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    if request.param == "simulated":
        yield make_simulated()
        return
    if request.param == "arbiter":
        async with arbiter_witnesses(tmp_path) as make_one:
            yield make_one
        return
    address = request.getfixturevalue("mysql_url") if request.param == "mariadb" else sqlite_url(tmp_path)
    made: list[Witness] = []

    def one_more() -> Witness:
        made.append(SqlWitness(parse_datasource(address), "c"))
        return made[-1]

    yield one_more
    for witness in made:
        await witness.close()


@asynccontextmanager
async def arbiter_witnesses(folder: Path) -> AsyncIterator[Make]:
    """Witnesses at a real arbiter process, each as another node."""
    made: list[ArbiterWitness] = []
    with LocalArbiter(folder / "arbiter", {"c": SECRET}, free_ports(1)[0]) as arbiter:
        arbiter.start()

        def one_more() -> Witness:
            node, disk = NodeId(f"node{len(made)}"), Incarnation("disk")
            address = ArbiterAddress("127.0.0.1", arbiter.port, "c", node, disk, SECRET.encode())
            made.append(ArbiterWitness(address, timeout_s=10.0))
            return made[-1]

        yield one_more
        for witness in made:
            await witness.close()


def sqlite_url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'witness.db'}"


async def test_there_is_no_row_before_the_first(make: Make) -> None:
    assert await make().read() == Read(None)


async def test_a_row_comes_back_as_it_was_put(make: Make) -> None:
    first = row(1, 1, A, A, B)
    assert await make().compare_and_set(None, first) == Mine(first)
    assert await make().read() == Read(first)


async def test_the_second_bootstrap_sees_the_first(make: Make) -> None:
    await make().compare_and_set(None, row(1))
    assert await make().compare_and_set(None, row(1, 1, B)) == Others(row(1))


async def test_a_change_needs_the_version_that_was_read(make: Make) -> None:
    witness = make()
    await witness.compare_and_set(None, row(1))
    second = row(2, 2, B)
    assert await make().compare_and_set(1, second) == Mine(second)
    assert await witness.compare_and_set(1, row(2, 1, A)) == Others(second)
    assert await witness.read() == Read(second)


async def test_a_change_of_a_row_that_is_not_there_is_refused(make: Make) -> None:
    assert await make().compare_and_set(1, row(2)) == Others(None)


async def test_of_many_who_change_at_once_one_wins(make: Make) -> None:
    first = make()
    await first.compare_and_set(None, row(1))
    rivals = [make() for _ in range(6)]
    outcomes = await asyncio.gather(*(rival.compare_and_set(1, row(2, 2 + n, B)) for n, rival in enumerate(rivals)))
    winners = [outcome for outcome in outcomes if isinstance(outcome, Mine)]
    assert len(winners) <= 1
    now = await first.read()
    assert isinstance(now, Read)
    if winners:
        assert now.row == winners[0].row
    else:
        assert all(isinstance(outcome, Unknown | Others) for outcome in outcomes)


async def test_two_nodes_that_start_at_once_both_find_the_tables(make: Make) -> None:
    outcomes = await asyncio.gather(*(make().read() for _ in range(5)))
    assert outcomes == [Read(None)] * 5


async def test_names_that_differ_only_in_case_are_different_clusters(url: str, make_sql: MakeSql) -> None:
    await make_sql().compare_and_set(None, row(1))
    other = SqlWitness(parse_datasource(url), "C")
    assert await other.read() == Read(None)
    await other.close()


async def test_names_and_reasons_may_hold_anything(make: Make) -> None:
    odd = replace(
        row(1, 1, PeerIdentity(NodeId("nö'de \\ %s :x"), Incarnation("дыск"))), reason="it's 100 % \\ 😀 :reason"
    )
    assert await make().compare_and_set(None, odd) == Mine(odd)
    assert await make().read() == Read(odd)


async def test_every_change_is_in_the_history(make_sql: MakeSql) -> None:
    witness = make_sql()
    await witness.compare_and_set(None, row(1))
    await witness.compare_and_set(1, row(2, 2, B))
    await witness.compare_and_set(1, row(9, 9, A))
    connection = witness._connection

    async def history(session: object) -> list[tuple[int, str]]:
        found = await session.execute("SELECT version, reason FROM eiha_witness_history ORDER BY version")  # type: ignore[attr-defined]
        return [tuple(r) for r in found]

    assert await connection.run(history, timeout_s=3) == [(1, "v1"), (2, "v2")]


async def test_a_cancelled_read_does_no_harm_to_the_next(make_sql: MakeSql) -> None:
    witness = make_sql()
    await witness.compare_and_set(None, row(1))
    for _ in range(5):
        task = asyncio.create_task(witness.read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await witness.read() == Read(row(1))


async def test_a_database_that_is_not_there_is_unknown_not_an_exception(tmp_path: Path) -> None:
    witness = SqlWitness(parse_datasource("mysql://u:topsecret@127.0.0.1:1/x"), "c", timeout_s=1.0)
    for outcome in (await witness.read(), await witness.compare_and_set(None, row(1))):
        assert isinstance(outcome, Unknown)
        assert "127.0.0.1" in outcome.cause
        assert "topsecret" not in outcome.cause
    await witness.close()


@pytest.mark.mariadb
async def test_a_killed_connection_is_unknown_once_and_then_made_anew(mysql_url: str) -> None:
    witness = SqlWitness(parse_datasource(mysql_url), "c")
    await witness.compare_and_set(None, row(1))

    async def own_number(session: object) -> int:
        return (await session.execute("SELECT CONNECTION_ID()")).scalar_one()  # type: ignore[attr-defined]

    number = await witness._connection.run(own_number, timeout_s=3)
    execute(mysql_url, f"KILL {number}")
    assert isinstance(await witness.compare_and_set(1, row(2)), Unknown)
    assert await witness.read() == Read(row(1))
    await witness.close()


@pytest.mark.mariadb
async def test_a_row_that_somebody_keeps_locked_is_unknown_in_time(mysql_url: str) -> None:
    witness = SqlWitness(parse_datasource(mysql_url), "c")
    await witness.compare_and_set(None, row(1))
    holder = connect(mysql_url)
    with holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE eiha_witness SET reason = 'half done'")
        assert isinstance(await witness.read(), Unknown)
        assert isinstance(await witness.compare_and_set(1, row(2)), Unknown)
    holder.close()
    assert await witness.compare_and_set(1, row(2)) == Mine(row(2))
    await witness.close()


@pytest.mark.mariadb
async def test_a_server_that_may_forget_commits_is_warned_of(mysql_url: str) -> None:
    execute(mysql_url, "SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    witness = SqlWitness(parse_datasource(mysql_url), "c")
    try:
        await witness.read()
        assert "innodb_flush_log_at_trx_commit = 2" in witness.warnings[0]
    finally:
        execute(mysql_url, "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        await witness.close()


@pytest.mark.mariadb
async def test_a_driver_url_may_not_switch_on_reading_of_client_files(mysql_url: str) -> None:
    with pytest.raises(ConfigurationError, match="local_infile"):
        parse_datasource(mysql_url + "?local_infile=1")


def connect(url: str) -> pymysql.Connection:  # type: ignore[type-arg]
    parts = make_url(url)
    return pymysql.connect(
        host=parts.host,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
    )


def execute(url: str, statement: str) -> None:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.commit()
    finally:
        connection.close()
