"""A batch window and the aggregates over it, for all instances of a partition at once: see ``tumbling_queries``."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.kernels.tumbling import last_of_batches
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.operators.stateless import Stateless
from eiha.engine.operators.tumbling_aggregates import BatchAggregate
from eiha.engine.partitions.keyed_batches import BeginsWithInstance, KeyedBatches, KeyedTurns
from eiha.engine.partitions.keyed_select import Projected
from eiha.events.batch import EventBatch, no_rows
from eiha.events.schema import Attribute, Schema
from eiha.plan.nodes import OutputEvents, Selector

Longs = npt.NDArray[np.int64]

_NO_GROUPS: Final[Longs] = np.empty(0, dtype=np.int64)
_GROUPS_MAX: Final = 1 << 16
"""So many groups are numbered at least before those are forgotten that come no more."""


class KeyedTumbling:
    """Gives, of each batch of an instance, the last row of each group with its aggregates behind; without aggregates
    and group by, all rows. Group numbers are no state.

    Args:
        window: says which rows go out together.
        schema: of the rows.
        selector: its aggregates are all in ``tumbling_queries.AGGREGATORS``.
        scope: strings and names.
        last_alone: of each batch the last row alone, whatever ``selector`` says.
    """

    __slots__ = (
        "_aggregates", "_collapses", "_group_index", "_group_keys", "_key_types", "_known", "_schema", "_stamp",
        "_stamps", "_strings", "_window",
    )  # fmt: skip

    def __init__(
        self, window: KeyedBatches, schema: Schema, selector: Selector, scope: Scope, *, last_alone: bool = False
    ) -> None:
        self._window = window
        self._group_keys = [compile_column(each, scope) for each in selector.group_by]
        self._key_types = tuple(each.type for each in selector.group_by)
        self._strings = scope.strings
        self._group_index = GroupIndex(self._key_types, self._strings) if self._key_types else None
        self._aggregates = [BatchAggregate(each, scope) for each in selector.aggregates]
        self._collapses = last_alone or bool(selector.aggregates or selector.group_by)
        added = (Attribute(f"aggregate{number}", each.type) for number, each in enumerate(selector.aggregates))
        self._schema = Schema((*schema.attributes, *added))
        # scratch: what is in it does not outlive a call
        self._stamps: Longs = np.zeros(1, dtype=np.int64)
        self._known: Longs = np.zeros(1, dtype=np.int64)
        self._stamp = 1

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """What is left of the batches that go out."""
        return self._aggregated(self._window.turn(batch, clock))

    def fire(self, now_ms: int) -> EventBatch | None:
        """What is left of the batch that a timer puts out."""
        return self._aggregated(self._window.fire(now_ms))

    def next_timer_ms(self) -> int | None:
        """The window's."""
        return self._window.next_timer_ms()

    def begin(self, instances: Longs) -> None:
        """New ``instances`` have come, before their rows."""
        if isinstance(self._window, BeginsWithInstance):
            self._window.begin(instances)

    def forget(self, instances: Longs) -> None:
        """See ``Forgetful``."""
        self._window.forget(instances)

    def _aggregated(self, turns: KeyedTurns) -> EventBatch:
        if not len(turns.ends):
            return no_rows(self._schema)
        held = self._window.held.rows(turns.slots)
        self._window.held.chains.release(turns.slots)
        if not self._collapses:
            sizes = np.diff(turns.ends, prepend=0)
            return replace(held, chunks=turns.chunks.repeat(sizes), keys=turns.keys.repeat(sizes))
        rows = Rows(len(held), (held.columns,), held.timestamps, held.timestamps)
        chosen, numbers, places = self._choose(rows, turns)
        added = [each.values(rows, places, len(chosen)) for each in self._aggregates]
        keys = turns.keys.take(np.searchsorted(turns.ends, chosen, side="right"))
        columns = (column.take(chosen) for column in held.columns)
        return EventBatch(self._schema, held.timestamps.take(chosen), (*columns, *added), None, numbers, keys=keys)

    def _choose(self, rows: Rows, turns: KeyedTurns) -> tuple[Longs, Longs, Longs]:
        """The rows to put out, their chunks, and for each row the place of the one that stands for it."""
        groups = _NO_GROUPS
        if self._group_index is not None:
            if self._group_index.count > max(_GROUPS_MAX, 8 * rows.count):
                self._group_index = GroupIndex(self._key_types, self._strings)
            groups = self._group_index.find(tuple([key(rows) for key in self._group_keys]))
            self._stamps = grown(self._stamps, self._group_index.count)
            self._known = grown(self._known, self._group_index.count)
        most = rows.count if self._group_index is not None else len(turns.ends)
        places = np.empty(rows.count, dtype=np.int64)
        chosen, numbers = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
        count = last_of_batches(
            turns.ends, turns.chunks, groups, self._stamps, self._known, self._stamp, places, chosen, numbers
        )
        self._stamp += len(turns.ends)
        return chosen[:count], numbers[:count], places

    def snapshot(self) -> OperatorState:
        """The window's state."""
        return {"window": self._window.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave; ids of strings may have another meaning there."""
        if self._key_types:
            self._group_index = GroupIndex(self._key_types, self._strings)
        self._window.restore(state["window"])


class TumbledEnd(Stateless):
    """The end of a query behind ``KeyedTumbling``: projecting what the rows bring with them.

    Args:
        selector: as bound.
        scope: strings and names.
        aggregates_from: the column from which on rows carry their aggregates.
    """

    __slots__ = ("_aggregates_from", "_projected")

    def __init__(self, selector: Selector, scope: Scope, aggregates_from: int) -> None:
        self._projected = Projected(selector, OutputEvents.CURRENT, scope)
        self._aggregates_from = aggregates_from

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch | None:
        """The output rows of ``batch``, with their instances; None for none."""
        aggregates = batch.columns[self._aggregates_from :]
        return self._projected.finish(
            batch, Rows(len(batch), (batch.columns,), batch.timestamps, clock.now_ms, aggregates)
        )
