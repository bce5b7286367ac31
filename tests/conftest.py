"""Fixtures for all tests: a MariaDB server that is started once per run, and a database of its own for each test."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pymysql
import pytest
from sqlalchemy import URL, make_url

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import mariadb
from tests.checked_values import check_values

# no wall-clock deadlines: a busy machine is not a failure; derandomised, so that a red run can be run again
hypothesis.settings.register_profile("eiha", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("eiha")
check_values()

SERVER_DIRECTORY_VARIABLE = "EIHA_TEST_MARIADB_DIRECTORY"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rewrite`` writes golden files anew instead of comparing with them; review the difference."""
    parser.addoption("--rewrite", action="store_true", help="write golden files anew (review the difference)")


def pytest_configure(config: pytest.Config) -> None:
    """Name the server's directory once per run; workers of xdist inherit the name."""
    if not hasattr(config, "workerinput") and SERVER_DIRECTORY_VARIABLE not in os.environ:
        os.environ[SERVER_DIRECTORY_VARIABLE] = str(Path(tempfile.gettempdir()) / f"eiha-tests-{uuid.uuid4().hex[:12]}")
        config.stash[_OWNS_SERVER] = True


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server if this run started one."""
    if config.stash.get(_OWNS_SERVER, False):
        directory = Path(os.environ.pop(SERVER_DIRECTORY_VARIABLE))
        mariadb.stop(directory)
        shutil.rmtree(directory, ignore_errors=True)


_OWNS_SERVER = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def mysql_server_url() -> str:
    """The server's URL; the first test that asks starts it, whichever worker runs it."""
    given = os.environ.get(mariadb.URL_VARIABLE)
    if given:
        return given
    directory = Path(os.environ[SERVER_DIRECTORY_VARIABLE])
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return mariadb.start(directory).url
        except mariadb.ServerError as error:
            pytest.fail(str(error), pytrace=False)


@pytest.fixture
def mysql_url(mysql_server_url: str) -> Iterator[str]:
    """URL of an empty database that only this test uses."""
    url = make_url(mysql_server_url)
    name = f"eiha_test_{uuid.uuid4().hex[:16]}"
    _execute(url, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    yield url.set(database=name).render_as_string(hide_password=False)
    _end_sessions(url, name)
    _execute(url, f"DROP DATABASE {name}")


def _end_sessions(url: URL, database: str) -> None:
    """A test may leave a session with locks behind on purpose; it would block the drop."""
    for (number,) in _execute(url, f"SELECT id FROM information_schema.processlist WHERE db = '{database}'"):
        try:
            _execute(url, f"KILL {number}")
        except pymysql.MySQLError as error:
            if error.args[0] != 1094:  # it ended by itself
                raise


def _execute(url: URL, statement: str) -> list[tuple[object, ...]]:
    connection = pymysql.connect(host=url.host, port=url.port or 3306, user=url.username, password=url.password or "")
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()
