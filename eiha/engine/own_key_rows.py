"""Feeds rows that meet a table by a key of their own in rounds, one row of each key in each; see ``own_key_routes``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.delivery import Delivery
from eiha.engine.own_key_routes import OwnKeyRoute
from eiha.events.batch import CHUNK_STRIDE, EventBatch, concatenate_batches
from eiha.events.column import Column

Longs = npt.NDArray[np.int64]


def can_feed_by_key(own: OwnKeyRoute, batch: EventBatch) -> bool:
    """Whether every row has a key: null equals no key, so each would be one of its own, inserted where it came."""
    return batch.columns[own.key].valid is None


def feed_by_key(delivery: Delivery, own: OwnKeyRoute, stream: str, batch: EventBatch, now_ms: int | Longs) -> None:
    """Feed the rows of ``batch``, a chunk each, as if one by one."""
    clock = ChunkClock(now_ms)
    pieces: dict[int, list[EventBatch]] = {index: [] for index in own.queries}
    for rows in _rounds(batch.columns[own.key]):
        part = batch.take(rows)
        part = EventBatch(part.schema, part.timestamps, part.columns, None, rows * CHUNK_STRIDE)
        for index, out in delivery.run_queries(own.queries, stream, part, clock):
            pieces[index].append(out)
    delivery.deliver_whole(
        stream, batch, clock, own.way, {index: _in_order(outs) if outs else None for index, outs in pieces.items()}
    )


def _rounds(keys: Column) -> Iterator[Longs]:
    """Positions of the first rows of all keys, then of their second ones, and so on; rising in each round."""
    _, groups = np.unique(keys.values, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    ordered = groups.take(order)
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_first)
    places = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = places
    by_round = np.argsort(number, kind="stable")
    yield from np.split(by_round, np.cumsum(np.bincount(number))[:-1])


def _in_order(outs: list[EventBatch]) -> EventBatch:
    """What several rounds put out, in the order of the rows that caused it."""
    whole = concatenate_batches(outs)
    assert whole.chunks is not None
    return whole.take(np.argsort(whole.chunks, kind="stable"))
