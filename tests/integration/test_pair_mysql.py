"""The pair with witness and stores in MariaDB or MySQL."""

from __future__ import annotations

import time
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import make_url

from benchmarks.local_pair import LocalPair
from eiha.client import ClientOptions, SyncClient

pytestmark = [pytest.mark.processes, pytest.mark.mariadb, pytest.mark.timeout(240)]

PLAN = """
@app:name('rooms')
@store(type='events')
define stream Readings (room string, number long);
from Readings[number >= 0] select room, number insert into Seen;
"""
TIMEOUT_S = 60.0


def stored_numbers(url: str, table: str) -> list[int]:
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
            cursor.execute(f"SELECT number FROM `{table}` ORDER BY number")
            return [row[0] for row in cursor.fetchall()]
    except pymysql.err.ProgrammingError:  # the table is made with the first row
        return []
    finally:
        connection.close()


def test_a_killed_active_loses_and_doubles_nothing_in_the_database(tmp_path: Path, mysql_url: str) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "rooms.siddhi").write_text(PLAN)
    with LocalPair(tmp_path / "pair", plans, database_url=mysql_url) as pair:
        pair.start()
        active = pair.active()
        assert active is not None
        with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
            for batch in range(60):
                numbers = list(range(batch * 100, batch * 100 + 100))
                client.publish_columns("Readings", {"room": ["r"] * 100, "number": numbers})
                if batch == 30:
                    active.kill()
            client.flush(TIMEOUT_S)
        for table in ("event_Readings", "Seen"):
            deadline = time.monotonic() + TIMEOUT_S
            while len(stored_numbers(mysql_url, table)) < 6_000:
                assert time.monotonic() < deadline, f"waited for {table}"
                time.sleep(0.05)
            assert stored_numbers(mysql_url, table) == list(range(6_000))
