"""``unique:first``, ``unique:ever``, ``unique:length``, ``unique:time``: sliding windows with one row for each key.

``first`` lets the first row of each key pass, for ever. The others hold the latest row of each key: a further one
pushes the row before out, which leaves just before it; so does the oldest one when ``length`` keys are held, and each
one when it is ``time`` old. Keys are compared by their text, several attributes by their texts one behind the other.
"""

from __future__ import annotations

from collections import deque

from eiha.engine.operator import OperatorState
from eiha.engine.windows.counted_keys import key_ids
from eiha.engine.windows.rowwise import Output, RowwiseWindow
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable


class UniqueWindow(RowwiseWindow):
    """One row for each key, in order of arrival.

    Args:
        schema: of the rows.
        keys: positions of the attributes that make up the key.
        strings: of the plan.
        playback: whether event time drives the plan.
        most: how many keys are held at most; None: all that came, so memory grows with their number.
        length_ms: how long a row stays; None: until another one takes its place.
        first: whether a key's first row stays, instead of its latest.
    """

    __slots__ = ("_first", "_keys", "_length_ms", "_most", "_record_ms", "_rows", "_strings", "_timers")

    def __init__(
        self,
        schema: Schema,
        keys: tuple[int, ...],
        strings: StringTable,
        *,
        playback: bool,
        most: int | None = None,
        length_ms: int | None = None,
        first: bool = False,
    ) -> None:
        super().__init__(schema, playback=playback)
        self._keys = keys
        self._strings = strings
        self._most = most
        self._length_ms = length_ms
        self._first = first
        self._rows: dict[int, int] = {}  # by key, in order of arrival
        self._timers: deque[int] = deque()
        self._record_ms = -(2**62)

    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """Each row, behind those that it pushes out."""
        for place, key in enumerate(key_ids([batch.columns[each] for each in self._keys], self._strings).tolist()):
            position = first + place
            if self._first and key in self._rows:
                continue
            if self._length_ms is not None:
                self._let_leave(now_ms, out)
                self._set_timer(int(batch.timestamps[place]))
            before = self._rows.pop(key, None)
            if before is not None:
                out.expired(before, now_ms)
            elif self._most is not None and len(self._rows) >= self._most:
                oldest = next(iter(self._rows), None)
                out.expired(position if oldest is None else self._rows.pop(oldest), now_ms)
            if self._most is None or self._most > 0:
                self._rows[key] = position
            out.current(position)

    def turn(self, at_ms: int, now_ms: int, out: Output) -> None:  # noqa: ARG002 - all that is due leaves
        """The rows that are due leave."""
        self._timers.popleft()
        self._let_leave(at_ms, out)

    def next_timer_ms(self) -> int | None:
        """When the next row is due."""
        return self._timers[0] if self._timers else None

    def positions(self) -> list[int]:
        """All rows."""
        return list(self._rows.values())

    found = positions

    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""
        self._rows = {key: places[position] for key, position in self._rows.items()}

    def state(self, places: dict[int, int]) -> OperatorState:
        """Keys and rows in order of arrival, timers."""
        rows = [[key, places[position]] for key, position in self._rows.items()]
        return {"rows": rows, "timers": list(self._timers), "record_ms": self._record_ms}

    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""
        self._rows = dict(state["rows"])
        self._timers = deque(state["timers"])
        self._record_ms = state["record_ms"]

    def _set_timer(self, timestamp: int) -> None:
        """As in the ``time`` window: only a row later than all before sets one."""
        assert self._length_ms is not None
        if timestamp > self._record_ms:
            self._record_ms = timestamp
            self._timers.append(timestamp + self._length_ms)

    def _let_leave(self, now_ms: int, out: Output) -> None:
        assert self._length_ms is not None
        times = self._store.timestamps
        while self._rows:
            key, position = next(iter(self._rows.items()))
            if times[position] + self._length_ms > now_ms:
                break
            del self._rows[key]
            out.expired(position, now_ms)
