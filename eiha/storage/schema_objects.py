"""Making a table that another node, or a database administrator, may have made already or may be making now."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DBAPIError

from eiha.storage.datasource import DataSource, error_code
from eiha.storage.dedicated_connection import Session

MYSQL_TABLE_OPTIONS: Final = "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

_TABLE_EXISTS: Final = 1050
_NO_SUCH_TABLE: Final = 1146


async def create_table_once(session: Session, source: DataSource, name: str, columns: str) -> None:
    """Create table ``name`` unless it is there. Looks first: the account may lack the right to create.

    Raises what the driver raises when the table is neither there nor can be made.
    """
    if await table_exists(session, name):
        return
    options = MYSQL_TABLE_OPTIONS if source.is_mysql else ""
    try:
        await session.run_plain(f"CREATE TABLE {name} ({columns}) {options}")
    except DBAPIError as cause:
        if not (error_code(cause) == _TABLE_EXISTS or "already exists" in str(cause.orig)):
            raise


async def table_exists(session: Session, name: str) -> bool:
    """Whether the table can be read."""
    try:
        await session.run_plain(f"SELECT 1 FROM {name} WHERE 1 = 0")  # noqa: S608 - a constant or a quoted name
    except DBAPIError as cause:
        if error_code(cause) == _NO_SUCH_TABLE or "no such table" in str(cause.orig):
            return False
        raise
    return True
