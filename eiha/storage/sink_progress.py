"""The row that says how far a sink is published, and who may move it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eiha.kernel.ids import Epoch, Sequence
from eiha.storage.datasource import DataSource
from eiha.storage.dedicated_connection import Session
from eiha.storage.schema_objects import create_table_once

PROGRESS_COLUMNS: Final = (
    "cluster VARCHAR(255) NOT NULL, sink VARCHAR(255) NOT NULL, published_through BIGINT NOT NULL, "
    "epoch BIGINT NOT NULL, writer BIGINT NOT NULL, changes BIGINT NOT NULL, PRIMARY KEY (cluster, sink)"
)
# ``changes`` makes every update change something: servers that count changed rows, not found ones, then agree
_MOVE: Final = (
    "UPDATE eiha_progress SET published_through = :through, epoch = :epoch, writer = :writer, changes = changes + 1 "
    "WHERE cluster = :cluster AND sink = :sink AND published_through = :expected AND epoch <= :epoch"
)
_FENCE: Final = (
    "UPDATE eiha_progress SET epoch = :epoch, writer = :writer, changes = changes + 1 "
    "WHERE cluster = :cluster AND sink = :sink AND epoch <= :epoch"
)
_INSERT: Final = (
    "INSERT INTO eiha_progress (cluster, sink, published_through, epoch, writer, changes) "
    "VALUES (:cluster, :sink, 0, :epoch, :writer, 1)"
)
_SELECT: Final = "SELECT published_through, epoch FROM eiha_progress WHERE cluster = :cluster AND sink = :sink"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the row says."""

    published_through: Sequence
    epoch: Epoch


class ProgressRow:
    """One sink's row in ``eiha_progress``. All methods run inside the caller's transaction, except ``ensure_table``."""

    __slots__ = ("_is_mysql", "_key", "_source")

    def __init__(self, source: DataSource, cluster: str, sink: str) -> None:
        self._source = source
        self._is_mysql = source.is_mysql
        self._key = {"cluster": cluster, "sink": sink}

    async def ensure_table(self, session: Session) -> None:
        """Make the table unless it is there."""
        await create_table_once(session, self._source, "eiha_progress", PROGRESS_COLUMNS)

    async def fence(self, session: Session, epoch: Epoch, writer: int) -> bool:
        """Raise the epoch to ``epoch``; False if there is no row, or it has a higher one."""
        result = await session.execute(_FENCE, self._key | {"epoch": epoch, "writer": writer})
        return result.rowcount == 1

    async def insert(self, session: Session, epoch: Epoch, writer: int) -> None:
        """The first row. Raises ``IntegrityError`` if another node was faster."""
        await session.execute(_INSERT, self._key | {"epoch": epoch, "writer": writer})

    async def move(self, session: Session, expected: Sequence, through: Sequence, epoch: Epoch, writer: int) -> bool:
        """Move from ``expected`` to ``through``; False if the row is elsewhere or has a higher epoch."""
        values = {"expected": expected, "through": through, "epoch": epoch, "writer": writer}
        return (await session.execute(_MOVE, self._key | values)).rowcount == 1

    async def read_locked(self, session: Session) -> Progress | None:
        """The row as committed last, locked until the transaction ends: it waits for a commit that is under way."""
        lock = " LOCK IN SHARE MODE" if self._is_mysql else ""
        found = (await session.execute(_SELECT + lock, self._key)).one_or_none()
        return None if found is None else Progress(Sequence(found[0]), Epoch(found[1]))

    async def read_plain(self, session: Session) -> Progress | None:
        """The row without waiting for anybody: may be out of date."""
        found = (await session.execute(_SELECT, self._key)).one_or_none()
        return None if found is None else Progress(Sequence(found[0]), Epoch(found[1]))
