"""What a pattern is to its query: a stage that several streams feed."""

from __future__ import annotations

from typing import Protocol

from eiha.engine.operator import OperatorState, RowClock
from eiha.events.batch import EventBatch


class PatternStage(Protocol):
    """As ``Operator``, but told from which stream the rows come."""

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The matches that ``batch`` completes, each a chunk of its own, in order."""

    def fire(self, now_ms: int) -> EventBatch | None:
        """See ``Operator``."""

    def next_timer_ms(self) -> int | None:
        """See ``Operator``."""

    def snapshot(self) -> OperatorState:
        """See ``Operator``."""

    def restore(self, state: OperatorState) -> None:
        """See ``Operator``."""
