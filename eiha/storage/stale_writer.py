"""Ending the transaction that a paused or cut-off writer left open in MySQL.

A stopped process keeps its connection, and its open transaction keeps locks on rows and keys until
``innodb_lock_wait_timeout`` (50 s) on our side. Each writer of a sink therefore holds a named lock on the server; who
takes over asks which connection holds it and kills that one, which the same account may do. The id is asked for at that
moment, so a number that the server gave to somebody else meanwhile is never hit.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Final

from sqlalchemy.exc import DBAPIError

from eiha.storage.datasource import error_code
from eiha.storage.dedicated_connection import Session

NO_SUCH_THREAD: Final = 1094
TAKE_WAIT_S: Final = 2

_log = logging.getLogger(__name__)


def lock_name(database: str, cluster: str, sink: str) -> str:
    """Name of a sink's lock: server-wide, at most 64 characters."""
    digest = hashlib.sha256(f"{database}\0{cluster}\0{sink}".encode()).hexdigest()[:40]
    return f"eiha:{digest}"


async def connection_number(session: Session) -> int:
    """The server's number of this connection."""
    number: int = (await session.execute("SELECT CONNECTION_ID()")).scalar_one()
    return number


async def holder_of(session: Session, name: str) -> int | None:
    """Number of the connection that holds the named lock."""
    number: int | None = (await session.execute("SELECT IS_USED_LOCK(:name)", {"name": name})).scalar_one()
    return number


async def take_lock(session: Session, name: str, *, wait_s: int = 0) -> bool:
    """Try to hold the named lock for the length of the connection."""
    taken = (await session.execute("SELECT GET_LOCK(:name, :wait)", {"name": name, "wait": wait_s})).scalar_one()
    return bool(taken == 1)


async def end_writer(session: Session, name: str, *, only: int | None = None) -> int | None:
    """Kill the connection that holds the named lock, unless it is this one, and hold the lock instead.

    ``only``: kill none but that number. Returns the number killed, None if there was nobody to kill.
    """
    holder = await holder_of(session, name)
    if holder is None or holder == await connection_number(session) or (only is not None and holder != only):
        await take_lock(session, name)
        return None
    try:
        await session.run_plain(f"KILL {int(holder)}")
    except DBAPIError as cause:
        if error_code(cause) != NO_SUCH_THREAD:
            raise
    await take_lock(session, name, wait_s=TAKE_WAIT_S)
    _log.warning("ended database connection %d of a former writer", holder)
    return holder
