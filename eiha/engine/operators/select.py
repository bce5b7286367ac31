"""``select ... group by ... having ... order by ... limit ... offset``, and which kinds of rows are put out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.aggregators.factory import aggregator_may_fail
from eiha.engine.aggregators.growth import FORGET_MIN, grown, next_look
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.expressions.compile_expression import (
    aggregate_indices,
    compile_column,
    compile_condition,
    may_fail,
)
from eiha.engine.expressions.rows import Rows, Scope, TakenColumns
from eiha.engine.kernels.collapse import last_of_groups
from eiha.engine.kernels.without_resets import rows_between_resets
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.operators.ordering import ordered, within_limits
from eiha.engine.operators.running_aggregates import RunningAggregates, with_what_they_read
from eiha.engine.operators.selected import NO_RESETS, Resets, Selected
from eiha.engine.operators.stateless import rows_of
from eiha.events.batch import CHUNK_STRIDE, Chunks, EventBatch, Kind, Kinds, no_rows
from eiha.events.column import Column, Indices, concatenate
from eiha.events.repeated import multiples
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Expression
from eiha.plan.nodes import OutputEvents, RateKind, RateLimit, Selector

Numbers = npt.NDArray[np.int64]

# plain numbers: NumPy compares arrays with them without a detour by way of the enum
_CURRENT: Final = int(Kind.CURRENT)
_EXPIRED: Final = int(Kind.EXPIRED)
_RESET: Final = int(Kind.RESET)


@dataclass(slots=True)
class _Rows:
    """The rows that are left at some point of a select."""

    rows: Rows
    kinds: Kinds
    chunks: Chunks | None
    groups: Numbers | None
    epochs: Numbers | None = None

    def take(self, indices: Indices) -> _Rows:
        return _Rows(
            self.rows.take(indices),
            self.kinds.take(indices),
            indices * CHUNK_STRIDE if self.chunks is None else self.chunks.take(indices),
            None if self.groups is None else self.groups.take(indices),
            None if self.epochs is None else self.epochs.take(indices),
        )


class Select:
    """The end of a query: aggregates follow each row, then rows are chosen, projected, ordered and cut.

    Rows put out keep their kind; the caller makes expired ones current when they enter a stream.

    Args:
        selector: what to compute.
        events: which kinds to put out.
        scope: strings and names.
        expires: whether rows can leave (the query has a window), so that min and max must remember what is in.
        aggregates_from: the column from which on the rows that come in carry their aggregates; None: they do not.
        rate: the rate limit behind, which wants to know groups and resets (``limited``); snapshots take the rows of
            batch windows one by one.
    """

    turned_ms: int | None
    """Timestamp of a reset in the last ``process`` that a listener is told of, even if no row is left."""

    quiet_calls: int
    """Batches of the last ``process`` of whose aggregates limit and offset left no row: listeners are called."""

    __slots__ = (
        "_aggregates",
        "_aggregates_from",
        "_batching",
        "_collapses",
        "_epoch",
        "_group_index",
        "_group_keys",
        "_having",
        "_having_aggregates",
        "_in_turn",
        "_keeps",
        "_left_groups",
        "_limited",
        "_look_at",
        "_needed",
        "_nothing",
        "_one_by_one",
        "_only_projects",
        "_order_keys",
        "_places",
        "_projections",
        "_resets",
        "_selector",
        "_stamp",
        "_stamps",
        "_strings",
        "quiet_calls",
        "turned_ms",
    )

    def __init__(
        self,
        selector: Selector,
        events: OutputEvents,
        scope: Scope,
        *,
        expires: bool,
        rate: RateLimit | None = None,
        aggregates_from: int | None = None,
    ) -> None:
        self._needed = _first_needs(selector)
        if aggregates_from is not None:
            selector = replace(selector, aggregates=(), group_by=())
        self._selector = selector
        self._aggregates_from = aggregates_from
        self._strings = scope.strings
        self._keeps = {OutputEvents.CURRENT: _CURRENT, OutputEvents.EXPIRED: _EXPIRED}.get(events)
        self._aggregates = RunningAggregates(selector.aggregates, scope, expires=expires)
        self._group_keys = [compile_column(each, scope) for each in selector.group_by]
        self._group_index = (
            GroupIndex(tuple(each.type for each in selector.group_by), scope.strings) if selector.group_by else None
        )
        self._projections = [compile_column(each.expression, scope) for each in selector.projections]
        self._having = None if selector.having is None else compile_condition(selector.having, scope)
        self._order_keys = [compile_column(key.column, scope) for key in selector.order_by]
        self._having_aggregates = RunningAggregates(selector.having_aggregates, scope, expires=True)
        self._one_by_one = any(map(may_fail, _evaluated(selector))) or any(
            aggregator_may_fail(each) for each in selector.aggregates
        )
        # as recorded: with group by, chunks that are not whole batches are neither ordered nor offset, but limited
        self._in_turn = bool(selector.group_by)
        self._limited = rate is not None
        self._batching = rate is None or rate.kind is not RateKind.SNAPSHOT
        self._collapses = self._batching and bool(selector.aggregates or selector.group_by)
        self._only_projects = (
            not (selector.aggregates or selector.group_by or selector.order_by or self._limited or self._one_by_one)
            and selector.having is None
            and selector.limit is None
            and selector.offset is None
            and events is not OutputEvents.EXPIRED
        )
        self._left_groups = _NO_GROUPS
        self._resets = NO_RESETS
        self._epoch = 0
        self._look_at = FORGET_MIN
        self._nothing = no_rows(selector.schema)
        self.turned_ms = None
        self.quiet_calls = 0
        # scratch of the collapse: what is in it does not outlive a call
        self._stamps: Numbers = np.zeros(1, dtype=np.int64)
        self._places: Numbers = np.zeros(1, dtype=np.int64)
        self._stamp = 1

    def limited(self, batch: EventBatch, clock: RowClock) -> Selected:
        """What the rate limit behind gets of ``batch``."""
        self._left_groups = _NO_GROUPS
        self._resets = NO_RESETS
        rows = self.process(batch, clock)
        groups = None if self._group_index is None else self._left_groups
        return Selected(rows, groups, self._group_count(), self._resets)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The output rows of ``batch``."""
        if self._only_projects and batch.kinds is None:
            return self._projected(batch, clock)
        epoch = self._epoch
        left, epochs = self._without_resets(batch, clock)
        if self._group_index is not None:
            if self._group_index.count >= self._look_at and not self._limited:  # a rate limit holds group numbers
                self._aggregates.forget(self._group_index, epoch)
                self._look_at = next_look(self._group_index.count)
            left.groups = self._group_index.find(tuple(key(left.rows) for key in self._group_keys))
        if self._aggregates_from is not None:
            left.rows = replace(left.rows, aggregates=batch.columns[self._aggregates_from :])
        elif self._one_by_one:
            left.rows = self._each_row_in_turn(left, epochs)
        elif len(self._aggregates):
            left.rows = self._aggregate(left, epochs)
        is_batch = collapses = batch.collapses and self._batching
        if not collapses and not self._limited:
            left.groups = None  # nobody asks for them any more
        if self._keeps is not None and batch.kinds is not None:
            left = self._chosen(left, left.kinds == self._keeps)
        elif self._keeps == _EXPIRED:
            return self._nothing
        if not left.rows.count:
            return self._nothing
        collapses = collapses and self._collapses
        if collapses and self._having is None:
            left = self._collapsed(left)
        if not self._one_by_one:
            left.rows = left.rows.with_outputs(tuple(projection(left.rows) for projection in self._projections))
        if self._having is not None:
            passes = self._passes_having(left)
            if not isinstance(passes, bool):
                left = self._chosen(left, passes)
            if passes is False or not left.rows.count:
                return self._nothing
        if collapses and self._having is not None:
            left = self._collapsed(left)
        out = self._in_order(left, has_kinds=batch.kinds is not None, in_turn=self._in_turn and not is_batch)
        if collapses and len(out.timestamps) < left.rows.count:
            self.quiet_calls = len(np.unique(_numbers(left))) - len(np.unique(out.chunk_numbers()))
        return out

    def _projected(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Each row on its own."""
        aggregates = () if self._aggregates_from is None else batch.columns[self._aggregates_from :]
        rows = Rows(len(batch.timestamps), (batch.columns,), batch.timestamps, clock.now_ms, aggregates)
        self.turned_ms = None
        columns = tuple([projection(rows) for projection in self._projections])
        return batch.of_columns(self._selector.schema, columns)

    def _without_resets(self, batch: EventBatch, clock: RowClock) -> tuple[_Rows, Numbers | None]:
        """Current and expired rows, and for each how many resets came before it, ever."""
        rows = rows_of(batch, clock)
        kinds = batch.kind_array()
        chunks = batch.chunk_numbers() if batch.chunks is not None or batch.kinds is not None else None
        left = _Rows(rows, kinds, chunks, None)
        self.turned_ms = None
        self.quiet_calls = 0
        if batch.kinds is None or not batch.collapses:  # only batch windows reset
            return left, None
        kept, epochs = np.empty(len(kinds), dtype=np.int64), np.empty(len(kinds), dtype=np.int64)
        count, epoch = rows_between_resets(kinds, self._epoch, kept, epochs)
        if count == len(kinds):
            return left, None
        kept, epochs = kept[:count], epochs[:count]
        self._epoch = int(epoch)
        left = left.take(kept)
        if not self._collapses:
            resets = np.flatnonzero(kinds == _RESET)
            self.turned_ms = int(batch.timestamps[resets[-1]])
            if self._limited and not self._selector.group_by:
                self._resets = Resets(
                    np.zeros_like(resets), batch.timestamps.take(resets), batch.chunk_numbers().take(resets)
                )
                left.epochs = epochs
        return left, epochs

    def _aggregate(self, left: _Rows, epochs: Numbers | None) -> Rows:
        rows = left.rows
        if left.groups is None:
            left.groups = np.zeros(rows.count, dtype=np.int64)
        if epochs is None:
            epochs = np.full(rows.count, self._epoch, dtype=np.int64)
        touched = Touched(left.groups, self._group_count(), left.kinds, epochs)
        values = self._aggregates.update(rows, touched)
        return Rows(rows.count, rows.columns, rows.timestamps, rows.now_ms, values)

    def _passes_having(self, left: _Rows) -> npt.NDArray[np.bool_] | bool:
        assert self._having is not None
        rows = left.rows
        if len(self._having_aggregates):
            # as recorded: over all rows that may be put out, whatever their group, and never reset
            zeros = np.zeros(rows.count, dtype=np.int64)
            values = self._having_aggregates.update(rows, Touched(zeros, 1, left.kinds, zeros))
            rows = replace(rows, aggregates=values)
        return self._having(rows)

    def _each_row_in_turn(self, left: _Rows, epochs: Numbers | None) -> Rows:
        """Where a projection may fail: row by row, column by column, so that what came before is aggregated.

        Rows that are not put out are evaluated, too: a failure of theirs counts.
        """
        if not len(self._aggregates):
            return left.rows.with_outputs(tuple(projection(left.rows) for projection in self._projections))
        parts: list[tuple[Column, ...]] = []
        for row in range(left.rows.count):
            index = np.array([row], dtype=np.int64)
            single = left.take(index)
            epoch = np.full(1, self._epoch, dtype=np.int64) if epochs is None else epochs.take(index)
            groups = np.zeros(1, dtype=np.int64) if single.groups is None else single.groups
            touched = Touched(groups, self._group_count(), single.kinds, epoch)
            known = [_UNKNOWN] * len(self._aggregates)
            outputs: list[Column] = []
            for projection, needed in zip(self._projections, self._needed, strict=True):
                for number in needed:
                    known[number] = self._aggregates.update_one(number, single.rows, touched, known)
                outputs.append(projection(replace(single.rows, aggregates=tuple(known))))
            parts.append(tuple(outputs))
        return left.rows.with_outputs(tuple(concatenate(list(columns)) for columns in zip(*parts, strict=True)))

    def _group_count(self) -> int:
        return 1 if self._group_index is None else self._group_index.count

    @staticmethod
    def _chosen(left: _Rows, passes: npt.NDArray[np.bool_]) -> _Rows:
        kept = passes.nonzero()[0]
        return left if len(kept) == len(passes) else left.take(kept)

    def _collapsed(self, left: _Rows) -> _Rows:
        """Of each chunk the last row, or the last one of each group."""
        if left.rows.count < 2:
            return left
        groups = left.groups if left.groups is not None else np.zeros(left.rows.count, dtype=np.int64)
        count = self._group_count()
        self._stamps = grown(self._stamps, count)
        self._places = grown(self._places, count)
        chosen = np.empty(len(groups), dtype=np.int64)
        chunks = _numbers(left)
        out = last_of_groups(chunks, groups, self._stamps, self._places, self._stamp, chosen)
        self._stamp += len(groups) + 1
        return left.take(chosen[:out])

    def _in_order(self, left: _Rows, *, has_kinds: bool, in_turn: bool) -> EventBatch:
        selector = self._selector
        outputs, timestamps, kinds, chunks = left.rows.outputs, left.rows.timestamps, left.kinds, left.chunks
        groups, epochs = left.groups, left.epochs
        if left.rows.count and (selector.order_by or selector.limit is not None or selector.offset is not None):
            chunks = _numbers(left)
            order: Indices = np.arange(left.rows.count, dtype=np.int64)
            if in_turn:
                order = within_limits(selector.limit, None, chunks, np.full(len(order), _CURRENT, dtype=np.uint8))
            else:
                if selector.order_by:
                    values = [key(left.rows) for key in self._order_keys]
                    order = ordered(selector.order_by, values, chunks, kinds, self._strings)
                order = order.take(within_limits(selector.limit, selector.offset, chunks, kinds.take(order)))
            outputs = TakenColumns(outputs, order)
            timestamps, kinds, chunks = timestamps.take(order), kinds.take(order), chunks.take(order)
            groups = None if groups is None else groups.take(order)
            epochs = None if epochs is None else epochs.take(order)
        if groups is not None:
            self._left_groups = groups
        if epochs is not None:
            first = self._epoch - len(self._resets.places)
            numbers = np.arange(first + 1, self._epoch + 1)
            self._resets = replace(self._resets, places=np.searchsorted(epochs, numbers))
        return EventBatch(selector.schema, timestamps, tuple(outputs), kinds if has_kinds else None, chunks)

    def snapshot(self) -> OperatorState:
        """Groups and accumulators."""
        return {
            "epoch": self._epoch,
            "groups": None if self._group_index is None else self._group_index.snapshot(),
            "aggregators": self._aggregates.snapshot(),
            "having": self._having_aggregates.snapshot(),
            "look_at": self._look_at,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._epoch = state["epoch"]
        if self._group_index is not None:
            self._group_index.restore(state["groups"])
        self._aggregates.restore(state["aggregators"])
        self._having_aggregates.restore(state["having"])
        self._look_at = state["look_at"]


_NO_GROUPS: Final[Numbers] = np.empty(0, dtype=np.int64)

_UNKNOWN = Column(AttributeType.LONG, np.zeros(1, dtype=np.int64))
"""Stands for an aggregate that no column so far has asked for."""


def _evaluated(selector: Selector) -> list[Expression]:
    held = [each for aggregate in selector.aggregates for each in aggregate.expressions]
    return [*held, *(each.expression for each in selector.projections)]


def _first_needs(selector: Selector) -> tuple[tuple[int, ...], ...]:
    """For each projection, the aggregates that it is the first to read."""
    needs: list[tuple[int, ...]] = []
    known: set[int] = set()
    for projection in selector.projections:
        read = with_what_they_read(aggregate_indices(projection.expression), selector.aggregates)
        fresh = tuple(number for number in read if number not in known)
        known.update(fresh)
        needs.append(fresh)
    return tuple(needs)


def _numbers(left: _Rows) -> Chunks:
    """Chunk numbers; without any, each row is its own chunk."""
    return multiples(CHUNK_STRIDE, left.rows.count) if left.chunks is None else left.chunks


def without_resets(batch: EventBatch) -> EventBatch:
    """The rows that are current or expired."""
    if batch.kinds is None or not (is_reset := batch.kinds == _RESET).any():
        return batch
    return batch.take(np.flatnonzero(~is_reset))


def as_current(batch: EventBatch) -> EventBatch:
    """The rows as they enter a stream: expired ones are current there, resets are none."""
    if batch.kinds is None and not batch.collapses:
        return batch
    batch = without_resets(batch)
    return EventBatch(batch.schema, batch.timestamps, batch.columns, None, batch.chunk_numbers(), keys=batch.keys)


def as_batch(batch: EventBatch) -> EventBatch:
    """The rows as the readers of a named window get them: with their kinds, each chunk as a batch."""
    return EventBatch(batch.schema, batch.timestamps, batch.columns, batch.kinds, batch.chunk_numbers(), collapses=True)
