"""A batch window and the aggregates over it in one, without the window's rows: see ``tumbling_queries``.

Of the batch that runs, one row a group is held, the latest, with what its aggregates are so far: that is what will be
put out. So a batch costs as much memory as it has groups, and its end costs no more than its output.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.kernels.tumbling_groups import (
    ends_of_batches,
    latest_of_held,
    place_rows,
    place_rows_of_one_group,
)
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.operators.group_totals import GroupTotal
from eiha.engine.operators.latest_rows import LatestRows
from eiha.engine.windows.turns import CountingWindow, Turns
from eiha.events.batch import EventBatch, no_rows
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.nodes import Selector

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

_FIRST_ID: Final = 1
"""0 stands in the table of groups for those that no place was given."""
_NO_CODES: Final[Codes] = np.empty(0, dtype=np.int32)
_GROUPS_MAX: Final = 1 << 16
"""So many group numbers may be known beside those of the batch that runs: then they are given anew."""


class TumblingGroups:
    """Puts out, of each batch, the latest row of each group with its aggregates behind, in order of their first rows.

    Group numbers and ids of places are known from call to call, but what comes out does not depend on them: they are no
    state.

    Args:
        window: made to count only.
        schema: of the rows.
        selector: its aggregates are all in ``tumbling_queries.AGGREGATORS``.
        read: positions of the attributes that projections and group by read.
        scope: strings and names.
    """

    _known: Longs
    """By group, the id of its place in the batch that runs, or one of an earlier batch."""

    __slots__ = (
        "_chunks", "_ends", "_first_id", "_group_index", "_group_keys", "_held", "_is_text", "_key_types", "_known",
        "_latest", "_nothing", "_null_id", "_numbers", "_places", "_rows", "_schema", "_strings", "_totals", "_window",
    )  # fmt: skip

    def __init__(
        self, window: CountingWindow, schema: Schema, selector: Selector, read: frozenset[int], scope: Scope
    ) -> None:
        self._window = window
        self._group_keys = [compile_column(each, scope) for each in selector.group_by]
        self._key_types = tuple(each.type for each in selector.group_by)
        self._strings = scope.strings
        self._group_index: GroupIndex | None
        self._is_text = self._key_types == (AttributeType.STRING,)
        self._null_id = np.int32(self._strings.intern("null") if self._is_text else 0)
        self._latest = LatestRows(schema, read)
        self._totals = [GroupTotal(each, scope) for each in selector.aggregates]
        added = (Attribute(f"aggregate{number}", each.type) for number, each in enumerate(selector.aggregates))
        self._schema = Schema((*schema.attributes, *added))
        self._nothing = no_rows(self._schema)
        self._held = 0
        self._first_id = _FIRST_ID
        self._know_groups()
        # scratch: what is in it does not outlive a call
        self._ends: Longs = np.zeros(1, dtype=np.int64)
        self._chunks: Longs = np.zeros(1, dtype=np.int64)
        self._places: Codes = np.zeros(1, dtype=np.int32)
        self._rows: Longs = np.zeros(1, dtype=np.int64)
        self._numbers: Longs = np.zeros(1, dtype=np.int64)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """What is left of the batches that end."""
        if len(batch):
            batch, clock = self._window.accepted(batch, clock)
        return self._turned(self._window.turn(batch, clock), batch)

    def fire(self, now_ms: int) -> EventBatch | None:
        """What is left of the batch that a timer ends."""
        turns = self._window.fire_turn(now_ms)
        if turns is None:
            return None
        out = self._turned(turns, self._nothing)
        return out if len(out) else None

    def next_timer_ms(self) -> int | None:
        """The window's."""
        return self._window.next_timer_ms()

    def _turned(self, turns: Turns, batch: EventBatch) -> EventBatch:
        """Add the rows of ``batch`` up, and take out the batches of ``turns``."""
        store = self._window.store
        count = turns.count
        if count:
            self._ends, self._chunks = grown(self._ends, count), grown(self._chunks, count)
            spans = (turns.kinds[:count], turns.ends[:count], turns.chunks[:count])
            count = ends_of_batches(*spans, store.stop - len(batch), self._ends, self._chunks)
        gone, stop = self._placed(batch, count)
        store.drop(turns.stays - store.start)
        self._first_id += gone
        self._held = stop - gone
        if not gone:
            return self._nothing
        left = self._latest.leave(gone, stop)
        added = [total.leave(gone, stop) for total in self._totals]
        chunks = self._numbers[:gone].copy()
        return EventBatch(self._schema, left.timestamps, (*left.columns, *added), None, chunks, collapses=True)

    def _placed(self, batch: EventBatch, count: int) -> tuple[int, int]:
        """Add the rows up: how many places leave with the ``count`` batches that end, and how many there are."""
        rows, held = len(batch), self._held
        stamps = batch.timestamps
        values = Rows(rows, (batch.columns,), stamps, stamps)
        self._places = grown(self._places, rows)
        self._rows, self._numbers = grown(self._rows, held + rows), grown(self._numbers, held + rows)
        places, ends = self._places[:rows], self._ends
        if self._key_types:
            groups = self._groups(values) if rows else _NO_CODES
            gone, stop = place_rows(
                groups, ends, self._chunks, count, self._first_id, held, self._known, places, self._rows, self._numbers
            )
        else:
            gone, stop = place_rows_of_one_group(ends, self._chunks, count, held, places, self._rows, self._numbers)
        if rows:
            if held:
                limit = int(ends[0]) if count else rows
                held_places, held_rows = np.empty(limit + 1, dtype=np.int64), np.empty(limit + 1, dtype=np.int64)
                found = latest_of_held(places[:limit], self._rows, held, held_places, held_rows)
                self._latest.replace(batch, held_places[:found], held_rows[:found])
            self._latest.add(batch, held, self._rows[held:stop])
            for total in self._totals:
                total.add(values, places, held, stop)
        return gone, stop

    def _groups(self, rows: Rows) -> Codes:
        """The number of each row's group: where the key is one text its id, compared as text like all keys."""
        keys = tuple([key(rows) for key in self._group_keys])
        if self._is_text:
            self._known = grown(self._known, len(self._strings))
            values: Codes = keys[0].values
            return values if keys[0].valid is None else np.where(keys[0].valid, values, self._null_id)
        assert self._group_index is not None
        if self._group_index.count > max(_GROUPS_MAX, 8 * (self._held + rows.count)):  # keys that come no more
            self._know_groups()
        groups = self._group_index.find(keys)
        self._known = grown(self._known, self._group_index.count)
        return groups.astype(np.int32)

    def _know_groups(self) -> None:
        """Forget all groups but those of the batch that runs."""
        self._known = np.zeros(1, dtype=np.int64)
        self._group_index = None
        if self._key_types and not self._is_text:
            self._group_index = GroupIndex(self._key_types, self._strings)
        if self._key_types and self._held:
            held = self._latest.rows(self._held)
            groups = self._groups(Rows(self._held, (held.columns,), held.timestamps, held.timestamps))
            self._known[groups] = np.arange(self._first_id, self._first_id + self._held)

    def snapshot(self) -> OperatorState:
        """The window's state, the latest row of each group of the batch that runs, and its aggregates."""
        return {
            "window": self._window.snapshot(),
            "latest": self._latest.snapshot(self._held),
            "totals": [total.snapshot(self._held) for total in self._totals],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave; ids of strings may have another meaning there."""
        self._window.restore(state["window"])
        self._held = self._latest.restore(state["latest"])
        for total, part in zip(self._totals, state["totals"], strict=True):
            total.restore(part)
        self._know_groups()
