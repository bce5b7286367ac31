"""Many rows in few statements, as large as the server allows and as the clock recommends.

One statement a row costs a round trip a row; one statement for everything blocks the connection and the event loop for
its length. So the size follows what was measured: a statement is to take about ``AIM_S``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from eiha.errors import StorageError
from eiha.storage.datasource import DataSource
from eiha.storage.dedicated_connection import Session
from eiha.storage.sql_tables import SYSTEM_COLUMNS, StreamTable, quote

AIM_S: Final = 0.025
MYSQL_BYTES_MIN: Final = 16 << 10
MYSQL_BYTES_MAX: Final = 4 << 20
SQLITE_ROWS_MIN: Final = 100
SQLITE_ROWS_MAX: Final = 50_000
_PACKET_SHARE: Final = 2
"""A statement takes at most this part (1/n) of ``max_allowed_packet``: other users of the account have theirs lower."""


class AdaptiveSize:
    """A size that doubles or halves towards what takes ``aim_s``."""

    __slots__ = ("_aim_s", "_maximum", "_minimum", "size")

    def __init__(self, initial: int, minimum: int, maximum: int, aim_s: float = AIM_S) -> None:
        assert 0 < minimum <= maximum
        self._minimum = minimum
        self._maximum = maximum
        self._aim_s = aim_s
        self.size = min(max(initial, minimum), maximum)

    def limit(self, maximum: int) -> None:
        """Lower (or raise again) the upper bound."""
        self._maximum = max(maximum, self._minimum)
        self.size = min(self.size, self._maximum)

    def measured(self, size: int, elapsed_s: float) -> None:
        """A statement of ``size`` took ``elapsed_s``; one that was far smaller than allowed says nothing of more."""
        if elapsed_s > self._aim_s:
            wanted = max(self.size // 2, int(size * self._aim_s / elapsed_s))
        elif size * 2 >= self.size:
            wanted = min(self.size * 2, int(size * self._aim_s / max(elapsed_s, 1e-6)))
        else:
            return
        self.size = min(max(wanted, self._minimum), self._maximum)


class BulkInsert:
    """Inserts for one connection; remembers how large statements should be.

    Args:
        source: decides the dialect.
        clock: seconds, monotonic.
    """

    __slots__ = ("_clock", "_packet_max", "_size", "_source")

    def __init__(self, source: DataSource, clock: Callable[[], float] = time.perf_counter) -> None:
        self._source = source
        self._clock = clock
        self._packet_max = 16 << 20
        if source.is_mysql:
            self._size = AdaptiveSize(256 << 10, MYSQL_BYTES_MIN, MYSQL_BYTES_MAX)
        else:
            self._size = AdaptiveSize(5_000, SQLITE_ROWS_MIN, SQLITE_ROWS_MAX)

    def limit_packet(self, max_allowed_packet: int) -> None:
        """What the server takes in one statement, asked at connect."""
        self._packet_max = max_allowed_packet
        self._size.limit(min(MYSQL_BYTES_MAX, max_allowed_packet // _PACKET_SHARE))

    async def insert_literals(self, session: Session, table: StreamTable, rows: list[str]) -> None:
        """Insert rows made by ``mysql_rows``. Raises ``StorageError`` for a row larger than the server takes."""
        name = quote(self._source, table.name)
        head = f"INSERT INTO {name} ({self._column_list(table)}) VALUES "  # noqa: S608 - quoted names
        average = max(1, sum(map(len, rows)) // max(1, len(rows)))
        start = 0
        while start < len(rows):
            stop = start + max(1, self._size.size // average)
            await self._insert_statement(session, table, head, rows[start:stop])
            start = stop

    async def insert_tuples(self, session: Session, table: StreamTable, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows made by ``sqlite_rows``."""
        places = ",".join("?" * (len(SYSTEM_COLUMNS) + len(table.columns)))
        name = quote(self._source, table.name)
        statement = f"INSERT INTO {name} ({self._column_list(table)}) VALUES ({places})"  # noqa: S608 - quoted names
        start = 0
        while start < len(rows):
            part = rows[start : start + self._size.size]
            began = self._clock()
            await session.run_many(statement, part)
            self._size.measured(len(part), self._clock() - began)
            start += len(part)

    async def _insert_statement(self, session: Session, table: StreamTable, head: str, rows: list[str]) -> None:
        statement = head + ",".join(rows)
        # a character takes up to four bytes; only near the limit is it worth to count them
        if len(statement) * 4 > self._packet_max and len(statement.encode()) + 64 > self._packet_max:
            if len(rows) == 1:
                raise StorageError(
                    f"a row for table {table.name!r} in {self._source} has more than max_allowed_packet = "
                    f"{self._packet_max} bytes; raise it on the server, nothing is written until then"
                )
            half = len(rows) // 2
            await self._insert_statement(session, table, head, rows[:half])
            await self._insert_statement(session, table, head, rows[half:])
            return
        began = self._clock()
        await session.run_plain(statement)
        self._size.measured(len(statement), self._clock() - began)

    def _column_list(self, table: StreamTable) -> str:
        return ",".join((*SYSTEM_COLUMNS, *(quote(self._source, column.name) for column in table.columns)))
