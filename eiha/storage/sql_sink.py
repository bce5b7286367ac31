"""Event store and processed-data store: rows, progress and epoch check in one transaction (DESIGN D4).

Data rows first, then the conditional update of the progress row, then commit, so that the row everybody needs is
locked for the shortest time. The update carries the epoch: a stale active updates nothing and writes nothing. If the
reply to a commit is lost, the progress row, read with a lock over a new connection, says what happened.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from sqlalchemy.exc import DataError, IntegrityError, NotSupportedError, ProgrammingError

from eiha.errors import StorageError, StoreUnavailable
from eiha.events.schema import StreamDefinition
from eiha.kernel.ids import Sequence
from eiha.ports import Committed, Displaced, Fenced, PublishOutcome
from eiha.protocol.outputs import OutputBatch, PublishPermit
from eiha.storage.bulk_insert import BulkInsert
from eiha.storage.datasource import DataSource, describe, error_code, unavailable
from eiha.storage.dedicated_connection import DATABASE_ERRORS, DedicatedConnection, Session
from eiha.storage.load_stream import LoadNotAllowed, RowsRefused, can_load, load_lines, load_statement
from eiha.storage.sink_progress import Progress, ProgressRow
from eiha.storage.sql_tables import StreamTable, ensure_table, plan_table
from eiha.storage.stale_writer import connection_number, end_writer, lock_name
from eiha.storage.table_rows import SLICE_ROWS, RowCounts, in_slices, mysql_lines, mysql_rows, sqlite_rows

EVENTS: Final = "events"
PROCESSED: Final = "processed"
TIMEOUT_S: Final = 30.0
LOAD_ROWS_MIN: Final = 100
_OPEN_ATTEMPTS: Final = 3
_LOCK_WAIT: Final = 1205
_DUPLICATE: Final = 1062
_WORTH_ANOTHER_TRY: Final = frozenset({_LOCK_WAIT, 1213, 2006, 2013})
"""Lock wait, deadlock, connection gone, connection lost."""
_REFUSALS: Final = frozenset({1048, 1142, 1264, 1265, 1364, 1366, 1406, 3819, 4025})
"""Not null, no right to insert, out of range, truncated, no default, wrong value, too long, CHECK (of both servers)."""
_MENDED_BY_RETRY: Final = frozenset({1146, 1054})
"""No such table, no such column: somebody changed it under us; the next attempt makes it anew."""


T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class SinkCounts:
    """What a sink did since it was made; for status and metrics."""

    rows: int = 0
    transactions: int = 0
    fenced: int = 0
    displaced: int = 0
    commits_in_doubt: int = 0
    writers_ended: int = 0
    changed_values: RowCounts = field(default_factory=RowCounts)


class SqlSink:
    """``ports.Sink`` for MySQL, MariaDB and SQLite.

    Args:
        name: the outbox lane, ``events`` or ``processed``.
        cluster: cluster domain; part of the progress row's key.
        source: the database.
        table_prefix: put before stream names; None: none for ``processed``, the lane's name for others, so that both
            lanes can share a database.
        string_length: characters of string columns (``VARCHAR``); None: no bound. Longer strings are cut and counted.
        timeout_s: bound of one transaction.

    One caller at a time, on one event loop. ``open`` before ``publish``, once for each epoch.
    """

    __slots__ = (
        "_bulk",
        "_committing",
        "_connection",
        "_lock_name",
        "_may_load",
        "_number",
        "_prefix",
        "_progress",
        "_source",
        "_string_length",
        "_tables",
        "_timeout_s",
        "_verified",
        "counts",
        "name",
    )

    def __init__(
        self,
        name: str,
        cluster: str,
        source: DataSource,
        *,
        table_prefix: str | None = None,
        string_length: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.name = name
        self.counts = SinkCounts()
        self._source = source
        self._prefix = table_prefix if table_prefix is not None else ("" if name == PROCESSED else f"{name}_")
        self._string_length = string_length
        self._timeout_s = timeout_s
        self._progress = ProgressRow(source, cluster, name)
        self._lock_name = lock_name(source.url.database or "", cluster, name)
        self._bulk = BulkInsert(source)
        self._connection = DedicatedConnection(source, self._prepare)
        self._tables: dict[StreamDefinition, StreamTable] = {}
        self._number = 0
        self._verified = False
        self._committing = False
        self._may_load = source.is_mysql

    def table_name(self, stream: StreamDefinition) -> str:
        """Name of the table that rows of ``stream`` go to."""
        return plan_table(stream, prefix=self._prefix).name

    async def open(self, permit: PublishPermit) -> Committed | Fenced:
        """Own the sink for the permit's epoch: end a former writer, raise the epoch, return the progress.

        Raises:
            StoreUnavailable: the database is away, or rows stay locked; retry later.
        """
        for attempt in range(_OPEN_ATTEMPTS):
            try:
                return await self._connection.run(lambda s: self._open(s, permit), timeout_s=self._timeout_s)
            except DATABASE_ERRORS as cause:
                # another node inserted the row at the same time, or a former writer still held it, or the server had
                # closed the connection: once more
                again = isinstance(cause, IntegrityError) or error_code(cause) in _WORTH_ANOTHER_TRY
                if not again or attempt == _OPEN_ATTEMPTS - 1:
                    raise unavailable(self._source, f"opening sink {self.name!r}", cause) from cause
        raise AssertionError("unreachable")

    async def publish(
        self, outputs: Seq[OutputBatch], *, expected: Sequence, through: Sequence, permit: PublishPermit
    ) -> PublishOutcome:
        """Write ``outputs`` and move progress from ``expected`` to ``through`` in one transaction.

        Raises:
            StoreUnavailable: nothing is known to be written; the same call may be repeated.
            StorageError: a table does not fit its stream, or a value does not fit the table; needs a human.
        """
        assert expected <= through
        self._committing = False
        try:
            outcome = await self._connection.run(
                lambda session: self._publish(session, outputs, expected, through, permit), timeout_s=self._timeout_s
            )
        except IntegrityError as cause:
            outcome = await self._explain_conflict(cause, expected, permit)
        except DATABASE_ERRORS as cause:
            self._tables.clear()
            outcome = await self._after_failure(cause, expected, through, permit)
        self._count(outcome, sum(output.batch.rows for output in outputs))
        return outcome

    async def close(self) -> None:
        """Give the connection back."""
        await self._connection.close()

    # -- inside a connection

    async def _prepare(self, session: Session) -> None:
        """A new connection: end our own former one if the server does not know yet that it is gone."""
        self._verified = False
        if self._source.is_mysql:
            packet, read_only = tuple((await session.execute("SELECT @@max_allowed_packet, @@global.read_only")).one())
            if read_only:
                raise StoreUnavailable(f"{self._source} is read-only, a replica? Sink {self.name!r} needs the writer")
            self._bulk.limit_packet(packet)
            self._may_load = self._may_load and can_load(session.driver)
            await end_writer(session, self._lock_name, only=self._number)
            self._number = await connection_number(session)
        await self._progress.ensure_table(session)

    async def _open(self, session: Session, permit: PublishPermit) -> Committed | Fenced:
        known = await self._progress.read_plain(session)
        if known is not None and known.epoch > permit.epoch:
            return Fenced(known.epoch)
        if self._source.is_mysql and await end_writer(session, self._lock_name) is not None:
            self.counts.writers_ended += 1
        await session.begin()
        if not await self._progress.fence(session, permit.epoch, self._number):
            known = await self._progress.read_locked(session)
            if known is not None:
                await session.rollback()
                return Fenced(known.epoch)
            await self._progress.insert(session, permit.epoch, self._number)
        progress = await self._progress.read_locked(session)
        assert progress is not None
        await session.commit()
        self._verified = True
        return Committed(progress.published_through)

    async def _publish(
        self, session: Session, outputs: Seq[OutputBatch], expected: Sequence, through: Sequence, permit: PublishPermit
    ) -> PublishOutcome:
        groups = await self._by_table(session, outputs)
        await session.begin()
        if not self._verified:
            # after a reconnect: look before inserting rows that would only block the new owner
            refusal = self._judge(await self._progress.read_locked(session), expected, permit)
            if refusal is not None:
                await session.rollback()
                return refusal
        await self._insert_all(session, groups)
        if not await self._progress.move(session, expected, through, permit.epoch, self._number):
            refusal = self._judge(await self._progress.read_locked(session), expected, permit)
            await session.rollback()
            assert refusal is not None, "the row refused to move although it fits"
            return refusal
        self._committing = True
        await session.commit()
        self._committing = False
        self._verified = True
        return Committed(through)

    def _judge(self, row: Progress | None, expected: Sequence, permit: PublishPermit) -> Fenced | Displaced | None:
        """What the progress row says against a publication; None: nothing."""
        if row is None:
            raise StorageError(
                f"sink {self.name!r} has no row in eiha_progress of {self._source}: it was deleted. Restore it from a "
                "backup, or restart the node: it then opens the sink anew"
            )
        if row.epoch > permit.epoch:
            return Fenced(row.epoch)
        if row.published_through != expected:
            return Displaced(row.published_through)
        return None

    async def _by_table(self, session: Session, outputs: Seq[OutputBatch]) -> dict[StreamTable, list[OutputBatch]]:
        groups: dict[StreamTable, list[OutputBatch]] = {}
        for output in outputs:
            if output.batch.rows:
                groups.setdefault(await self._table(session, output.stream), []).append(output)
        return groups

    async def _table(self, session: Session, stream: StreamDefinition) -> StreamTable:
        table = self._tables.get(stream)
        if table is None:
            plan = plan_table(stream, prefix=self._prefix, string_length=self._string_length)
            for other in self._tables:
                if other.name != stream.name and self.table_name(other).lower() == plan.name.lower():
                    raise StorageError(
                        f"streams {other.name!r} and {stream.name!r} differ only in case: some databases would put "
                        "both into one table. Rename one of them"
                    )
            table = self._tables[stream] = await ensure_table(session, self._source, plan)
        return table

    async def _insert_all(self, session: Session, groups: dict[StreamTable, list[OutputBatch]]) -> None:
        """All rows, the fast way where the server lets us, and where every row goes in as it is."""
        before = replace(self.counts.changed_values)
        try:
            for table, outputs in groups.items():
                if not await self._load(session, table, outputs):
                    await self._insert(session, table, outputs)
        except RowsRefused:
            # a duplicate or a value that does not fit: start over with statements that say which
            self.counts.changed_values = before
            await session.rollback()
            await session.begin()
            for table, outputs in groups.items():
                await self._insert(session, table, outputs)

    async def _load(self, session: Session, table: StreamTable, outputs: list[OutputBatch]) -> bool:
        """Stream the rows by LOAD DATA; False: not possible here, or too few to be worth its extra round trip."""
        if not self._may_load or sum(output.batch.rows for output in outputs) < LOAD_ROWS_MIN:
            return False
        changed = self.counts.changed_values
        lines = (mysql_lines(piece, table, changed) for piece in in_slices(outputs))
        try:
            await load_lines(session.driver, load_statement(self._source, table), lines)
        except LoadNotAllowed as cause:
            self._may_load = False
            _log.info("sink %r: %s does not take LOAD DATA LOCAL (%s); INSERT is used", self.name, self._source, cause)
            return False
        return True

    async def _insert(self, session: Session, table: StreamTable, outputs: list[OutputBatch]) -> None:
        changed = self.counts.changed_values
        if self._source.is_mysql:
            for rows in _merged(mysql_rows(piece, table, changed) for piece in in_slices(outputs)):
                await self._bulk.insert_literals(session, table, rows)
        else:
            for tuples in _merged(sqlite_rows(piece, table, changed) for piece in in_slices(outputs)):
                await self._bulk.insert_tuples(session, table, tuples)

    # -- after something went wrong

    async def _explain_conflict(
        self, cause: IntegrityError, expected: Sequence, permit: PublishPermit
    ) -> Fenced | Displaced:
        """Rows of these ids exist: an earlier write of ours that we hold for lost, or another active's."""
        refusal = self._judge(await self._settled_progress(), expected, permit)
        if refusal is None:
            if not (error_code(cause) == _DUPLICATE or "UNIQUE" in describe(cause)):
                raise self._refused(cause) from cause
            raise StorageError(
                f"sink {self.name!r}: {self._source} already has rows of output ids that its progress ({expected}) "
                f"says are not written: {describe(cause)}. Was eiha_progress changed or restored without the tables?"
            ) from cause
        return refusal

    async def _after_failure(
        self, cause: BaseException, expected: Sequence, through: Sequence, permit: PublishPermit
    ) -> PublishOutcome:
        if self._committing:
            self.counts.commits_in_doubt += 1
            row = await self._settled_progress()
            if row is not None and row.epoch == permit.epoch and row.published_through == through:
                return Committed(through)
            refusal = self._judge(row, expected, permit)
            if refusal is not None:
                return refusal
        elif error_code(cause) == _LOCK_WAIT and self._source.is_mysql:
            await self._end_blocking_writer(permit)
        elif _is_refusal(cause):
            raise self._refused(cause) from cause
        raise unavailable(self._source, f"publishing to sink {self.name!r}", cause) from cause

    def _refused(self, cause: BaseException) -> StorageError:
        return StorageError(
            f"sink {self.name!r}: {self._source} refuses the rows: {describe(cause)}. Nothing was written; once the "
            "table or the plan is changed, the same rows are tried again"
        )

    async def _settled_progress(self) -> Progress | None:
        """The progress row over a new connection, after whatever the old one had under way has ended."""

        async def read(session: Session) -> Progress | None:
            await session.begin()
            row = await self._progress.read_locked(session)
            await session.rollback()
            return row

        try:
            return await self._connection.run(read, timeout_s=self._timeout_s)
        except DATABASE_ERRORS as cause:
            raise unavailable(self._source, f"asking how far sink {self.name!r} is", cause) from cause

    async def _end_blocking_writer(self, permit: PublishPermit) -> None:
        """A former active that woke up may hold rows; if it is older than we are, end it."""

        async def end(session: Session) -> None:
            row = await self._progress.read_plain(session)
            if row is not None and row.epoch <= permit.epoch and await end_writer(session, self._lock_name) is not None:
                self.counts.writers_ended += 1

        try:
            await self._connection.run(end, timeout_s=self._timeout_s)
        except DATABASE_ERRORS as cause:
            raise unavailable(self._source, f"ending a former writer of sink {self.name!r}", cause) from cause

    def _count(self, outcome: PublishOutcome, rows: int) -> None:
        match outcome:
            case Committed():
                self.counts.transactions += 1
                self.counts.rows += rows
            case Fenced():
                self.counts.fenced += 1
            case Displaced():
                self.counts.displaced += 1


def _merged(pieces: Iterable[list[T]]) -> Iterator[list[T]]:
    """Small lists together, up to about a slice: many small batches are to be one statement."""
    pending: list[T] = []
    for piece in pieces:
        pending += piece
        if len(pending) >= SLICE_ROWS:
            yield pending
            pending = []
    if pending:
        yield pending


def _is_refusal(cause: BaseException) -> bool:
    """Whether the server understood and will say no again, however often it is asked."""
    if error_code(cause) in _MENDED_BY_RETRY or "no such table" in describe(cause):
        return False
    return error_code(cause) in _REFUSALS or isinstance(cause, DataError | ProgrammingError | NotSupportedError)
