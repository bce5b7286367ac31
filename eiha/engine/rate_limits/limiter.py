"""What a rate limit is to its query: the stage behind the select."""

from __future__ import annotations

from typing import Protocol

from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.operators.selected import Selected
from eiha.events.batch import EventBatch


class RateLimiter(Protocol):
    """As ``Operator``, but told of groups and resets.

    ``turned_ms``: as that of a select, of the last call. ``quiet_calls``: how often that called listeners without rows,
    after those with rows.
    """

    turned_ms: int | None
    quiet_calls: int

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:
        """The rows let through, with chunk numbers; kinds as they are.

        None: nothing goes out. No rows: a reset was let through (``turned_ms``).
        """

    def fire(self, now_ms: int) -> EventBatch | None:
        """See ``Operator``."""

    def next_timer_ms(self) -> int | None:
        """See ``Operator``."""

    def snapshot(self) -> OperatorState:
        """See ``Operator``."""

    def restore(self, state: OperatorState) -> None:
        """See ``Operator``."""
