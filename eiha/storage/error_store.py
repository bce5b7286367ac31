"""The error store, as operators see it: events that plans could not take, and which of them were published again.

Written like other outputs by a sink (``eiha_errors``, exactly once); what was published again is in a table of its own,
so that nobody but the sink writes the first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from eiha.storage.datasource import DataSource, unavailable
from eiha.storage.dedicated_connection import DATABASE_ERRORS, DedicatedConnection, Session
from eiha.storage.schema_objects import create_table_once, table_exists

T = TypeVar("T")

ERRORS_TABLE: Final = "eiha_errors"
REPLAYED_TABLE: Final = "eiha_errors_replayed"
TIMEOUT_S: Final = 30.0
GROUPS_MAX: Final = 1_000
"""Entries that are listed at once, newest first."""

_REPLAYED_COLUMNS: Final = (
    "eiha_plan VARCHAR(255) NOT NULL, eiha_sequence BIGINT NOT NULL, eiha_ordinal BIGINT NOT NULL, "
    "replayed_at BIGINT NOT NULL, PRIMARY KEY (eiha_plan, eiha_sequence, eiha_ordinal)"
)
_JOINED: Final = (
    f"FROM {ERRORS_TABLE} AS e LEFT JOIN {REPLAYED_TABLE} AS r ON r.eiha_plan = e.eiha_plan "
    "AND r.eiha_sequence = e.eiha_sequence AND r.eiha_ordinal = e.eiha_ordinal"
)


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """The error rows of one log entry, plan and stream. ``replayed``: how many of them were published again."""

    plan: str
    sequence: int
    stream: str
    cause: str
    reason: str
    log_time_ms: int
    rows: int
    replayed: int


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One event. ``event``: its JSON text; ``replayed_at_ms``: 0 when it was not published again."""

    plan: str
    sequence: int
    ordinal: int
    stream: str
    cause: str
    reason: str
    client: str
    client_sequence: int
    row_number: int
    event: str
    has_time: bool
    event_time_ms: int
    log_time_ms: int
    replayed_at_ms: int


class ErrorStore:
    """Reads the error store and notes what was published again. One caller at a time.

    All methods raise ``StoreUnavailable``.
    """

    def __init__(self, source: DataSource) -> None:
        self._source = source
        self._connection = DedicatedConnection(source, self._prepare)

    async def close(self) -> None:
        """Give the connection back."""
        await self._connection.close()

    async def groups(self, plan: str = "") -> list[ErrorGroup]:
        """What there is, newest first, at most ``GROUPS_MAX``; of one plan, or of all."""

        async def read(session: Session) -> list[ErrorGroup]:
            found = await session.execute(
                "SELECT e.eiha_plan, e.eiha_sequence, e.stream, MIN(e.cause), MIN(e.reason), MIN(e.eiha_log_time), "
                f"COUNT(*), COUNT(r.replayed_at) {_JOINED} WHERE (:plan = '' OR e.eiha_plan = :plan) "
                "GROUP BY e.eiha_plan, e.eiha_sequence, e.stream "
                f"ORDER BY e.eiha_sequence DESC, e.eiha_plan, e.stream LIMIT {GROUPS_MAX}",
                {"plan": plan},
            )
            return [ErrorGroup(*row) for row in found]

        return await self._asked(read, [])

    async def rows(self, plan: str, sequence: int) -> list[ErrorRow]:
        """The events of one entry that ``plan`` did not take, in order."""

        async def read(session: Session) -> list[ErrorRow]:
            found = await session.execute(
                "SELECT e.eiha_plan, e.eiha_sequence, e.eiha_ordinal, e.stream, e.cause, e.reason, e.client, "
                "e.client_sequence, e.row_number, e.event, e.has_time, e.eiha_event_time, e.eiha_log_time, "
                f"r.replayed_at {_JOINED} WHERE e.eiha_plan = :plan AND e.eiha_sequence = :sequence "
                "ORDER BY e.eiha_ordinal",
                {"plan": plan, "sequence": sequence},
            )
            return [_row(tuple(row)) for row in found]

        return await self._asked(read, [])

    async def mark_replayed(self, rows: Iterable[ErrorRow], at_ms: int) -> None:
        """These were published again; those that were noted before stay as they are."""
        verb = "INSERT IGNORE" if self._source.is_mysql else "INSERT OR IGNORE"

        async def write(session: Session) -> None:
            await session.begin()
            for row in rows:
                await session.execute(
                    f"{verb} INTO {REPLAYED_TABLE} VALUES (:plan, :sequence, :ordinal, :at)",
                    {"plan": row.plan, "sequence": row.sequence, "ordinal": row.ordinal, "at": at_ms},
                )
            await session.commit()

        await self._asked(write, None)

    async def _asked(self, work: Callable[[Session], Awaitable[T]], nothing: T) -> T:
        async def look(session: Session) -> T:
            return await work(session) if await table_exists(session, ERRORS_TABLE) else nothing

        try:
            return await self._connection.run(look, timeout_s=TIMEOUT_S)
        except DATABASE_ERRORS as cause:
            raise unavailable(self._source, "reading the error store", cause) from cause

    async def _prepare(self, session: Session) -> None:
        await create_table_once(session, self._source, REPLAYED_TABLE, _REPLAYED_COLUMNS)


def _row(found: tuple[Any, ...]) -> ErrorRow:
    *first, has_time, event_time_ms, log_time_ms, replayed_at_ms = found
    plan, sequence, ordinal, stream, cause, reason, client, client_sequence, row_number, event = first
    return ErrorRow(
        plan, sequence, ordinal, stream, cause, reason, client, client_sequence, row_number, event,
        bool(has_time), event_time_ms, log_time_ms, replayed_at_ms or 0,
    )  # fmt: skip
