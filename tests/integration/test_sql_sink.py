"""Exactly once into MariaDB and SQLite: what comes out of the tables, whatever happened on the way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymysql
import pytest
from sqlalchemy import make_url

from eiha.errors import StorageError, StoreUnavailable
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence
from eiha.ports import Committed, Displaced, Fenced
from eiha.protocol.outputs import OutputBatch, PublishPermit
from eiha.storage.datasource import parse_datasource
from eiha.storage.sql_sink import SqlSink

T = AttributeType
PRICES = StreamDefinition("Prices", Schema((Attribute("symbol", T.STRING), Attribute("price", T.DOUBLE))))
Make = Callable[..., SqlSink]


def permit(epoch: int) -> PublishPermit:
    return PublishPermit(Epoch(epoch))


def strings(*values: str | None) -> WireColumn:
    known = sorted({v for v in values if v is not None})
    codes = np.array([known.index(v) if v is not None else 0 for v in values], dtype=np.int32)
    valid = None if None not in values else np.array([v is not None for v in values])
    return WireColumn(T.STRING, codes, valid, tuple(known))


def numbers(type_: AttributeType, values: list[Any], nulls: tuple[int, ...] = ()) -> WireColumn:
    valid = np.array([i not in nulls for i in range(len(values))]) if nulls else None
    return WireColumn(type_, np.array(values, dtype=type_.dtype), valid)


def output(
    sequence: int, *columns: WireColumn, stream: StreamDefinition = PRICES, first: int = 0, plan: str = "plan"
) -> OutputBatch:
    rows = len(columns[0].values)
    stamps = np.arange(rows, dtype=np.int64) + 1000 * sequence
    return OutputBatch(
        "processed", plan, stream, Sequence(sequence), LogTimeMs(sequence), first, WireBatch(rows, stamps, columns)
    )


def prices(sequence: int, rows: int = 2, first: int = 0) -> OutputBatch:
    symbols = strings(*(f"s{i % 7}" for i in range(rows)))
    return output(sequence, symbols, numbers(T.DOUBLE, [i + 0.5 for i in range(rows)]), first=first)


@pytest.fixture(params=[pytest.param("mariadb", marks=pytest.mark.mariadb), "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "mariadb":
        found: str = request.getfixturevalue("mysql_url")
        return found
    return f"sqlite+aiosqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
async def make(url: str) -> AsyncIterator[Make]:
    made: list[SqlSink] = []

    def one_more(name: str = "processed", **settings: Any) -> SqlSink:
        made.append(SqlSink(name, "cluster", parse_datasource(url), **settings))
        return made[-1]

    yield one_more
    for sink in made:
        await sink.close()


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        found = [tuple(row) for row in cursor.fetchall()]
        connection.commit()
        return found
    finally:
        connection.close()


def connect(url: str) -> Any:
    parts = make_url(url)
    if parts.drivername.startswith("sqlite"):
        return sqlite3.connect(parts.database or "")
    return pymysql.connect(
        host=parts.host,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
    )


IDS = "SELECT eiha_plan, eiha_sequence, eiha_ordinal FROM Prices ORDER BY 2, 3"


async def test_rows_come_out_with_their_ids_and_times(url: str, make: Make) -> None:
    sink = make()
    assert await sink.open(permit(1)) == Committed(Sequence(0))
    done = await sink.publish([prices(3)], expected=Sequence(0), through=Sequence(5), permit=permit(1))
    assert done == Committed(Sequence(5))
    assert query(url, "SELECT * FROM Prices ORDER BY eiha_ordinal") == [
        ("plan", 3, 0, 3000, 3, "s0", 0.5),
        ("plan", 3, 1, 3001, 3, "s1", 1.5),
    ]
    assert await make().open(permit(1)) == Committed(Sequence(5))


@pytest.mark.parametrize("repeats", [1, 100], ids=["few rows", "many rows"])
async def test_every_type_null_and_odd_character_survives(url: str, make: Make, repeats: int) -> None:
    names = ("text", "i", "l", "f", "d", "b", "o")
    types = (T.STRING, T.INT, T.LONG, T.FLOAT, T.DOUBLE, T.BOOL, T.OBJECT)
    stream = StreamDefinition("All", Schema(tuple(Attribute(n, t) for n, t in zip(names, types, strict=True))))
    odd = 'it\'s \\ "%s" %% :x \n\r\t\x1a é 😀 ; -- `'
    objects = np.empty(3 * repeats, dtype=object)
    objects[:] = [{"a": [1, None, b"\x00"], "n'": float("nan")}, None, "plain"] * repeats
    nulls = tuple(range(1, 3 * repeats, 3))
    batch = output(
        1,
        strings(*[odd, None, ""] * repeats),
        numbers(T.INT, [-(2**31), 0, 2**31 - 1] * repeats, nulls),
        numbers(T.LONG, [-(2**63), 0, 2**63 - 1] * repeats, nulls),
        numbers(T.FLOAT, [0.1, 0, -0.0] * repeats, nulls),
        numbers(T.DOUBLE, [5e-324, 0, 1.7976931348623157e308] * repeats, nulls),
        numbers(T.BOOL, [True, False, False] * repeats, nulls),
        WireColumn(T.OBJECT, objects),
        stream=stream,
        plan="50 % plan's",
    )
    sink = make()
    await sink.open(permit(1))
    await sink.publish([batch], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    rows = query(url, "SELECT eiha_plan, text, i, l, f, d, b, o FROM `All` ORDER BY eiha_ordinal")
    assert (
        rows
        == [
            (
                "50 % plan's",
                odd,
                -(2**31),
                -(2**63),
                float(np.float32(0.1)),
                5e-324,
                1,
                '{"a":[1,null,"AA=="],"n\'":null}',
            ),
            ("50 % plan's", None, None, None, None, None, None, None),
            ("50 % plan's", "", 2**31 - 1, 2**63 - 1, 0.0, 1.7976931348623157e308, 0, '"plain"'),
        ]
        * repeats
    )


async def test_what_no_database_holds_is_null_and_counted(url: str, make: Make) -> None:
    values = [float("nan"), float("inf"), -float("inf"), 1.0, 2.0]
    sink = make()
    await sink.open(permit(1))
    batch = output(1, strings(*"abcde"), numbers(T.DOUBLE, values, (4,)))
    await sink.publish([batch], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    assert [r[0] for r in query(url, "SELECT price FROM Prices ORDER BY eiha_ordinal")] == [None, None, None, 1.0, None]
    assert sink.counts.changed_values.non_finite_as_null == 3


async def test_strings_beyond_the_length_policy_are_cut_and_counted(url: str, make: Make) -> None:
    sink = make(string_length=5)
    await sink.open(permit(1))
    batch = output(1, strings("short", "much too long"), numbers(T.DOUBLE, [1.0, 2.0]))
    await sink.publish([batch], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    assert [r[0] for r in query(url, "SELECT symbol FROM Prices ORDER BY eiha_ordinal")] == ["short", "much "]
    assert sink.counts.changed_values.strings_cut == 1


async def test_many_small_batches_of_several_streams_are_one_transaction(url: str, make: Make) -> None:
    other = StreamDefinition("Alerts", Schema((Attribute("n", T.INT),)))
    outputs: list[OutputBatch] = []
    for n in range(1, 201):
        outputs += [prices(n, rows=3), output(n, numbers(T.INT, [n]), stream=other), prices(n, rows=1, first=3)]
    sink = make()
    await sink.open(permit(1))
    await sink.publish(outputs, expected=Sequence(0), through=Sequence(200), permit=permit(1))
    assert query(url, IDS) == [("plan", n, i) for n in range(1, 201) for i in range(4)]
    assert query(url, "SELECT n FROM Alerts ORDER BY eiha_sequence") == [(n,) for n in range(1, 201)]
    assert sink.counts.transactions == 1


async def test_progress_moves_without_outputs(make: Make) -> None:
    sink = make()
    await sink.open(permit(1))
    assert await sink.publish([], expected=Sequence(0), through=Sequence(9), permit=permit(1)) == Committed(Sequence(9))
    assert await make().open(permit(2)) == Committed(Sequence(9))


@pytest.mark.parametrize("rows", [2, 300])
async def test_a_repeated_publication_is_displaced_and_writes_nothing_twice(url: str, make: Make, rows: int) -> None:
    sink = make()
    await sink.open(permit(1))
    for attempt in range(3):
        done = await sink.publish([prices(2, rows)], expected=Sequence(0), through=Sequence(2), permit=permit(1))
        assert done == (Committed(Sequence(2)) if attempt == 0 else Displaced(Sequence(2)))
    assert query(url, IDS) == [("plan", 2, n) for n in range(rows)]


@pytest.mark.parametrize("rows", [2, 300])
@pytest.mark.parametrize("expected", [1, 9])
async def test_a_publication_from_the_wrong_place_writes_nothing(
    url: str, make: Make, rows: int, expected: int
) -> None:
    sink = make()
    await sink.open(permit(1))
    await sink.publish([prices(5)], expected=Sequence(0), through=Sequence(5), permit=permit(1))
    done = await sink.publish([prices(9, rows)], expected=Sequence(expected), through=Sequence(9), permit=permit(1))
    assert done == Displaced(Sequence(5))
    assert query(url, IDS) == [("plan", 5, 0), ("plan", 5, 1)]


async def test_a_stale_active_is_fenced_and_writes_nothing(url: str, make: Make) -> None:
    old, new = make(), make()
    await old.open(permit(1))
    await new.open(permit(2))
    try:
        done: object = await old.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    except StoreUnavailable:  # its connection was ended; it tries again, as its shell would
        done = await old.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    assert done == Fenced(Epoch(2))
    assert await old.open(permit(1)) == Fenced(Epoch(2))
    published = await new.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(2))
    assert published == Committed(Sequence(1))
    assert query(url, IDS) == [("plan", 1, 0), ("plan", 1, 1)]


async def test_two_nodes_that_open_at_once_leave_one_owner(make: Make) -> None:
    sinks = [make() for _ in range(4)]

    async def open_until_it_answers(sink: SqlSink, epoch: int) -> object:
        while True:
            try:
                return await sink.open(permit(epoch))
            except StoreUnavailable:
                await asyncio.sleep(0)

    outcomes = await asyncio.gather(*(open_until_it_answers(sink, n + 1) for n, sink in enumerate(sinks)))
    assert outcomes[3] == Committed(Sequence(0))
    assert all(isinstance(outcome, Committed | Fenced) for outcome in outcomes)


async def test_a_new_attribute_becomes_a_column_and_old_rows_stay(url: str, make: Make) -> None:
    sink = make()
    await sink.open(permit(1))
    await sink.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    wider = StreamDefinition("Prices", Schema((*PRICES.schema.attributes, Attribute("volume", T.LONG))))
    batch = output(2, strings("x"), numbers(T.DOUBLE, [9.0]), numbers(T.LONG, [77]), stream=wider)
    await sink.publish([batch], expected=Sequence(1), through=Sequence(2), permit=permit(1))
    found = query(url, "SELECT symbol, volume FROM Prices ORDER BY eiha_sequence, eiha_ordinal")
    assert found == [("s0", None), ("s1", None), ("x", 77)]


async def test_a_column_of_another_type_is_refused_with_a_remedy(make: Make) -> None:
    sink = make()
    await sink.open(permit(1))
    await sink.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    changed = StreamDefinition("Prices", Schema((Attribute("symbol", T.STRING), Attribute("price", T.STRING))))
    with pytest.raises(StorageError, match=r"column 'price' of table 'Prices'.*is double.*string.*Rename the table"):
        await sink.publish(
            [output(2, strings("x"), strings("y"), stream=changed)],
            expected=Sequence(1),
            through=Sequence(2),
            permit=permit(1),
        )
    done = await sink.publish([prices(2)], expected=Sequence(1), through=Sequence(2), permit=permit(1))
    assert done == Committed(Sequence(2))


async def test_a_table_that_is_somebody_elses_is_refused(url: str, make: Make) -> None:
    query(url, "CREATE TABLE Prices (id INTEGER)") if "mysql" in url else make_sqlite_table(url)
    sink = make()
    await sink.open(permit(1))
    with pytest.raises(StorageError, match="was not made for stream"):
        await sink.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))


def make_sqlite_table(url: str) -> None:
    connection = connect(url)
    connection.execute("CREATE TABLE Prices (id INTEGER)")
    connection.commit()
    connection.close()


async def test_a_dropped_table_is_made_anew_by_the_next_attempt(url: str, make: Make) -> None:
    sink = make()
    await sink.open(permit(1))
    await sink.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    connection = connect(url)
    connection.cursor().execute("DROP TABLE Prices")
    connection.commit()
    connection.close()
    with pytest.raises(StoreUnavailable):
        await sink.publish([prices(2)], expected=Sequence(1), through=Sequence(2), permit=permit(1))
    await sink.publish([prices(2)], expected=Sequence(1), through=Sequence(2), permit=permit(1))
    assert query(url, IDS) == [("plan", 2, 0), ("plan", 2, 1)]


async def test_attributes_that_databases_confuse_get_columns_of_their_own(url: str, make: Make) -> None:
    stream = StreamDefinition(
        "Odd", Schema(tuple(Attribute(n, T.INT) for n in ("a", "A", "eiha_plan", 'se`le"ct', "x" * 80)))
    )
    sink = make()
    await sink.open(permit(1))
    batch = output(1, *(numbers(T.INT, [n]) for n in range(5)), stream=stream)
    await sink.publish([batch], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    assert query(url, "SELECT * FROM Odd")[0][5:] == (0, 1, 2, 3, 4)
    assert query(url, "SELECT a, A_2, eiha_plan_2 FROM Odd") == [(0, 1, 2)]


async def test_streams_that_differ_only_in_case_are_told_apart_or_refused(make: Make) -> None:
    sink = make()
    await sink.open(permit(1))
    lower = StreamDefinition("prices", PRICES.schema)
    with pytest.raises(StorageError, match="differ only in case"):
        await sink.publish(
            [prices(1), output(1, strings("x"), numbers(T.DOUBLE, [1.0]), stream=lower)],
            expected=Sequence(0),
            through=Sequence(1),
            permit=permit(1),
        )


async def test_both_lanes_can_share_a_database(url: str, make: Make) -> None:
    for name in ("events", "processed"):
        sink = make(name)
        await sink.open(permit(1))
        await sink.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    assert query(url, IDS) == query(url, IDS.replace("Prices", "events_Prices"))


@pytest.mark.parametrize("rows", [2, 300])
async def test_rows_without_progress_are_told_as_what_they_are(url: str, make: Make, rows: int) -> None:
    sink = make()
    await sink.open(permit(1))
    await sink.publish([prices(1)], expected=Sequence(0), through=Sequence(1), permit=permit(1))
    connection = connect(url)
    connection.cursor().execute("UPDATE eiha_progress SET published_through = 0")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="restored without the tables"):
        await sink.publish([prices(1, rows)], expected=Sequence(0), through=Sequence(1), permit=permit(1))


async def test_a_database_that_is_away_is_unavailable_and_keeps_its_password(tmp_path: Path) -> None:
    sink = SqlSink("processed", "c", parse_datasource("mysql://u:topsecret@127.0.0.1:1/x"), timeout_s=2)
    with pytest.raises(StoreUnavailable) as caught:
        await sink.open(permit(1))
    assert "127.0.0.1" in str(caught.value)
    assert "topsecret" not in str(caught.value)
    await sink.close()
