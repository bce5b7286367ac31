"""The database of a scene: a MariaDB of its own that can be stopped, killed and frozen, or SQLite files."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy import make_url

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import mariadb

QUERY_TIMEOUT_S = 60


class OwnMariaDb:
    """A server on its own directory and port, started again at the same port.

    Args:
        directory: for its data.
        bind: the address it listens on.
    """

    def __init__(self, directory: Path, bind: str) -> None:
        self._directory = directory
        self._bind = bind
        self._server: mariadb.Server | None = None

    def start(self) -> None:
        """Start it, or start it again; returns when it answers."""
        port = None if self._server is None else self._server.port
        self._server = mariadb.start(self._directory, port, self._bind)

    @property
    def server(self) -> mariadb.Server:
        """Its process and port."""
        assert self._server is not None
        return self._server

    @property
    def url(self) -> str:
        """As this machine reaches it."""
        return self.server.url

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it: connections stay, nothing answers."""
        os.kill(self.server.pid, number)

    def stop(self) -> None:
        """An orderly end."""
        mariadb.stop(self._directory)

    def kill(self) -> None:
        """``kill -9``; the next start recovers."""
        mariadb.kill(self._directory)


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """All rows of a statement; none when there is no such table."""
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(f"file:{parts.database}?mode=ro", uri=True, timeout=QUERY_TIMEOUT_S)) as opened:
            try:
                return opened.execute(statement).fetchall()
            except sqlite3.OperationalError as failure:
                if "no such table" in str(failure):
                    return []
                raise
    connection = pymysql.connect(
        host=parts.host or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username,
        password=str(parts.password or ""),
        database=parts.database,
        connect_timeout=QUERY_TIMEOUT_S,
        read_timeout=QUERY_TIMEOUT_S,
    )
    with closing(connection), connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except pymysql.err.ProgrammingError as failure:
            if failure.args[0] == pymysql.constants.ER.NO_SUCH_TABLE:
                return []
            raise
        return list(cursor.fetchall())
