"""A sliding window and the sums over it in one: see ``sliding_queries``. Gives each row with its aggregates behind."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.extremes import ExtremeInWindow
from eiha.engine.aggregators.growth import FORGET_MIN, grown, next_look
from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.aggregators.sums import Deviation
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.kernels.sliding import (
    oldest_by_chunk,
    oldest_by_length,
    oldest_by_time,
    oldest_by_time_and_length,
    slide_counts,
    slide_doubles,
    slide_longs,
)
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.operators.sliding_accumulators import SlidingAccumulator, SlidingDistinct, SlidingValues
from eiha.engine.operators.stateless import rows_of
from eiha.engine.sliding_queries import ROUNDS
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.column import Column, Mask
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, Literal
from eiha.plan.nodes import Aggregate, Selector, Window

Longs = npt.NDArray[np.int64]

_WHOLE: Final = frozenset({AttributeType.INT, AttributeType.LONG})
_ALL_VALID: Final = np.ones(1, dtype=np.bool_)
_GROUPS: Final = 0
"""Place of the group numbers among the columns held."""


class SlidingAggregates(Untimed):
    """Holds, of the rows in the window, their group numbers and the arguments of the aggregates.

    Args:
        window: of ``sliding_queries``; the attributes among its arguments are columns of ``schema``.
        schema: of the rows that come in.
        selector: its aggregates are those of ``sliding_queries``.
        scope: strings and names.
    """

    __slots__ = (
        "_arguments",
        "_by_rounds",
        "_externally_timed",
        "_group_index",
        "_group_keys",
        "_held",
        "_length_ms",
        "_look_at",
        "_rows_max",
        "_schema",
        "_store",
        "_sums",
    )

    def __init__(self, window: Window, schema: Schema, selector: Selector, scope: Scope) -> None:
        self._by_rounds = window.name == ROUNDS
        numbers = (
            [0] if self._by_rounds else [int(each.value) for each in window.arguments if isinstance(each, Literal)]
        )
        self._length_ms = None if window.name == "length" else numbers[0]
        self._rows_max = numbers[-1] if window.name in ("length", "timeLength") else None
        external = window.arguments[0]
        self._externally_timed = external.attribute if isinstance(external, AttributeRef) else None
        self._group_keys = [compile_column(each, scope) for each in selector.group_by]
        self._group_index = (
            GroupIndex(tuple(each.type for each in selector.group_by), scope.strings) if selector.group_by else None
        )
        self._arguments = [
            compile_column(each.argument, scope)
            for each in selector.aggregates
            if each.argument is not None and each.name != "count"
        ]
        self._sums = _accumulators(selector.aggregates, scope.strings)
        self._held = [each for each in self._sums if each.place is not None]
        held = [
            Attribute("group", AttributeType.LONG),
            *(Attribute(f"argument{each.place}", each.type) for each in self._held),
        ]
        self._store = RowStore(Schema(tuple(held)))
        self._look_at = FORGET_MIN
        added = (Attribute(f"aggregate{number}", each.type) for number, each in enumerate(selector.aggregates))
        self._schema = Schema((*schema.attributes, *added))

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows, each followed by its aggregates; a row without an external time is refused."""
        times = batch.timestamps
        now_ms = clock.now_ms
        if self._externally_timed is not None:
            external = batch.columns[self._externally_timed]
            if external.valid is not None:
                kept = np.flatnonzero(external.valid)
                batch, now_ms, external = batch.take(kept), now_ms.take(kept), external.take(kept)
            times = now_ms = external.values
        if not len(batch):
            return EventBatch(self._schema, batch.timestamps, (*batch.columns, *self._no_aggregates()))
        store = self._store
        if self._group_index is not None and self._group_index.count >= self._look_at:
            self._forget_groups(self._group_index)
        start, first = self._hold(rows_of(batch, clock), times)
        oldest = np.empty(len(batch), dtype=np.int64)
        if self._by_rounds:
            stays = oldest_by_chunk(batch.chunk_numbers(), first, oldest)
        else:
            stays = self._oldest(start, first, now_ms, oldest)
        group_count = 1 if self._group_index is None else self._group_index.count
        groups = store.column(_GROUPS)
        added = [each.slide(store, groups, group_count, start, first, oldest) for each in self._sums]
        store.drop(stays - store.start)
        return EventBatch(
            self._schema, batch.timestamps, (*batch.columns, *added), None, batch.chunks, False, batch.keys
        )

    def _oldest(self, start: int, first: int, now_ms: Longs, oldest: Longs) -> int:
        """For each new row the oldest one that is in when it comes; which one stays in the end."""
        times, length_ms, rows_max = self._store.timestamps, self._length_ms, self._rows_max
        if length_ms is None:
            assert rows_max is not None
            return oldest_by_length(start, first, rows_max, oldest)
        if rows_max is None:
            return oldest_by_time(times, start, first, now_ms, length_ms, oldest)
        return oldest_by_time_and_length(times, start, first, now_ms, length_ms, rows_max, oldest)

    def _hold(self, rows: Rows, times: Longs) -> tuple[int, int]:
        """Append what is kept of the rows; position of the oldest one held, and of the first new one."""
        if self._group_index is None:
            groups = np.zeros(rows.count, dtype=np.int64)
        else:
            groups = self._group_index.find(tuple([key(rows) for key in self._group_keys]))
        store = self._store
        values = [
            each.hold(store, argument(rows), groups) for each, argument in zip(self._held, self._arguments, strict=True)
        ]
        first = store.append_columns(times, [Column(AttributeType.LONG, groups), *values])
        return self._store.start, first

    def _forget_groups(self, index: GroupIndex) -> None:
        """Forget groups of which no row is held and whose sums are as they began, if they are most of all."""
        store = self._store
        held = store.column(_GROUPS)[store.start : store.stop]
        kept = np.zeros(index.count, dtype=np.bool_)
        kept[held] = True
        for each in self._sums:
            in_use = each.in_use()[: len(kept)]
            kept[: len(in_use)] |= in_use
        if 2 * int(np.count_nonzero(kept)) < len(kept):
            groups = index.keep(kept)
            store.replace(_GROUPS, np.searchsorted(groups, held))
            for each in self._sums:
                each.keep(store, groups)
        self._look_at = next_look(index.count)

    def _no_aggregates(self) -> tuple[Column, ...]:
        return tuple(
            Column(each.type, np.empty(0, dtype=each.type.dtype))
            for each in self._schema.attributes[-len(self._sums) :]
        )

    def snapshot(self) -> OperatorState:
        """The rows held, the groups and their sums."""
        return {
            "rows": self._store.snapshot(),
            "groups": None if self._group_index is None else self._group_index.snapshot(),
            "sums": [each.snapshot() for each in self._sums],
            "look_at": self._look_at,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._store.restore(state["rows"])
        if self._group_index is not None:
            self._group_index.restore(state["groups"])
        for each, part in zip(self._sums, state["sums"], strict=True):
            each.restore(part)
        self._look_at = state["look_at"]


class _Sum:
    """One aggregate: a sum and a count for each group.

    ``place`` of its argument among the columns held, None for ``count``; ``type`` of the sums.
    """

    __slots__ = ("_counts", "_is_mean", "_sums", "place", "type")

    def __init__(self, type_: AttributeType, place: int | None, *, is_mean: bool) -> None:
        self.type = type_
        self.place = place
        self._is_mean = is_mean
        self._sums: npt.NDArray[Any] = np.zeros(0, dtype=type_.dtype)
        self._counts: Longs = np.zeros(0, dtype=np.int64)

    def slide(self, store: RowStore, groups: Longs, group_count: int, start: int, first: int, oldest: Longs) -> Column:
        """The value after each new row."""
        self._counts = grown(self._counts, group_count)
        out = np.empty(len(oldest), dtype=self.type.dtype)
        if self.place is None:
            slide_counts(groups, start, first, oldest, self._counts, out)
            return Column(self.type, out)
        self._sums = grown(self._sums, group_count)
        values, mask = store.column(self.place), store.valid(self.place)
        valid, has_nulls = (_ALL_VALID, False) if mask is None else (mask, True)
        out_valid = np.empty(len(oldest), dtype=np.bool_)
        sums, counts = self._sums, self._counts
        if self.type is AttributeType.LONG:
            nulls = slide_longs(groups, values, valid, has_nulls, start, first, oldest, sums, counts, out, out_valid)
        else:
            nulls = slide_doubles(
                groups, values, valid, has_nulls, start, first, oldest, sums, counts, self._is_mean, out, out_valid
            )
        return Column(self.type, out, out_valid if nulls else None)

    def hold(self, store: RowStore, argument: Column, groups: Longs) -> Column:  # noqa: ARG002 - the value it is
        """See ``SlidingAccumulator``."""
        return argument

    def in_use(self) -> Mask:
        """By group, whether its sum is not as it began."""
        found: Mask = self._counts != 0
        found[: len(self._sums)] |= self._sums[: len(found)] != 0
        return found

    def keep(self, store: RowStore, groups: Longs) -> None:  # noqa: ARG002 - values stay
        """Keep these groups (rising), numbered anew from 0."""
        self._counts = self._counts.take(groups[: np.searchsorted(groups, len(self._counts))])
        self._sums = self._sums.take(groups[: np.searchsorted(groups, len(self._sums))])

    def snapshot(self) -> OperatorState:
        """Sums and counts by group."""
        return {"sums": self._sums, "counts": self._counts}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._sums, self._counts = np.array(state["sums"]), np.array(state["counts"])


def _accumulators(aggregates: tuple[Aggregate, ...], strings: StringTable) -> list[SlidingAccumulator]:
    made: list[SlidingAccumulator] = []
    place = _GROUPS
    for each in aggregates:
        if each.name == "count":
            made.append(_Sum(AttributeType.LONG, None, is_mean=False))
            continue
        assert each.argument is not None
        place += 1
        type_ = each.argument.type
        match each.name:
            case "distinctCount":
                made.append(SlidingDistinct(place, type_, strings, each.type))
            case "stdDev":
                made.append(SlidingValues(place, AttributeType.DOUBLE, Deviation()))
            case "min" | "max":
                made.append(SlidingValues(place, type_, ExtremeInWindow(type_, is_max=each.name == "max")))
            case _:
                held = AttributeType.LONG if each.name == "sum" and type_ in _WHOLE else AttributeType.DOUBLE
                made.append(_Sum(held, place, is_mean=each.name == "avg"))
    return made
