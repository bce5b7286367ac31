"""An incremental aggregation at work: rows of its source in, buckets of any of its granularities out.

Old buckets are dropped at moments that lie a fixed interval apart, the first one that long after the start (in
playback, where the clock is that of the rows, after the first row). What is due when someone reads is only hidden from
the reader and dropped with the next row: reading changes nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.cells import Fields
from eiha.engine.aggregations.distinct_values import DistinctValues
from eiha.engine.aggregations.event_cells import EventCells
from eiha.engine.aggregations.event_times import compile_times
from eiha.engine.aggregations.groups import Groups
from eiha.engine.aggregations.level import Level, LevelRows, starts_at
from eiha.engine.aggregations.stored_cells import StoredCells
from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.faults import EngineFault
from eiha.engine.operator import Operator, OperatorState
from eiha.engine.operators.filter_by_aggregates import FilterByAggregates
from eiha.engine.operators.filter_rows import FilterRows
from eiha.engine.operators.stateless import rows_of
from eiha.engine.operators.stream_functions import make_stream_function
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import AttributeRef
from eiha.plan.granularities import Granularity
from eiha.plan.nodes import Aggregation, AggregationColumn, Filter, RollUp, StreamFunction

Longs = npt.NDArray[np.int64]

_BEFORE_ALL_MS: Final = -(2**63)


class IncrementalAggregation:
    """The state of one ``define aggregation``.

    Args:
        definition: as bound.
        scope: strings and names.
        start_ms: the clock as the plan starts; None: it starts with the first row.

    Raises:
        UnsupportedConstruct: a stream function that the engine does not run.
    """

    __slots__ = (
        "_cells",
        "_distinct",
        "_faults",
        "_found",
        "_group_keys",
        "_groups",
        "_handlers",
        "_levels",
        "_purge_at_ms",
        "_read",
        "_times",
        "definition",
    )

    def __init__(self, definition: Aggregation, scope: Scope, start_ms: int | None = None) -> None:
        self.definition = definition
        self._handlers = _handlers(definition, scope)
        self._cells = EventCells(definition, scope)
        self._read = self._cells.reader()
        self._times = compile_times(definition.by, scope)
        self._group_keys = [compile_column(each, scope) for each in definition.group_by]
        self._groups = Groups(tuple(each.type for each in definition.group_by), scope.strings)
        self._distinct = [
            (
                compile_column(each.argument, scope),
                DistinctValues(each.argument.type, scope.strings, definition.granularities),
            )
            for each in definition.columns
            if each.roll_up is RollUp.DISTINCT_COUNT and each.argument is not None
        ]
        levels: list[Level] = []
        for granularity in reversed(definition.granularities):
            coarser = levels[0] if levels else None
            levels.insert(0, Level(granularity, self._cells.layout, coarser, by_arrival=definition.by is None))
        self._levels = tuple(levels)
        self._purge_at_ms: int | None = None
        if start_ms is not None and definition.purge_interval_ms is not None:
            self._purge_at_ms = start_ms + definition.purge_interval_ms
        self._faults: list[str] = []
        # the answer to the question asked last, as long as no row came since
        self._found: tuple[tuple[int, int, Granularity, int], EventBatch] | None = None

    # --- rows

    def receive(self, batch: EventBatch, clock: ChunkClock, *, is_chunk: bool = True) -> None:
        """Rows of the source: one chunk, or a chunk each.

        Raises:
            EngineFault: a filter, or a selected expression, cannot be evaluated; a row of the chunk has no time. Where
                the rows are many chunks, those without a time are left out.
        """
        for handler in self._handlers:
            batch = handler.process(batch, clock.of(batch))
        if not len(batch):
            return
        self._found = None
        reading = clock.of(batch)
        rows = rows_of(batch, reading)
        times, has_time, problem = self._times(rows)
        if has_time is not None and not has_time.all():
            if is_chunk:
                raise EngineFault(problem)
            kept = np.flatnonzero(has_time)
            self._faults.append(f"{len(batch) - len(kept)} rows are not aggregated: {problem}")
            rows, times = rows.take(kept), times.take(kept)
        start = 0
        while start < rows.count:
            stop = self._purge_up_to(rows.now_ms, start)
            if start == 0 and stop == rows.count:
                self._add(rows, np.ascontiguousarray(times))
            else:
                piece = np.arange(start, stop)
                self._add(rows.take(piece), times.take(piece))
            start = stop

    def may_fail(self, batch: EventBatch) -> bool:
        """Whether some row of the source may have no time, as far as can be seen at once."""
        by = self.definition.by
        if by is None:
            return False
        if isinstance(by, AttributeRef) and by.type is AttributeType.LONG and by.attribute < len(batch.columns):
            return batch.columns[by.attribute].valid is not None
        return True

    def take_faults(self) -> list[str]:
        """Why rows were left out since the last call."""
        faults, self._faults = self._faults, []
        return faults

    def _add(self, rows: Rows, times: Longs) -> None:
        groups = self._groups.find(tuple(key(rows) for key in self._group_keys), rows.count)
        fields = self._read(rows, times)
        self._levels[0].add(LevelRows(groups, times, rows.now_ms, fields, are_events=True), self._groups.count)
        for argument, values in self._distinct:
            values.add(groups, times, argument(rows))

    # --- what is old

    def _purge_up_to(self, now_ms: Longs, start: int) -> int:
        """Drop what is old when the row at ``start`` comes; the first row behind which that is to be done again."""
        interval_ms = self.definition.purge_interval_ms
        if interval_ms is None:
            return len(now_ms)
        now = int(now_ms[start])
        if self._purge_at_ms is None:
            self._purge_at_ms = now + interval_ms
        elif now >= self._purge_at_ms:
            last = self._last_purge_ms(now)
            self._drop(last)
            self._purge_at_ms = last + interval_ms
        return start + int(np.searchsorted(now_ms[start:], self._purge_at_ms, side="left"))

    def rounds_behind(self, now_ms: Longs) -> Longs:
        """How many purges are due at each of these moments: who reads there sees less."""
        due, interval_ms = self._purge_at_ms, self.definition.purge_interval_ms
        if due is None or interval_ms is None:
            return np.zeros(len(now_ms), np.int64)
        return np.maximum((now_ms - due) // interval_ms + 1, 0)

    def _last_purge_ms(self, now_ms: int) -> int:
        """The last moment up to ``now_ms`` at which buckets are dropped; there is one."""
        due, interval_ms = self._purge_at_ms, self.definition.purge_interval_ms
        assert due is not None
        assert interval_ms is not None
        return due + (now_ms - due) // interval_ms * interval_ms

    def _drop(self, now_ms: int) -> None:
        cutoffs = {
            level.granularity: now_ms - kept_ms
            for level, kept_ms in zip(self._levels, self.definition.retention_ms, strict=True)
            if kept_ms is not None
        }
        for index, level in enumerate(self._levels):
            cutoff_ms = cutoffs.get(level.granularity)
            if cutoff_ms is not None:
                for finer in self._levels[: index + 1]:
                    finer.close(cutoff_ms, level.granularity, self._groups.count)
                level.drop_before(cutoff_ms)
        is_used = np.zeros(self._groups.count, np.bool_)
        for level in self._levels:
            is_used[level.groups_in_use()] = True
        used = np.flatnonzero(is_used)
        numbers: Longs | None = None
        if self.definition.group_by and 2 * len(used) < self._groups.count:
            numbers = self._groups.keep(used)
            for level in self._levels:
                level.renumber_groups(numbers, self._groups.count)
        for _, values in self._distinct:
            values.drop_before(cutoffs, numbers)

    # --- readers

    def find(self, start_ms: int, end_ms: int, granularity: Granularity, now_ms: int) -> EventBatch:
        """The buckets of ``granularity`` that begin in this span, end exclusive, as ``definition.schema`` has them.

        In order of time, of one time in order of the groups' first rows. ``now_ms``: the plan's clock.

        As recorded, with ``aggregate by`` what came while the clock was in a bucket that it is still in counts as that
        bucket, not as the wider one that is asked for. So if the span begins within the current hour, the current hour
        is shown, with what came since the span's first minute.
        """
        asked = (start_ms, end_ms, granularity, now_ms)
        if self._found is None or self._found[0] != asked:
            self._found = asked, self._answer(start_ms, end_ms, granularity, now_ms)
        return self._found[1]

    def _answer(self, start_ms: int, end_ms: int, granularity: Granularity, now_ms: int) -> EventBatch:
        position = self.definition.granularities.index(granularity)
        oldest_ms = self._oldest_ms(position, now_ms)
        merged = StoredCells(self._cells.layout)
        merged.add(*self._levels[position].stored_between(max(start_ms, oldest_ms), end_ms))
        for finest in range(position, -1, -1):
            opened = self._levels[finest].opened()
            judged = self._judged_at(opened, finest, position, now_ms)
            starts = starts_at(opened.times, granularity)
            chosen = np.flatnonzero((judged >= start_ms) & (judged < end_ms) & (starts >= oldest_ms))
            fields = [field.take(chosen) for field in opened.fields]
            merged.add(opened.groups.take(chosen), starts.take(chosen), fields)
        groups, starts, fields = merged.in_order()
        distinct = [values.sizes(granularity, groups, starts) for _, values in self._distinct]
        columns = [Column(AttributeType.LONG, starts)]
        for column in self.definition.columns:
            if column.roll_up is RollUp.DISTINCT_COUNT:
                columns.append(Column(AttributeType.LONG, distinct.pop(0)))
            else:
                columns.append(self._column(column, groups, fields))
        return EventBatch(self.definition.schema, starts, tuple(columns))

    def _oldest_ms(self, position: int, now_ms: int) -> int:
        """Where the oldest buckets begin that a purge that is due leaves."""
        kept_ms = self.definition.retention_ms[position]
        if kept_ms is None or self._purge_at_ms is None or now_ms < self._purge_at_ms:
            return _BEFORE_ALL_MS
        return self._last_purge_ms(now_ms) - kept_ms

    def _judged_at(self, opened: LevelRows, finest: int, position: int, now_ms: int) -> Longs:
        """By which start a span takes open buckets of the level ``finest`` when those of ``position`` are asked for."""
        judged = starts_at(opened.times, self.definition.granularities[position])
        if self.definition.by is None:
            return judged
        now = np.array([now_ms], np.int64)
        for granularity in reversed(self.definition.granularities[finest : position + 1]):
            is_current = starts_at(opened.arrivals, granularity) == starts_at(now, granularity)
            judged = np.where(is_current, starts_at(opened.times, granularity), judged)
        return judged

    def _column(self, column: AggregationColumn, groups: Longs, fields: Fields) -> Column:
        if column.roll_up is not RollUp.KEY:
            return self._cells.column(column, fields)
        assert isinstance(column.argument, AttributeRef)
        keys = [each.attribute for each in self.definition.group_by if isinstance(each, AttributeRef)]
        return self._groups.key(keys.index(column.argument.attribute), groups)

    # --- state

    def snapshot(self) -> OperatorState:
        """Groups, buckets and when old ones are dropped next."""
        return {
            "handlers": [handler.snapshot() for handler in self._handlers],
            "purge_at_ms": self._purge_at_ms,
            "groups": self._groups.snapshot(),
            "levels": [level.snapshot() for level in self._levels],
            "distinct": [values.snapshot() for _, values in self._distinct],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._found = None
        for handler, part in zip(self._handlers, state["handlers"], strict=True):
            handler.restore(part)
        self._purge_at_ms = state["purge_at_ms"]
        self._groups.restore(state["groups"])
        for level, part in zip(self._levels, state["levels"], strict=True):
            level.restore(part)
        for (_, values), part in zip(self._distinct, state["distinct"], strict=True):
            values.restore(part)


def _handlers(definition: Aggregation, scope: Scope) -> list[Operator]:
    handlers: list[Operator] = []
    for handler in definition.input.handlers:
        match handler:
            case Filter(condition):
                handlers.append(
                    FilterByAggregates(handler, scope) if handler.aggregates else FilterRows(condition, scope)
                )
            case StreamFunction():
                stage = make_stream_function(handler, scope)
                if stage is not None:
                    handlers.append(stage)
            case _:
                raise AssertionError(handler)
    return handlers
