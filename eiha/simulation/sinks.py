"""A transactional store as ``ports.Sink`` describes it: rows, progress and epoch check in one transaction.

A transaction is open for a while, holds the sink's row, and is ended by its commit, by the death of its connection,
or by a newer active that opens the sink. Replies may get lost after the commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eiha.events.schema import AttributeType
from eiha.events.wire import WireColumn
from eiha.kernel.ids import BEFORE_FIRST, NO_EPOCH, Epoch, Sequence
from eiha.ports import Committed, Displaced, Fenced, PublishOutcome
from eiha.protocol.outputs import OutputBatch

OutputRow = tuple[str, str, int, int, int, tuple[Any, ...]]
"""plan, stream, sequence, ordinal, timestamp, values."""


@dataclass(slots=True, eq=False)
class Transaction:
    """An open transaction of one writer."""

    writer: str
    epoch: Epoch
    outputs: tuple[OutputBatch, ...]
    expected: Sequence
    through: Sequence
    commit_sent: bool = False
    killed: bool = False


@dataclass(slots=True)
class SimulatedStore:
    """One sink's table and progress row. The two flags are planted bugs (rules R11 and R12)."""

    name: str
    epoch: Epoch = NO_EPOCH
    published_through: Sequence = BEFORE_FIRST
    rows: list[OutputRow] = field(default_factory=list)
    up: bool = True
    reply_loss_odds: float = 0.0
    request_us: tuple[int, int] | None = None
    """How long each request takes when the store is slow."""
    open_transaction: Transaction | None = None
    epoch_is_checked: bool = True
    progress_is_checked: bool = True

    def open(self, epoch: Epoch) -> Committed | Fenced:
        """Fence for ``epoch``: an older writer's open transaction is ended."""
        if epoch < self.epoch and self.epoch_is_checked:
            return Fenced(self.epoch)
        self.epoch = max(epoch, self.epoch)
        self._kill_open_transaction()
        return Committed(self.published_through)

    def begin(self, transaction: Transaction) -> bool:
        """Begin writing; False when another's transaction of the same or a newer epoch holds the row."""
        held = self.open_transaction
        if held is not None and held.writer != transaction.writer and held.epoch >= transaction.epoch:
            return False
        self._kill_open_transaction()
        self.open_transaction = transaction
        return True

    def commit(self, transaction: Transaction) -> PublishOutcome | None:
        """Commit, all or nothing; None when the transaction was ended meanwhile, or the store is away."""
        if transaction.killed:
            return None
        assert self.open_transaction is transaction
        self.open_transaction = None
        if not self.up:
            return None
        if transaction.epoch < self.epoch and self.epoch_is_checked:
            return Fenced(self.epoch)
        if transaction.expected != self.published_through and self.progress_is_checked:
            return Displaced(self.published_through)
        for batch in transaction.outputs:
            self.rows.extend(rows_of(batch))
        self.published_through = transaction.through
        return Committed(self.published_through)

    def end_transactions_of(self, writer: str) -> None:
        """The writer's connection is gone: what it has open rolls back, unless its commit is on the way."""
        held = self.open_transaction
        if held is not None and held.writer == writer and not held.commit_sent:
            self._kill_open_transaction()

    def _kill_open_transaction(self) -> None:
        if self.open_transaction is not None:
            self.open_transaction.killed = True
            self.open_transaction = None


def rows_of(output: OutputBatch) -> list[OutputRow]:
    """The rows of an output with their ids, as a table would hold them."""
    stamps = output.batch.timestamps
    assert stamps is not None
    columns = [_values(column) for column in output.batch.columns]
    return [
        (output.plan, output.stream.name, int(output.sequence), output.first_ordinal + index, stamp, values)
        for index, (stamp, values) in enumerate(zip(stamps.tolist(), zip(*columns, strict=True), strict=True))
    ]


def _values(column: WireColumn) -> list[Any]:
    """Values that compare as bits do: a float by its text, so that NaN equals NaN and 0.0 is not -0.0."""
    values = column.to_list()
    if column.type in (AttributeType.FLOAT, AttributeType.DOUBLE):
        return [repr(value) for value in values]
    return values
