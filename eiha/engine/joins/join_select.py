"""The select of a join: each row that looked for partners is a span of its own for collapse, order and limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eiha.engine.expressions.rows import Scope
from eiha.engine.joins.join import Join
from eiha.engine.operator import RowClock
from eiha.engine.operators.select import Select
from eiha.engine.operators.selected import NO_RESETS, Resets
from eiha.events.batch import EventBatch, Kind, concatenate_batches
from eiha.events.column import Column
from eiha.events.schema import AttributeType, Schema
from eiha.plan.nodes import OutputEvents, RateLimit, Selector


class JoinSelect(Select):
    """As ``Select``, over what ``join`` just put out.

    Several spans may have one chunk number: those of a stream joined with itself, and those for which numbers ran out.

    Args:
        selector: see ``Select``.
        events: see ``Select``.
        scope: see ``Select``.
        join: the stage before.
        rate: see ``Select``.
        shows_resets: put resets out, too, as rows of that kind: a listener is told of each as a chunk.
    """

    __slots__ = ("_join", "_minds_spans", "_shows_resets")

    def __init__(
        self,
        selector: Selector,
        events: OutputEvents,
        scope: Scope,
        join: Join,
        rate: RateLimit | None,
        shows_resets: bool,
    ) -> None:
        super().__init__(selector, events, scope, expires=True, rate=rate)
        self._join = join
        self._shows_resets = shows_resets
        self._limited = self._limited or shows_resets
        self._minds_spans = self._limited or bool(
            selector.aggregates or selector.group_by or selector.order_by or selector.having_aggregates
        )
        self._minds_spans |= selector.limit is not None or selector.offset is not None

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The output rows of ``batch``, with its chunk numbers."""
        self._resets = NO_RESETS
        if not self._minds_spans:
            return super().process(batch, clock)
        units = self._join.units
        assert len(units) == len(batch)
        out = super().process(replace(batch, chunks=units), clock)
        self.turned_ms = None
        chunks = batch.chunk_numbers()
        if len(out):
            out = replace(out, chunks=chunks.take(np.searchsorted(units, out.chunk_numbers(), side="left")))
        resets = self._resets
        if len(resets.places):
            of_chunks = chunks.take(np.searchsorted(units, resets.chunks, side="left"))
            self._resets = replace(resets, chunks=of_chunks)
            if self._shows_resets:
                return _with_resets(out, self._resets)
        return out


def _with_resets(out: EventBatch, resets: Resets) -> EventBatch:
    """The rows and, each before the row at its place, the resets."""
    count = len(resets.places)
    rows = EventBatch(
        out.schema,
        resets.timestamps,
        _nulls(out.schema, count),
        np.full(count, Kind.RESET, dtype=np.uint8),
        resets.chunks,
        out.collapses,
    )
    if not len(out):
        return rows
    order = np.argsort(np.concatenate([2 * np.arange(len(out)) + 1, 2 * resets.places]), kind="stable")
    return concatenate_batches([out, rows]).take(order)


def _nulls(schema: Schema, rows: int) -> tuple[Column, ...]:
    invalid = np.zeros(rows, dtype=np.bool_)
    return tuple(
        Column(each.type, np.full(rows, None if each.type is AttributeType.OBJECT else 0, each.type.dtype), invalid)
        for each in schema.attributes
    )
