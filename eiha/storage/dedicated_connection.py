"""One database connection that belongs to one user: opened on demand, thrown away after any doubt.

A pooled connection that was interrupted inside a query may give its answer to the next one, and may hold locks for as
long as it sleeps in the pool. Here an error, a timeout or a cancellation closes the socket at once; the next piece of
work gets a new connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import pymysql
from sqlalchemy import CursorResult, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from eiha.storage.datasource import DataSource, create_engine

T = TypeVar("T")

DATABASE_ERRORS: Final = (SQLAlchemyError, pymysql.MySQLError, OSError, TimeoutError, asyncio.IncompleteReadError)
"""What a database that is away or refuses can raise through SQLAlchemy's asyncio drivers."""


_FAREWELL_S: Final = 1.0


class Session:
    """A live connection for the length of one piece of work. Statements autocommit unless between begin and end."""

    __slots__ = ("_connection", "_is_mysql", "driver")

    def __init__(self, connection: AsyncConnection, driver: Any, *, is_mysql: bool) -> None:
        self._connection = connection
        self.driver = driver
        self._is_mysql = is_mysql

    async def begin(self) -> None:
        """Begin a transaction; on SQLite at once with the write lock, so that reads in it are locking reads."""
        await self.run_plain("START TRANSACTION" if self._is_mysql else "BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """End it; if this raises, the outcome is unknown."""
        await self.run_plain("COMMIT")

    async def rollback(self) -> None:
        """Undo it."""
        await self.run_plain("ROLLBACK")

    async def execute(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """A statement with ``:name`` parameters."""
        return await self._connection.execute(text(statement), parameters)

    async def run_plain(self, statement: str) -> None:
        """A statement as it is: no parameter is looked for in it."""
        await self._connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    async def run_many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """A statement with ``?`` parameters for each row (SQLite)."""
        await self._connection.exec_driver_sql(statement, rows)


class DedicatedConnection:
    """The connection of one witness or sink.

    Args:
        source: where to.
        prepare: run on each new connection before its first work.

    Not for concurrent use: one piece of work waits for the other.
    """

    __slots__ = ("_connection", "_driver", "_ending", "_engine", "_lock", "_prepare", "_source")

    def __init__(self, source: DataSource, prepare: Callable[[Session], Awaitable[None]]) -> None:
        self._source = source
        self._prepare = prepare
        self._engine: AsyncEngine | None = None
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self._ending: list[asyncio.Future[Any]] = []
        self._lock = asyncio.Lock()

    async def run(self, work: Callable[[Session], Awaitable[T]], *, timeout_s: float) -> T:
        """The result of ``work`` on the connection. Whatever it raises, the connection is gone afterwards.

        Raises:
            TimeoutError: connecting and work took longer than ``timeout_s`` together.
            ConnectionResetError: the database hung up, which the driver noticed in the middle of something else.
        """
        async with asyncio.timeout(timeout_s), self._lock:
            try:
                connection = self._connection or await self._connect()
                return await work(Session(connection, self._driver, is_mysql=self._source.is_mysql))
            except BaseException as cause:
                is_hung_up = isinstance(cause, RuntimeError) and self._is_hung_up()
                self.abandon()
                if is_hung_up:
                    raise ConnectionResetError(f"the database closed the connection: {cause}") from cause
                raise

    def _is_hung_up(self) -> bool:
        """Whether the socket is gone: aiomysql and uvloop raise a plain RuntimeError then, at whatever is next."""
        writer = getattr(self._driver, "_writer", None)
        return self._source.is_mysql and (writer is None or writer.transport.is_closing())

    def abandon(self) -> None:
        """Close the socket without a word to the server, which then rolls back."""
        connection, self._connection = self._connection, None
        driver, self._driver = self._driver, None
        if hasattr(driver, "stop"):  # aiosqlite: its thread ends after what it has under way
            self._ending = [ending for ending in self._ending if not ending.done()]
            self._ending.append(driver.stop())
        if connection is not None and connection.sync_connection is not None and not connection.closed:
            # outside SQLAlchemy's greenlet this takes the driver's forced close: no farewell, no waiting
            connection.sync_connection.invalidate()
            connection.sync_connection.close()

    async def close(self) -> None:
        """Give everything back; may be called again. A database that does not take the farewell is not waited for."""
        async with self._lock:
            if self._connection is not None:
                try:
                    async with asyncio.timeout(_FAREWELL_S):
                        await self._connection.close()
                    self._connection = None
                except DATABASE_ERRORS:
                    self.abandon()
            self._driver = None
            if self._ending:
                await asyncio.wait(self._ending, timeout=_FAREWELL_S)
            engine, self._engine = self._engine, None
            if engine is not None:
                await engine.dispose()
            await asyncio.sleep(0)  # a socket that was hung up on is closed by the loop's next turn

    async def _connect(self) -> AsyncConnection:
        if self._engine is None:
            self._engine = create_engine(self._source, dedicated=True)
        connection = await self._engine.connect()
        self._connection = connection
        self._driver = (await connection.get_raw_connection()).driver_connection
        await self._prepare(Session(connection, self._driver, is_mysql=self._source.is_mysql))
        return connection
