"""The error store on both kinds of database: written by the sink, read and marked by operators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eiha.engine.error_rows import ERRORS_SINK, ErrorRows
from eiha.events.rows import columns_to_batch
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import LogEntry, Publication, Publications
from eiha.protocol.outputs import OutputBatch, PublishPermit
from eiha.storage.datasource import DataSource, parse_datasource
from eiha.storage.error_store import ErrorStore
from eiha.storage.sql_sink import SqlSink

SCHEMA = Schema((Attribute("name", AttributeType.STRING), Attribute("price", AttributeType.DOUBLE)))
PERMIT = PublishPermit(Epoch(1))


@pytest.fixture(params=[pytest.param("mariadb", marks=pytest.mark.mariadb), "sqlite"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> DataSource:
    if request.param == "mariadb":
        return parse_datasource(request.getfixturevalue("mysql_url"))
    return parse_datasource(f"sqlite+aiosqlite:///{tmp_path / 'store.db'}")


@pytest.fixture
async def store(source: DataSource) -> AsyncIterator[ErrorStore]:
    made = ErrorStore(source)
    yield made
    await made.close()


def errors(sequence: int, plan: str, *prices: float) -> OutputBatch:
    """The error rows of an entry that ``plan`` did not take."""
    batch = columns_to_batch([["ünï 'quoted'"] * len(prices), list(prices)], len(prices), SCHEMA)
    publication = Publication(ClientId("shop"), ClientSequence(4), "Prices", len(prices), encode(batch))
    entry = LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(1_000 * sequence), Publications((publication,)))
    rows = ErrorRows(plan)
    rows.add(publication, SCHEMA, None, "killed", "ended by SIGSEGV")
    output = rows.output(entry)
    assert output is not None
    return output


async def write(source: DataSource, *outputs: OutputBatch) -> None:
    sink = SqlSink(ERRORS_SINK, "cluster", source, table_prefix="")
    await sink.open(PERMIT)
    through = outputs[-1].sequence
    await sink.publish(outputs, expected=Sequence(0), through=through, permit=PERMIT)
    await sink.close()


async def test_a_store_without_errors_has_none(store: ErrorStore) -> None:
    assert await store.groups() == []
    assert await store.rows("p", 1) == []
    await store.mark_replayed([], 1)


async def test_errors_are_listed_shown_and_marked_once(source: DataSource, store: ErrorStore) -> None:
    await write(source, errors(3, "p", 1.5, float("inf")), errors(3, "q", 2.0), errors(8, "p", 3.0))
    groups = await store.groups()
    assert [(each.sequence, each.plan, each.rows, each.replayed) for each in groups] == [
        (8, "p", 1, 0),
        (3, "p", 2, 0),
        (3, "q", 1, 0),
    ]
    assert [each.sequence for each in await store.groups("q")] == [3]
    first, second = await store.rows("p", 3)
    assert (first.stream, first.cause, first.reason, first.client) == ("Prices", "killed", "ended by SIGSEGV", "shop")
    assert (first.ordinal, first.row_number, first.has_time, first.log_time_ms) == (0, 0, False, 3_000)
    assert first.event == '{"name": "\\u00fcn\\u00ef \'quoted\'", "price": 1.5}'
    assert '"Infinity"' in second.event

    await store.mark_replayed([first], 77)
    await store.mark_replayed([first, second], 99)
    assert [row.replayed_at_ms for row in await store.rows("p", 3)] == [77, 99]
    assert [each.replayed for each in await store.groups("p")] == [0, 2]
