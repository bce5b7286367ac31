"""A side that is a table: it never looks for partners, and finds them by its indexes."""

from __future__ import annotations

from collections.abc import Iterator

from eiha.engine.expressions.rows import Columns, TakenColumns
from eiha.engine.joins.side import Asked, Emitted, Pairs
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.tables.conditions import TableCondition
from eiha.engine.tables.table import Table
from eiha.events.batch import EventBatch
from eiha.events.column import Indices


class TableSide:
    """Partners are the rows that satisfy ``condition``, which is the whole one of the join.

    ``kept``: the columns that the join reads.
    """

    __slots__ = ("_condition", "_kept", "_table")

    def __init__(self, table: Table, kept: tuple[int, ...], condition: TableCondition) -> None:
        self._table = table
        self._kept = kept
        self._condition = condition

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:
        """Never told of any."""
        raise AssertionError((batch, clock))

    def fire(self, now_ms: int) -> Emitted | None:  # noqa: ARG002 - the protocol's form
        """Nothing."""
        return None

    def next_timer_ms(self) -> int | None:
        """Never."""
        return None

    def settle(self) -> None:
        """Nothing is kept."""

    def find(self, asked: Asked) -> Iterator[Pairs]:
        """The rows of the table that satisfy the condition, by place."""
        return iter([self._condition.matches(asked.rows())])

    def partners(self, found: Indices) -> Columns:
        """The rows at these places."""
        columns = self._table.columns()
        return TakenColumns(tuple([columns[position] for position in self._kept]), found)

    def snapshot(self) -> OperatorState:
        """Nothing: the table has a state of its own."""
        return {}

    def restore(self, state: OperatorState) -> None:
        """Nothing."""
