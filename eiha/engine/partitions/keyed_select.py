"""The end of a query within a partition, for all instances at once: groups are told apart by instance, too."""

from __future__ import annotations

from typing import Final

import numpy as np

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.aggregators.growth import FORGET_MIN, grown, next_look
from eiha.engine.aggregators.key_index import GroupIndex, LongIndex
from eiha.engine.expressions.compile_expression import compile_column, compile_condition
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.operators.running_aggregates import RunningAggregates
from eiha.engine.operators.stateless import rows_of
from eiha.engine.partitions.instances import Instances, Numbers
from eiha.engine.partitions.sliding_sums import Moves, make_sliding
from eiha.engine.partitions.slot_rows import Slid, SlotChains
from eiha.engine.windows.arguments import WindowArguments
from eiha.events.batch import EventBatch, Kind
from eiha.events.column import Indices
from eiha.plan.nodes import OutputEvents, Selector, Window

_LOW_HALF: Final = (1 << 32) - 1
_KINDS: Final = {OutputEvents.CURRENT: int(Kind.CURRENT), OutputEvents.EXPIRED: int(Kind.EXPIRED)}


class InstanceGroups:
    """Numbers for pairs of instance and group; without group by, those of the instances themselves.

    Where instances may be forgotten, they are told by their ages. No two have the same, so a pair of one that is gone
    is found by no row any more, and when there are many such, they are forgotten together (``forget``).
    """

    __slots__ = ("_index", "_instances", "_keys", "_look_at", "_pairs")

    def __init__(self, selector: Selector, scope: Scope, instances: Instances) -> None:
        self._instances = instances
        self._keys = [compile_column(each, scope) for each in selector.group_by]
        types = tuple(each.type for each in selector.group_by)
        self._index = GroupIndex(types, scope.strings) if types else None
        self._pairs = LongIndex()
        self._look_at = FORGET_MIN

    @property
    def are_instances(self) -> bool:
        """Whether each instance is one group, by its slot."""
        return self._index is None and not self._instances.forgets

    @property
    def count(self) -> int:
        """A bound for the numbers."""
        return self._instances.slots if self.are_instances else self._pairs.count

    def find(self, rows: Rows, keys: Numbers) -> Numbers:
        """The number of each row's group."""
        if self._instances.forgets:
            keys = self._instances.ages(keys)
        elif self._index is None:
            return keys
        pairs = keys << 32
        return self._pairs.find(
            pairs if self._index is None else pairs | self._index.find(tuple([key(rows) for key in self._keys]))
        )

    def forget(self) -> Numbers | None:
        """Forget the groups of instances that are gone, if they are most of all: the old numbers of those that stay,
        rising, which are numbered anew from 0. None: nothing was forgotten.
        """
        if self._pairs.count < self._look_at or not self._instances.forgets:
            return None
        pairs = self._pairs.keys()
        kept = np.flatnonzero(np.isin(pairs >> 32, self._instances.ages_kept() << 32 >> 32))
        self._look_at = next_look(len(kept))
        if 2 * len(kept) >= len(pairs):
            return None
        pairs = pairs.take(kept)
        if self._index is not None:
            groups = pairs & _LOW_HALF
            is_used = np.zeros(self._index.count, dtype=np.bool_)
            is_used[groups] = True
            pairs = (pairs >> 32 << 32) | np.searchsorted(self._index.keep(is_used), groups)
        self._pairs.restore(pairs)
        return kept

    def snapshot(self) -> OperatorState:
        """Groups and pairs."""
        return {
            "index": None if self._index is None else self._index.snapshot(),
            "pairs": self._pairs.keys(),
            "look_at": self._look_at,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        if self._index is not None:
            self._index.restore(state["index"])
        self._pairs.restore(state["pairs"])
        self._look_at = state["look_at"]


class Projected:
    """Choosing by kind, projecting, having: what follows the aggregates; no state."""

    __slots__ = ("_having", "_keeps", "_projections", "_selector")

    def __init__(self, selector: Selector, events: OutputEvents, scope: Scope) -> None:
        self._selector = selector
        self._keeps = _KINDS.get(events)
        self._projections = [compile_column(each.expression, scope) for each in selector.projections]
        self._having = None if selector.having is None else compile_condition(selector.having, scope)

    def finish(self, batch: EventBatch, rows: Rows) -> EventBatch | None:
        """The output rows of ``batch``, whose rows with their aggregates are ``rows``; None for none."""
        kept: Indices | None = None
        if self._keeps is not None and batch.kinds is not None:
            kept = np.flatnonzero(batch.kinds == self._keeps)
            rows = rows.take(kept)
        elif self._keeps == _KINDS[OutputEvents.EXPIRED]:
            return None
        if not rows.count:
            return None
        rows = rows.with_outputs(tuple([projection(rows) for projection in self._projections]))
        if self._having is not None:
            passes = self._having(rows)
            if passes is False:
                return None
            if passes is not True:
                passed = passes.nonzero()[0]
                if not len(passed):
                    return None
                rows = rows.take(passed)
                kept = passed if kept is None else kept.take(passed)
        return self._batch(batch, rows, kept)

    def _batch(self, batch: EventBatch, rows: Rows, kept: Indices | None) -> EventBatch:
        kinds, chunks, keys = batch.kinds, batch.chunks, batch.keys
        assert keys is not None
        if kept is not None:
            kinds = None if kinds is None else kinds.take(kept)
            chunks = batch.chunk_numbers().take(kept)
            keys = keys.take(kept)
        return EventBatch(self._selector.schema, rows.timestamps, tuple(rows.outputs), kinds, chunks, keys=keys)


class KeyedSelect:
    """Behind rows that come, and perhaps leave, one by one.

    Args:
        selector: what to compute; neither order by nor limit nor offset, nor aggregates in having.
        events: which kinds to put out.
        scope: strings and names.
        expires: whether rows can leave.
        instances: of the partition.
    """

    __slots__ = ("_aggregates", "_groups", "_projected")

    def __init__(
        self, selector: Selector, events: OutputEvents, scope: Scope, *, expires: bool, instances: Instances
    ) -> None:
        self._aggregates = RunningAggregates(selector.aggregates, scope, expires=expires)
        self._groups = InstanceGroups(selector, scope, instances)
        self._projected = Projected(selector, events, scope)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch | None:
        """The output rows of ``batch``, with their instances; None for none."""
        assert batch.keys is not None and not batch.collapses
        rows = rows_of(batch, clock)
        if len(self._aggregates):
            if (kept := self._groups.forget()) is not None:
                self._aggregates.keep(kept)
            groups = self._groups.find(rows, batch.keys)
            touched = Touched(groups, self._groups.count, batch.kind_array(), np.zeros(rows.count, dtype=np.int64))
            values = self._aggregates.update(rows, touched)
            rows = Rows(rows.count, rows.columns, rows.timestamps, rows.now_ms, values)
        return self._projected.finish(batch, rows)

    def snapshot(self) -> OperatorState:
        """Groups and accumulators."""
        return {"groups": self._groups.snapshot(), "aggregators": self._aggregates.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._groups.restore(state["groups"])
        self._aggregates.restore(state["aggregators"])


class SlidingSelect:
    """A window and the select behind it in one: sum, avg and count of current rows (see ``sliding_queries``).

    Args:
        selector: as for ``KeyedSelect``.
        scope: strings and names.
        window: ``length(n)`` or ``time(t)``, of 1 or more.
        instances: of the partition.
    """

    __slots__ = (
        "_aggregates",
        "_arguments",
        "_by_time",
        "_chains",
        "_groups",
        "_held",
        "_length",
        "_projected",
        "_times",
    )

    def __init__(self, selector: Selector, scope: Scope, window: Window, instances: Instances) -> None:
        self._length = WindowArguments(window).duration_ms(0, "the length")
        assert self._length > 0
        self._by_time = window.name == "time"
        self._chains = SlotChains()
        self._groups = InstanceGroups(selector, scope, instances)
        # by slot, each only where it is needed: group, and time of coming in
        self._held: Numbers = np.zeros(0, dtype=np.int64)
        self._times: Numbers = np.zeros(0, dtype=np.int64)
        self._aggregates = [make_sliding(each) for each in selector.aggregates]
        self._arguments = [
            None if each.argument is None else compile_column(each.argument, scope) for each in selector.aggregates
        ]
        self._projected = Projected(selector, OutputEvents.CURRENT, scope)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch | None:
        """The output rows of ``batch``, with their instances; None for none."""
        assert batch.keys is not None and batch.kinds is None
        rows = rows_of(batch, clock)
        if (kept := self._groups.forget()) is not None:
            self._renumber(kept)
        groups = self._groups.find(rows, batch.keys)
        slid = self._slide(batch, batch.keys, clock)
        are_instances = self._groups.are_instances
        if not are_instances:
            self._held = grown(self._held, self._chains.room)
            self._held[slid.slots] = groups
        moves = Moves(slid, groups, self._held, are_instances, self._groups.count, self._chains.room)
        values = tuple(
            [
                aggregate.update(moves, None if argument is None else argument(rows))
                for aggregate, argument in zip(self._aggregates, self._arguments, strict=True)
            ]
        )
        self._chains.release(slid.left)
        return self._projected.finish(batch, Rows(rows.count, rows.columns, rows.timestamps, rows.now_ms, values))

    def _renumber(self, kept: Numbers) -> None:
        """Groups were forgotten, none of which a row that is held has."""
        for aggregate in self._aggregates:
            aggregate.keep(kept)
        slots = self._chains.in_order()
        self._held[slots] = np.searchsorted(kept, self._held.take(slots))

    def forget(self, instances: Numbers) -> None:
        """See ``Forgetful``."""
        self._chains.forget(instances)

    def _slide(self, batch: EventBatch, keys: Numbers, clock: RowClock) -> Slid:
        chains = self._chains
        chains.reserve(int(keys.max()) + 1)
        if not self._by_time:
            return chains.slide(keys, self._length)
        slots = chains.claim(len(keys))
        self._times = grown(self._times, chains.room)
        self._times[slots] = batch.timestamps
        return chains.slide_by_time(keys, slots, self._times, clock.now_ms, self._length)

    def snapshot(self) -> OperatorState:
        """Groups, accumulators and what of each row held is still to be taken away."""
        slots = self._chains.in_order()
        return {
            "chains": self._chains.snapshot(),
            "groups": self._groups.snapshot(),
            "held_groups": None if self._groups.are_instances else self._held.take(slots),
            "times": self._times.take(slots) if self._by_time else None,
            "aggregates": [each.snapshot(slots) for each in self._aggregates],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._chains.restore(state["chains"])
        self._groups.restore(state["groups"])
        if state["held_groups"] is not None:
            self._held = np.array(state["held_groups"], dtype=np.int64)
        if state["times"] is not None:
            self._times = np.array(state["times"], dtype=np.int64)
        for each, part in zip(self._aggregates, state["aggregates"], strict=True):
            each.restore(part)
