"""The operator of a pattern: a chain of events, each after the one before, in time and under conditions.

Cost: a row that may serve a step costs a compiled pass over the partial matches that wait for it; other rows cost
nothing. State: with ``within``, the matches whose first event is not further than that from the latest row; without,
every match begun and not completed, as in Siddhi.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.patterns.chain import Chain
from eiha.engine.patterns.conditions import StepCondition, Term, Test, split_condition
from eiha.engine.patterns.implied_bounds import implied_bounds
from eiha.engine.patterns.partial_matches import PartialMatches
from eiha.engine.patterns.scan import (
    COUNTERS,
    FOUND,
    FREE,
    LAST_CHUNK,
    NEEDS_ANSWER,
    NEEDS_OUTPUT,
    NEEDS_SLOTS,
    NEWEST,
    OLDEST,
    scan,
)
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch, concatenate_batches
from eiha.events.column import Column
from eiha.events.schema import Schema

_COMPACT_ABOVE: Final = 1024
_OUTPUT_ROWS_MIN: Final = 256

Longs = npt.NDArray[np.int64]


class FollowPattern(Untimed):
    """Steps that follow one another, fed by their streams row by row in order.

    Args:
        chain: the steps.
        schema: of a match: the attributes of all steps' events, one after the other.
        scope: what names in the conditions mean.

    A match has the timestamp of its last event. Matches that one row completes come oldest first, each as a chunk of
    its own; if the row's stream feeds several steps, they are one chunk. A row never serves two steps of one match.
    """

    def __init__(self, chain: Chain, schema: Schema, scope: Scope) -> None:
        steps = len(chain.steps)
        self._chain = chain
        self._schema = schema
        self._conditions = [
            split_condition(step.condition, index, scope, implied_bounds(chain.steps, index))
            for index, step in enumerate(chain.steps)
        ]
        self._tests = _TestTable(self._conditions)
        self._within_ms = -1 if chain.within_ms is None else chain.within_ms
        repeats = [chain.repeated_by(step) for step in range(steps)]
        self._repeats_from = np.array([-1 if first is None else first for first in repeats], dtype=np.int64)
        self._begins_anew = np.array([chain.begins_anew_after_loss(step) for step in range(steps)], dtype=np.uint8)
        self._is_general = np.array([condition.general is not None for condition in self._conditions], dtype=np.uint8)
        self._starts_once = not any(every.first == 0 for every in chain.repeated)
        self._matches = PartialMatches(steps, len(self._tests.captured))
        self._stores = [RowStore(step.schema) for step in chain.steps[:-1]]
        self._compact_above = [_COMPACT_ABOVE] * len(self._stores)

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The matches that the rows of ``stream`` complete."""
        rows = Rows(len(batch), (batch.columns,), batch.timestamps, clock.now_ms)
        chosen = self._chosen(stream, rows)
        batch, rows, chosen = self._without_others(batch, rows, chosen)
        if not len(batch):
            return self._nothing()
        candidates = self._candidates(batch, chosen)
        found = self._scan(stream, batch, rows, candidates)
        self._compact(self._compact_above)
        return concatenate_batches(found) if found else self._nothing()

    def snapshot(self) -> OperatorState:
        """The partial matches and the events they captured, and no others: equal states have equal snapshots."""
        self._compact([0] * len(self._stores))
        return {"matches": self._matches.snapshot(), "stores": [store.snapshot() for store in self._stores]}

    def restore(self, state: OperatorState) -> None:
        """Take over the matches of a snapshot."""
        self._matches.restore(state["matches"])
        for store, saved in zip(self._stores, state["stores"], strict=True):
            store.restore(saved)
        self._compact_above = [max(_COMPACT_ABOVE, 2 * len(store)) for store in self._stores]

    def _chosen(self, stream: str, rows: Rows) -> dict[int, Longs]:
        """By step that ``stream`` feeds, the rows that may serve it."""
        chosen: dict[int, Longs] = {}
        for index, step in enumerate(self._chain.steps):
            if step.stream == stream and (index or not self._starts_once or self._matches.lengths[0]):
                chosen[index] = _chosen(self._conditions[index], rows)
        return chosen

    def _without_others(
        self, batch: EventBatch, rows: Rows, chosen: dict[int, Longs]
    ) -> tuple[EventBatch, Rows, dict[int, Longs]]:
        """Without rows that serve no step, where they are many and change nothing."""
        if self._chain.is_sequence or 2 * sum(map(len, chosen.values())) > len(batch):
            return batch, rows, chosen
        parts = list(chosen.values())
        if self._within_ms >= 0:
            if bool((batch.timestamps[1:] < batch.timestamps[:-1]).any()):
                return batch, rows, chosen
            # the last row tells how late it is, for the rows of later batches may be earlier again
            parts.append(np.arange(len(batch) - 1, len(batch)))
        active = np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
        fewer = batch.take(active)
        narrowed = {step: np.searchsorted(active, each) for step, each in chosen.items()}
        return fewer, Rows(len(fewer), (fewer.columns,), fewer.timestamps, rows.now_ms.take(active)), narrowed

    def _candidates(self, batch: EventBatch, chosen: dict[int, Longs]) -> Longs:
        """int64[steps * rows]: where a row that may serve a step lies in the step's store (the last one has none)."""
        count, steps = len(batch), len(self._chain.steps)
        candidates = np.full((steps, count), -1, dtype=np.int64)
        for index, rows in chosen.items():
            if index == steps - 1:
                candidates[index, rows] = rows
            elif len(rows):
                first = self._stores[index].append(batch if len(rows) == count else batch.take(rows))
                candidates[index, rows] = np.arange(first, first + len(rows))
        return candidates.ravel()

    def _scan(self, stream: str, batch: EventBatch, rows: Rows, candidates: Longs) -> list[EventBatch]:
        matches, table, steps = self._matches, self._tests, len(self._chain.steps)
        streams = [step.stream for step in self._chain.steps]
        taken, taken_valid = _values(table.captured, streams, stream, rows)
        arriving, arriving_valid = _values(table.arriving, streams, stream, rows)
        counters = np.zeros(COUNTERS, dtype=np.int64)
        counters[LAST_CHUNK] = -1
        counters[FREE], counters[OLDEST], counters[NEWEST] = matches.free_count, matches.oldest_ms, matches.newest_ms
        room = _Room(max(_OUTPUT_ROWS_MIN, len(batch)), steps)
        found: list[EventBatch] = []
        row, step, answered, allowed = 0, steps, False, np.zeros(0, dtype=np.uint8)
        while True:
            status, row, step = scan(
                row,
                step,
                steps,
                matches.capacity,
                candidates,
                batch.timestamps,
                batch.chunk_numbers(),
                streams.count(streams[-1]) > 1,
                self._within_ms,
                self._chain.is_sequence,
                self._repeats_from,
                self._begins_anew,
                table.begin,
                table.outcomes,
                table.captured_index,
                table.arriving_index,
                table.captured_step,
                taken,
                taken_valid,
                arriving,
                arriving_valid,
                self._is_general,
                answered,
                allowed,
                matches.events,
                matches.first_ms,
                matches.terms,
                matches.terms_valid,
                matches.queues,
                matches.lengths,
                matches.visible,
                matches.free,
                counters,
                room.capacity,
                room.events,
                room.rows,
                room.chunks,
            )
            matches.free_count = int(counters[FREE])
            matches.oldest_ms, matches.newest_ms = int(counters[OLDEST]), int(counters[NEWEST])
            answered = status == NEEDS_ANSWER
            if answered:
                allowed = self._answer(batch, rows, row, step)
            elif status == NEEDS_SLOTS:
                matches.grow()
                counters[FREE] = matches.free_count
            else:
                if counters[FOUND]:
                    found.append(self._gather(batch, room, int(counters[FOUND])))
                if status != NEEDS_OUTPUT:
                    return found
                counters[FOUND] = 0
                room = _Room(max(room.capacity, 2 * int(matches.lengths[steps - 1])), steps)

    def _answer(self, batch: EventBatch, rows: Rows, row: int, step: int) -> npt.NDArray[np.uint8]:
        """By slot, whether the general condition of ``step`` holds for the row and the matches that wait."""
        matches = self._matches
        slots = matches.waiting(step)[: int(matches.visible[step])]
        same = np.full(len(slots), row, dtype=np.int64)
        columns = [self._stores[earlier].take(matches.captured(slots, earlier)) for earlier in range(step)]
        columns.append(tuple(column.take(same) for column in batch.columns))
        general = self._conditions[step].general
        assert general is not None
        allowed = np.zeros(matches.capacity, dtype=np.uint8)
        allowed[slots] = general(
            Rows(len(slots), tuple(columns), rows.timestamps.take(same), rows.now_ms.take(same))
        )  # fmt: skip
        return allowed

    def _gather(self, batch: EventBatch, room: _Room, count: int) -> EventBatch:
        steps = len(self._chain.steps)
        positions = room.events[: count * steps].reshape(count, steps)
        columns: list[Column] = []
        for index, store in enumerate(self._stores):
            columns += store.take(np.ascontiguousarray(positions[:, index]))
        rows = room.rows[:count]
        columns += [column.take(rows) for column in batch.columns]
        return EventBatch(
            schema=self._schema,
            timestamps=batch.timestamps.take(rows),
            columns=tuple(columns),
            chunks=room.chunks[:count],
        )

    def _compact(self, above: list[int]) -> None:
        """Forget the events that no match holds, in the stores of more than ``above`` rows."""
        matches = self._matches
        for index, store in enumerate(self._stores):
            if len(store) <= above[index]:
                continue
            holders = np.concatenate([matches.waiting(step) for step in range(index + 1, matches.steps)])
            positions = matches.captured(holders, index)
            kept = np.unique(positions)
            matches.events[holders * matches.steps + index] = np.searchsorted(kept, positions)
            rows = EventBatch(self._chain.steps[index].schema, store.timestamps.take(kept), store.take(kept))
            self._stores[index] = RowStore(self._chain.steps[index].schema)
            self._stores[index].append(rows)
            self._compact_above[index] = max(_COMPACT_ABOVE, 2 * len(kept))

    def _nothing(self) -> EventBatch:
        columns = tuple(Column(a.type, np.zeros(0, dtype=a.type.dtype)) for a in self._schema.attributes)
        return EventBatch(self._schema, np.zeros(0, dtype=np.int64), columns)


class _TestTable:
    """The tests of all steps as arrays: those of step s are ``begin[s]`` to ``begin[s + 1]``."""

    __slots__ = (
        "arriving",
        "arriving_index",
        "begin",
        "captured",
        "captured_index",
        "captured_step",
        "outcomes",
    )

    def __init__(self, conditions: list[StepCondition]) -> None:
        tests: list[Test] = [test for condition in conditions for test in condition.tests]
        sizes = [len(condition.tests) for condition in conditions]
        self.begin: Longs = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.captured: list[Term] = [test.captured for test in tests]
        self.arriving: list[Term] = [test.arriving for test in tests]
        self.outcomes: Longs = np.array([test.outcomes for test in tests], dtype=np.int64)
        self.captured_index: Longs = np.arange(len(tests), dtype=np.int64)
        self.arriving_index: Longs = np.arange(len(tests), dtype=np.int64)
        self.captured_step: Longs = np.array([term.step for term in self.captured], dtype=np.int64)


class _Room:
    """Room for ``capacity`` matches, which ``scan`` fills."""

    __slots__ = ("capacity", "chunks", "events", "rows")

    def __init__(self, capacity: int, steps: int) -> None:
        self.capacity = capacity
        self.events: Longs = np.empty(capacity * steps, dtype=np.int64)
        self.rows: Longs = np.empty(capacity, dtype=np.int64)
        self.chunks: Longs = np.empty(capacity, dtype=np.int64)


def _chosen(condition: StepCondition, rows: Rows) -> Longs:
    """The rows for which all that the condition says of them alone holds."""
    mask: Any = True
    for part in condition.own:
        mask = mask & part(rows)
    if mask is True or mask is np.True_:
        return np.arange(rows.count, dtype=np.int64)
    if mask is False or mask is np.False_:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(mask)


def _values(terms: list[Term], streams: list[str], stream: str, rows: Rows) -> tuple[Longs, npt.NDArray[np.uint8]]:
    """int64, uint8[terms * rows]: the terms of steps that ``stream`` feeds; zeros for others."""
    values = np.zeros((len(terms), rows.count), dtype=np.int64)
    valid = np.zeros((len(terms), rows.count), dtype=np.uint8)
    for index, term in enumerate(terms):
        if streams[term.step] == stream:
            values[index], valid[index] = term.evaluate(rows)
    return values.ravel(), valid.ravel()
