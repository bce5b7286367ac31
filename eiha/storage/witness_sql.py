"""The witness: one row in MySQL, MariaDB or SQLite that changes only by compare-and-set (DESIGN D3).

Reads lock the row, so they wait for a commit whose reply was lost and never see what it replaced. Whatever goes wrong
on the way is ``Unknown``: the connection is thrown away and the caller reads again before it believes anything.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from sqlalchemy.exc import IntegrityError

from eiha.errors import StoreUnavailable
from eiha.ha.witness_row import CasOutcome, Mine, Others, Read, ReadOutcome, Unknown, WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.protocol.limits import REASON_LENGTH_MAX
from eiha.protocol.peer_messages import PeerIdentity
from eiha.storage.datasource import DataSource, describe
from eiha.storage.dedicated_connection import DATABASE_ERRORS, DedicatedConnection, Session
from eiha.storage.schema_objects import create_table_once

TIMEOUT_S: Final = 3.0

_ROW_COLUMNS: Final = (
    "cluster VARCHAR(255) NOT NULL, epoch BIGINT NOT NULL, active VARCHAR(255) NOT NULL, "
    "active_incarnation VARCHAR(255) NOT NULL, synced TEXT NOT NULL, version BIGINT NOT NULL, reason TEXT NOT NULL"
)
WITNESS_COLUMNS: Final = f"{_ROW_COLUMNS}, PRIMARY KEY (cluster)"
HISTORY_COLUMNS_MYSQL: Final = (
    f"{_ROW_COLUMNS}, changed_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), PRIMARY KEY (cluster, version)"
)
HISTORY_COLUMNS_SQLITE: Final = (
    f"{_ROW_COLUMNS}, changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), "
    "PRIMARY KEY (cluster, version)"
)

_SELECT: Final = (
    "SELECT cluster, epoch, active, active_incarnation, synced, version, reason "
    "FROM eiha_witness WHERE cluster = :cluster"
)
_UPDATE: Final = (
    "UPDATE eiha_witness SET epoch = :epoch, active = :active, active_incarnation = :active_incarnation, "
    "synced = :synced, version = :version, reason = :reason WHERE cluster = :cluster AND version = :expected"
)
_VALUES: Final = (
    "(cluster, epoch, active, active_incarnation, synced, version, reason) "
    "VALUES (:cluster, :epoch, :active, :active_incarnation, :synced, :version, :reason)"
)
_INSERT: Final = f"INSERT INTO eiha_witness {_VALUES}"
_INSERT_HISTORY: Final = f"INSERT INTO eiha_witness_history {_VALUES}"
_DURABILITY: Final = (
    "SELECT @@global.innodb_flush_log_at_trx_commit, @@global.log_bin, @@global.sync_binlog, @@global.read_only"
)

_FAILURES: Final = (*DATABASE_ERRORS, StoreUnavailable)

_log = logging.getLogger(__name__)


class SqlWitness:
    """``ports.Witness`` over SQLAlchemy, on a connection of its own.

    Args:
        source: the database both nodes reach; SQLite only if both are on one host.
        cluster: the row's key.
        timeout_s: a read or change that takes longer is ``Unknown``.

    ``warnings`` tells, once a connection was made, what of the server's settings could lose a committed row.
    """

    __slots__ = ("_cluster", "_connection", "_source", "_timeout_s", "warnings")

    def __init__(self, source: DataSource, cluster: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._source = source
        self._cluster = cluster
        self._timeout_s = timeout_s
        self._connection = DedicatedConnection(source, self._prepare)
        self.warnings: tuple[str, ...] = ()

    async def read(self) -> ReadOutcome:
        """The row as committed last; ``Unknown`` when that cannot be told in time."""
        try:
            return Read(await self._connection.run(self._locked_row, timeout_s=self._timeout_s))
        except _FAILURES as cause:
            return self._unknown("read", cause)

    async def compare_and_set(self, expected_version: int | None, row: WitnessRow) -> CasOutcome:
        """Replace the row iff its version is ``expected_version`` (None: iff there is none); append to the history.

        ``row.version`` must be higher than ``expected_version``, so that a change always changes something.
        """
        assert row.cluster == self._cluster
        assert row.version > (expected_version or 0)

        async def change(session: Session) -> CasOutcome:
            return await self._change(session, expected_version, row)

        try:
            return await self._connection.run(change, timeout_s=self._timeout_s)
        except _FAILURES as cause:
            return self._unknown("compare-and-set", cause)

    async def close(self) -> None:
        """Give the connection back."""
        await self._connection.close()

    async def _change(self, session: Session, expected: int | None, row: WitnessRow) -> CasOutcome:
        parameters = _to_parameters(row)
        await session.begin()
        try:
            if expected is None:
                applied = await _insert(session, parameters)
            else:
                applied = (await session.execute(_UPDATE, parameters | {"expected": expected})).rowcount == 1
            if applied:
                await session.execute(_INSERT_HISTORY, parameters)
                await session.commit()
                return Mine(row)
        except IntegrityError as cause:
            # the history already has this version: the row was put back behind our back
            raise StoreUnavailable(f"its history contradicts its row, was it restored? {describe(cause)}") from cause
        await session.rollback()
        return Others(await self._locked_row(session))

    async def _locked_row(self, session: Session) -> WitnessRow | None:
        key = {"cluster": self._cluster}
        if self._source.is_mysql:
            # FOR SHARE is not known to MariaDB, LOCK IN SHARE MODE to both
            found = (await session.execute(f"{_SELECT} LOCK IN SHARE MODE", key)).one_or_none()
        else:
            await session.begin()
            found = (await session.execute(_SELECT, key)).one_or_none()
            await session.commit()
        return None if found is None else _from_columns(found)

    async def _prepare(self, session: Session) -> None:
        if self._source.is_mysql:
            await self._check_server(session)
        history = HISTORY_COLUMNS_MYSQL if self._source.is_mysql else HISTORY_COLUMNS_SQLITE
        await create_table_once(session, self._source, "eiha_witness", WITNESS_COLUMNS)
        await create_table_once(session, self._source, "eiha_witness_history", history)

    async def _check_server(self, session: Session) -> None:
        flush, binlog, sync_binlog, read_only = tuple((await session.execute(_DURABILITY)).one())
        if read_only:
            raise StoreUnavailable(f"{self._source} is read-only, a replica? The witness needs the writer")
        found: list[str] = []
        if flush != 1:
            found.append(
                f"innodb_flush_log_at_trx_commit = {flush}: a crash of {self._source} can undo a promotion; set 1"
            )
        if binlog and sync_binlog != 1:
            found.append(
                f"sync_binlog = {sync_binlog}: a crash of {self._source} can undo a promotion on replicas; set 1"
            )
        for warning in found:
            if warning not in self.warnings:
                _log.warning("the witness is not durable: %s", warning)
        self.warnings = tuple(found)

    def _unknown(self, doing: str, cause: BaseException) -> Unknown:
        return Unknown(f"witness {doing} at {self._source}: {describe(cause)}")


async def _insert(session: Session, parameters: dict[str, Any]) -> bool:
    try:
        await session.execute(_INSERT, parameters)
    except IntegrityError:
        return False
    return True


def _to_parameters(row: WitnessRow) -> dict[str, Any]:
    return {
        "cluster": row.cluster,
        "epoch": row.epoch,
        "active": row.active,
        "active_incarnation": row.active_incarnation,
        "synced": json.dumps([[member.node, member.incarnation] for member in row.synced]),
        "version": row.version,
        "reason": row.reason[:REASON_LENGTH_MAX],
    }


def _from_columns(found: Any) -> WitnessRow:
    cluster, epoch, active, incarnation, synced, version, reason = found
    try:
        members = tuple(PeerIdentity(NodeId(node), Incarnation(disk)) for node, disk in json.loads(synced))
    except (ValueError, TypeError) as cause:
        raise StoreUnavailable(f"its column 'synced' was changed by hand: {synced!r:.100}") from cause
    return WitnessRow(
        cluster=cluster,
        epoch=Epoch(epoch),
        active=NodeId(active),
        active_incarnation=Incarnation(incarnation),
        synced=members,
        version=version,
        reason=reason,
    )
