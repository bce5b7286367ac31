"""A side that is an aggregation: it never looks for partners; each row that asks says which buckets it means."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eiha.engine.aggregations.bucket_reader import BucketReader
from eiha.engine.expressions.rows import Columns, TakenColumns
from eiha.engine.joins.side import Asked, Emitted, Pairs, all_pairs
from eiha.engine.operator import OperatorState, RowClock
from eiha.events.batch import EventBatch, concatenate_batches
from eiha.events.column import Column, Indices


class AggregationSide:
    """Candidates are all buckets that a row means; ``kept``: the columns that the join reads."""

    __slots__ = ("_columns", "_kept", "_reader")

    def __init__(self, reader: BucketReader, kept: tuple[int, ...]) -> None:
        self._reader = reader
        self._kept = kept
        self._columns: tuple[Column, ...] = ()

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:
        """Never told of any."""
        raise AssertionError((batch, clock))

    def fire(self, now_ms: int) -> Emitted | None:  # noqa: ARG002 - the protocol's form
        """Nothing."""
        return None

    def next_timer_ms(self) -> int | None:
        """Never."""
        return None

    def settle(self) -> None:
        """Forget the buckets."""
        self._columns = ()

    def find(self, asked: Asked) -> Iterator[Pairs]:
        """The buckets that each row means, in their order. Raises ``EngineFault``."""
        answers, places = self._reader.find(asked.rows())
        whole = concatenate_batches(answers)
        self._columns = tuple([whole.columns[position] for position in self._kept])
        stops = np.cumsum([len(answer) for answer in answers], dtype=np.int64)
        lows = stops - np.array([len(answer) for answer in answers], dtype=np.int64)
        return all_pairs(lows.take(places), stops.take(places))

    def partners(self, found: Indices) -> Columns:
        """The buckets at these positions of the latest answer."""
        return TakenColumns(self._columns, found)

    def snapshot(self) -> OperatorState:
        """Nothing: the aggregation has a state of its own."""
        return {}

    def restore(self, state: OperatorState) -> None:
        """Nothing."""
