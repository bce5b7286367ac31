"""A batch window and the aggregates over it in one: see ``tumbling_queries``.

Gives, of each batch, the last row of each group with its aggregates behind, groups in the order of their first rows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.kernels.tumbling import (
    add_doubles_at,
    add_longs_at,
    count_at,
    extremes_at,
    last_of_batches,
    whole_batches,
)
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.windows.emission import CURRENT
from eiha.engine.windows.turns import TurningWindow, Turns
from eiha.events.batch import EventBatch
from eiha.events.column import Column, make_column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.nodes import Aggregate, Selector

Longs = npt.NDArray[np.int64]

_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})
_NO_MASK: Final = np.ones(1, dtype=np.bool_)
_NO_GROUPS: Final[Longs] = np.empty(0, dtype=np.int64)
_GROUPS_MAX: Final = 1 << 16


class TumblingAggregates:
    """The window says which rows go out together; nothing else is remembered from one batch to the next.

    Group numbers are known from batch to batch, but what comes out does not depend on them: they are no state.

    Args:
        window: made without the wish for expired rows.
        schema: of the rows.
        selector: its aggregates are all in ``tumbling_queries.AGGREGATORS``.
        scope: strings and names.
    """

    __slots__ = (
        "_aggregates", "_chosen", "_group_index", "_group_keys", "_key_types", "_known", "_numbers", "_places",
        "_schema", "_stamp", "_stamps", "_strings", "_window",
    )  # fmt: skip

    def __init__(self, window: TurningWindow, schema: Schema, selector: Selector, scope: Scope) -> None:
        self._window = window
        self._group_keys = [compile_column(each, scope) for each in selector.group_by]
        self._key_types = tuple(each.type for each in selector.group_by)
        self._strings = scope.strings
        self._group_index = GroupIndex(self._key_types, self._strings) if self._key_types else None
        self._aggregates = [BatchAggregate(each, scope) for each in selector.aggregates]
        added = (Attribute(f"aggregate{number}", each.type) for number, each in enumerate(selector.aggregates))
        self._schema = Schema((*schema.attributes, *added))
        # scratch: what is in it does not outlive a call
        self._stamps: Longs = np.zeros(1, dtype=np.int64)
        self._known: Longs = np.zeros(1, dtype=np.int64)
        self._stamp = 1
        self._places: Longs = np.zeros(1, dtype=np.int64)
        self._chosen: Longs = np.zeros(1, dtype=np.int64)
        self._numbers: Longs = np.zeros(1, dtype=np.int64)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """What is left of the batches that turn."""
        return self._aggregated(self._window.turn(batch, clock))

    def fire(self, now_ms: int) -> EventBatch | None:
        """What is left of the batch that a timer turns."""
        turns = self._window.fire_turn(now_ms)
        if turns is None:
            return None
        out = self._aggregated(turns)
        return out if len(out) else None

    def next_timer_ms(self) -> int | None:
        """The window's."""
        return self._window.next_timer_ms()

    def _aggregated(self, turns: Turns) -> EventBatch:
        store = self._window.store
        number = turns.count
        spans = (turns.kinds[:number], turns.begins[:number], turns.ends[:number], turns.chunks[:number])
        ends, chunks = np.empty(number, dtype=np.int64), np.empty(number, dtype=np.int64)
        batches, first, is_row = whole_batches(*spans, ends, chunks)
        ends, chunks = ends[:batches], chunks[:batches]
        if is_row:
            held = store.rows(first, first + (int(ends[-1]) if batches else 0))
        else:  # rows go out once more
            whole = [np.arange(begin, end) for kind, begin, end, _ in zip(*spans, strict=True) if kind == CURRENT]
            held = store.gathered(np.concatenate(whole))
        rows = Rows(len(held), (held.columns,), held.timestamps, held.timestamps)
        chosen, numbers, places = self._choose(rows, ends, chunks)
        added = [each.values(rows, places, len(chosen)) for each in self._aggregates]
        columns = (column.take(chosen) for column in held.columns)
        out = EventBatch(
            self._schema, held.timestamps.take(chosen), (*columns, *added), None, numbers, collapses=True
        )  # fmt: skip
        store.drop(turns.stays - store.start)
        return out

    def _choose(self, rows: Rows, ends: Longs, chunks: Longs) -> tuple[Longs, Longs, Longs]:
        """The rows to put out, their chunks, and for each row the place of the one that stands for it."""
        groups = _NO_GROUPS
        if self._group_index is not None:
            if self._group_index.count > max(_GROUPS_MAX, 8 * rows.count):  # keys that come no more are forgotten
                self._group_index = GroupIndex(self._key_types, self._strings)
            groups = self._group_index.find(tuple([key(rows) for key in self._group_keys]))
            self._stamps = grown(self._stamps, self._group_index.count)
            self._known = grown(self._known, self._group_index.count)
        most = rows.count if self._group_index is not None else len(ends)
        self._places = grown(self._places, rows.count)
        self._chosen, self._numbers = grown(self._chosen, most), grown(self._numbers, most)
        count = last_of_batches(
            ends, chunks, groups, self._stamps, self._known, self._stamp, self._places, self._chosen, self._numbers
        )  # fmt: skip
        self._stamp += len(ends)
        return self._chosen[:count], self._numbers[:count].copy(), self._places[: rows.count]

    def snapshot(self) -> OperatorState:
        """The window's state."""
        return {"window": self._window.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave; ids of strings may have another meaning there."""
        if self._key_types:
            self._group_index = GroupIndex(self._key_types, self._strings)
        self._window.restore(state["window"])


class BatchAggregate:
    """One aggregate over rows that are all there."""

    __slots__ = ("_argument", "_name", "_type")

    def __init__(self, aggregate: Aggregate, scope: Scope) -> None:
        self._name = aggregate.name
        self._type = aggregate.type
        argument = None if aggregate.name == "count" else aggregate.argument
        self._argument = None if argument is None else compile_column(argument, scope)

    def values(self, rows: Rows, places: Longs, count: int) -> Column:
        """Its value at each of ``count`` places."""
        counts = np.zeros(count, dtype=np.int64)
        if self._argument is None:
            count_at(places, counts)
            return Column(AttributeType.LONG, counts)
        argument = self._argument(rows)
        valid, has_nulls = (_NO_MASK, False) if argument.valid is None else (argument.valid, True)
        if self._name in ("min", "max"):
            best, known = np.zeros(count, self._type.dtype), np.zeros(count, np.bool_)
            is_final = np.zeros(count, np.bool_)
            extremes_at(places, argument.values, valid, has_nulls, self._name == "max", best, known, is_final)
            return make_column(self._type, best, known)
        if self._name == "sum" and argument.type in _WHOLE:
            longs = np.zeros(count, dtype=np.int64)
            add_longs_at(places, argument.values.astype(np.int64, copy=False), valid, has_nulls, longs, counts)
            return make_column(AttributeType.LONG, longs, counts != 0)
        sums: npt.NDArray[Any] = np.zeros(count, dtype=np.float64)
        add_doubles_at(places, argument.values.astype(np.float64, copy=False), valid, has_nulls, sums, counts)
        if self._name == "avg":
            sums = np.divide(sums, counts, out=sums, where=counts != 0)
        return make_column(AttributeType.DOUBLE, sums, counts != 0)
