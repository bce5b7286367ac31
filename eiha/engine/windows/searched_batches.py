"""Batch windows whose rows somebody looks at before they leave.

As recorded, a row that leaves with its batch carries the time at which it leaves only if nobody has looked at it since
it was put out; else it keeps its own timestamp. (There, stamping and searching walk the same list, and the walk that
stamps goes on where the search stopped: behind the last row.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.windows.findable import FindableWindow
from eiha.events.batch import EventBatch, Kind, Timestamps

BATCH_WINDOWS: Final = frozenset({"lengthBatch", "timeBatch", "batch", "externalTimeBatch"})
"""Windows that put out batches, which then leave together."""

_EXPIRED: Final = int(Kind.EXPIRED)
_UNSEEN: Final[Timestamps] = np.empty(0, dtype=np.int64)


class SearchedBatches:
    """``window``, one of ``BATCH_WINDOWS`` that holds what it puts out, told of each look at its rows."""

    __slots__ = ("_seen", "_window")

    def __init__(self, window: FindableWindow) -> None:
        self._window = window
        self._seen = _UNSEEN  # the timestamps of the rows looked at, in order

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """What the window puts out."""
        return self._stamped(self._window.process(batch, clock))

    def fire(self, now_ms: int) -> EventBatch | None:
        """What the window puts out at its earliest timer."""
        fired = self._window.fire(now_ms)
        return None if fired is None else self._stamped(fired)

    def next_timer_ms(self) -> int | None:
        """The window's."""
        return self._window.next_timer_ms()

    def content(self) -> EventBatch:
        """What the window holds; it counts as looked at."""
        content = self._window.content()
        self._seen = content.timestamps.copy()
        return content

    def snapshot(self) -> OperatorState:
        """The window's state, and which rows were looked at."""
        return {"window": self._window.snapshot(), "seen": self._seen}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._window.restore(state["window"])
        self._seen = state["seen"]

    def _stamped(self, out: EventBatch) -> EventBatch:
        if not len(self._seen) or out.kinds is None:
            return out
        leaving = np.flatnonzero(out.kinds == _EXPIRED)[: len(self._seen)]
        if not len(leaving):
            return out
        timestamps = out.timestamps.copy()
        timestamps[leaving] = self._seen[: len(leaving)]
        self._seen = _UNSEEN
        return replace(out, timestamps=timestamps)
