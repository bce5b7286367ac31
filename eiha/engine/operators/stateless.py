"""What stages without a state share."""

from __future__ import annotations

from eiha.engine.expressions.rows import Rows
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.events.batch import EventBatch


def rows_of(batch: EventBatch, clock: RowClock) -> Rows:
    """The rows of a batch as expressions read them: one source."""
    return Rows(len(batch.timestamps), (batch.columns,), batch.timestamps, clock.now_ms)


class Stateless(Untimed):
    """No timers, nothing to keep."""

    __slots__ = ()

    def snapshot(self) -> OperatorState:
        """Nothing."""
        return {}

    def restore(self, state: OperatorState) -> None:
        """Nothing."""
        assert not state
