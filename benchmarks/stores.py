"""Exactly-once rows per second into MariaDB and SQLite, beside the fastest plain ways of the same machine and run.

    python benchmarks/stores.py [--rows 200000] [--rounds 5] [--batch 1000] [--json FILE]

The sink writes ``--batch`` rows an output batch, ``--transaction`` rows a transaction, with progress and epoch check.
Its peers write the same rows with the same keys, and no progress: LOAD DATA LOCAL from a file that is there already
and multi-row INSERTs of prepared text (MariaDB); ``executemany`` of prepared tuples in a transaction (SQLite). Rounds
alternate, so that all see the same machine; medians and their ratio are reported. A MariaDB server is started if
EIHA_TEST_MYSQL_URL names none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymysql
from sqlalchemy import URL, make_url

from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence
from eiha.ports import Committed
from eiha.protocol.outputs import OutputBatch, PublishPermit
from eiha.storage.datasource import parse_datasource
from eiha.storage.sql_sink import SqlSink
from eiha.storage.sql_tables import plan_table
from eiha.storage.table_rows import RowCounts, sqlite_rows

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import os

import mariadb

T = AttributeType
STREAM = StreamDefinition(
    "Delays",
    Schema(
        (
            Attribute("origin", T.STRING),
            Attribute("carrier", T.STRING),
            Attribute("flights", T.LONG),
            Attribute("delay", T.DOUBLE),
        )
    ),
)
SYSTEM = "eiha_plan, eiha_sequence, eiha_ordinal, eiha_event_time, eiha_log_time"
COLUMNS = f"{SYSTEM}, origin, carrier, flights, delay"
TABLE = (
    "(eiha_plan VARCHAR(255) NOT NULL, eiha_sequence BIGINT NOT NULL, eiha_ordinal BIGINT NOT NULL, "
    "eiha_event_time BIGINT NOT NULL, eiha_log_time BIGINT NOT NULL, origin {text}, carrier {text}, flights BIGINT, "
    "delay DOUBLE, PRIMARY KEY (eiha_plan, eiha_sequence, eiha_ordinal))"
)


def make_outputs(rows: int, batch: int) -> list[OutputBatch]:
    rng = np.random.default_rng(1)
    origins = ("EWR", "JFK", "LGA")
    carriers = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")
    outputs = []
    for number, first in enumerate(range(0, rows, batch), start=1):
        n = min(batch, rows - first)
        columns = (
            WireColumn(T.STRING, rng.integers(0, 3, n).astype(np.int32), None, origins),
            WireColumn(T.STRING, rng.integers(0, 16, n).astype(np.int32), None, carriers),
            WireColumn(T.LONG, rng.integers(0, 10_000, n)),
            WireColumn(T.DOUBLE, rng.normal(10, 30, n)),
        )
        stamps = 1_357_000_000_000 + np.arange(first, first + n, dtype=np.int64)
        wire = WireBatch(n, stamps, columns)
        outputs.append(OutputBatch("processed", "p", STREAM, Sequence(number), LogTimeMs(number), 0, wire))
    return outputs


async def through_sink(url: str, outputs: list[OutputBatch], transaction: int) -> float:
    sink = SqlSink("processed", uuid.uuid4().hex, parse_datasource(url))
    permit = PublishPermit(Epoch(1))
    await sink.open(permit)
    began = time.perf_counter()
    progress, pending, rows = Sequence(0), [], 0
    for output in [*outputs, None]:
        if output is not None:
            pending.append(output)
            rows += output.batch.rows
        if pending and (output is None or rows >= transaction):
            through = pending[-1].sequence
            done = await sink.publish(pending, expected=progress, through=through, permit=permit)
            assert done == Committed(through), done
            progress, pending, rows = through, [], 0
    elapsed = time.perf_counter() - began
    await sink.close()
    return elapsed


def connect(url: URL, database: str | None = None) -> Any:
    return pymysql.connect(
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=database,
        local_infile=True,
        charset="utf8mb4",
    )


def mysql_fresh(url: URL, name: str, *, table: bool) -> None:
    connection = connect(url)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        if table:
            cursor.execute(f"CREATE TABLE {name}.Delays {TABLE.format(text='LONGTEXT')}")
    connection.close()


def mysql_run(url: URL, name: str, statements: list[str]) -> float:
    connection = connect(url, name)
    with connection.cursor() as cursor:
        began = time.perf_counter()
        for statement in statements:
            cursor.execute(statement)
        connection.commit()
        elapsed = time.perf_counter() - began
        cursor.execute(f"SELECT COUNT(*) FROM {name}.Delays")
        assert cursor.fetchone()[0] > 0
    connection.close()
    return elapsed


def bench_mysql(url_text: str, outputs: list[OutputBatch], tuples: list[Any], options: Any) -> dict[str, list[float]]:
    url, name = make_url(url_text), "eiha_bench_stores"
    results: dict[str, list[float]] = {"mariadb sink": [], "mariadb LOAD DATA": [], "mariadb INSERT": []}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in tuples)
        file.flush()
        load = [f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE Delays ({COLUMNS})"]
        step = options.batch
        inserts = [
            f"INSERT INTO Delays ({COLUMNS}) VALUES " + ",".join(map(repr, tuples[i : i + step]))
            for i in range(0, len(tuples), step)
        ]
        sink_url = url.set(database=name).render_as_string(hide_password=False)
        for _ in range(options.rounds):
            mysql_fresh(url, name, table=False)
            results["mariadb sink"].append(asyncio.run(through_sink(sink_url, outputs, options.transaction)))
            mysql_fresh(url, name, table=True)
            results["mariadb LOAD DATA"].append(mysql_run(url, name, load))
            mysql_fresh(url, name, table=True)
            results["mariadb INSERT"].append(mysql_run(url, name, inserts))
    connection = connect(url)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")
    connection.close()
    return results


def sqlite_executemany(path: Path, tuples: list[Any]) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"CREATE TABLE Delays {TABLE.format(text='LONGTEXT')}")
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO Delays ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", tuples)
    connection.execute("COMMIT")
    elapsed = time.perf_counter() - began
    connection.close()
    return elapsed


def bench_sqlite(outputs: list[OutputBatch], tuples: list[Any], options: Any) -> dict[str, list[float]]:
    results: dict[str, list[float]] = {"sqlite sink": [], "sqlite executemany": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite+aiosqlite:///{folder}/sink.db"
            results["sqlite sink"].append(asyncio.run(through_sink(url, outputs, options.transaction)))
            results["sqlite executemany"].append(sqlite_executemany(Path(folder) / "plain.db", tuples))
    return results


def report(results: dict[str, list[float]], rows: int, peers: dict[str, str]) -> dict[str, Any]:
    rates = {name: statistics.median(rows / t for t in times) for name, times in results.items()}
    summary: dict[str, Any] = {}
    for name, rate in rates.items():
        ratio = rate / rates[peers[name]] if name in peers else None
        spread = [rows / max(results[name]), rows / min(results[name])]
        summary[name] = {"rows_per_s": round(rate), "range": [round(s) for s in spread], "to_peer": ratio}
        beside = f"   {ratio:.0%} of {peers[name]}" if ratio is not None else ""
        print(f"{name:22} {rate:12,.0f} rows/s   ({spread[0]:,.0f} … {spread[1]:,.0f}){beside}")
    return summary


def with_mysql(work: Callable[[str], dict[str, list[float]]]) -> dict[str, list[float]]:
    given = os.environ.get(mariadb.URL_VARIABLE)
    if given:
        return work(given)
    with tempfile.TemporaryDirectory() as folder:
        server = mariadb.start(Path(folder))
        try:
            return work(server.url)
        finally:
            mariadb.stop(Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description="Rows per second into the stores.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--transaction", type=int, default=50_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    outputs = make_outputs(options.rows, options.batch)
    table = plan_table(STREAM)
    tuples = [row for output in outputs for row in sqlite_rows(output, table, RowCounts())]
    results = with_mysql(lambda url: bench_mysql(url, outputs, tuples, options))
    results |= bench_sqlite(outputs, tuples, options)
    peers = {"mariadb sink": "mariadb LOAD DATA", "sqlite sink": "sqlite executemany"}
    summary = report(results, options.rows, peers)
    if options.json:
        options.json.write_text(json.dumps({"rows": options.rows, "results": summary}, indent=2) + "\n")


if __name__ == "__main__":
    main()
