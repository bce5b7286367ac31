"""``#reorder:kslack(timestamp[, timeout[, max k[, discard]]])``: rows in order of their own time, as far as one can.

Rows wait until one comes that is ``k`` ms later than they are; k is the greatest lateness seen so far, up to ``max k``.
With a timeout, all that waits goes out each time it is over. With ``discard``, rows from before what went out last are
dropped. (K-slack; Babu, Srivastava, Widom 2004.)
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np

from eiha.engine.operator import OperatorState
from eiha.engine.windows.rowwise import Output, RowwiseWindow
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema


class KSlack(RowwiseWindow):
    """Holds the rows that wait. A row without a time is refused.

    Args:
        schema: of the rows.
        attribute: position of the rows' own time.
        playback: whether event time drives the plan.
        timeout_ms: how often all rows go out; None: never.
        most_ms: bound of k; None: there is none.
        discards: whether rows that come too late are dropped.
    """

    __slots__ = (
        "_attribute", "_came", "_discards", "_fresh", "_greatest_ms", "_most_ms", "_next_ms", "_sent_ms", "_slack_ms",
        "_timeout_ms", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema,
        attribute: int,
        *,
        playback: bool,
        timeout_ms: int | None = None,
        most_ms: int | None = None,
        discards: bool = False,
    ) -> None:
        super().__init__(schema, playback=playback)
        self._attribute = attribute
        self._timeout_ms = timeout_ms
        self._most_ms = most_ms
        self._discards = discards
        self._slack_ms = 0
        self._greatest_ms = 0
        self._sent_ms = -1
        self._came = 0
        self._fresh: list[tuple[int, int]] = []  # time and position of the rows since the latest one
        self._waiting: list[tuple[int, int, int]] = []  # a heap: time, order of arrival, position
        self._next_ms: int | None = None

    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """The rows that waited long enough when a later one comes."""
        if self._timeout_ms is not None and self._next_ms is None:
            self._next_ms = now_ms + self._timeout_ms
        column = batch.columns[self._attribute]
        for place in np.flatnonzero(column.mask()).tolist():
            time_ms = int(column.values[place])
            if self._discards and time_ms < self._sent_ms:
                continue
            self._fresh.append((time_ms, first + place))
            if time_ms > self._greatest_ms:
                self._greatest_ms = time_ms
                self._widen(time_ms - min(self._fresh)[0])
                self._queue_fresh()
                self._send(time_ms - self._slack_ms, out)

    def turn(self, at_ms: int, now_ms: int, out: Output) -> None:  # noqa: ARG002 - all rows go out
        """The timeout: all rows go out."""
        assert self._next_ms is not None
        assert self._timeout_ms is not None
        self._queue_fresh()
        self._send(2**63 - 1, out)
        self._next_ms += self._timeout_ms
        if self._next_ms <= now_ms:  # nothing waits until the next row comes
            self._next_ms += ((now_ms - self._next_ms) // self._timeout_ms + 1) * self._timeout_ms

    def next_timer_ms(self) -> int | None:
        """The next timeout."""
        return self._next_ms

    def positions(self) -> list[int]:
        """The rows that wait."""
        return [*(row[-1] for row in self._fresh), *(row[-1] for row in self._waiting)]

    def found(self) -> list[int]:
        """Nothing: this is no window."""
        return []

    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""
        self._fresh = [(time_ms, places[position]) for time_ms, position in self._fresh]
        self._waiting = [(time_ms, came, places[position]) for time_ms, came, position in self._waiting]

    def state(self, places: dict[int, int]) -> OperatorState:
        """The rows that wait, in order, and what is known of lateness."""
        return {
            "fresh": [[time_ms, places[position]] for time_ms, position in self._fresh],
            "waiting": [[time_ms, came, places[position]] for time_ms, came, position in sorted(self._waiting)],
            "slack_ms": self._slack_ms,
            "greatest_ms": self._greatest_ms,
            "sent_ms": self._sent_ms,
            "came": self._came,
            "next_ms": self._next_ms,
        }

    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""
        self._fresh = [(time_ms, position) for time_ms, position in state["fresh"]]
        self._waiting = [(time_ms, came, position) for time_ms, came, position in state["waiting"]]
        heapify(self._waiting)
        self._slack_ms, self._greatest_ms = state["slack_ms"], state["greatest_ms"]
        self._sent_ms, self._came, self._next_ms = state["sent_ms"], state["came"], state["next_ms"]

    def _widen(self, lateness_ms: int) -> None:
        if lateness_ms > self._slack_ms:
            self._slack_ms = lateness_ms if self._most_ms is None else min(lateness_ms, self._most_ms)

    def _queue_fresh(self) -> None:
        for time_ms, position in sorted(self._fresh, key=lambda row: row[0]):
            heappush(self._waiting, (time_ms, self._came, position))
            self._came += 1
        self._fresh = []

    def _send(self, latest_ms: int, out: Output) -> None:
        while self._waiting and self._waiting[0][0] <= latest_ms:
            self._sent_ms, _, position = heappop(self._waiting)
            out.current(position)
