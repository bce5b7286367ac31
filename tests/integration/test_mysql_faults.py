"""What a stopped writer, a lost reply and a cut cable do to stores and witness on a real MariaDB."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pymysql
import pytest
from sqlalchemy import make_url

from eiha.errors import StorageError, StoreUnavailable
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn
from eiha.ha.witness_row import Mine, Others, Read, Unknown, WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, LogTimeMs, NodeId, Sequence
from eiha.ports import Committed, Displaced, Fenced
from eiha.protocol.outputs import OutputBatch, PublishPermit
from eiha.protocol.peer_messages import PeerIdentity
from eiha.storage.datasource import parse_datasource
from eiha.storage.dedicated_connection import Session
from eiha.storage.sql_sink import SqlSink
from eiha.storage.witness_sql import SqlWitness
from tests.integration.mysql_proxy import proxied

pytestmark = pytest.mark.mariadb

NUMBERS = StreamDefinition("Numbers", Schema((Attribute("n", AttributeType.LONG),)))
Make = Callable[..., SqlSink]


def permit(epoch: int) -> PublishPermit:
    return PublishPermit(Epoch(epoch))


def numbers(sequence: int, rows: int = 3) -> OutputBatch:
    values = np.arange(rows, dtype=np.int64)
    batch = WireBatch(rows, values, (WireColumn(AttributeType.LONG, values),))
    return OutputBatch("processed", "p", NUMBERS, Sequence(sequence), LogTimeMs(1), 0, batch)


async def publish(sink: SqlSink, sequence: int, epoch: int) -> object:
    return await sink.publish(
        [numbers(sequence)], expected=Sequence(sequence - 1), through=Sequence(sequence), permit=permit(epoch)
    )


@pytest.fixture
async def make(mysql_url: str) -> AsyncIterator[Make]:
    made: list[SqlSink] = []

    def one_more(url: str = mysql_url, **settings: Any) -> SqlSink:
        made.append(SqlSink("processed", "c", parse_datasource(url), **settings))
        return made[-1]

    yield one_more
    for sink in made:
        await sink.close()


def stored(url: str) -> list[tuple[int, int]]:
    parts = make_url(url)
    connection = pymysql.connect(
        host=parts.host,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT eiha_sequence, eiha_ordinal FROM Numbers ORDER BY 1, 2")
            return [(row[0], row[1]) for row in cursor.fetchall()]
    finally:
        connection.close()


async def stop_within_a_transaction(sink: SqlSink, *, touch_progress: bool) -> None:
    """What SIGSTOP does to an active that has written rows but not committed: the connection lives, the locks stay."""

    async def half(session: Session) -> None:
        await session.begin()
        await session.run_plain(
            "INSERT INTO Numbers (eiha_plan, eiha_sequence, eiha_ordinal, eiha_event_time, eiha_log_time, n) "
            "VALUES ('p', 2, 0, 0, 0, 0)"
        )
        if touch_progress:
            await session.run_plain("UPDATE eiha_progress SET changes = changes + 1")

    await sink._connection.run(half, timeout_s=5)


@pytest.mark.parametrize("touch_progress", [False, True])
async def test_a_stopped_writer_is_ended_and_does_not_delay_the_next(
    mysql_url: str, make: Make, touch_progress: bool
) -> None:
    old, new = make(), make()
    await old.open(permit(1))
    await publish(old, 1, 1)
    await stop_within_a_transaction(old, touch_progress=touch_progress)
    began = time.monotonic()
    assert await new.open(permit(2)) == Committed(Sequence(1))
    assert await publish(new, 2, 2) == Committed(Sequence(2))
    assert time.monotonic() - began < 1.0, "the row locks of the stopped writer were waited for"
    assert new.counts.writers_ended == 1
    # it wakes up: its connection is gone, and over a new one it is told that it is stale
    with pytest.raises(StoreUnavailable):
        await publish(old, 2, 1)
    assert await publish(old, 2, 1) == Fenced(Epoch(2))
    assert stored(mysql_url) == [(s, o) for s in (1, 2) for o in range(3)]


async def test_a_stale_node_cannot_end_the_new_owners_connection(make: Make) -> None:
    old, new = make(), make()
    await old.open(permit(1))
    await new.open(permit(2))
    assert await old.open(permit(1)) == Fenced(Epoch(2))
    assert await publish(new, 1, 2) == Committed(Sequence(1))


async def test_a_writer_that_woke_up_and_holds_rows_is_ended_by_the_owner(mysql_url: str, make: Make) -> None:
    new, old = make(), make()
    await new.open(permit(2))
    await publish(new, 1, 2)

    async def take_over_the_lock(session: Session) -> None:
        await session.begin()

    # the owner loses its connection, the old active's comes back first and inserts rows before it is told
    new._connection.abandon()
    await old._connection.run(take_over_the_lock, timeout_s=5)
    await stop_within_a_transaction(old, touch_progress=False)
    for _ in range(4):
        try:
            done: object = await publish(new, 2, 2)
            break
        except StoreUnavailable:
            continue
    assert done == Committed(Sequence(2))
    assert stored(mysql_url) == [(s, o) for s in (1, 2) for o in range(3)]


async def test_a_commit_whose_reply_is_lost_is_found_committed(mysql_url: str, make: Make) -> None:
    async with proxied(mysql_url) as (proxy, url):
        sink = make(url)
        await sink.open(permit(1))
        await publish(sink, 1, 1)
        proxy.drop_reply_to = b"COMMIT"
        assert await publish(sink, 2, 1) == Committed(Sequence(2))
        assert proxy.dropped == 1
        assert sink.counts.commits_in_doubt == 1
        assert await publish(sink, 3, 1) == Committed(Sequence(3))
        await sink.close()
    assert stored(mysql_url) == [(s, o) for s in (1, 2, 3) for o in range(3)]


async def test_a_connection_lost_before_the_commit_writes_nothing(mysql_url: str, make: Make) -> None:
    async with proxied(mysql_url) as (proxy, url):
        sink = make(url)
        await sink.open(permit(1))
        await publish(sink, 1, 1)
        proxy.drop_reply_to = b"INSERT INTO"
        with pytest.raises(StoreUnavailable):
            await publish(sink, 2, 1)
        assert stored(mysql_url) == [(1, 0), (1, 1), (1, 2)]
        assert await publish(sink, 2, 1) == Committed(Sequence(2))
        await sink.close()
    assert stored(mysql_url) == [(s, o) for s in (1, 2) for o in range(3)]


async def test_after_a_lost_reply_and_a_takeover_the_old_active_is_fenced(mysql_url: str, make: Make) -> None:
    async with proxied(mysql_url) as (_, url):
        old, new = make(url), make()
        await old.open(permit(1))
        await publish(old, 1, 1)
        await new.open(permit(2))
        with pytest.raises(StoreUnavailable):
            await publish(old, 2, 1)
        assert await publish(old, 2, 1) == Fenced(Epoch(2))
        await old.close()
    assert stored(mysql_url) == [(1, 0), (1, 1), (1, 2)]


async def test_a_cut_cable_is_unavailable_in_time_and_heals(mysql_url: str, make: Make) -> None:
    async with proxied(mysql_url) as (proxy, url):
        sink = make(url, timeout_s=1.0)
        await sink.open(permit(1))
        await publish(sink, 1, 1)
        proxy.hold.clear()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            await publish(sink, 2, 1)
        assert time.monotonic() - began < 2.5
        proxy.hold.set()
        done: object = None
        for _ in range(5):
            try:
                done = await publish(sink, 2, 1)
                break
            except StoreUnavailable:
                continue
        # the held bytes may have reached the server after all
        assert done in (Committed(Sequence(2)), Displaced(Sequence(2)))
        await sink.close()
    assert stored(mysql_url) == [(s, o) for s in (1, 2) for o in range(3)]


async def test_a_value_that_a_users_column_cannot_hold_stops_the_rows_and_is_named(mysql_url: str, make: Make) -> None:
    sink = make()
    await sink.open(permit(1))
    await publish(sink, 1, 1)

    async def narrow(session: Session) -> None:
        await session.run_plain("ALTER TABLE Numbers ADD CONSTRAINT small CHECK (n < 200)")

    await sink._connection.run(narrow, timeout_s=5)
    with pytest.raises(StorageError, match=r"refuses the rows.*small"):
        await sink.publish([numbers(2, 500)], expected=Sequence(1), through=Sequence(2), permit=permit(1))
    assert stored(mysql_url) == [(1, 0), (1, 1), (1, 2)]


async def test_a_server_without_local_loading_gets_inserts(mysql_url: str, make: Make) -> None:
    sink = make()
    await sink.open(permit(1))

    async def switch(session: Session) -> None:
        await session.run_plain(f"SET GLOBAL local_infile = {allowed}")

    allowed = 0
    await sink._connection.run(switch, timeout_s=5)
    try:
        done = await sink.publish([numbers(1, 500)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    finally:
        allowed = 1
        await sink._connection.run(switch, timeout_s=5)
    assert done == Committed(Sequence(1))
    assert len(stored(mysql_url)) == 500


async def test_the_driver_sends_no_file_to_a_server_that_asks_for_one(mysql_url: str, make: Make) -> None:
    sink = make()

    async def ask(session: Session) -> None:
        await session.run_plain("CREATE TABLE files (line TEXT)")
        await session.run_plain("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE files")

    with pytest.raises(RuntimeError, match="local_infile option is false"):
        await sink._connection.run(ask, timeout_s=5)


def row(version: int) -> WitnessRow:
    me = PeerIdentity(NodeId("n1"), Incarnation("d1"))
    return WitnessRow("c", Epoch(version), me.node, me.incarnation, (me,), version, "test")


async def test_a_compare_and_set_whose_reply_is_lost_is_unknown_and_then_read(mysql_url: str) -> None:
    async with proxied(mysql_url) as (proxy, url):
        witness = SqlWitness(parse_datasource(url), "c")
        assert await witness.compare_and_set(None, row(1)) == Mine(row(1))
        proxy.drop_reply_to = b"COMMIT"
        assert isinstance(await witness.compare_and_set(1, row(2)), Unknown)
        assert await witness.read() == Read(row(2))
        assert await witness.compare_and_set(1, row(3)) == Others(row(2))
        await witness.close()


async def test_a_compare_and_set_lost_before_its_commit_did_not_happen(mysql_url: str) -> None:
    async with proxied(mysql_url) as (proxy, url):
        witness = SqlWitness(parse_datasource(url), "c")
        await witness.compare_and_set(None, row(1))
        proxy.drop_reply_to = b"UPDATE eiha_witness"
        assert isinstance(await witness.compare_and_set(1, row(2)), Unknown)
        assert await witness.read() == Read(row(1))
        await witness.close()


async def test_a_witness_behind_a_cut_cable_is_unknown_in_time(mysql_url: str) -> None:
    async with proxied(mysql_url) as (proxy, url):
        witness = SqlWitness(parse_datasource(url), "c", timeout_s=0.5)
        await witness.compare_and_set(None, row(1))
        proxy.hold.clear()
        began = time.monotonic()
        assert isinstance(await witness.read(), Unknown)
        assert isinstance(await witness.compare_and_set(1, row(2)), Unknown)
        assert time.monotonic() - began < 3
        proxy.hold.set()
        assert isinstance(await witness.read(), Read)
        await witness.close()
