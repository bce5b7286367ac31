"""LOAD DATA LOCAL with rows from memory: nearly twice the rows of multi-row INSERT for the same work of the server.

In this statement the server asks the client for a file by name, and drivers send whatever file a rogue server asks for.
So the driver's own answer stays switched off (``local_infile=False``): this module carries the exchange out itself and
never opens a file; what the server gets is the rows, whatever it asked for.

With LOCAL the server skips rows with duplicate keys and bends values that do not fit, and only counts them. So the
counts are checked: anything but "all rows, no warnings" is ``RowsRefused``, and the caller starts over with INSERT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import pymysql
from pymysql.constants import COMMAND
from pymysql.protocol import OKPacketWrapper

from eiha.storage.datasource import DataSource, error_code
from eiha.storage.sql_tables import SYSTEM_COLUMNS, StreamTable, quote

PIECE_BYTES: Final = 128 << 10
"""Rows are sent in pieces of about this size: the server stores one while the next is made."""

_NOT_ALLOWED: Final = frozenset({1148, 3948, 4166, 2068})
"""LOCAL is switched off at the server (MySQL's default)."""

_PARTS: Final = ("_execute_command", "_read_packet", "write_packet", "_writer")
"""What of aiomysql's connection is used; another version may lack it, then INSERT is used."""


class RowsRefused(Exception):
    """Not every row went in as it is; the transaction must be rolled back."""


class LoadNotAllowed(Exception):
    """The server or the driver does not do this; nothing was sent."""


def can_load(driver: Any) -> bool:
    """Whether the driver has what the exchange needs."""
    return all(hasattr(driver, part) for part in _PARTS)


def load_statement(source: DataSource, table: StreamTable) -> str:
    """The statement; the file name is only a word."""
    columns = ",".join((*SYSTEM_COLUMNS, *(quote(source, column.name) for column in table.columns)))
    return f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {quote(source, table.name)} CHARACTER SET utf8mb4 ({columns})"


async def load_lines(driver: Any, statement: str, batches: Iterable[list[str]]) -> None:
    """Send the lines of ``batches``, which are made while the server works.

    Raises:
        LoadNotAllowed: before anything was sent.
        RowsRefused: the server skipped or changed a row.
        pymysql.MySQLError: the server reported an error, or the connection broke.
    """
    await driver._execute_command(COMMAND.COM_QUERY, statement)
    try:
        request = await driver._read_packet()
    except pymysql.MySQLError as cause:
        if error_code(cause) in _NOT_ALLOWED:
            raise LoadNotAllowed(str(cause)) from cause
        raise
    if not request.is_load_local_packet():
        raise LoadNotAllowed("the server did not ask for rows")
    sent, pending, size = 0, [], 0
    for lines in batches:
        sent += len(lines)
        pending += lines
        size += sum(map(len, lines))
        if size >= PIECE_BYTES:
            await _send(driver, "".join(pending).encode())
            pending, size = [], 0
    if pending:
        await _send(driver, "".join(pending).encode())
    driver.write_packet(b"")
    answer = OKPacketWrapper(await driver._read_packet())
    if answer.affected_rows != sent or answer.warning_count:
        raise RowsRefused(f"{answer.affected_rows} of {sent} rows, {answer.warning_count} warnings")


async def _send(driver: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        driver.write_packet(bytes(view[: PIECE_BYTES * 2]))
        view = view[PIECE_BYTES * 2 :]
        await driver._writer.drain()
        await asyncio.sleep(0)  # drain alone lets nobody else run while the socket takes everything
