"""``expression('condition')`` and ``expressionBatch('condition'[, include[, stream.current.event]])``.

``expression`` lets the oldest rows leave, just before the row that comes, until the condition over what is left is
true. ``expressionBatch`` puts the rows that wait out when the condition over them and the row that comes is false: the
batch before as expired rows and the batch, both with that time; the row begins the next batch, or with ``include`` ends
this one. With the stream flag rows come out at once, and those that the condition no longer holds leave together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from eiha.engine.operator import OperatorState
from eiha.engine.windows.rowwise import Output, RowwiseWindow
from eiha.engine.windows.window_condition import WindowCondition
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, Expression, Literal


class ExpressionWindow(RowwiseWindow):
    """Holds rows as long as the condition is true; it may be that none is left."""

    __slots__ = ("_condition", "_rows")

    def __init__(
        self, schema: Schema, arguments: Sequence[Expression], strings: StringTable, *, playback: bool
    ) -> None:
        super().__init__(schema, playback=playback)
        self._condition = WindowCondition(arguments, self._store, strings)
        self._rows: deque[int] = deque()

    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """Each row, behind those that leave."""
        rows, condition = self._rows, self._condition
        for position in range(first, first + len(batch)):
            rows.append(position)
            condition.add(position)
            holds = condition.holds(position, rows[0], position)
            while rows and not holds:
                oldest = rows.popleft()
                out.expired(oldest, now_ms)
                condition.remove(oldest)
                holds = condition.holds(oldest, rows[0] if rows else oldest, position)
            out.current(position)

    def positions(self) -> list[int]:
        """All rows."""
        return list(self._rows)

    found = positions

    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""
        self._rows = deque(places[position] for position in self._rows)

    def state(self, places: dict[int, int]) -> OperatorState:
        """All rows are in the window."""
        rows = [places[position] for position in self._rows]
        return {"rows": rows, "aggregates": self._condition.state()}

    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""
        self._rows = deque(state["rows"])
        self._condition.take_over(state["aggregates"])


class ExpressionBatchWindow(RowwiseWindow):
    """Holds the batch that was put out last and the one that is filling (with the stream flag only that)."""

    __slots__ = ("_condition", "_includes", "_put_out", "_rows", "_streams")

    collapses = True

    def __init__(
        self, schema: Schema, arguments: Sequence[Expression], strings: StringTable, *, playback: bool
    ) -> None:
        super().__init__(schema, playback=playback)
        _, self._includes, streams, *condition = arguments
        assert isinstance(streams, Literal)
        self._streams = bool(streams.value)
        self._condition = WindowCondition(condition, self._store, strings)
        self._rows: list[int] = []
        self._put_out: list[int] = []

    def enter(self, batch: EventBatch, first: int, now_ms: int, out: Output) -> None:
        """The batches that end; with the stream flag the rows themselves, each a chunk."""
        for position in range(first, first + len(batch)):
            out.next_chunk()
            self._condition.add(position)
            if self._condition.holds(position, self._rows[0] if self._rows else position, position):
                self._rows.append(position)
                if self._streams:
                    out.current(position)
                continue
            self._condition.clear()
            if self._streams:
                self._end_streamed(position, now_ms, out)
            else:
                self._end(position, now_ms, out)

    def _end(self, position: int, now_ms: int, out: Output) -> None:
        for row in self._put_out:
            out.expired(row, now_ms)
        self._put_out, self._rows = self._rows, []
        if not self._put_out:
            out.expired(position, now_ms)
            out.current(position, now_ms)
            return
        for row in self._put_out:
            out.current(row, now_ms)
        if self._is_included(position):
            out.current(position)
            self._put_out.append(position)
        else:
            self._begin(position)

    def _end_streamed(self, position: int, now_ms: int, out: Output) -> None:
        if not self._rows:
            out.expired(position, now_ms)
            out.current(position, now_ms)
            return
        leaving, self._rows = self._rows, []
        if self._is_included(position):
            out.current(position)
            leaving.append(position)
        for row in leaving:
            out.expired(row, now_ms)
        if leaving[-1] != position:
            out.current(position)
            self._begin(position)

    def _begin(self, position: int) -> None:
        self._rows.append(position)
        self._condition.add(position)

    def _is_included(self, position: int) -> bool:
        if isinstance(self._includes, Literal):
            return bool(self._includes.value)
        assert isinstance(self._includes, AttributeRef)
        return bool(self._store.value(self._includes.attribute, position))

    def positions(self) -> list[int]:
        """The rows of both batches."""
        return [*self._put_out, *self._rows]

    def found(self) -> list[int]:
        """The batch that is filling."""
        return self._rows

    def moved(self, places: dict[int, int]) -> None:
        """Rows got new positions."""
        self._put_out = [places[position] for position in self._put_out]
        self._rows = [places[position] for position in self._rows]

    def state(self, places: dict[int, int]) -> OperatorState:
        """Both batches."""
        return {
            "put_out": [places[position] for position in self._put_out],
            "rows": [places[position] for position in self._rows],
            "aggregates": self._condition.state(),
        }

    def take_over(self, state: OperatorState) -> None:
        """Take over what ``state`` gave."""
        self._put_out, self._rows = list(state["put_out"]), list(state["rows"])
        self._condition.take_over(state["aggregates"])
